"""Marks of a recording become its segments: merging, gaps, overlaps, and what lies outside."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from rushes.annotations import Mark, Rule, segments_of
from rushes.errors import SourceError

RULES = ("first", "last", "shorter", "longer")


def mark(start, end, label, **more):
    end = None if end is None else Fraction(end)
    kind = "point" if end == start else "interval"
    return Mark(
        recording="a",
        start_s=Fraction(start),
        end_s=end,
        label=label,
        **{"kind": kind, "where": "l.csv:2", **more},
    )


def plain(segments):
    return [(one.start_s, one.end_s, one.label) for one in segments]


def reasons(notes):
    return [(note.reason, note.count) for note in notes]


def test_order_of_time_whatever_the_order_of_the_file_and_gaps_stay():
    segments, notes = segments_of([mark(5, 6, "b"), mark(0, 2, "a"), mark(2, 4, "a")], 10.0, Rule())
    assert plain(segments) == [(0, 2, "a"), (2, 4, "a"), (5, 6, "b")]
    assert notes == ()


def test_merging_ignoring_and_background():
    marks = [mark(1, 2, "walk"), mark(3, 4, "unclear"), mark(5, 6, "run")]
    rule = Rule(merge={"walk": "move", "run": "move"}, ignore=frozenset({"unclear"}), background="idle")
    segments, notes = segments_of(marks, 10.0, rule)
    assert plain(segments) == [(1, 2, "move"), (2, 3, "idle"), (4, 5, "idle"), (5, 6, "move")]
    assert reasons(notes) == [("label 'unclear' is ignored", 1)]
    everywhere = Rule(ignore=frozenset({"unclear"}), background="idle", background_in="recording")
    assert plain(segments_of(marks, 7.0, everywhere)[0]) == [
        *((0, 1, "idle"), (1, 2, "walk"), (2, 3, "idle"), (4, 5, "idle"), (5, 6, "run"), (6, 7, "idle"))
    ]
    assert plain(segments_of([], 7.0, everywhere)[0]) == [(0, 7, "idle")]
    assert plain(segments_of([], 7.0, rule)[0]) == []


def test_gaps_of_rounding_are_no_background():
    marks = [
        mark(1, 2, "a"),
        mark(Fraction("2.001"), 3, "b"),
        mark(Fraction("3.003"), Fraction("9.999"), "c"),
    ]
    rule = Rule(background="idle", background_in="recording")
    segments, notes = segments_of(marks, 10.0, rule)
    assert [one.label for one in segments] == ["idle", "a", "b", "idle", "c"]
    assert reasons(notes) == [("a gap of 2 ms or less between labels is no background", 1)]


def test_a_label_that_is_not_asked_for():
    with pytest.raises(SourceError, match="label 'fly' is not one of walk, sit") as error:
        segments_of([mark(0, 1, "fly")], 10.0, Rule(labels=("walk", "sit")))
    assert error.value.where == "l.csv:2"
    assert "merge it" in error.value.cure


def test_the_end_of_the_recording_points_and_open_ends():
    marks = [mark(-1, 1, "a"), mark(2, 2, "bell"), mark(8, 12, "b"), mark(5, None, "c")]
    segments, notes = segments_of(marks, 10.0, Rule(overlaps="first"))
    assert plain(segments) == [(0, 1, "a"), (5, 10, "c")]
    assert reasons(notes) == [
        ("a label beyond the recording is cut to it", 2),
        ("a point has no length: left out", 1),
        ("labels that overlap lose time to the first one", 1),
    ]


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (mark(3, 2, "a"), "ends at 2.000 s, before it starts at 3.000 s"),
        (mark(11, 12, "a"), "at 11.000 s lies outside of its recording of 10.000 s"),
        (mark(10, 12, "a"), "lies outside"),
        (mark(10, None, "a"), "lies outside"),
        (mark(-2, -1, "a"), "lies outside"),
    ],
)
def test_times_that_cannot_be(one, message):
    with pytest.raises(SourceError, match=message) as error:
        segments_of([one], 10.0, Rule())
    assert error.value.where == "l.csv:2"
    assert error.value.cure


def test_a_label_of_the_file_is_all_of_it():
    segments, _ = segments_of([mark(0, None, "walk", kind="file")], 12.5, Rule())
    assert plain(segments) == [(0, 12.5, "walk")]


def test_overlaps_are_refused_with_both_places_and_their_tracks():
    marks = [
        mark(0, 5, "a", track="left", annotator="ann"),
        mark(1, 2, "a", track="left", annotator="ann"),
        mark(4, 6, "b", where="l.csv:9", track="right", annotator="bob"),
    ]
    with pytest.raises(
        SourceError, match=r"'a' until 5\.000 s overlaps 'b' from 4\.000 s \(l\.csv:2\)"
    ) as error:
        segments_of(marks, 10.0, Rule())
    assert error.value.where == "l.csv:9"
    assert "annotation.tracks" in error.value.cure
    assert "annotation.annotators" in error.value.cure
    assert "source.overlaps" in error.value.cure


def test_what_touches_within_a_nanosecond_does_not_overlap():
    end = Fraction(1) + Fraction(1, 2 * 10**9)
    segments, notes = segments_of([mark(0, end, "a"), mark(1, 2, "b")], 10.0, Rule())
    assert [one.label for one in segments] == ["a", "b"]
    assert segments[0].end_s <= segments[1].start_s
    assert notes == ()


@pytest.mark.parametrize(
    ("overlaps", "expected"),
    [
        ("first", [(0, 6, "a"), (6, 7, "b"), (7, 8, "c")]),
        ("last", [(0, 2, "a"), (2, 5, "b"), (5, 8, "c")]),
        ("shorter", [(0, 2, "a"), (2, 5, "b"), (5, 8, "c")]),
        ("longer", [(0, 6, "a"), (6, 7, "b"), (7, 8, "c")]),
    ],
)
def test_rules_of_overlaps(overlaps, expected):
    marks = [mark(5, 8, "c"), mark(0, 6, "a"), mark(2, 7, "b")]
    segments, notes = segments_of(marks, 10.0, Rule(overlaps=overlaps))
    assert plain(segments) == expected
    assert reasons(notes)[0][0] == f"labels that overlap lose time to the {overlaps} one"


def test_a_short_one_splits_a_long_one_and_equals_go_to_the_first_of_the_file():
    assert plain(segments_of([mark(0, 9, "a"), mark(3, 4, "b")], 10.0, Rule(overlaps="shorter"))[0]) == [
        *((0, 3, "a"), (3, 4, "b"), (4, 9, "a"))
    ]
    for overlaps in RULES:
        assert plain(segments_of([mark(0, 9, "a"), mark(0, 9, "b")], 10.0, Rule(overlaps=overlaps))[0]) == [
            (0, 9, "a")
        ]


def test_two_annotators_of_one_stretch_are_refused_until_one_is_chosen():
    marks = [mark(0, 5, "a", annotator="ann"), mark(1, 6, "a", annotator="bob")]
    with pytest.raises(SourceError, match="overlaps 'a'") as error:
        segments_of(marks, 10.0, Rule())
    assert "one annotator of 'ann', 'bob': annotation.annotators" in error.value.cure
    assert plain(segments_of(marks, 10.0, Rule(overlaps="first"))[0]) == [(0, 6, "a")]


def test_overlaps_of_one_label_are_joined_and_told():
    segments, notes = segments_of([mark(0, 5, "a"), mark(4, 6, "a"), mark(6, 7, "a")], 10.0, Rule())
    assert plain(segments) == [(0, 6, "a"), (6, 7, "a")]
    assert reasons(notes) == [("labels that overlap one of their own kind are joined", 1)]


@pytest.mark.parametrize("overlaps", RULES)
def test_every_moment_has_the_label_that_the_rule_gives_it(overlaps):
    """Against a brute force over moments, on random marks."""
    random = Random(overlaps)
    first = {
        "first": lambda m: m.start_s,
        "last": lambda m: -m.start_s,
        "shorter": lambda m: m.end_s - m.start_s,
    }
    priority = first.get(overlaps, lambda m: m.start_s - m.end_s)
    for _ in range(50):
        marks = [
            mark(start, start + random.randrange(1, 20), f"{number}")
            for number, start in enumerate(random.choices(range(40), k=8))
        ]
        segments, _ = segments_of(
            marks, 100.0, Rule(overlaps=overlaps, background="none", background_in="recording")
        )
        assert [one.end_s for one in segments[:-1]] == [one.start_s for one in segments[1:]]
        for moment in range(100):
            there = [one for one in marks if one.start_s <= moment < one.end_s]
            wanted = min(there, key=priority).label if there else "none"
            assert next(one.label for one in segments if one.contains(moment)) == wanted
