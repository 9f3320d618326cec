"""Who stands on which side: as names say it, or dealt out by the hash of groups, which moves no old one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

import numpy as np

from rushes.recipe.sections import Side

SEEDS, PLACES = 1000, 1_000_000
"""Draws that `best_seed` compares; fewer where groups are so many that these would be more places to draw."""

SIDE_OF_NAME: Mapping[str, str] = {
    **{
        "train": "train",
        "training": "train",
        "val": "val",
        "valid": "val",
        "validation": "val",
        "dev": "val",
    },
    **{"test": "test", "testing": "test", "eval": "test"},
}
"""What sides are called in folders and tables, in small letters."""


def nobody_said(unknown: int, total: int, noun: str, who: str, cure: str) -> str | None:
    """In words, for audit, plan and report: of how many recordings the group is not known; None where of none.

    >>> nobody_said(3, 40, "clip", "person", "name groups by source.groups")[:41]
    'nobody said who is in 3 of the 40 clips: '

    Args:
        unknown, total: recordings of no known group, and all.
        noun: for a recording.
        who: for a group.
        cure: where groups are named.
    """
    if not unknown:
        return None
    which = f"the {total:,} {noun}s" if unknown == total else f"{unknown:,} of the {total:,} {noun}s"
    return (
        f"nobody said who is in {which}: one {who} may stand on two sides, and intervals take each {noun} for "
        f"another's; {cure}"
    )


def lacking(labels: Iterable[str], counts: Mapping[str, Mapping[str, int]], noun: str) -> Iterator[str]:
    """In words: labels of which some side has nothing, those that lack on the same sides together.

    >>> list(lacking(["take"], {"train": {"take": 3}, "val": {}, "test": {"put": 1}}, "clip"))
    ['no clip of take on test: figures say nothing of it there; a class needs 2 groups to stand on 2 sides']

    Args:
        labels: that are asked for.
        counts: side -> label -> how many. A side without anything is none.
        noun: for what is counted.
    """
    asked = [side for side in get_args(Side) if sum(counts.get(side, {}).values())]
    absent: dict[str, list[str]] = {}
    for label in labels:
        if sides := [side for side in asked if not counts[side].get(label)]:
            absent.setdefault(" and ".join(sides), []).append(label)
    for places, named in absent.items():
        them = "it" if len(named) == 1 else "them"
        yield (
            f"no {noun} of {', '.join(named)} on {places}: figures say nothing of {them} there; a class needs "
            f"{len(asked)} groups to stand on {len(asked)} sides"
        )


def side_of(group: str, shares: Mapping[str, float], seed: int = 0) -> str:
    """The side of a group, from its name alone.

    >>> [side_of(name, {"train": 0.7, "test": 0.3}) for name in ("ann", "bob", "cem")]
    ['train', 'test', 'test']

    Args:
        group: its name; of a recording of no known group, the recording's key.
        shares: side -> share of the groups; together 1.
        seed: another one is another draw.
    """
    return _sides_of([group], shares, seed)[0]


def _sides_of(groups: Iterable[str], shares: Mapping[str, float], seed: int) -> list[str]:
    sides = [side for side in shares if shares[side] > 0]
    bounds = np.cumsum([shares[side] for side in sides])[:-1]
    return [sides[number] for number in np.searchsorted(bounds, draw(groups, seed), side="right")]


def draw(groups: Iterable[str], seed: int) -> list[float]:
    """Where the draw of a seed puts each group, from 0 to below 1."""
    texts = (f"{seed}\0{group}".encode(errors="surrogateescape") for group in groups)
    return [int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64 for text in texts]


def best_seed(amounts: Mapping[str, Mapping[str, float]], shares: Mapping[str, float]) -> int:
    """The seed whose draw spreads the classes best over the sides, the smallest of equals.

    Fewest sides without a group come first, then fewest classes missing on a side, then least squared distance of
    each class's parts from the shares.

    Args:
        amounts: group -> class -> seconds or recordings of it.
        shares: side -> share.
    """
    sides = [side for side in shares if shares[side] > 0]
    labels = sorted({label for of_group in amounts.values() for label in of_group})
    table = np.array([[of_group.get(label, 0.0) for label in labels] for of_group in amounts.values()])
    parts = table / np.maximum(table.sum(axis=0), 1e-12)  # (groups, classes), each class adds up to 1
    wanted = np.array([[shares[side]] for side in sides])

    def badness(seed: int) -> tuple[int, int, float]:
        drawn = np.array(_sides_of(amounts, shares, seed))
        got = np.array([parts[drawn == side].sum(axis=0) for side in sides])
        return len(set(sides) - set(drawn)), int((got == 0.0).sum()), float(np.square(got - wanted).sum())

    return min(range(max(1, min(SEEDS, PLACES // max(1, len(amounts))))), key=badness)
