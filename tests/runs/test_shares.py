"""Groups dealt out by hash: no old one moves, and a seed is found that spreads the classes."""

from __future__ import annotations

import pytest

from rushes.recipe.shares import Shares
from rushes.runs.shares import best_seed, side_of

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


def test_new_groups_move_no_old_one_and_shares_hold():
    old = {f"g{number}": side_of(f"g{number}", SHARES, 3) for number in range(2000)}
    assert {name: side_of(name, SHARES, 3) for name in [*old, "new", "newer"]}.items() >= old.items()
    for side, share in SHARES.items():
        assert list(old.values()).count(side) / 2000 == pytest.approx(share, abs=0.03)
    assert {side_of(f"g{number}", SHARES | {"val": 0.0, "train": 0.85}, 3) for number in range(200)} == {
        "train",
        "test",
    }


def test_best_seed_gives_each_side_each_class_where_groups_allow():
    amounts = {f"p{number}": {"take": 1.0, "put": 2.0} for number in range(3)} | {"q": {"rare": 1.0}}
    seed = best_seed(amounts, SHARES)
    sides = {group: side_of(group, SHARES, seed) for group in amounts}
    assert {sides[f"p{number}"] for number in range(3)} == set(SHARES)
    assert best_seed(amounts, SHARES) == seed
    plain = {group: side_of(group, SHARES, 0) for group in amounts}
    assert {plain[f"p{number}"] for number in range(3)} != set(SHARES)


def test_shares_are_all_of_the_groups():
    assert Shares(train=0.5, val=0.0, test=0.5).seed == 0
    with pytest.raises(ValueError, match="add up to"):
        Shares(train=0.5, val=0.5, test=0.5)


def test_no_side_is_left_empty_where_every_group_has_a_class_of_its_own():
    amounts = {f"clip{number}": {f"sign{number}": 2.0} for number in range(7)}
    seed = best_seed(amounts, SHARES)
    assert {side_of(group, SHARES, seed) for group in amounts} == set(SHARES)
