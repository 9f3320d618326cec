"""Sides of anybody's recordings: by shares, by a column, by lists; what is said where nobody is known."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from rushes.annotations import About, Labels, Mark
from rushes.errors import SourceError
from rushes.runs.labelled.sides import Place, place_of, put_on_sides, require_columns
from rushes.tasks.operations.recipe import TableSource

NOBODY_HAS_A_SIDE = "no side under split of the annotation"


def asked(**keys: Any) -> TableSource:
    return TableSource.model_validate({"kind": "table", **keys})


def labels(*rows: dict[str, str]) -> Labels:
    marks = tuple(
        Mark(
            recording="a.mp4",
            start_s=0,
            end_s=None,
            label="take",
            attributes=tuple(row.items()),
            where=f"labels.csv:{number + 2}",
        )
        for number, row in enumerate(rows)
    )
    return Labels(marks, {"a.mp4": About()})


def places(count: int, groups: int = 0) -> dict[str, Place]:
    return {
        f"r{number:03d}": Place(f"r{number:03d}.mp4", f"p{number % groups}" if groups else "")
        for number in range(count)
    }


@pytest.mark.parametrize("groups", [0, 20])
def test_new_recordings_move_no_old_one(groups: int):
    before, after = (put_on_sides(places(count, groups), asked()).side_of for count in (200, 220))
    assert len(after) == 220
    assert {key: after[key] for key in before} == before
    assert set(before.values()) == {"train", "val", "test"}


def test_shares_keep_groups_together_and_are_about_as_asked():
    found = places(3000, 1000)
    sides = put_on_sides(found, asked(shares={"train": 0.6, "val": 0.0, "test": 0.4})).side_of
    of_group = {(place.group, sides[key]) for key, place in found.items()}
    assert len(of_group) == 1000
    share = Counter(side for _, side in of_group)
    assert set(share) == {"train", "test"}
    assert share["train"] / 1000 == pytest.approx(0.6, abs=0.05)


def test_sides_of_a_column():
    found = {"a": Place("a.mp4", "ann", "train"), "b": Place("b.mp4", "bob", "test"), "c": Place("c.mp4")}
    sides = put_on_sides(found, asked(split="column"))
    assert sides.side_of == {"a": "train", "b": "test"}
    assert sides.skipped == {"c": NOBODY_HAS_A_SIDE}


def test_a_group_on_two_sides_of_a_column_is_refused():
    found = {"a": Place("a.mp4", "ann", "train"), "b": Place("b.mp4", "ann", "test")}
    with pytest.raises(SourceError, match=r"group ann stands on two sides: a\.mp4 on train, b\.mp4 on test"):
        put_on_sides(found, asked(split="column"))


def test_lists_of_groups_and_of_recordings_of_no_group():
    found = {
        "a": Place("a.mp4", "ann"),
        "b": Place("b.mp4"),
        "c-1": Place("day/c.mp4"),
        "d": Place("d.mp4", "dan"),
    }
    split = {"train": ["ann", "b"], "test": ["day/c.mp4", "eve"]}
    sides = put_on_sides(found, asked(split=split))
    assert sides.side_of == {"a": "train", "b": "train", "c-1": "test"}
    assert sides.skipped == {"d": "on no side of the split"}
    assert sides.absent == ("eve",)


def test_lists_of_whom_nobody_is_there_are_an_error_with_the_nearest_name():
    with pytest.raises(
        SourceError, match=r"source\.split names anna, of whom there is no recording; did you mean ann"
    ):
        put_on_sides({"a": Place("a.mp4", "ann")}, asked(split={"train": ["anna"]}))


def test_groups_from_a_column_or_a_pattern_or_nobody():
    told = labels({"who": "ann"}, {"who": "ann"})
    assert place_of("day/a.mp4", told, asked(groups={"column": "who"})).group == "ann"
    assert place_of("day/a.mp4", told, asked(groups={"pattern": "(?P<group>[^/]+)/.*"})).group == "day"
    assert place_of("day/a.mp4", told, asked()).group == ""
    assert place_of("a.mp4", told, asked(groups={"pattern": "(?P<group>[^/]+)/.*"})).group == ""


def test_one_recording_of_two_groups_is_refused_with_its_line():
    with pytest.raises(SourceError, match="two values under who: 'ann' and 'bob'") as caught:
        place_of("a.mp4", labels({"who": "ann"}, {"who": "bob"}), asked(groups={"column": "who"}))
    assert caught.value.where == "labels.csv:3"


def test_sides_are_called_what_people_call_them():
    wanted = asked(split="column", side_column="part")
    assert place_of("a.mp4", labels({"part": "Validation"}), wanted).side == "val"
    with pytest.raises(SourceError, match="no side 'probe'"):
        place_of("a.mp4", labels({"part": "probe"}), wanted)


def test_a_column_that_is_not_there_is_an_error_with_the_nearest():
    with pytest.raises(SourceError, match=r"source\.groups\.column names 'persn', .* did you mean person"):
        require_columns(labels({"person": "ann"}), asked(groups={"column": "persn"}))
    require_columns(labels({"person": "ann"}), asked(groups={"column": "person"}))
