"""Every cheat that we could think of, on a copy of an honest study; the table is that of the benchmark."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from campaign_study import Study  # noqa: E402
from cheats import CHEATS, QUICK  # noqa: E402


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = Study.honest(tmp_path_factory.mktemp("study") / "honest")
    assert len(study.looks) == 1
    return study


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, marks=() if words.startswith(QUICK) else pytest.mark.slow) for words in CHEATS],
)
def test_a_cheat_is_caught(honest: Study, tmp_path: Path, words: str):
    outcome = CHEATS[words](honest.copied(tmp_path / "copy"))
    assert outcome.caught, outcome.by


def test_an_honest_study_is_left_alone(honest: Study, tmp_path: Path):
    copy = honest.copied(tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in (copy.place / "results").iterdir()}
    runner = copy.go()
    assert {one.state for one in runner.results.values()} == {"done"}
    assert {path.name: path.read_bytes() for path in (copy.place / "results").iterdir()} == before
    assert copy.looks == honest.looks
