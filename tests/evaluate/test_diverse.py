"""Which few of many samples are shown."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.evaluate.diverse import farthest, spread


def test_the_first_is_the_most_usual_and_each_further_one_the_least_like_those_before():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 5))
    chosen = farthest(rows, 8)
    assert len(set(chosen)) == 8
    assert chosen[0] == int(np.linalg.norm(rows - rows.mean(axis=0), axis=1).argmin())
    for count in range(1, 8):
        apart = np.linalg.norm(rows[:, None] - rows[chosen[:count]], axis=2).min(axis=1)
        assert apart[chosen[count]] == pytest.approx(apart.max())


def test_clumps_are_all_seen():
    clumps = np.repeat(np.eye(4) * 100, 25, axis=0) + np.random.default_rng(1).normal(size=(100, 4))
    assert {row // 25 for row in farthest(clumps, 4)} == {0, 1, 2, 3}


def test_rows_that_are_alike_are_still_several():
    assert sorted(farthest(np.ones((5, 2)), 4)) == [0, 1, 2, 3]
    assert farthest(np.ones((2, 2)), 4) == [0, 1]
    assert farthest(np.zeros((0, 2)), 4) == []


def test_every_group_has_its_turn_before_any_has_a_second():
    groups = ["large"] * 90 + ["b"] * 5 + ["c"] * 5
    keys = [f"clip{number}" for number in range(100)]
    assert sorted(groups[row] for row in spread(keys, groups, 3)) == ["b", "c", "large"]
    assert sorted(groups[row] for row in spread(keys, groups, 6)) == ["b", "b", "c", "c", "large", "large"]
    assert sorted(spread(keys, groups, 1000)) == list(range(100))


def test_the_choice_rests_on_keys_alone():
    keys, groups = [f"clip{number}" for number in range(40)], ["a"] * 20 + ["b"] * 20
    chosen = {keys[row] for row in spread(keys, groups, 7)}
    assert {keys[::-1][row] for row in spread(keys[::-1], groups[::-1], 7)} == chosen
    assert [keys[row] for row in spread(keys, groups, 7)] != sorted(chosen)  # no run of neighbours
