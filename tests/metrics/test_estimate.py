from math import inf

import numpy as np
import pytest
from scipy.stats import binomtest

from rushes.errors import MetricError
from rushes.metrics.estimate import ERROR, SHARE, UNBOUNDED, Estimate, of_agreement, of_differences, wilson


def plain_wilson(hits, n, z=1.959963984540054):
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def test_wilson_is_the_formula_for_every_small_n():
    for n in range(1, 40):
        for hits in range(n + 1):
            got, (low, high) = wilson(hits, n), plain_wilson(hits, n)
            assert got.value == hits / n
            assert (got.n, got.clusters) == (n, None)
            assert (got.low, got.high) == pytest.approx((max(low, 0), min(high, 1)), abs=1e-9)


def test_wilson_of_the_facts():
    estimate = wilson(21, 30)
    assert (round(estimate.low, 2), round(estimate.high, 2)) == (0.52, 0.83)


@pytest.mark.parametrize("n", [1, 2, 5, 20, 300])
def test_agreement_of_shares_is_clopper_and_pearson(n):
    for hits in (0, n):
        exact = binomtest(hits, n).proportion_ci(method="exact")
        assert of_agreement(hits / n, n, SHARE) == pytest.approx((exact.low, exact.high))


def test_agreement_inside_of_the_range_reaches_both_ways_and_never_beyond():
    low, high = of_agreement(2 / 3, 20, SHARE)
    assert 0.5 < low < 2 / 3 < high < 0.8
    assert of_agreement(0.0, 2, (-1, 1)) == pytest.approx((-0.842, 0.842), abs=1e-3)
    assert of_agreement(3.0, 20, ERROR) == of_agreement(3.0, 20, UNBOUNDED) == (None, None)


def test_differences_range_twice_as_far():
    assert of_differences((0.0, 100.0)) == (-100.0, 100.0)
    assert of_differences(UNBOUNDED) == (-inf, inf)


@pytest.mark.parametrize(
    "wrong", [(0.5, 0.6, 0.4), (np.nan, 0, 1), (0.5, 0.1, None), (0.5, None, 0.9), (0.5, -inf, 1)]
)
def test_an_estimate_out_of_order_cannot_be_made(wrong):
    with pytest.raises(MetricError, match="finite and in order"):
        Estimate(*wrong, 3)
