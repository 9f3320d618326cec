"""BORIS's tables: pairs of rows, queued media, aggregated events, and the table that it imports."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from rushes.annotations import How, Labels, Mark, read, recognise, write
from rushes.errors import SourceError

HEADER = (
    "Observation id\tMedia duration (s)\tFPS\tSubject\tBehavior\tModifier #1\t"
    "Behavior type\tTime\tMedia file name\tComment\n"
)


def rows(*events, durations="10.0"):
    return HEADER + "".join(
        f"day1\t{durations}\t25\tann\t{code}\t\t{kind}\t{time}\t{medium}\t\n"
        for code, kind, time, medium in events
    )


def test_states_pair_and_points_stand_alone(put, said):
    events = [("walk", "START", 1.5, "a.mp4"), ("bell", "POINT", 2, "a.mp4"), ("walk", "STOP", 3.25, "a.mp4")]
    path = put("b.tsv", rows(*events))
    assert recognise(path) == "boris"
    labels = read(path, How())
    assert said(labels) == [("a.mp4", 2.0, 2.0, "bell"), ("a.mp4", 1.5, 3.25, "walk")]
    assert labels.marks[1].track == "ann"


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([("walk", "START", 1, "a")], "'walk' starts and does not stop"),
        ([("walk", "STOP", 1, "a")], "'walk' stops twice"),
        ([("walk", "START", 1, "a"), ("walk", "START", 2, "a")], "'walk' starts twice"),
        ([("walk", "START", "NA", "a"), ("walk", "STOP", 2, "a")], "time: no time"),
    ],
)
def test_an_odd_event_is_an_error_with_its_line(put, events, message):
    path = put("b.tsv", rows(*events))
    with pytest.raises(SourceError, match=message) as error:
        read(path, How())
    assert error.value.where.startswith(f"{path}:")
    assert error.value.cure


def test_time_runs_on_over_queued_media(put, said):
    events = [
        ("walk", "START", 1, "a.mp4"),
        ("walk", "STOP", 2, "a.mp4"),
        ("sit", "START", 9, "a.mp4"),
        ("bell", "POINT", 10.123, "b.mp4"),
        ("sit", "STOP", 12.123, "b.mp4"),
    ]
    path = put("b.tsv", rows(*events, durations="10.1239;20"))
    assert said(read(path, How())) == [
        ("a.mp4", 1.0, 2.0, "walk"),
        ("b.mp4", 0.0, 0.0, "bell"),
        ("a.mp4", 9.0, 10.123, "sit"),
        ("b.mp4", 0.0, 2.0, "sit"),
    ]
    with pytest.raises(SourceError, match="has 2 media one after the other, and 1 lengths are said"):
        read(put("c.tsv", rows(*events, durations="30")), How())


def project(events, media=("a.mp4",), lengths=(10.1239, 20)):
    return {
        "behaviors_conf": {
            "0": {"code": "walk", "type": "State event"},
            "1": {"code": "bell", "type": "Point event"},
        },
        "observations": {
            "day1": {
                "file": {"1": list(media), "2": ["other side.mp4"]},
                "media_info": {"length": dict(zip(media, lengths, strict=False))},
                "time offset": 0.0,
                "events": events,
            },
            "none": {"file": {"1": ["b.mp4"]}, "events": []},
        },
    }


def test_a_project(put, said):
    events = [
        [1.5, "ann", "walk", "slow", "far"],
        [2, "", "bell", "", "", 50],
        [3, "ann", "walk", "slow", ""],
    ]
    path = put("p.boris", json.dumps(project(events)))
    assert recognise(path) == "boris"
    labels = read(path, How())
    assert said(labels) == [("a.mp4", 2.0, 2.0, "bell"), ("a.mp4", 1.5, 3.0, "walk")]
    assert (labels.marks[1].comment, labels.marks[1].attributes) == ("far", (("modifiers", "slow"),))
    assert list(labels.about) == ["a.mp4", "b.mp4"]
    queued = project([[9, "", "walk", "", ""], [12.123, "", "walk", "", ""]], ("a.mp4", "c.mp4"))
    assert said(read(put("q.boris", json.dumps(queued)), How())) == [
        ("a.mp4", 9.0, 10.123, "walk"),
        ("c.mp4", 0.0, 2.0, "walk"),
    ]
    odd = put("o.boris", json.dumps(project(events[:2])))
    with pytest.raises(SourceError, match="'walk' starts and does not stop") as error:
        read(odd, How())
    assert error.value.where == f"{odd}#day1, event 1"


def test_aggregated_events(put, said):
    header = "Observation id,Subject,Behavior,Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Media file name\n"
    path = put("b.csv", f"{header}d,ann,walk,slow,STATE,1,2.5,1.5,a.mp4\nd,,bell,,POINT,3,,NA,a.mp4\n")
    labels = read(path, How())
    assert recognise(path) == "boris"
    assert said(labels) == [("a.mp4", 1.0, 2.5, "walk"), ("a.mp4", 3.0, 3.0, "bell")]
    assert labels.marks[0].attributes == (("modifiers", "slow"),)


def test_the_table_to_paste_alternates(put, said):
    path = put("cam.tsv", "time\tsubject\tcode\tmodifier\tcomment\n1\tann\twalk\t\t\n2\tann\twalk\t\t\n")
    assert said(read(path, How())) == [("cam", 1.0, 2.0, "walk")]


def test_what_stops_stops_before_the_next_starts_and_overlaps_with_itself_are_refused(tmp_path):
    def mark(start, end):
        return Mark(recording="cam", start_s=Fraction(start), end_s=Fraction(end), label="walk")

    path = tmp_path / "cam.tsv"
    write(Labels((mark(0, 1), mark(1, 2)), {}), path, How(format="boris"))
    assert [(one.start_s, one.end_s) for one in read(path, How()).marks] == [(0, 1), (1, 2)]
    with pytest.raises(SourceError, match="overlaps itself"):
        write(Labels((mark(0, 2), mark(1, 3)), {}), path, How(format="boris"))
