"""Sides of items that belong together in groups: no group stands on two, and whoever would part one is left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from rushes.recipe.shares import Shares
from rushes.runs.labelled.sides import Sides
from rushes.runs.shares import side_of
from rushes.runs.strata import deal

STRONGEST: Final = ("test", "val", "train")
"""Of the sides on which the items of a group were put the first one holds it: what is measured stays as it is."""


def held_by(group_of: Mapping[str, str], held: Mapping[str, str]) -> dict[str, str]:
    """Group -> the strongest of the sides on which its items were put; without the groups of which none was.

    >>> held_by({"a": "G", "b": "G", "c": "H"}, {"a": "train", "b": "test"})
    {'G': 'test'}

    Args:
        group_of: item -> group.
        held: item -> side. Sides that are not among `STRONGEST` are weaker than these.
    """
    sides: dict[str, set[str]] = defaultdict(set)
    for item, side in held.items():
        sides[group_of[item]].add(side)
    rank = {side: place for place, side in enumerate(STRONGEST)}
    return {group: min(found, key=lambda side: rank.get(side, len(rank))) for group, found in sides.items()}


def dealt(
    group_of: Mapping[str, str],
    stratum_of: Mapping[str, str],
    shares: Shares,
    held: Mapping[str, str],
    *,
    balanced: bool,
) -> dict[str, str]:
    """Group -> side, for all groups of items.

    Args:
        group_of: item -> group.
        stratum_of: item -> its stratum.
        shares: of the sides.
        held: group -> side on which it stands already.
        balanced: whether strata are balanced, see `rushes.runs.strata.deal`; else the hash of a group's name decides.
    """
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for item, group in group_of.items():
        groups[group][stratum_of[item]] += 1
    if balanced:
        return deal(groups, shares.of_sides, shares.seed, held)
    return {group: held.get(group) or side_of(group, shares.of_sides, shares.seed) for group in groups}


def kept_together(
    group_of: Mapping[str, str], side_of_group: Mapping[str, str], held: Mapping[str, str]
) -> Sides:
    """Each item on the side of its group; left out where it was put on another.

    Args:
        group_of: item -> group.
        side_of_group: of every group.
        held: item -> side on which it was put; not every item was.
    """
    side_of_item = {item: side_of_group[group] for item, group in group_of.items()}
    parted = {item for item, side in side_of_item.items() if held.get(item, side) != side}
    return Sides(
        {item: side for item, side in side_of_item.items() if item not in parted},
        {item: f"of one group with items of side {side_of_item[item]}" for item in sorted(parted)},
    )
