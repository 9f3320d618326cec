import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from rushes.errors import MetricError
from rushes.metrics.estimate import ERROR, SHARE, UNBOUNDED
from rushes.metrics.jackknife import MOST, Jackknife

GROUPS = ["a", "a", "b", "c", "c", "c", "d"]


def plain_interval(values, groups, to, back):
    """The rule from its words: leave out, transform, square, t on the effective number of clusters."""
    values, groups = np.asarray(values, dtype=float), np.asarray(groups)
    names, sizes = np.unique(groups, return_counts=True)
    here = to(values.mean())
    squares = sum((to(values[groups != name].mean()) - here) ** 2 for name in names)
    effective = sizes.sum() ** 2 / (sizes**2).sum()
    reach = student.ppf(0.975, effective - 1) * squares**0.5
    return back(here - reach), back(here + reach)


@pytest.mark.parametrize(
    ("bounds", "to", "back"),
    [
        (SHARE, lambda p: np.log(p / (1 - p)), lambda z: 1 / (1 + np.exp(-z))),
        (ERROR, np.log, np.exp),
        (UNBOUNDED, lambda x: x, lambda z: z),
    ],
)
def test_the_interval_is_what_the_rule_says(bounds, to, back):
    rng = np.random.default_rng(0)
    values, groups = rng.random(60), rng.integers(6, size=60)
    jackknife = Jackknife.of(groups)
    found = jackknife.estimate(jackknife.means(values), bounds)
    assert (found.low, found.high) == pytest.approx(plain_interval(values, groups, to, back))
    assert (found.value, found.n, found.clusters) == (values.mean(), 60, 6)


def test_an_unbounded_mean_of_equal_clusters_is_a_t_test_a_little_wider():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(12, 5))
    jackknife = Jackknife.of(np.repeat(np.arange(12), 5))
    found = jackknife.estimate(jackknife.means(values.ravel()))
    theirs = ttest_1samp(values.mean(axis=1), 0).confidence_interval()
    assert found.high - found.low == pytest.approx((theirs.high - theirs.low) * np.sqrt(12 / 11))


def test_sums_are_those_of_the_rows_that_are_left():
    parts = np.random.default_rng(2).integers(0, 3, (7, 5))
    jackknife = Jackknife.of(GROUPS)
    dense, sparse = (jackknife.sums(form(parts)) for form in (np.array, csr_array))
    assert np.array_equal(dense, sparse)
    left = [parts[[name != group for name in GROUPS]].sum(axis=0) for group in "abcd"]
    assert np.array_equal(dense, [parts.sum(axis=0), *left])


def test_means_and_statistics_agree():
    rng = np.random.default_rng(3)
    jackknife, values = Jackknife.of(rng.integers(9, size=60)), rng.random(60)
    generic = jackknife.statistic(lambda rows: float(values[rows].mean()))
    np.testing.assert_allclose(jackknife.means(values), generic, rtol=1e-12)


@pytest.mark.parametrize("sizes", [(20,) * 8, (2, 50, 9, 31, 4, 60, 17)])
def test_intervals_of_shares_hold_the_truth_as_often_as_they_say(sizes):
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    jackknife, inside = Jackknife.of(groups), 0
    for _ in range(400):
        hits = rng.random(len(groups)) < rng.beta(8.1, 0.9, len(sizes))[groups]
        found = jackknife.estimate(jackknife.means(hits), SHARE)
        inside += found.low <= 0.9 <= found.high
    assert 0.93 <= inside / 400 <= 0.995


def test_medians_of_single_rows_hold_the_truth_though_leaving_one_out_changes_nothing():
    rng = np.random.default_rng(5)
    jackknife, inside = Jackknife.of(range(40)), 0
    for _ in range(300):
        errors = np.exp(rng.normal(size=40))
        found = jackknife.estimate(jackknife.medians(errors), ERROR)
        assert found.value == np.median(errors)
        inside += found.low <= 1.0 <= found.high
    assert 0.91 <= inside / 300 <= 0.99


def test_a_median_on_a_grid_has_an_interval():
    errors = np.round(np.random.default_rng(6).random(30), 1)
    jackknife = Jackknife.of(np.arange(30) // 3)
    found = jackknife.estimate(jackknife.medians(errors), SHARE)
    assert found.low < found.value < found.high


def test_where_all_clusters_agree_the_interval_has_a_width_still():
    jackknife = Jackknife.of(np.arange(20))
    found = jackknife.estimate(np.full(21, 2 / 3), SHARE)
    assert found.low < 0.6 < 0.7 < found.high < 1.0
    found = jackknife.estimate(np.full(21, 2 / 3) + 1e-13 * np.arange(21), SHARE)
    assert found.high - found.low > 0.1, "a rounding is no spread"
    assert jackknife.estimate(np.zeros(21)).low is None
    assert jackknife.estimate(np.zeros(21), ERROR).high is None


def test_one_cluster_spans_the_range_of_the_figure_or_says_nothing():
    jackknife = Jackknife.of(["a"] * 9)
    hits = jackknife.means([True] * 4 + [False] * 5)
    assert hits.shape == (1,)
    found = jackknife.estimate(hits, SHARE)
    assert (found.low, found.high, found.n, found.clusters) == (0.0, 1.0, 9, 1)
    assert jackknife.estimate(hits, ERROR).low is None
    assert jackknife.medians(np.arange(9)).tolist() == [4.0]
    assert jackknife.sums(np.ones((9, 2))).tolist() == [[9.0, 9.0]]


def test_no_interval_leaves_the_range_or_its_own_figure():
    rng = np.random.default_rng(7)
    for _ in range(500):
        n = int(rng.integers(2, 12))
        jackknife = Jackknife.of(rng.integers(0, 4, n))
        share = rng.choice([0.0, 0.1, 0.9, 1.0])
        found = jackknife.estimate(jackknife.means(rng.random(n) < share), SHARE)
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.high - found.low > 0.01


def test_a_leave_out_at_a_bound_counts_as_half_a_row_from_it():
    hits = np.array([True] * 9 + [False] + [True] * 90)
    jackknife = Jackknife.of(np.arange(100) // 20)
    found = jackknife.estimate(jackknife.means(hits), SHARE)
    odds = np.log([0.99 / 0.01, 0.995 / 0.005, *[79 / 1] * 4])
    reach = student.ppf(0.975, 4) * np.sqrt(((odds[1:] - odds[0]) ** 2).sum())
    assert found.low == pytest.approx(1 / (1 + np.exp(reach - odds[0])))


def test_the_interval_holds_its_figure_at_the_end_of_the_range():
    f1 = [1.0, 1.0, 2 / 3, 1.0, 1.0]  # without the second cluster a class is gone, and counts as 0
    found = Jackknife.of(range(4)).estimate(f1, SHARE)
    assert found.low < 2 / 3
    assert found.high == found.value == 1.0


def test_a_figure_of_some_rows_rests_on_their_clusters():
    hits = np.array([True, False, True, True, False, True])
    counted = np.array([True, True, True, True, False, False])
    groups = np.array(["a", "a", "b", "c", "d", "e"])
    jackknife = Jackknife.of(groups)
    sums = jackknife.sums(np.stack([hits & counted, counted], axis=1))
    found = jackknife.estimate(sums[:, 0] / sums[:, 1], SHARE, rows=sums[:, 1])
    few = Jackknife.of(groups[counted])
    alone = few.estimate(few.means(hits[counted]), SHARE)
    assert (found.value, found.n, found.clusters) == (0.75, 4, 3)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


def test_many_clusters_are_left_out_several_at_a_time():
    values = np.random.default_rng(8).random(30_000)
    jackknife = Jackknife.of(np.arange(30_000))
    assert (len(jackknife), jackknife.clusters) == (MOST, 30_000)
    found = jackknife.estimate(jackknife.means(values), SHARE)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(30_000), rel=0.1)
    assert found.clusters == 30_000


def test_odd_figures_are_refused():
    jackknife = Jackknife.of(GROUPS)
    for figures, message in (
        (np.ones(4), "4 leave-outs"),
        ([2.0, *[0.5] * 4], "said to be 2"),
        ([0.5, np.nan, 0, 0, 0], "finite"),
    ):
        with pytest.raises(MetricError, match=message):
            jackknife.estimate(figures, SHARE)
    with pytest.raises(MetricError, match="no row"):
        jackknife.estimate(np.zeros(5), SHARE, rows=np.zeros(5))
    with pytest.raises(MetricError, match="one length"):
        jackknife.means([1.0, 2.0])
    with pytest.raises(MetricError, match="one length"):
        jackknife.sums(np.ones((2, 1)))
    with pytest.raises(MetricError, match="must name its cluster"):
        Jackknife.of([])
