"""Label Studio's exports: frames from 1, annotators, what was cancelled, and predictions for it."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from rushes.annotations import About, How, Labels, Mark, match, read, recognise, write
from rushes.errors import SourceError


def region(start, end, *labels, **more):
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": list(labels)}
    return {
        "id": "r1",
        "from_name": "tl",
        "to_name": "video",
        "type": "timelinelabels",
        "value": value,
        **more,
    }


def task(*annotations, **more):
    data = {"video": "/data/upload/1/ab12cd34-cam.mp4"}
    return {"id": 7, "data": data, "annotations": list(annotations), **more}


def by(who, *regions, cancelled=False):
    return {"id": 3, "completed_by": who, "was_cancelled": cancelled, "result": list(regions)}


AT_25 = How(fps=Fraction(25))


def test_frame_one_is_zero_seconds_and_an_end_is_inside(put, said):
    path = put("export.json", json.dumps([task(by(1, region(1, 25, "walk"), region(26, 26, "jump")))]))
    assert recognise(path) == "label_studio"
    labels = read(path, AT_25)
    name = "/data/upload/1/ab12cd34-cam.mp4"
    assert said(labels) == [(name, 0.0, 1.0, "walk"), (name, 1.0, 1.04, "jump")]
    assert (labels.marks[0].track, labels.marks[0].annotator) == ("tl", "1")
    assert match(labels.about, ["day1/cam.mp4"]) == {name: "day1/cam.mp4"}
    older = read(path, How(fps=Fraction(25), frame_base=0, inclusive=False))
    assert said(older)[0][1:3] == (0.04, 1.0)


def test_no_frame_rate_is_taken_for_granted(put):
    path = put("export.json", json.dumps([task(by(1, region(1, 25, "walk")))]))
    with pytest.raises(SourceError, match="nobody says how many make a second") as error:
        read(path, How())
    assert error.value.where == f"{path}#task 7, region r1"


def test_two_annotators_and_one_who_cancelled(put):
    people = by({"id": 1, "email": "ann@x"}, region(1, 5, "a")), by(2, region(1, 9, "b"))
    path = put("export.json", json.dumps([task(*people, by(3, region(1, 9, "c"), cancelled=True))]))
    labels = read(path, AT_25)
    assert [(mark.annotator, mark.label) for mark in labels.marks] == [("ann@x", "a"), ("2", "b")]
    assert [str(note) for note in labels.notes] == [
        f"an annotation was cancelled: left out: 1, first at {path}#task 7"
    ]
    chosen = read(path, How(fps=Fraction(25), annotators=("2",)))
    assert [mark.label for mark in chosen.marks] == ["b"]
    assert "annotator 'ann@x' is not asked for" in [note.reason for note in chosen.notes]
    nobody = read(path, How(fps=Fraction(25), annotators=("eve",)))
    assert (nobody.marks, len(nobody.notes)) == ((), 3)


def test_tasks_and_regions_without_labels_in_time_are_told(put):
    box = {"id": "b", "type": "videorectangle", "value": {"sequence": []}}
    content = [task(by(1, box, region(1, 5), {**region(1, 5, "a"), "id": "x"})), task(predictions=[12])]
    labels = read(put("export.json", json.dumps(content)), AT_25)
    assert [note.reason for note in labels.notes] == [
        "a region of type videorectangle is no label in time",
        "a region without a label",
        "a task without annotations",
    ]


def test_sound_is_in_seconds_and_says_its_length(put, said):
    value = {"start": 0.5, "end": 2.25, "channel": 0, "labels": ["dog", "bark"]}
    sound = {"id": "r", "type": "labels", "from_name": "l", "original_length": 12.5, "value": value}
    note = {"id": "r", "type": "textarea", "value": {"text": ["loud"]}}
    content = {"id": 1, "data": {"audio": "a.wav"}, "annotations": [by(1, sound, note)]}
    labels = read(put("export.json", json.dumps([content])), How())
    assert said(labels) == [("a.wav", 0.5, 2.25, "dog"), ("a.wav", 0.5, 2.25, "bark")]
    assert (labels.marks[0].channel, labels.marks[0].comment) == (0, "loud")
    assert labels.about["a.wav"].duration_s == Fraction(25, 2)


def test_choices_label_the_whole_file(put):
    choice = {"id": "c", "type": "choices", "from_name": "kind", "value": {"choices": ["indoor"]}}
    labels = read(put("export.json", json.dumps([task(by(1, choice))])), How())
    assert [(mark.kind, mark.end_s, mark.label) for mark in labels.marks] == [("file", None, "indoor")]


def test_the_minimal_export(put, said):
    record = {"video": "cam.mp4", "id": 7, "annotator": 1, "annotation_id": 3}
    record["tl"] = [{"ranges": [{"start": 1, "end": 25}], "timelinelabels": ["walk"]}]
    path = put("min.json", json.dumps([record]))
    assert recognise(path) == "label_studio"
    labels = read(path, AT_25)
    assert said(labels) == [("cam.mp4", 0.0, 1.0, "walk")]
    assert (labels.marks[0].track, labels.marks[0].annotator) == ("tl", "1")


def test_time_series_want_their_unit(put):
    value = {"start": 5, "end": 6, "timeserieslabels": ["run"]}
    content = {
        "id": 1,
        "data": {"file": "a.csv"},
        "annotations": [by(1, {"id": "r", "type": "timeserieslabels", "value": value})],
    }
    path = put("export.json", json.dumps([content]))
    with pytest.raises(SourceError, match="unit of its column"):
        read(path, How())
    assert read(path, How(unit="s")).marks[0].end_s == 6


def test_predictions_come_back_as_such_and_never_beside_annotations(tmp_path, put):
    mark = Mark(
        recording="cam.mp4", start_s=Fraction(0), end_s=Fraction(1), label="walk", score=0.9, annotator="v2"
    )
    path = tmp_path / "predictions.json"
    how = How(format="label_studio", fps=Fraction(25), control=("tl", "video"))
    assert write(Labels((mark,), {"cam.mp4": About()}), path, how) == ()
    [written] = json.loads(path.read_text())
    assert written["predictions"][0]["model_version"] == "v2"
    assert written["predictions"][0]["result"][0]["value"]["ranges"] == [{"start": 1, "end": 25}]
    labels = read(path, AT_25)
    assert (labels.marks[0].annotator, labels.marks[0].score) == ("v2", 0.9)
    assert [note.reason for note in labels.notes] == ["predictions of a model, not annotations"]
    both = [task(by(1, region(1, 5, "a"))), {**written, "id": 8}]
    marks = read(put("both.json", json.dumps(both)), AT_25).marks
    assert [mark.label for mark in marks] == ["a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([task(by(1, region(1, 2.5, "a")))], "the end of a range is no frame number: 2.5"),
        ([task(by(1, region(None, 2, "a")))], "the start of a range is no frame number"),
        ([{"id": 1, "data": {"text": "x"}, "annotations": []}], "which of text names the recording"),
        ([{"id": 1, "data": {"video": "a", "audio": "b"}, "annotations": []}], "which of video, audio names"),
        ([task(by(1, region(1, 10**400, "a")))], "lies beyond any recording"),
        (["x"], "no JSON object: 'x'"),
        ([task("x")], "no JSON object: 'x'"),
    ],
)
def test_faults_have_a_place_and_a_cure(put, content, message):
    path = put("export.json", json.dumps(content))
    with pytest.raises(SourceError, match=message) as error:
        read(path, How(format="label_studio", fps=Fraction(25)))
    assert error.value.where.startswith(f"{path}#task")
    assert error.value.cure


@pytest.mark.parametrize("content", ["[" * 100_000, '{"id": 1', '[{"data": 1e}]'])
def test_json_that_is_none_is_told_with_its_line(put, content):
    with pytest.raises(SourceError, match="not JSON"):
        read(put("export.json", content), How(format="label_studio"))
