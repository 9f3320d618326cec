"""VIA 3 projects: options by their names, moments, regions that are none in time."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from rushes.annotations import How, Labels, Mark, read, recognise, write
from rushes.errors import SourceError


def project(metadata, **more):
    attributes = {
        "1": {"aname": "act", "type": 4, "options": {"0": "walk", "1": "sit"}},
        "2": {"aname": "with", "type": 2, "options": {"0": "cup", "1": "box"}},
        "3": {"aname": "text", "type": 1, "options": {}},
    }
    return {
        "project": {"vid_list": ["1"]},
        "config": {"file": {"loc_prefix": {"1": "clips/"}}},
        "attribute": attributes,
        "file": {"1": {"fid": 1, "fname": "cam.mp4", "type": 4, "loc": 1, "src": "cam.mp4"}},
        "view": {"1": {"fid_list": [1]}},
        "metadata": {
            f"1_{number}": {"vid": "1", "flg": 0, "xy": [], **one} for number, one in enumerate(metadata)
        },
        **more,
    }


def test_options_become_their_names_and_one_time_a_moment(put):
    segments = [
        {"z": [1.2, 3.4], "av": {"1": "1"}},
        {"z": [5], "av": {"2": "0,1"}},
        {"z": [], "av": {"3": "indoor"}},
    ]
    path = put("p.json", json.dumps(project(segments)))
    assert recognise(path) == "via"
    marks = read(path, How()).marks
    assert [(mark.label, mark.track, mark.kind) for mark in marks] == [
        ("sit", "act", "interval"),
        ("cup", "with", "point"),
        ("box", "with", "point"),
        ("indoor", "text", "file"),
    ]
    assert marks[0].recording == "clips/cam.mp4"
    assert (marks[0].start_s, marks[0].end_s) == (Fraction(6, 5), Fraction(17, 5))


def test_regions_and_segments_without_labels_are_told(put):
    segments = [{"z": [1], "xy": [2, 0, 0, 9, 9], "av": {"1": "0"}}, {"z": [1, 2], "av": {}}]
    notes = read(put("p.json", json.dumps(project(segments))), How()).notes
    assert [note.reason for note in notes] == [
        "a region in a picture is no label in time",
        "a segment without a label",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            project([{"z": [1, 2], "av": {"1": "7"}}]),
            "option '7' of attribute 'act' is not defined; there are 0, 1",
        ),
        (project([{"z": [1, 2], "av": {"9": "0"}}]), "no attribute '9'"),
        (project([{"z": [1, 2, 3], "av": {"1": "0"}}]), "a segment of 3 times"),
        (project([{"z": [1, 2], "vid": "5", "av": {}}]), "no view '5'"),
        (project([{"z": [1, None], "av": {"1": "0"}}]), "not a time: 'None'"),
        (project([], file={}), "a view without a file"),
        ({"project": {}}, "no project of VIA 3"),
    ],
)
def test_faults_have_a_place_and_a_cure(put, content, message):
    with pytest.raises(SourceError, match=message) as error:
        read(put("p.json", json.dumps(content)), How(format="via"))
    assert error.value.cure


def test_scores_stand_in_an_attribute_of_their_own(tmp_path):
    mark = Mark(
        recording="a.mp4", start_s=Fraction(1), end_s=Fraction(2), label="walk", track="act", score=0.25
    )
    path = tmp_path / "p.json"
    assert write(Labels((mark,), {}), path, How(format="via")) == ()
    written = json.loads(path.read_text())
    assert {one["aname"]: one["type"] for one in written["attribute"].values()} == {"act": 4, "score": 1}
    assert read(path, How()).marks[0].score == 0.25
