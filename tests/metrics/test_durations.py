"""Viterbi with minimum durations against every sequence of labels; what minima are learned from."""

from itertools import groupby, product

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.decode import smooth, smooth_or_say, viterbi
from rushes.metrics.durations import NoPathError
from rushes.metrics.grammar import fit_grammar, minimum_durations


def lengths(path):
    """(label, ticks) of each run."""
    return [(label, sum(1 for _ in members)) for label, members in groupby(path)]


def by_enumeration(initial, transition, emission, minimum):
    """The best of all sequences, and its score; of equal ones the lowest read from behind. None where there is none."""
    best = None
    for path in product(range(len(initial)), repeat=len(emission)):
        if any(ticks < minimum[label] for label, ticks in lengths(path)[1:-1]):
            continue
        score = initial[path[0]] + emission[0, path[0]]
        for tick in range(1, len(path)):
            score += transition[path[tick - 1], path[tick]] + emission[tick, path[tick]]
        if score > -np.inf and (best is None or (-score, path[::-1]) < (-best[1], best[0][::-1])):
            best = path, score
    return best


def random_model(rng, trial):
    """A chain of up to six ticks and five labels with minima; every other is full of ties, a third forbids things."""
    ticks, k = int(rng.integers(1, 7)), int(rng.integers(1, 6))
    if trial % 2:  # whole numbers: their sums are exact, and equal paths really are
        model = [-rng.integers(0, 3, shape).astype(float) for shape in (k, (k, k), (ticks, k))]
    else:
        model = [np.log(rng.random(shape)) for shape in (k, (k, k), (ticks, k))]
    if trial % 3 == 0:
        model[1][rng.random((k, k)) < 0.3] = -np.inf
        model[2][rng.random((ticks, k)) < 0.2] = -np.inf
    return (*model, rng.integers(1, 9 if trial % 5 == 0 else 5, k))


def test_it_equals_brute_force_on_two_thousand_random_models():
    rng, impossible, bound = np.random.default_rng(0), 0, 0
    for trial in range(2_000):
        model = random_model(rng, trial)
        expected = by_enumeration(*model)
        if expected is None:
            impossible += 1
            with pytest.raises(NoPathError, match="no path"):
                viterbi(*model)
            continue
        path, score = viterbi(*model)
        assert tuple(path) == expected[0], trial
        assert score == pytest.approx(expected[1], abs=1e-9)
        bound += score < viterbi(*model[:3])[1] - 1e-9
    assert impossible > 50
    assert bound > 400  # in so many the minima changed the answer


def test_minima_of_one_change_nothing():
    rng = np.random.default_rng(1)
    for _ in range(100):
        initial, transition, emission = (np.log(rng.random(shape)) for shape in (4, (4, 4), (60, 4)))
        free, score = viterbi(initial, transition, emission)
        path, same = viterbi(initial, transition, emission, [1] * 4)
        assert path.tolist() == free.tolist()
        assert same == pytest.approx(score, abs=1e-9)


def test_a_short_run_is_excluded_whatever_speaks_for_it_but_at_the_edges():
    flat = np.log(np.full((2, 2), 0.5))
    seen = np.log(np.where(np.array([0, 0, 0, 1, 0, 0, 0])[:, None] == [0, 1], 1 - 1e-9, 1e-9))
    assert viterbi(flat[0], flat, seen, [1, 2])[0].tolist() == [0] * 7
    assert viterbi(flat[0], flat, seen[3:], [1, 2])[0].tolist() == [1, 0, 0, 0]
    assert viterbi(flat[0], flat, seen[:4], [1, 2])[0].tolist() == [0, 0, 0, 1]


def test_minima_longer_than_the_recording_leave_its_edges():
    """Two runs, so one of the three labels is missing; equal scores: the lowest label at the end."""
    flat, seen = np.zeros((3, 3)), 2.0 * np.eye(3)
    assert viterbi(flat[0], flat, seen)[0].tolist() == [0, 1, 2]
    assert viterbi(flat[0], flat, seen, [50, 50, 50])[0].tolist() == [0, 1, 1]


@pytest.mark.parametrize("minimum", [[1], [1, 0], [1, -2], [1, 1.5], [1, np.nan], [[1, 1]], []], ids=str)
def test_minima_are_whole_numbers_of_each_label(minimum):
    flat = np.zeros((2, 2))
    with pytest.raises(MetricError, match=r"minimum durations"):
        viterbi(flat[0], flat, flat, minimum)


def test_many_ticks_of_many_labels_at_once():
    rng = np.random.default_rng(2)
    model = [np.log(rng.random(shape)) for shape in (11, (11, 11), (3_000, 11))]
    minimum = rng.integers(1, 9, 11)
    path, score = viterbi(*model, minimum)
    assert all(ticks >= minimum[label] for label, ticks in lengths(path)[1:-1])
    by_hand = model[0][path[0]] + model[2][np.arange(3_000), path].sum() + model[1][path[:-1], path[1:]].sum()
    assert score == pytest.approx(by_hand, abs=1e-6)


# --- minima from training sequences -----------------------------------------------------------------------


def test_a_minimum_is_a_low_rank_among_inner_runs():
    between = [1] * 4
    runs_of_a = [
        2,
        5,
        6,
        3,
        7,
        8,
        9,
        4,
        6,
        5,
        7,
        8,
        6,
        5,
        9,
        7,
        6,
        8,
        5,
    ]  # 19 runs: the second shortest at .1
    inner = [label for ticks in runs_of_a for label in [0] * ticks + between]
    sequence = [1, *inner, 0]  # the last run is cut
    assert minimum_durations([sequence], [0, 1, 2], excluded=0.1).tolist() == [3, 4, 1]
    assert minimum_durations([sequence], [0, 1, 2]).tolist() == [2, 4, 1]
    assert minimum_durations([sequence], [0, 1, 2], excluded=0.04).tolist() == [1, 1, 1]


def test_few_runs_promise_nothing():
    eight = [label for _ in range(8) for label in [0] * 6 + [1] * 5]
    assert minimum_durations([[1, *eight, 0]], [0, 1], excluded=0.1).tolist() == [1, 1]
    assert minimum_durations([[1, *eight, *[0] * 6, 1, 0]], [0, 1], excluded=0.1).tolist() == [6, 1]


def test_a_minimum_costs_no_more_true_runs_than_it_was_allowed():
    rng, short, total = np.random.default_rng(3), 0, 0
    for _ in range(400):
        ticks = np.maximum(1, np.round(rng.lognormal(2.0, 0.5, 41))).astype(int)
        train = [0, *(label for length in ticks[:-1] for label in [1] * length + [0])]
        minimum = minimum_durations([train], [0, 1], excluded=0.1)[1]
        short += ticks[-1] < minimum
        total += 1
    assert 0 < short / total <= 0.1 + 3 * np.sqrt(0.09 / total)


@pytest.mark.parametrize("excluded", [0, 1, -0.1, np.nan])
def test_a_share_lies_between_nought_and_one(excluded):
    with pytest.raises(MetricError, match="between 0 and 1"):
        minimum_durations([["a"]], ["a"], excluded)


# --- where no sequence is possible ------------------------------------------------------------------------

GRAMMAR = fit_grammar([["a"] * 5 + ["b"] * 5], ["a", "b"])
CERTAIN = [[1, 0], [0, 1], [1, 0]]


def test_rework_stays_possible():
    """A step back that no training session shows."""
    seen = np.repeat([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], 6, axis=0)
    assert smooth(GRAMMAR, seen, minimum=[3, 3]) == ["a"] * 6 + ["b"] * 6 + ["a"] * 6


def test_noughts_that_leave_no_sequence_are_said():
    with pytest.raises(NoPathError):
        smooth(GRAMMAR, CERTAIN, minimum=[2, 2])
    labels, remark = smooth_or_say(GRAMMAR, CERTAIN, minimum=[2, 2])
    assert labels == ["a", "b", "a"]
    assert remark == "without minimum durations: with them no sequence is possible"


def test_nothing_is_said_where_nothing_was_given_up():
    assert smooth_or_say(GRAMMAR, CERTAIN, minimum=[1, 1]) == (["a", "b", "a"], "")


def test_other_faults_are_not_smoothed_over():
    with pytest.raises(MetricError, match="some label must be possible"):
        smooth_or_say(GRAMMAR, [[0, 0]], minimum=[1, 1])
