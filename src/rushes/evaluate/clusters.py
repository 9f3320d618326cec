"""Rows that move together are left out as one, so that intervals do not promise too much.

Each task says which of its rows move together, at several levels; here the widest level that holds is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ENOUGH = 5


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


def codes(names: NDArray[np.str_]) -> NDArray[np.int64]:
    """Names as numbers, equal for equal ones, (n,)."""
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
