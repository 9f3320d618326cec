"""What a campaign reads of a finished run."""

from __future__ import annotations

import json

import pytest

from rushes.campaign.judging.read import seconds_of
from rushes.runs.do import do
from rushes.stages import read_done, write_json


def test_the_seconds_of_a_training_are_those_before_and_after_a_kill(finished):
    run = finished.run("train.seed=5")

    def stop(name: str, done: float, total: float, note: str) -> None:
        if note.startswith("validation") and done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(run, "train", stop)
    newest = sorted(run.folder("train").glob("checkpoints/*/state.json"))[-1]
    state = json.loads(newest.read_text())
    state["progress"]["seconds"] += 1000.0  # as if it had been a slow machine
    write_json(newest, state)
    do(run, "train", lambda *told: None)
    assert seconds_of(run) > 1000.0 > read_done(run.folder("train"))["seconds"]
