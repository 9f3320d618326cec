"""Windows on the page of ``rushes look``."""

from __future__ import annotations

import pytest
from jobs import DRIVING

from rushes.evaluate.contents import Contents, Place
from rushes.evaluate.viewer import Picked
from rushes.runs.do import do
from rushes.stages import read_json
from rushes.testing.subject import silent


@pytest.fixture(scope="module")
def run(open_job, tmp_path_factory):
    run = open_job(DRIVING, tmp_path_factory.mktemp("drive")).run()
    for name in ("twin", "prepare"):
        do(run, name, silent)
    return run


def test_seconds_count_once_though_windows_overlap(run):
    sides = {side: run.samples(side) for side in ("train", "val", "test")}
    recordings = read_json(run.folder("prepare") / "recordings.json")
    found = Contents.of([], run.task.viewer(run).seconds(recordings, sides))
    for side in sides:
        expected = sum(one["duration_s"] for one in recordings if one["split"] == side)
        assert found.along("side")[side,].seconds == pytest.approx(expected)
    preprocessing, stride = run.recipe.preprocessing, run.recipe.prepare.stride
    assert stride < preprocessing.frames, "these windows were to overlap"
    in_windows = sum(amount.seconds for place, amount in found.amounts.items() if place.label)
    assert 0 < in_windows < sum(map(len, sides.values())) * preprocessing.frames / preprocessing.rate_hz


def test_every_camera_of_each_moment_is_shown(run):
    samples = run.samples("test")
    picked = [Picked(samples.key(0), Place("test", "g", "straight"), samples.sample(0))]
    [card] = run.task.viewer(run).show(picked)
    cameras = len(run.recipe.preprocessing.setup.cameras)
    assert card.picture.count("<image ") == 3 * cameras  # the first moment, the middle, the last
    assert (
        len([name for name in card.files if name.endswith(".jpg")])
        == run.recipe.preprocessing.frames * cameras
    )
    assert "m/s" in card.caption
    assert "degrees" in card.caption
