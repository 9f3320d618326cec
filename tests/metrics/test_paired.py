import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import ttest_rel
from sklearn.metrics import f1_score

from rushes.errors import MetricError
from rushes.metrics.paired import paired_macro_f1, paired_t

LABELS = ("quiet", "breathe", "snore")


def systems(groups=20, each=30, seed=0):
    """Truth, a better and a worse system, and groups that differ in difficulty."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), each)
    truth = rng.choice(3, len(group), p=(0.5, 0.35, 0.15))
    hard = rng.uniform(0.0, 0.4, groups)[group]
    sides = [
        np.where(rng.random(len(group)) < right - hard, truth, rng.integers(0, 3, len(group)))
        for right in (0.85, 0.7)
    ]
    return truth, *sides, group


def names(codes):
    return [LABELS[code] for code in codes]


def test_value_is_the_difference_of_scikit_learns_macro_f1():
    truth, first, second, group = systems()
    found = paired_macro_f1(names(truth), names(first), names(second), group.tolist(), LABELS)
    ours, theirs = (f1_score(truth, side, average="macro") for side in (first, second))
    assert found.value == pytest.approx(ours - theirs)
    assert found.n == len(truth)
    assert 0 < found.low < found.value < found.high


def test_interval_is_near_scipys_percentile_bootstrap_over_groups_and_a_little_wider():
    truth, first, second, group = systems()
    rows = [np.flatnonzero(group == each) for each in range(20)]

    def difference(chosen):
        of = np.concatenate([rows[each] for each in chosen.astype(int)])
        return f1_score(truth[of], first[of], average="macro") - f1_score(
            truth[of], second[of], average="macro"
        )

    theirs = scipy_bootstrap(
        (np.arange(20),), difference, n_resamples=600, vectorized=False, method="percentile", rng=1
    ).confidence_interval
    ours = paired_macro_f1(truth.tolist(), first.tolist(), second.tolist(), group.tolist(), range(3))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)
    assert ours.high - ours.low > theirs.high - theirs.low


def test_pairing_makes_the_interval_narrower_than_that_of_unpaired_sides():
    truth, first, _, group = systems()
    nearly = first.copy()
    nearly[::50] = truth[::50]
    found = paired_macro_f1(truth.tolist(), nearly.tolist(), first.tolist(), group.tolist(), range(3))
    assert 0 < found.high - found.low < 0.02


def test_a_system_against_itself_differs_by_nothing():
    truth, first, _, group = systems(4)
    found = paired_macro_f1(truth.tolist(), first.tolist(), first.tolist(), group.tolist(), range(3))
    assert found.value == 0.0
    assert found.low == -found.high < -0.5, "four groups that agree say little of a fifth"


def test_sides_of_other_lengths_or_labels_are_refused():
    with pytest.raises(MetricError, match="one length"):
        paired_macro_f1(["quiet"], ["quiet"], ["quiet", "snore"], ["a"], LABELS)
    with pytest.raises(MetricError, match="unknown label 'snort'"):
        paired_macro_f1(["quiet"], ["snort"], ["quiet"], ["a"], LABELS)


@pytest.mark.parametrize(("n", "confidence"), [(2, 0.95), (5, 0.95), (12, 0.8)])
def test_paired_t_is_scipys(n, confidence):
    rng = np.random.default_rng(n)
    first, second = rng.normal(0.8, 0.02, n), rng.normal(0.77, 0.02, n)
    theirs = ttest_rel(first, second).confidence_interval(confidence)
    ours = paired_t(first - second, confidence)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.value == pytest.approx((first - second).mean())
    assert ours.n == n


def test_one_seed_has_no_t_interval():
    with pytest.raises(MetricError, match="one seed says nothing") as caught:
        paired_t([0.03])
    assert "paired_macro_f1" in caught.value.cure


def test_equal_differences_tell_no_spread():
    found = paired_t([0.02, 0.02, 0.02 + 1e-12])
    assert (found.low, found.high) == (None, None)
    found = paired_t([0.02] * 3, bounds=(-1, 1))
    assert -1 < found.low < -0.5 < 0.5 < found.high < 1


def test_an_interval_over_seeds_keeps_within_what_a_figure_can_be():
    found = paired_t([0.978, 0.578], bounds=(0, 1))
    assert (found.value, found.low, found.high) == (pytest.approx(0.778), 0, 1)
    found = paired_t([0.3, -0.1, 0.2], bounds=(-1, 1))
    free = paired_t([0.3, -0.1, 0.2])
    assert (found.low, found.high) == (free.low, free.high)
    with pytest.raises(MetricError, match="on average"):
        paired_t([1.2, 1.3], bounds=(-1, 1))


def test_odd_differences_are_refused():
    for wrong in ([], [0.1, np.nan], [[0.1, 0.2]]):
        with pytest.raises(MetricError):
            paired_t(wrong)
    with pytest.raises(MetricError, match="between 0 and 1"):
        paired_t([0.1, 0.2], confidence=95)
