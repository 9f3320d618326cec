from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from plain_metrics import edit_score, segmental_f1

from rushes.metrics.segments import Run, SegmentCounts, edit_scores, runs, segment_counts

P1, T1 = [0, 0, 0, 1, 0, 1, 1, 1, 0], [0, 0, 1, 1, 2, 1, 1, 0, 0]
P2 = [1, 2, 3, 0, 0, 1, 2, 3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0]
T2 = [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3]
LABELS = range(4)
NONE = SegmentCounts(0, 0, 0)


def random_sequences(rng, longest=40, k=4):
    """A truth and a prediction that shares stretches with it."""
    n = int(rng.integers(1, longest))
    truth = np.repeat(rng.integers(k, size=n), rng.integers(1, 6, size=n))[:n]
    noisy = np.repeat(rng.integers(k, size=n), rng.integers(1, 6, size=n))[:n]
    return truth.tolist(), np.where(rng.random(n) < 0.6, truth, noisy).tolist()


# -- reference cases --------------------------------------------------------------------------------


def test_r6_edit_is_the_mean_over_videos():
    assert edit_scores([T1, T2], [P1, P2], LABELS).tolist() == pytest.approx([80, 25], abs=1e-9)
    assert edit_score([T1, T2], [P1, P2], LABELS) == pytest.approx(52.5, abs=1e-9)


@pytest.mark.parametrize(
    ("threshold", "each", "pooled", "f1"),
    [
        (0.10, [(4, 1, 1), (3, 9, 0)], (7, 10, 1), 56.0),
        (0.25, [(4, 1, 1), (0, 12, 3)], (4, 13, 4), 32.0),
        (0.50, [(4, 1, 1), (0, 12, 3)], (4, 13, 4), 32.0),
    ],
)
def test_r6_segmental_f1_is_pooled(threshold, each, pooled, f1):
    counts = segment_counts([T1, T2], [P1, P2], LABELS, threshold)
    assert counts == [SegmentCounts(*row) for row in each]
    assert sum(counts, NONE) == SegmentCounts(*pooled)
    assert segmental_f1([T1, T2], [P1, P2], LABELS)[threshold] == pytest.approx(f1, abs=1e-9)


# -- a second derivation of each --------------------------------------------------------------------


def plain_segments(sequence):
    """Segments as (label, set of positions)."""
    segments = []
    for position, label in enumerate(sequence):
        if position and sequence[position - 1] == label:
            segments[-1][1].add(position)
        else:
            segments.append((label, {position}))
    return segments


def plain_counts(truth, prediction, threshold, background):
    """MS-TCN's matching over sets of frames, in plain loops."""
    true = [s for s in plain_segments(truth) if s[0] not in background]
    found = [s for s in plain_segments(prediction) if s[0] not in background]
    used, tp, fp = set(), 0, 0
    for label, frames in found:
        best, best_iou = None, -1.0
        for number, (true_label, true_frames) in enumerate(true):
            iou = len(frames & true_frames) / len(frames | true_frames) if label == true_label else 0.0
            if iou > best_iou:
                best, best_iou = number, iou
        if best is not None and best_iou >= threshold and best not in used:
            tp += 1
            used.add(best)
        else:
            fp += 1
    return SegmentCounts(tp, fp, len(true) - len(used))


def plain_edit(truth, prediction, background):
    one = [s[0] for s in plain_segments(truth) if s[0] not in background]
    other = [s[0] for s in plain_segments(prediction) if s[0] not in background]

    @cache
    def distance(i, j):
        if not i or not j:
            return i + j
        swap = distance(i - 1, j - 1) + (one[i - 1] != other[j - 1])
        return min(swap, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    longer = max(len(one), len(other))
    return 100 * (1 - distance(len(one), len(other)) / longer) if longer else 100.0


@pytest.mark.parametrize("background", [(), (0,), (1, 3)])
def test_counts_and_edit_equal_the_plain_derivation(background):
    rng = np.random.default_rng(len(background))
    for _ in range(1_000):
        truth, prediction = random_sequences(rng)
        threshold = float(rng.choice([0.1, 0.25, 0.5, 0.75, 1.0]))
        ours = segment_counts([truth], [prediction], LABELS, threshold, background=background)
        assert ours == [plain_counts(truth, prediction, threshold, background)]
        edit = edit_scores([truth], [prediction], LABELS, background=background)[0]
        assert edit == pytest.approx(plain_edit(truth, prediction, background), abs=1e-9)


def test_runs_rebuild_their_sequence():
    rng = np.random.default_rng(9)
    for _ in range(500):
        sequence, _ = random_sequences(rng)
        found = runs(sequence)
        assert [run.label for run in found for _ in range(run.end - run.start)] == sequence
        assert all(one.end == other.start and one.label != other.label for one, other in pairwise(found))
    assert runs(["a"]) == [Run("a", 0, 1)]


# -- identities and quirks --------------------------------------------------------------------------


def test_r9_truth_as_prediction_gives_a_hundred():
    rng = np.random.default_rng(10)
    truths = [random_sequences(rng, longest=15)[0] for _ in range(10_000)]
    assert (edit_scores(truths, truths, LABELS) == 100).all()
    counts = segment_counts(truths, truths, LABELS, 0.5)
    assert all(count.f1 == 100 for count in counts)
    assert segmental_f1(truths, truths, LABELS, [1.0]) == {1.0: 100.0}


def test_doubling_the_frame_rate_moves_nothing():
    rng = np.random.default_rng(11)
    for _ in range(300):
        truth, prediction = random_sequences(rng)
        twice = np.repeat(truth, 2).tolist(), np.repeat(prediction, 2).tolist()
        assert segmental_f1([truth], [prediction], LABELS) == segmental_f1([twice[0]], [twice[1]], LABELS)
        assert edit_score([truth], [prediction], LABELS) == edit_score([twice[0]], [twice[1]], LABELS)


def test_the_order_of_videos_moves_nothing():
    rng = np.random.default_rng(12)
    pairs = [random_sequences(rng) for _ in range(40)]
    truths, predictions = zip(*pairs, strict=True)
    mixed = [pairs[i] for i in rng.permutation(40)]
    other_truths, other_predictions = zip(*mixed, strict=True)
    assert segmental_f1(truths, predictions, LABELS) == segmental_f1(other_truths, other_predictions, LABELS)
    assert edit_score(truths, predictions, LABELS) == pytest.approx(
        edit_score(other_truths, other_predictions, LABELS), abs=1e-12
    )


def test_a_second_prediction_over_the_best_segment_is_false_even_where_another_would_fit():
    truth = [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    prediction = [0, 0, 0, 1, 0, 0, 0, 0, 2, 2, 2]  # both zeros overlap the first most
    assert segment_counts([truth], [prediction], LABELS, 0.1) == [SegmentCounts(1, 3, 2)]


def test_a_missing_answer_is_a_segment_that_matches_nothing():
    assert segment_counts([[0, 0, 1]], [[0, 0, None]], LABELS, 0.5) == [SegmentCounts(1, 1, 1)]
    assert edit_score([[0, 0, 1]], [[0, 0, None]], LABELS) == 50.0


def test_background_only_videos_agree_or_not_without_dividing_by_zero():
    assert edit_scores([[0, 0], [0, 0]], [[0, 0], [0, 1]], LABELS, background=[0]).tolist() == [100, 0]
    assert segment_counts([[0, 0]], [[0, 1]], LABELS, 0.5, background=[0]) == [SegmentCounts(0, 1, 0)]
