"""A deal keeps shares in every stratum, follows from its seed, and leaves held groups where they are."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rushes.runs.strata import deal

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
Groups = dict[str, Counter[str]]


def shop(seed: int, count: int = 6000, strata: int = 40) -> Groups:
    """Groups of one to some ten items, a few of several types, of types as unequal as shops have them."""
    rng = np.random.default_rng(seed)
    weights = rng.pareto(2.0, strata) + 0.05
    drawn = rng.choice(strata, (count, 12), p=weights / weights.sum())
    sizes = np.minimum(rng.geometric(0.6, count), 12)
    mixed = rng.random(count) < 0.1
    return {
        f"g{number}": Counter(
            f"t{one}" for one in (drawn[number, :size] if mixed[number] else [drawn[number, 0]] * size)
        )
        for number, size in enumerate(sizes)
    }


def counts(groups: Groups, sides: dict[str, str]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {side: Counter() for side in SHARES}
    for name, strata in groups.items():
        found[sides[name]].update(strata)
    return found


def worst(groups: Groups, sides: dict[str, str]) -> float:
    """Greatest distance from a share, in points, in any stratum of 200 items or more."""
    total: Counter[str] = sum(groups.values(), Counter())
    found = counts(groups, sides)
    large = [name for name, count in total.items() if count >= 200]
    assert len(large) >= 5
    return max(
        abs(100 * (found[side][name] / total[name] - SHARES[side])) for side in SHARES for name in large
    )


@pytest.mark.parametrize("seed", range(5))
def test_large_strata_have_their_shares_within_a_point(seed: int) -> None:
    groups = shop(seed)
    sides = deal(groups, SHARES, seed)
    assert list(sides) == list(groups)
    assert worst(groups, sides) <= 1.0
    whole = {side: sum(strata.values()) for side, strata in counts(groups, sides).items()}
    assert whole["train"] / sum(whole.values()) == pytest.approx(0.8, abs=0.002)


def test_strata_of_few_items_have_their_shares_together() -> None:
    groups = {f"g{number}": Counter([f"t{number // 3}"]) for number in range(600)}  # 200 types of three
    found = Counter(deal(groups, SHARES).values())
    assert [found[side] for side in SHARES] == [480, 60, 60]


def test_the_seed_makes_the_deal_and_the_order_does_not() -> None:
    groups = shop(1, 1500)
    mixed = {name: groups[name] for name in np.random.default_rng(0).permutation(list(groups)).tolist()}
    assert deal(groups, SHARES, 7) == deal(mixed, SHARES, 7)
    assert deal(groups, SHARES, 7) != deal(groups, SHARES, 8)


def test_held_groups_stay_and_new_ones_restore_the_balance() -> None:
    groups = shop(3)
    old = dict(list(groups.items())[:4000])
    held = dict.fromkeys(old, "train") | dict.fromkeys(list(old)[:100], "val")  # nothing on test so far
    sides = deal(groups, SHARES, 0, held)
    assert {name: sides[name] for name in held} == held
    assert worst(groups, sides) <= 1.0
    assert worst(groups, deal(groups, SHARES, 0, deal(old, SHARES, 0))) <= 1.0


def test_large_groups_are_spread_as_well() -> None:
    groups = {f"g{number}": Counter(chair=20 if number < 40 else 1) for number in range(400)}
    sides = deal(groups, SHARES)
    assert Counter(sides[f"g{number}"] for number in range(40)) == {"train": 32, "val": 4, "test": 4}


def test_a_side_without_a_share_gets_nothing() -> None:
    assert set(deal(shop(0, 300), {"train": 0.9, "val": 0.0, "test": 0.1}).values()) == {"train", "test"}
