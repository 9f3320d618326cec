"""The learning rate as a pure function of the update: its whole state is a number."""

from __future__ import annotations

import math


def warmup_cosine(update: int, updates: int, peak: float, warmup: int = 0, floor: float = 0.0) -> float:
    """Learning rate of one update: a linear rise to ``peak``, then half a cosine down towards ``floor``.

    Update ``u`` of ``n``, with a warm-up of ``w`` updates, has the rate::

        u < w:   peak * (u + 1) / w
        u >= w:  floor + (peak - floor) * (1 + cos(pi * (u - w) / (n - w))) / 2

    The rise starts at ``peak / w`` and the fall ends one step before ``floor``, so that no update is spent at
    a rate of zero. Sources: Loshchilov and Hutter 2017 (SGDR, equation 5, without restarts); for the warm-up,
    Goyal et al. 2017.

    >>> [round(warmup_cosine(u, updates=6, peak=1.0, warmup=2), 3) for u in range(6)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]

    Args:
        update: number of the update, from 0 to ``updates - 1``.
        updates: how many updates the run has.
        peak: highest rate.
        warmup: updates of the rise, from 0 (none) to ``updates``.
        floor: rate that the fall ends at, from 0 to ``peak``.

    Raises:
        ValueError: ``update`` lies outside of the run.
    """
    if not 0 <= update < updates:
        raise ValueError(f"update {update} does not belong to a run of {updates} updates")
    if update < warmup:
        return peak * (update + 1) / warmup
    progress = (update - warmup) / (updates - warmup)  # [0, 1)
    return floor + (peak - floor) * (1 + math.cos(math.pi * progress)) / 2
