"""Layouts of published data sets: ActivityNet and relatives, EPIC-KITCHENS, MS-TCN's text, names that tell."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from rushes.annotations import How, Labels, Mark, match, read, read_all, recognise, write
from rushes.errors import RecipeError, SourceError

VIDEO = {"duration": 12.2, "subset": "training"}
SEGMENT = {"segment": [0.5, 3.0], "label": "x"}


@pytest.mark.parametrize(
    "content",
    [
        {"database": {"vid": {**VIDEO, "annotations": [SEGMENT]}}},
        {"vid": {"duration_second": 12.2, "subset": "training", "annotations": [SEGMENT]}},
        {"database": {"vid": {**VIDEO, "annotation": [{"id": "1", **SEGMENT}]}}},
    ],
    ids=["activitynet", "mmaction2", "coin"],
)
def test_json_of_segments(put, said, content):
    path = put("a.json", json.dumps({"version": "1.3", **content}))
    assert recognise(path) == "activitynet"
    labels = read(path, How())
    assert said(labels) == [("vid", 0.5, 3.0, "x")]
    assert labels.about["vid"].duration_s == Fraction(61, 5)
    assert labels.about["vid"].columns == {"subset": "training"}
    assert match(labels.about, ["v_vid.mp4", "v_other.mp4"]) == {"vid": "v_vid.mp4"}


def test_results_have_scores_and_videos_without_any(put):
    content = {"results": {"vid": [{"label": "x", "score": 0.5, "segment": [1, 2]}], "none": []}}
    labels = read(put("r.json", json.dumps(content)), How())
    assert labels.marks[0].score == 0.5
    assert list(labels.about) == ["vid", "none"]


@pytest.mark.parametrize(
    "one", [{"label": "x"}, {"segment": [1], "label": "x"}, {"segment": [1, "a"], "label": "x"}, 5]
)
def test_segments_that_are_none(put, one):
    path = put("a.json", json.dumps({"database": {"vid": {"annotations": [one]}}}))
    with pytest.raises(SourceError) as error:
        read(path, How(format="activitynet"))
    assert error.value.where == f"{path}#vid, segment 1"


EPIC = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n"
    "P01_01_0,P01,P01_01,00:00:01.089,00:00:00.14,00:00:03.37,8,202,open door,open,3,door,3,['door'],[3]\n"
)


def test_epic_kitchens_by_its_times(put, said):
    path = put("epic.csv", EPIC)
    assert recognise(path) == "epic"
    labels = read(path, How(fps=Fraction(60000, 1001)))
    assert said(labels) == [("P01_01", 0.14, 3.37, "open door")]
    assert labels.about["P01_01"].columns["participant_id"] == "P01"
    assert not {"start_frame", "stop_frame"} & labels.about["P01_01"].columns.keys()
    assert any("frame numbers" in note.reason for note in labels.notes)
    assert said(read(path, How(columns={"label": "verb"})))[0][3] == "open"


def test_a_label_a_frame_with_and_without_the_last_end_of_a_line(put, said):
    lines = "SIL\n" * 15 + "pour\n" * 30 + "SIL\n" * 15
    for content in (lines, lines[:-1]):
        path = put("x.txt", content)
        assert recognise(path) == "frames_text"
        labels = read(path, How(fps=Fraction(15)))
        assert said(labels) == [("x", 0.0, 1.0, "SIL"), ("x", 1.0, 3.0, "pour"), ("x", 3.0, 4.0, "SIL")]
        assert labels.about["x"].duration_s == 4
    assert labels.marks[1].where == f"{path}:16"
    with pytest.raises(SourceError, match="nobody says"):
        read(path, How())


def test_numbers_have_names_in_a_mapping(put, said):
    path, mapping = put("x.txt", "0\n" * 15 + "1\n" * 15), put("mapping.txt", "0 SIL\n1 pour milk\n")
    how = How(format="frames_text", fps=Fraction(15), mapping=mapping)
    assert said(read(path, how)) == [("x", 0.0, 1.0, "SIL"), ("x", 1.0, 2.0, "pour milk")]
    with pytest.raises(SourceError, match="no label '2'") as error:
        read(put("y.txt", "0\n2\n"), how)
    assert error.value.where.endswith("y.txt:2")
    put("mapping.txt", "0 SIL\n0 pour\n")
    with pytest.raises(SourceError, match="no line of a mapping"):
        read(path, how)


def test_gaps_and_overlaps_are_not_written_a_label_a_frame(tmp_path):
    def mark(start, end):
        return Mark(recording="x", start_s=Fraction(start), end_s=Fraction(end), label="a")

    how = How(format="frames_text", fps=Fraction(10))
    with pytest.raises(SourceError, match="frame 10 has no label"):
        write(Labels((mark(0, 1), mark(2, 3)), {}), tmp_path / "x.txt", how)
    with pytest.raises(SourceError, match="two labels"):
        write(Labels((mark(0, 2), mark(1, 3)), {}), tmp_path / "x.txt", how)


def test_names_that_tell_their_label(put, tmp_path):
    for name in ("day 1/S001C002P003R001A004_rgb.avi", "day 2/S001C002P007R001A010_rgb.avi"):
        put(f"clips/{name}", b"")
    labels = read_all(tmp_path, ["clips/**/*.avi"], How(format="names"))
    assert [(mark.recording, mark.label, mark.kind, mark.end_s) for mark in labels.marks] == [
        ("clips/day 1/S001C002P003R001A004_rgb.avi", "A004", "file", None),
        ("clips/day 2/S001C002P007R001A010_rgb.avi", "A010", "file", None),
    ]
    columns = labels.about["clips/day 2/S001C002P007R001A010_rgb.avi"].columns
    assert columns == {"setup": "001", "camera": "002", "person": "007", "repetition": "001"}


def test_names_by_a_pattern(put, tmp_path):
    put("walk/ann_1.mp4", b"")
    how = How(format="names", pattern="(?P<label>[^/]+)/(?P<person>[^/_]+)_.*")
    labels = read_all(tmp_path, ["*/*.mp4"], how)
    assert (labels.marks[0].label, labels.about["walk/ann_1.mp4"].columns) == ("walk", {"person": "ann"})
    with pytest.raises(SourceError, match="does not fit the pattern: 'walk/ann_1'"):
        read_all(tmp_path, ["*/*.mp4"], How(format="names"))
    with pytest.raises(SourceError, match="no group label"):
        read_all(tmp_path, ["*/*.mp4"], How(format="names", pattern=".*"))
    put("a/" + "a" * 40, b"")
    with pytest.raises(RecipeError, match="tries for more than"):
        read_all(tmp_path, ["a/*"], How(format="names", pattern="(?P<label>(a|aa)+)+/(?:a|a)*b"))
