"""A few samples that show what many are like: of as many groups as there are, and as different as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike


def spread(keys: Sequence[str], groups: Sequence[str], count: int) -> list[int]:
    """Numbers of at most ``count`` samples, of each group in turn.

    Within a group they come in the order of a hash of their keys, so that neighbours in time do not come together,
    and the same samples give the same choice.

    Args:
        keys, groups: of each sample.
        count: how many at most.

    >>> spread(["a1", "a2", "a3", "b1"], ["a", "a", "a", "b"], 2)
    [0, 3]
    """
    turns: Counter[str] = Counter()
    order = []
    for number in sorted(range(len(keys)), key=lambda number: (crc32(keys[number].encode()), keys[number])):
        order.append((turns[groups[number]], groups[number], number))
        turns[groups[number]] += 1
    return [number for *_, number in sorted(order)[:count]]


def farthest(features: ArrayLike, count: int) -> list[int]:
    """Numbers of at most ``count`` rows: the most usual one, then each time the one least like all before it.

    The first is the row nearest to the mean; each further one has the largest distance to the nearest of those
    chosen (Gonzalez 1985, "Clustering to minimize the maximum intercluster distance"). Ties go to the earlier row.

    Args:
        features: (n, d) finite numbers, of one unit.
        count: how many at most.

    >>> farthest([[0.0], [1.0], [2.0], [9.0]], 3)
    [2, 3, 0]
    """
    rows = np.asarray(features, np.float64)
    if not len(rows):
        return []
    chosen = [int(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    apart = np.full(len(rows), np.inf)
    while len(chosen) < min(count, len(rows)):
        apart = np.minimum(apart, ((rows - rows[chosen[-1]]) ** 2).sum(axis=1))
        apart[chosen] = -1.0  # a row like another one is still another row
        chosen.append(int(apart.argmax()))
    return chosen
