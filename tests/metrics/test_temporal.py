from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from plain_metrics import recall_of_moments

from rushes.metrics.detection import AP_THRESHOLDS, Detection, TrueSegment, average_precision
from rushes.metrics.temporal import (
    THRESHOLDS,
    boundary_errors,
    frames_to_seconds,
    interior_edges,
    pairwise_tiou,
    reaches,
    tiou,
)

NTSC = Fraction(30000, 1001)


def random_intervals(rng, n, longest=20.0):
    start = rng.random(n) * longest
    return np.stack([start, start + 0.01 + rng.random(n) * longest], axis=1)


# -- reference cases --------------------------------------------------------------------------------


def test_r1_pairwise_tiou():
    targets, candidates = [[1, 2], [2, 3]], [[2, 3], [2.5, 3]]
    assert pairwise_tiou(targets, candidates).tolist() == [[0, 0], [1, 0.5]]
    assert pairwise_tiou(targets, [2.5, 3]).tolist() == [0, 0.5]
    with pytest.raises(ValueError, match="empty"):
        pairwise_tiou(np.array([]), np.array([]))


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ((1, 10), (1, 125), 0.08),
        ((1, 63), (1, 125), 0.504),
        ((7, 7), (7, 7), 1.0),
        ((1, 62), (1, 125), 0.496),
    ],
)
def test_inclusive_frames_are_scored_without_being_off_by_one(predicted, truth, expected):
    for fps in (25, 15, NTSC):
        seconds = frames_to_seconds(*truth, fps), frames_to_seconds(*predicted, fps)
        assert tiou([seconds[0]], [seconds[1]])[0] == pytest.approx(expected, abs=1e-9)


# -- misses -----------------------------------------------------------------------------------------


def test_misses_stay_in_the_denominator():
    truth = [[0, 5]] * 5
    predicted = [(0, 5), None, (2, 2), (4, 1), (0, 2.5)]
    assert tiou(truth, predicted).tolist() == [1.0, 0.0, 0.0, 0.0, 0.5]
    assert recall_of_moments(truth, predicted, [0.3, 0.5, 1.0]) == {0.3: 0.4, 0.5: 0.4, 1.0: 0.2}


def test_a_hit_is_at_or_above_the_threshold():
    assert recall_of_moments([[0, 4]], [(0, 2)], [0.5]) == {0.5: 1.0}
    assert recall_of_moments([[0, 4]], [(0, 1.999)], [0.5]) == {0.5: 0.0}


FRAMES_S = [Fraction(1, 10), Fraction(1, 25), Fraction(1, 30), Fraction(1001, 30000)]


@pytest.mark.parametrize("frame_s", FRAMES_S, ids=str)
def test_an_overlap_on_a_threshold_is_a_hit_and_one_below_it_is_none(frame_s):
    exact, pairs = [], []
    for first, length, start, end in product((0, 7, 1500), range(1, 21), range(12), range(1, 21)):
        if start < length and start < end:
            overlap, union = min(end, length) - start, max(end, length)
            exact.append(Fraction(overlap, union))
            edges = ((first, first + length), (first + start, first + end))
            pairs.append([tuple(float(frame * frame_s) for frame in pair) for pair in edges])
    overlaps = tiou([true for true, _ in pairs], [answer for _, answer in pairs])
    for tau in (*THRESHOLDS, *AP_THRESHOLDS):
        expected = [share >= Fraction(str(tau)) for share in exact]
        assert reaches(overlaps, tau).tolist() == expected
        assert any(share == Fraction(str(tau)) for share in exact)
    assert (overlaps < 0.5).tolist() != [share < Fraction(1, 2) for share in exact], "rounding does decide"


def test_both_scorers_take_an_overlap_of_a_half_for_a_half():
    true, answer = (0.0, 0.1), (0.0, 0.2)
    assert tiou([true], [answer])[0] < 0.5
    assert recall_of_moments([true], [answer], [0.5]) == {0.5: 1.0}
    found = average_precision([TrueSegment("v", "a", *true)], [Detection("v", "a", *answer, 1)], ["a"], [0.5])
    assert found.average == 1.0


def test_a_reversed_prediction_is_not_turned_round():
    assert tiou([[0, 4], [0, 4]], [(4, 0), (-4, -8)]).tolist() == [0, 0]


def test_all_misses_give_zero_and_not_nan():
    assert tiou([[0, 1], [0, 1]], [None, None]).tolist() == [0.0, 0.0]


# -- identities -------------------------------------------------------------------------------------


def test_r9_tiou_is_symmetric_bounded_and_one_for_the_truth():
    rng = np.random.default_rng(0)
    one, other = random_intervals(rng, 10_000), random_intervals(rng, 10_000)
    there, back = tiou(one, other), tiou(other, one)
    np.testing.assert_array_equal(there, back)
    assert there.min() >= 0
    assert there.max() <= 1
    assert (there > 0).mean() > 0.2
    assert (tiou(one, one) == 1).all()


def test_tiou_equals_counting_fine_slices_of_time():
    rng = np.random.default_rng(1)
    for _ in range(200):
        cells = np.sort(rng.choice(40, size=(2, 2), replace=False), axis=1)
        one, other = (set(range(*row)) for row in cells.tolist())
        expected = len(one & other) / len(one | other)
        assert tiou([cells[0] / 7], [cells[1] / 7])[0] == pytest.approx(expected, abs=1e-12)


def test_pairwise_agrees_with_pairs():
    rng = np.random.default_rng(2)
    one, other = random_intervals(rng, 30), random_intervals(rng, 30)
    np.testing.assert_array_equal(np.diag(pairwise_tiou(one, other)), tiou(one, other))
    np.testing.assert_array_equal(pairwise_tiou(one, other), pairwise_tiou(other, one).T)


def test_r9_changing_the_fps_of_both_sides_moves_nothing():
    rng = np.random.default_rng(3)
    first = rng.integers(1, 200, size=(10_000, 2))
    last = first + rng.integers(0, 200, size=(10_000, 2))
    rates = (25, 15, NTSC)
    by_rate = []
    for fps in rates:
        # the conversion itself, row by row, for a sample; its formula for the rest
        seconds = np.stack([(first - 1) / float(fps), last / float(fps)], axis=2)
        for row in range(0, 10_000, 100):
            for side in (0, 1):
                exact = frames_to_seconds(int(first[row, side]), int(last[row, side]), fps)
                np.testing.assert_allclose(seconds[row, side], exact, rtol=0, atol=1e-9)
        by_rate.append(tiou(seconds[:, 0], seconds[:, 1]))
    for other in by_rate[1:]:
        np.testing.assert_allclose(by_rate[0], other, rtol=0, atol=1e-9)


def test_frames_at_the_edge():
    assert frames_to_seconds(1, 125, 25) == (0.0, 5.0)
    assert frames_to_seconds(1, 30000, NTSC) == (0.0, 1001.0)


def test_the_order_of_rows_moves_nothing():
    rng = np.random.default_rng(5)
    truth, predicted = random_intervals(rng, 100), random_intervals(rng, 100)
    order = rng.permutation(100)
    np.testing.assert_array_equal(tiou(truth, predicted)[order], tiou(truth[order], predicted[order]))


# -- boundaries -------------------------------------------------------------------------------------


def test_boundary_errors_charge_the_misses():
    errors = boundary_errors([[1, 3], [1, 3], [1, 3]], [(0.5, 3.25), None, (3, 3)], miss_s=5.0)
    assert errors.tolist() == [[0.5, 0.25], [5, 5], [5, 5]]


def test_cut_edges_are_no_boundaries():
    truth = [[0, 2.5], [2.5, 5], [1, 4], [0, 5]]
    assert interior_edges(truth, 5.0).tolist() == [[False, True], [True, False], [True, True], [False, False]]
    assert interior_edges([[0, 3], [0, 3]], [3, 4]).tolist() == [[False, False], [False, True]]
