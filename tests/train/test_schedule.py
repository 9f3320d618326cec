import math
from itertools import pairwise

import pytest

from rushes.train.optimizer import warmup_cosine


def test_curve_is_the_formula():
    updates, peak, warmup, floor = 100, 2e-4, 10, 1e-5
    curve = [warmup_cosine(u, updates, peak, warmup, floor) for u in range(updates)]
    assert curve[:10] == pytest.approx([2e-5 * k for k in range(1, 11)])
    assert curve[10] == peak
    assert curve[55] == pytest.approx((peak + floor) / 2)  # half of the fall
    assert curve[99] == pytest.approx(floor + (peak - floor) * (1 + math.cos(math.pi * 89 / 90)) / 2)
    assert all(later < earlier for earlier, later in pairwise(curve[10:]))
    assert min(curve) > floor


def test_worked_example():
    curve = [round(warmup_cosine(u, updates=6, peak=1.0, warmup=2), 3) for u in range(6)]
    assert curve == [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]


def test_warmup_may_fill_the_run():
    assert [warmup_cosine(u, 4, 1.0, warmup=4) for u in range(4)] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("update", [-1, 6])
def test_outside_of_the_run(update):
    with pytest.raises(ValueError, match="6 updates"):
        warmup_cosine(update, 6, 1.0)
