"""Clips on the page of ``rushes look``."""

from __future__ import annotations

import pytest

from rushes.evaluate.contents import Contents, Place
from rushes.evaluate.viewer import Picked
from rushes.stages import read_json
from rushes.tasks.operations.report.samples import ClipViewer

LABELS = ("Pick", "Tape")


def test_seconds_of_a_session_are_its_labels_and_the_rest():
    session = {
        "key": "U1_S1",
        "split": "train",
        "group": "U1",
        "duration_s": 30.0,
        "segments": [[1.0, 6.0, "Pick"], [6.0, 9.5, "Tape"], [20.0, 22.0, "Pick"]],
    }
    found = Contents.of([], ClipViewer(LABELS).seconds([session], {}))
    seconds = {label: amount.seconds for (label,), amount in found.along("label").items()}
    assert seconds == {"Pick": 7.0, "Tape": 3.5, "": 19.5}


@pytest.fixture(scope="module")
def picked(finished):
    run = finished.job.run()
    samples = run.samples("test")
    places = [
        Place("test", *place)
        for place in zip(samples.groups(), (x or "" for x in samples.labels()), strict=True)
    ]
    return run, [
        Picked(samples.key(number), place, samples.sample(number)) for number, place in enumerate(places)
    ]


def test_every_clip_is_drawn_with_its_frames_signals_and_labels(picked):
    run, clips = picked
    for one, card in zip(clips, run.task.viewer(run).show(clips), strict=True):
        assert card.picture.count("<image ") == run.recipe.preprocessing.frames
        assert all(name in card.picture for name in ("entropy", "motion", "labels", "asked at"))
        assert one.key in card.caption
        assert (f"<b>{one.place.label}</b>" if one.place.label else "no label") in card.caption
        assert "answer" not in card.caption + card.picture


def test_all_labels_of_a_clip_are_drawn_not_only_the_one_asked_about(picked):
    run, clips = picked
    crossing = next(one for one in clips if "_across" in one.key)
    [card] = run.task.viewer(run).show([crossing])
    recordings = read_json(run.folder("prepare") / "recordings.json")
    named = {label for one in recordings for _, _, label in one["segments"]}
    assert sum(f"<title>{label}, " in card.picture for label in named) == 2
