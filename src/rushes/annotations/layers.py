"""Tracks whose marks overlap, for formats in which a tier has one label at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from rushes.annotations.clock import TOLERANCE_S
from rushes.annotations.mark import Mark

DEFAULT = "labels"
"""Tier of marks without a track."""

_LAYER = re.compile(r"(.+) ~([2-9]|[1-9]\d+)")


def layers_of(marks: Sequence[Mark]) -> dict[str, list[Mark]]:
    """Tiers without overlaps, each in order of time: the track, and ``track ~2`` and on for what overlaps in it.

    Args:
        marks: of one recording, each with an end.
    """
    layers: dict[str, list[Mark]] = {}
    for mark in sorted(marks, key=lambda mark: mark.start_s):
        number, name = 1, mark.track or DEFAULT
        while (layer := layers.get(name)) and not _fits(layer[-1], mark):
            number += 1
            name = f"{mark.track or DEFAULT} ~{number}"
        layers.setdefault(name, []).append(mark)
    return layers


def _fits(earlier: Mark, later: Mark) -> bool:
    """Whether one tier can hold both: not at the same moment, and by one annotator."""
    end = earlier.start_s if earlier.end_s is None else earlier.end_s
    apart = later.start_s > earlier.start_s and later.start_s >= end - TOLERANCE_S
    return apart and earlier.annotator == later.annotator


def tracks_of(tiers: Iterable[str]) -> Mapping[str, str]:
    """Tier -> the track that it is a layer of; any other is its own.

    >>> tracks_of(["left", "left ~2", "labels", "right ~2"])
    {'left': 'left', 'left ~2': 'left', 'labels': 'labels', 'right ~2': 'right ~2'}
    """
    tiers = list(tiers)
    found = {tier: _LAYER.fullmatch(tier) for tier in tiers}
    return {tier: base[1] if base and base[1] in found else tier for tier, base in found.items()}
