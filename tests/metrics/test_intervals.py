import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.estimate import SHARE, Estimate
from rushes.metrics.intervals import (
    bootstrap,
    bootstrap_mean,
    bootstrap_share,
    cluster_rows,
    paired_difference,
)


def test_clusters_widen_the_interval_that_single_rows_would_make_too_narrow():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), 10)
    rows = rng.normal(size=20)[groups]
    clustered, single = bootstrap_mean(rows, groups), bootstrap_mean(rows, np.arange(200))
    assert clustered.high - clustered.low > 2.5 * (single.high - single.low)


def test_a_statistic_that_is_a_mean_has_the_interval_of_the_mean():
    rng = np.random.default_rng(3)
    rows, groups = rng.random(60), rng.integers(9, size=60)
    ours = bootstrap_mean(rows, groups, bounds=SHARE)
    generic = bootstrap(lambda i: float(rows[i].mean()), groups, bounds=SHARE)
    assert (ours.value, ours.low, ours.high) == pytest.approx((generic.value, generic.low, generic.high))
    assert (ours.n, ours.clusters) == (generic.n, generic.clusters) == (60, 9)


def test_the_order_of_rows_moves_nothing():
    rng = np.random.default_rng(6)
    rows, groups = rng.random(80), np.array([f"s{i}" for i in rng.integers(7, size=80)])
    order = rng.permutation(80)
    one, other = bootstrap_mean(rows, groups), bootstrap_mean(rows[order], groups[order])
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-12)


def test_one_group_falls_back_to_the_finer_id_then_to_rows():
    same = ["session"] * 6
    assert cluster_rows(same, finer=[4, 4, 9, 9, 9, 5]).tolist() == [0, 0, 2, 2, 2, 1]
    assert cluster_rows(same, finer=[4] * 6).tolist() == [0, 1, 2, 3, 4, 5]
    assert cluster_rows(["a", "b"], finer=[1, 2]).tolist() == [0, 1]
    rows = [1.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    finer = [4, 4, 9, 9, 9, 5]
    assert bootstrap_mean(rows, same, finer=finer) == bootstrap_mean(rows, finer)


def test_share_does_not_claim_certainty_where_all_rows_agree():
    estimate = bootstrap_share([True] * 30, ["a"] * 10 + ["b"] * 10 + ["c"] * 10)
    assert (estimate.value, estimate.high, estimate.n, estimate.clusters) == (1.0, 1.0, 30, 3)
    assert estimate.low == pytest.approx(0.025 ** (1 / 3))


def test_errors_keep_above_zero_though_nobody_said_that_they_are_errors():
    assert bootstrap_mean([0.1, 0.1, 9.0, 0.2], ["a", "b", "c", "d"]).low > 0
    assert bootstrap_mean([0.1, -0.1, 9.0, 0.2], ["a", "b", "c", "d"]).low < 0


def test_one_row_spans_the_range_of_the_figure_or_is_refused():
    assert bootstrap_mean([70.0], ["a"], bounds=(0, 100)) == Estimate(70.0, 0.0, 100.0, 1, 1)
    assert bootstrap(lambda rows: 70.0, ["a"], bounds=(0, 100)) == Estimate(70.0, 0.0, 100.0, 1, 1)
    with pytest.raises(MetricError, match="one single row"):
        bootstrap_mean([70.0], ["a"])


def test_paired_difference_sees_what_two_intervals_hide():
    rng = np.random.default_rng(7)
    difficulty = np.repeat(rng.normal(size=40), 3)
    groups = np.arange(120) // 3
    first, second = difficulty + 0.2 + rng.normal(0, 0.1, 120), difficulty
    apart = [bootstrap_mean(side, groups) for side in (first, second)]
    assert apart[0].low < apart[1].high
    together = paired_difference(first, second, groups)
    assert together.value == pytest.approx(0.2, abs=0.05)
    assert together.low > 0.1


def test_paired_difference_changes_sign_with_its_sides():
    rng = np.random.default_rng(8)
    first, second, groups = rng.random(40), rng.random(40), np.arange(40) // 4
    one, other = paired_difference(first, second, groups), paired_difference(second, first, groups)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
