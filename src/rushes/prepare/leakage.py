"""What the sides of a split share all the same: checked anew on the sides as they came out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rushes.media.dhash import Look
from rushes.prepare.near import NearGroups, pairs_across

LEAKAGE = "leakage.json"

LARGEST: Final = 10
"""Groups that are told."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An item as it came out.

    Attributes:
        key: of the item.
        title: for people.
        text: what finds it.
        group: that it belongs to.
        label: its class.
        side: that it stands on; empty where it was left out.
        look: of its picture.
    """

    key: str
    title: str
    text: str
    group: str
    label: str
    side: str
    look: Look


def leakage(
    items: Sequence[Placed], near: NearGroups, *, same_bits: int, least_variance: float
) -> dict[str, Any]:
    """The report of a split, as JSON.

    Returns:
        ``across``: pairs on two sides whose hashes differ in at most ``same_bits``, and the first of them;
        ``near``: close pairs by what joined them, and ``closest`` of them with titles, sides and evidence, so that a
        person can look for false ones; ``groups``: how many, and the largest; ``equal_texts``: texts that stand on two
        sides, and the items that have them; ``strata``: items of each class and side.
    """
    used = [item for item in items if item.side]
    found = list(
        pairs_across([item.look for item in used], [item.side for item in used], same_bits, least_variance)
    )
    sides_of: dict[str, set[str]] = defaultdict(set)
    strata: dict[str, Counter[str]] = defaultdict(Counter)
    groups: dict[str, list[str]] = defaultdict(list)
    for item in used:
        sides_of[item.text].add(item.side)
        strata[item.label][item.side] += 1
        groups[item.group].append(item.title)
    shared = {text for text, sides in sides_of.items() if len(sides) > 1}
    largest = sorted(groups, key=lambda group: (-len(groups[group]), group))[:LARGEST]
    return {
        "across": {
            "pairs": len(found),
            "bits": same_bits,
            "first": [
                {"bits": bits, "items": [_told(used[one]), _told(used[other])]}
                for one, other, bits in sorted(found, key=lambda pair: pair[2])[:LARGEST]
            ],
        },
        "near": dict(near.counts),
        "closest": [
            {
                "bits": pair.bits,
                "evidence": list(pair.evidence),
                "items": [_told(items[pair.first]), _told(items[pair.second])],
            }
            for pair in near.pairs
        ],
        "groups": {
            "count": len(groups),
            "largest": [
                {"group": group, "items": len(groups[group]), "titles": sorted(set(groups[group]))[:3]}
                for group in largest
            ],
        },
        "equal_texts": {"texts": len(shared), "items": sum(item.text in shared for item in used)},
        "strata": {label: dict(sides) for label, sides in strata.items()},
    }


def _told(item: Placed) -> dict[str, str]:
    return {"key": item.key, "title": item.title, "side": item.side}
