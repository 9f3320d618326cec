"""Small runs of two benchmarks: kills at random moments, and footage that is broken in every way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


def figures(script: str, *arguments: str) -> dict[str, dict]:
    command = [sys.executable, str(BENCHMARKS / script), "--json", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return {figure["figure"]: figure for figure in json.loads(answer.stdout)}


@pytest.mark.slow
def test_kills_lose_nothing():
    found = figures("crash.py", "--kills", "3", "--stage", "prepare")
    assert len(found) == 6
    assert [figure for figure in found.values() if not figure["holds"]] == []


@pytest.mark.slow
def test_broken_footage_is_refused_or_right():
    found = figures("bad_input.py", "--mutations", "32")
    wrong = [figure for name, figure in found.items() if not figure["holds"] and name != "mutated files"]
    assert wrong == []
    assert len(found) > 25
