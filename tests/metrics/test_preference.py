"""Tests and intervals by query against scipy, brute force, simulation and `evalica`."""

from itertools import product

import evalica
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, binomtest

from rushes.errors import MetricError
from rushes.metrics.preference import (
    LEVEL,
    balances,
    bradley_terry,
    detectable,
    exact_share,
    krippendorff_alpha,
    needed,
    power,
    preference,
    queries_for,
    sign_flip_test,
    sign_test,
)


@pytest.mark.parametrize(
    ("wins", "losses"), [(15, 5), (33, 17), (60, 40), (61, 39), (0, 7), (3, 3), (221, 179)]
)
def test_the_sign_test_is_the_exact_binomial_test(wins, losses):
    assert sign_test(wins, losses) == pytest.approx(binomtest(wins, wins + losses).pvalue)
    assert sign_test(losses, wins) == sign_test(wins, losses)


@pytest.mark.parametrize(("n", "least"), [(20, 15), (50, 33), (100, 61), (200, 115), (400, 221)])
def test_what_is_shown_from_where_on(n, least):
    assert sign_test(least, n - least) <= LEVEL < sign_test(least - 1, n - least + 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_sign_flip_test_is_that_of_all_flips(seed):
    balance = np.random.default_rng(seed).integers(-3, 4, 10)
    sums = [abs(np.dot(flip, balance)) for flip in product((1, -1), repeat=10)]
    assert sign_flip_test(balance) == pytest.approx(np.mean(np.array(sums) >= abs(balance.sum())))


def test_of_single_votes_both_tests_are_one():
    balance = [1] * 14 + [-1] * 5 + [0] * 4
    assert sign_flip_test(balance) == pytest.approx(sign_test(14, 5))


@pytest.mark.parametrize(("hits", "n"), [(0, 9), (9, 9), (13, 40), (1, 1)])
def test_the_exact_interval_is_scipys(hits, n):
    ends = binomtest(hits, n).proportion_ci(0.95, method="exact")
    found = exact_share(hits, n)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))


# --- votes --------------------------------------------------------------------------------------------------


def test_a_query_counts_once_however_many_vote_on_it():
    queries = ["a"] * 5 + ["b"] * 3 + ["c"] * 2 + ["d"]
    votes = [1, 1, 1, -1, 0, -1, -1, 0, 1, -1, 0]
    found = preference(queries, votes)
    assert balances(queries, votes).tolist() == [2, -2, 0, 0]
    assert (found.queries, found.wins, found.losses, found.ties) == (4, 1, 1, 2)
    assert found.votes.n == 8
    assert found.votes.clusters == 3
    assert found.verdict == "not shown"


def test_either_can_be_preferred():
    queries = np.repeat(np.arange(20), 2)
    assert preference(queries, [1] * 40).verdict == "A is preferred"
    assert preference(queries, [-1] * 40).verdict == "B is preferred"


def test_winning_every_vote_leaves_an_interval_and_no_infinite_number():
    found = preference(np.repeat(np.arange(10), 3), [1] * 30)
    assert (found.share.value, found.share.high) == (found.votes.value, found.votes.high) == (1.0, 1.0)
    assert 0.6 < found.share.low < 0.75
    assert found.votes.low == pytest.approx(found.share.low)
    assert (found.strength.value, found.strength.high) == (None, None)
    assert found.strength.low == pytest.approx(np.log(found.votes.low / (1 - found.votes.low)))


def test_ties_alone_show_nothing_and_have_no_share():
    found = preference(["a", "b", "c"], [0, 0, 0])
    assert (found.p, found.p_flip, found.share, found.votes, found.verdict) == (1, 1, None, None, "not shown")
    assert found.strength.value == 0


def test_the_difference_of_two_is_the_closed_form_with_ties_as_halves():
    votes = [1] * 17 + [0] * 6 + [-1] * 9
    found = preference(np.arange(32), votes)
    assert found.strength.value == pytest.approx(np.log(20 / 12), abs=1e-12)
    strengths = bradley_terry([[0, 20], [12, 0]])
    assert strengths[0] - strengths[1] == pytest.approx(np.log(20 / 12), abs=1e-12)


@pytest.mark.parametrize("votes", [[2, 0], [0.5, 1], []])
def test_other_votes_are_refused(votes):
    with pytest.raises(MetricError):
        preference(range(len(votes)), votes)


def test_five_raters_do_not_make_equal_systems_different():
    """A sign test over single votes says so in a sixth of these studies."""
    rng, shown, naive, sets = np.random.default_rng(0), 0, 0, 300
    for _ in range(sets):
        tilt = rng.normal(0, 1.5, (60, 1))
        votes = np.where(rng.random((60, 5)) < 1 / (1 + np.exp(-tilt)), 1, -1)
        votes[rng.random((60, 5)) < 0.25] = 0
        found = preference(np.repeat(np.arange(60), 5), votes.ravel())
        shown += found.verdict != "not shown"
        naive += sign_test(int((votes > 0).sum()), int((votes < 0).sum())) <= LEVEL
    assert shown / sets <= 0.07 < 0.12 < naive / sets


# --- how many -----------------------------------------------------------------------------------------------


def test_power_is_that_of_the_exact_test():
    def brute(n, share):
        shown = [k for k in range(n + 1) if sign_test(k, n - k) <= LEVEL]
        return binom.pmf(shown, n, share).sum()

    sizes = [1, 4, 5, 6, 7, 20, 35, 54, 97, 211]
    assert power(sizes, 0.62) == pytest.approx([brute(n, 0.62) for n in sizes])


def test_power_stays_above_from_the_number_that_is_needed():
    assert [needed(share) for share in (0.55, 0.6, 0.65, 0.7, 0.75)] == [820, 210, 97, 54, 35]
    assert needed(0.4) == needed(0.6)
    assert power(786, 0.55) >= 0.8 > power(819, 0.55)  # it saws: first touched, then left again
    assert detectable(97) <= 0.65 < detectable(80)
    with pytest.raises(MetricError):
        needed(0.5)


@pytest.mark.parametrize("share", [0.5, 0.65, 0.9])
def test_queries_for_an_interval_are_just_enough(share):
    def reach(n):
        ends = binomtest(round(share * n), n).proportion_ci(0.95, method="exact")
        return max(share - ends.low, ends.high - share)

    n = queries_for(share)
    assert reach(round(n / 20) * 20 + 20) <= 0.05 < reach(round(n / 20) * 20 - 20)


# --- many systems, many raters ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_strengths_are_those_of_evalica(seed):
    rng, k = np.random.default_rng(seed), 6
    truth = rng.normal(0, 1.5, k)
    first, second = rng.integers(0, k, (2, 900))
    first, second = first[first != second], second[first != second]
    chance = 1 / (1 + np.exp(truth[second] - truth[first]))
    outcome = np.where(rng.random(len(first)) < 0.2, 0, np.where(rng.random(len(first)) < chance, 1, -1))
    wins = np.zeros((k, k))
    np.add.at(wins, (first, second), (outcome + 1) / 2)
    np.add.at(wins, (second, first), (1 - outcome) / 2)
    named = {1: evalica.Winner.X, -1: evalica.Winner.Y, 0: evalica.Winner.Draw}
    theirs = evalica.bradley_terry(
        first.tolist(), second.tolist(), [named[one] for one in outcome], tolerance=1e-13, limit=10_000
    )
    logs = np.log(theirs.scores.sort_index().to_numpy())
    assert bradley_terry(wins) == pytest.approx(logs - logs.mean(), abs=1e-6)


def test_lopsided_strengths_are_found_too():
    wins = np.array([[0, 99_999, 0], [1, 0, 99_999], [0, 1, 0]])
    strengths = bradley_terry(wins)
    odds = strengths[:, np.newaxis] - strengths
    expected = (wins + wins.T) / (1 + np.exp(-odds))
    assert expected.sum(axis=1) == pytest.approx(wins.sum(axis=1), rel=1e-9)


@pytest.mark.parametrize(
    "wins", [[[0, 3], [0, 0]], [[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[0, -1], [1, 0]], [[0, 1]]]
)
def test_strengths_that_nothing_bounds_are_refused(wins):
    with pytest.raises(MetricError):
        bradley_terry(wins)


@pytest.mark.parametrize("seed", range(4))
def test_agreement_is_that_of_evalica(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, 40)
    ratings = np.where(rng.random((4, 40)) < 0.6, truth, rng.integers(0, 3, (4, 40)))
    ratings[rng.random((4, 40)) < 0.3] = -1
    theirs = evalica.alpha(pd.DataFrame(np.where(ratings < 0, np.nan, ratings)))
    assert krippendorff_alpha(ratings) == pytest.approx(theirs.alpha)


def test_agreement_by_the_book():
    """Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C: four observers, nominal, .743."""
    ratings = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
    assert krippendorff_alpha(np.array(ratings) - 1) == pytest.approx(0.743, abs=5e-4)


@pytest.mark.parametrize("ratings", [[[0, -1], [-1, 1]], [[1, 1], [1, 1]], [[-1], [-1]]])
def test_agreement_that_nothing_tells_is_refused(ratings):
    with pytest.raises(MetricError):
        krippendorff_alpha(ratings)
