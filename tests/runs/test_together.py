"""No group stands on two sides, whoever said so."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import SourceError
from rushes.recipe.shares import Shares
from rushes.runs.kept_sides import SideRow, earlier_sides, sides_table
from rushes.runs.together import dealt, held_by, kept_together

SHARES = Shares(train=0.5, val=0.25, test=0.25)


def test_who_would_part_a_group_is_left_out() -> None:
    group_of = {"a": "G", "b": "G", "c": "G", "d": "H", "e": "I"}
    held = {"a": "train", "b": "test", "d": "val", "e": "probe"}
    groups = held_by(group_of, held)
    assert groups == {"G": "test", "H": "val", "I": "probe"}
    found = kept_together(group_of, groups, held)
    assert found.side_of == {"b": "test", "c": "test", "d": "val", "e": "probe"}
    assert found.skipped == {"a": "of one group with items of side test"}
    assert held_by({"a": "G", "b": "G"}, {"a": "probe", "b": "train"}) == {"G": "train"}


@pytest.mark.parametrize("balanced", [True, False])
def test_groups_are_dealt_around_those_that_are_held(balanced: bool) -> None:
    group_of = {f"item {number}": f"group {number // 2}" for number in range(400)}
    strata = dict.fromkeys(group_of, "chair")
    found = dealt(group_of, strata, SHARES, {"group 5": "test", "group 6": "train"}, balanced=balanced)
    assert found.keys() == set(group_of.values())
    assert (found["group 5"], found["group 6"]) == ("test", "train")
    if balanced:
        assert [list(found.values()).count(side) for side in SHARES.of_sides] == [100, 50, 50]


def test_a_hash_moves_nobody_when_others_come() -> None:
    some = {f"item {number}": f"group {number}" for number in range(50)}
    more = some | {f"item {number}": f"group {number}" for number in range(50, 90)}
    before, after = (
        dealt(group_of, dict.fromkeys(group_of, ""), SHARES, {}, balanced=False) for group_of in (some, more)
    )
    assert before.items() <= after.items()


def test_earlier_sides_are_found_by_id_picture_or_group(tmp_path: Path) -> None:
    path = tmp_path / "sides.csv"
    rows = [
        SideRow("k2", "F1", "test", "chair, tall", "p2"),
        SideRow("k1", "k1", "train", "", "p1"),
        SideRow("k3", "k3", "probe", "", "p3"),
    ]
    path.write_text(sides_table(rows))
    assert path.read_text().splitlines() == [
        "id,group,side,label,picture",
        "k1,k1,train,,p1",
        'k2,F1,test,"chair, tall",p2',
        "k3,k3,probe,,p3",
    ]
    now = {
        "k1": {"id": "k1", "picture": "p2", "group": "F1"},
        "row changed": {"id": "row changed", "picture": "p2", "group": ""},
        "new variant": {"id": "new variant", "picture": "p9", "group": "F1"},
        "new": {"id": "new", "picture": "p8", "group": ""},
        "k3": {"id": "k3", "picture": "p3", "group": ""},
    }
    assert earlier_sides(path, now) == {"k1": "train", "row changed": "test", "new variant": "test"}


def test_a_table_of_sides_without_sides_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sides.csv"
    path.write_text("id,group\na,b\n")
    with pytest.raises(SourceError, match="no column 'side'"):
        earlier_sides(path, {})
