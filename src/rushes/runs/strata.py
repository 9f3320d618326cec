"""Sides by groups, dealt out so that every stratum has its shares.

A hash of a group's name (`rushes.runs.shares`) moves no old group when new ones come, and balances nothing. A deal
balances, and so it needs to be told where the groups of an earlier deal stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from rushes.runs.shares import draw

SMALL: Final = 20
"""Items of a stratum below which it is dealt together with others of its kind: a tenth of few items is none."""


def deal(
    groups: Mapping[str, Mapping[str, int]],
    shares: Mapping[str, float],
    seed: int = 0,
    held: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Put each group on a side, so that each side has its share of every stratum.

    The largest groups come first, those of equal size in the order of the draw, and each goes where its strata are
    the least full with half of it (Sainte-Laguë's method, which favours neither large nor small sides).

    >>> deal({name: {"chair": 1} for name in "abcde"}, {"train": 0.6, "test": 0.4})
    {'a': 'test', 'b': 'train', 'c': 'test', 'd': 'train', 'e': 'train'}

    Args:
        groups: name -> stratum -> items of it.
        shares: side -> share of the items.
        seed: of the order of groups of one size.
        held: group -> side on which it stands already; the others restore the balance.

    Returns:
        group -> side, of all groups.
    """
    sides, held = [side for side, share in shares.items() if share > 0], held or {}
    items: Counter[str] = Counter()
    for strata in groups.values():
        items.update(strata)
    pool_of = {stratum: stratum if count >= SMALL else "" for stratum, count in items.items()}
    size: Counter[str] = Counter()
    for stratum, count in items.items():
        size[pool_of[stratum]] += count
    filled: Counter[tuple[str, str]] = Counter()  # (pool, side) -> items
    whole: Counter[str] = Counter()  # side -> items

    def put(name: str, side: str) -> str:
        for stratum, count in groups[name].items():
            filled[pool_of[stratum], side] += count
            whole[side] += count
        return side

    def fullness(name: str, side: str) -> tuple[float, float]:
        pools = ((pool_of[stratum], count) for stratum, count in groups[name].items())
        parts = (count * (filled[pool, side] + count / 2) / size[pool] for pool, count in pools)
        return round(sum(parts) / shares[side], 9), whole[side] / shares[side]

    dealt = {name: put(name, held[name]) for name in groups if name in held}
    free = [name for name in groups if name not in held]
    place = dict(zip(free, draw(free, seed), strict=True))
    for name in sorted(free, key=lambda name: (-sum(groups[name].values()), place[name], name)):
        dealt[name] = put(name, min(sides, key=lambda side: fullness(name, side)))
    return {name: dealt[name] for name in groups}
