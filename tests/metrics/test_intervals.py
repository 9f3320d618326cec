import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.intervals import (
    Estimate,
    bootstrap,
    bootstrap_mean,
    bootstrap_share,
    cluster_rows,
    paired_difference,
    wilson,
)


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
            assert got.n == n
            assert (got.low, got.high) == pytest.approx((max(low, 0), min(high, 1)), abs=1e-9)


def test_wilson_of_the_facts():
    estimate = wilson(21, 30)
    assert (round(estimate.low, 2), round(estimate.high, 2)) == (0.52, 0.83)


def test_bootstrap_mean_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside = 0
    for trial in range(200):
        level = rng.normal(size=30)  # one effect for all rows of a cluster
        groups = np.repeat(np.arange(30), 5)
        rows = level[groups] + 0.3 * rng.normal(size=150)
        estimate = bootstrap_mean(rows, groups, seed=trial, resamples=400)
        inside += estimate.low <= 0 <= estimate.high
    assert 0.88 <= inside / 200 <= 0.99


def test_clusters_widen_the_interval_that_single_rows_would_make_too_narrow():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), 10)
    rows = rng.normal(size=20)[groups]
    clustered, single = bootstrap_mean(rows, groups), bootstrap_mean(rows, np.arange(200))
    assert clustered.high - clustered.low > 2.5 * (single.high - single.low)


def test_generic_bootstrap_equals_the_mean_bootstrap():
    rng = np.random.default_rng(3)
    rows, groups = rng.random(60), rng.integers(9, size=60)
    ours = bootstrap_mean(rows, groups, seed=5, resamples=300)
    generic = bootstrap(lambda i: float(rows[i].mean()), groups, seed=5, resamples=300)
    assert (ours.value, ours.low, ours.high, ours.n) == pytest.approx(
        (generic.value, generic.low, generic.high, generic.n)
    )


def test_same_seed_same_interval_other_seed_another():
    rows, groups = np.random.default_rng(4).random(50), np.arange(50) // 5
    assert bootstrap_mean(rows, groups, seed=1) == bootstrap_mean(rows, groups, seed=1)
    assert bootstrap_mean(rows, groups, seed=1) != bootstrap_mean(rows, groups, seed=2)


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
    assert estimate.value == 1
    assert estimate.high == 1
    assert estimate.low == pytest.approx(wilson(3, 3).low)
    assert estimate.n == 30
    assert bootstrap_share([False], ["a"]).high == pytest.approx(wilson(0, 1).high)


def test_share_of_mixed_rows_is_the_mean_bootstrap():
    hits, groups = np.array([True, False, True, True]), ["a", "a", "b", "c"]
    assert bootstrap_share(hits, groups) == bootstrap_mean(hits, groups)


def test_one_row_spans_the_range_of_the_figure_or_is_refused():
    assert bootstrap_mean([70.0], ["a"], bounds=(0, 100)) == Estimate(70.0, 0.0, 100.0, 1)
    assert bootstrap(lambda rows: 70.0, ["a"], bounds=(0, 100)) == Estimate(70.0, 0.0, 100.0, 1)
    with pytest.raises(MetricError, match="one single row"):
        bootstrap_mean([70.0], ["a"])


def test_paired_difference_sees_what_two_intervals_hide():
    rng = np.random.default_rng(7)
    difficulty = np.repeat(rng.normal(size=40), 3)
    groups = np.arange(120) // 3
    first, second = difficulty + 0.2, difficulty
    apart = [bootstrap_mean(side, groups) for side in (first, second)]
    assert apart[0].low < apart[1].high
    together = paired_difference(first, second, groups)
    assert together.value == pytest.approx(0.2)
    assert together.low > 0.1
    assert paired_difference(first, first, groups) == Estimate(0.0, 0.0, 0.0, 120)


def test_paired_difference_changes_sign_with_its_sides():
    rng = np.random.default_rng(8)
    first, second, groups = rng.random(40), rng.random(40), np.arange(40) // 4
    one, other = paired_difference(first, second, groups), paired_difference(second, first, groups)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))


def test_many_clusters_are_drawn_in_blocks():
    rows = np.random.default_rng(9).random(30_000)
    estimate = bootstrap_mean(rows, np.arange(30_000), resamples=200)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * rows.std() / np.sqrt(30_000), rel=0.3)


def test_as_many_resamples_as_asked_for():
    estimate = bootstrap_mean(np.random.default_rng(10).random(20), np.arange(20), resamples=1)
    assert estimate.low == estimate.high
