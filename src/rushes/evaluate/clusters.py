"""Rows that move together are left out as one, so that intervals do not promise too much.

Each task says which of its rows move together, at several levels; here the widest level that holds is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ENOUGH = 5

BLOCK_S = 600.0
"""What lies in so many seconds of a recording moves together where there are few recordings."""

BLOCK = "block of 10 minutes"


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """What moves together, and the number of each row's cluster, (n,)."""

    by: str
    ids: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many units there are."""
        return len(np.unique(self.ids))


def clusters(levels: Mapping[str, NDArray[np.int64]], rows: NDArray[np.int64]) -> Clusters:
    """The units of the given rows: of the widest level that holds enough, else of the narrowest."""
    for by, ids in levels.items():
        found = Clusters(by, ids[rows])
        if found.count >= ENOUGH:
            break
    return found


def levels_in_time(
    groups: NDArray[np.str_], recordings: NDArray[np.str_], at_s: NDArray[np.float64]
) -> dict[str, NDArray[np.int64]]:
    """What moves together in long recordings, from the widest level: a cluster for each of n rows.

    Half-overlapping windows of one night are no answers of their own, nor are the events in it: a group is left out as
    a whole, else a recording, else a block of ten minutes, where a recording holds more than one.

    >>> whose, of, at_s = np.array(["", "", ""]), np.array(["a", "a", "b"]), np.array([0.0, 700.0, 0.0])
    >>> {level: ids.tolist() for level, ids in levels_in_time(whose, of, at_s).items()}
    {'recording': [0, 0, 1], 'block of 10 minutes': [0, 1, 2]}

    Args:
        groups: whose the recording of each row is, (n,); empty where nobody said: then the recording is its own.
        recordings: of each row, (n,).
        at_s: where each row begins in its recording, (n,).
    """
    recording, block = codes(recordings), (at_s // BLOCK_S).astype(np.int64)
    levels = {"group": codes(np.where(groups == "", recordings, groups))} if groups.any() else {}
    levels["recording"] = recording
    blocks = codes(recording * (block.max() + 1) + block)
    return levels if np.array_equal(blocks, recording) else levels | {BLOCK: blocks}


def codes(names: NDArray[np.str_] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Names as numbers, equal for equal ones, (n,)."""
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
