"""Every input is looked at once, bad ones are told from good ones, and a kill loses a block at most."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rushes.errors import UnitError
from rushes.prepare.survey import BLOCK, Survey, survey
from rushes.recipe.sections import Prepare
from rushes.storage import Home

sys.path.insert(0, str(Path(__file__).parent))

from looking import look


def inputs(folder: Path, **told: str) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    for name, text in told.items():
        (folder / f"{name}.txt").write_text(text)
    return {name: folder / f"{name}.txt" for name in told}


def run(tmp_path: Path, given: dict[str, Path], workers: int = 0) -> Survey:
    home = Home(tmp_path / "stage-123456789abc")
    home.folder.mkdir(exist_ok=True)
    return survey(given, look, home, Prepare(workers=workers))


def calls(path: Path) -> int:
    return len(path.with_suffix(".calls").read_text()) if path.with_suffix(".calls").exists() else 0


def files(tmp_path: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(tmp_path.glob("stage-*/survey/*"))}


def test_good_and_bad_inputs_are_told_in_order(tmp_path: Path) -> None:
    found = run(tmp_path, inputs(tmp_path / "in", b="xy", a="bad", c="xyz"))
    assert list(found.told.items()) == [("b", {"length": 2}), ("c", {"length": 3})]
    assert found.bad["a"]["message"] == "no picture"
    assert found.bad["a"]["where"] == "a.txt"


def test_what_was_seen_is_not_looked_at_again(tmp_path: Path) -> None:
    given = inputs(tmp_path / "in", **{f"n{number}": "x" * number for number in range(2 * BLOCK + 5)})
    first, written = run(tmp_path, given), files(tmp_path)
    assert len(written) == 3

    place = tmp_path / "stage-123456789abc" / "survey"
    (place / "000001.json").write_text('{"n1": ')  # torn, as by a power cut
    (place / "000002.json").unlink()
    again = run(tmp_path, given)

    assert again == first
    assert files(tmp_path) == written
    assert [calls(given[name]) for name in ("n0", f"n{BLOCK}", f"n{2 * BLOCK}")] == [1, 2, 2]


def test_a_fault_in_the_code_ends_the_work_and_is_no_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="a fault in the code"):
        run(tmp_path, inputs(tmp_path / "in", a="x", b="fault"))
    assert files(tmp_path) == {}


def test_an_input_that_kills_its_process_takes_no_other_with_it(tmp_path: Path) -> None:
    given = inputs(tmp_path / "in", a="x", b="crash", c="xy")
    found = run(tmp_path, given, workers=1)
    assert list(found.told) == ["a", "c"]
    assert list(found.bad) == ["b"]
    assert run(tmp_path, given) == found  # from the files: the same input would end this process
