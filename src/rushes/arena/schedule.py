"""In which order, and on which sides, a rater sees the pairs of a study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rushes.arena.study import Pair, Slot, Study

APART = 20
"""Pairs at least between both showings of one, where there are three times as many."""


@dataclass(frozen=True, slots=True)
class Showing:
    """A pair on the page.

    Attributes:
        pair: what is shown.
        top: slot of the list in the upper row.
        again: whether the rater has seen it before, on other sides.
    """

    pair: Pair
    top: Slot
    again: bool

    def tiles(self) -> tuple[str, ...]:
        """Names of the pictures, the upper row first."""
        return *self.pair.lists[self.top], *self.pair.lists[1 - self.top]


def schedule(study: Study, rater: int) -> tuple[Showing, ...]:
    """What the rater of this number sees, always the same.

    Either slot is on top in half of the pairs, one more or less; repeats come in between, with sides swapped.
    """
    rng, n = np.random.default_rng([study.seed, rater]), len(study.pairs)
    tops = rng.permutation((np.arange(n) + rng.integers(2)) % 2)
    order = rng.permutation(n)
    apart = min(APART, n // 3)
    placed = [(float(place), int(pair), int(tops[pair]), False) for place, pair in enumerate(order)]
    for place in rng.choice(n - apart, min(study.repeats, n - apart), replace=False).tolist():
        pair = int(order[place])
        placed.append((rng.uniform(place + apart, n), pair, 1 - int(tops[pair]), True))
    return tuple(
        Showing(study.pairs[pair], 0 if top == 0 else 1, again) for _, pair, top, again in sorted(placed)
    )
