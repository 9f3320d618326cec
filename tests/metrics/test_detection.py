import numpy as np
import pytest

from rushes.metrics.detection import AP_THRESHOLDS, Detection, TrueSegment, average_precision

LABELS = ["a", "b", "c"]


def plain_ap(truth, detections, label, threshold):
    """AP from its definition: rank, match one by one, then the VOC-2011 area under the curve."""
    true = sorted((t for t in truth if t.label == label), key=lambda t: (t.start_s, t.end_s))
    ranked = sorted(
        (d for d in detections if d.label == label), key=lambda d: (-d.score, d.video, d.start_s, d.end_s)
    )
    used, correct = set(), []
    for d in ranked:
        candidates = []
        for number, t in enumerate(true):
            if t.video != d.video or number in used:
                continue
            overlap = max(0.0, min(t.end_s, d.end_s) - max(t.start_s, d.start_s))
            union = (t.end_s - t.start_s) + (d.end_s - d.start_s) - overlap
            tiou = overlap / union
            if tiou >= threshold:
                candidates.append((-tiou, number))
        correct.append(bool(candidates))
        if candidates:
            used.add(min(candidates)[1])
    points = [(0.0, 0.0)]
    for rank in range(1, len(ranked) + 1):
        hits = sum(correct[:rank])
        points.append((hits / len(true), hits / rank))
    points.append((1.0, 0.0))
    area = 0.0
    for i in range(1, len(points)):
        area += (points[i][0] - points[i - 1][0]) * max(p for _, p in points[i:])
    return area


def random_case(rng, ties=False):
    def segment():
        start = int(rng.integers(0, 20))
        return start / 2, (start + int(rng.integers(1, 10))) / 2

    videos = ["v0", "v1", "v2"]
    truth = [
        TrueSegment(str(rng.choice(videos)), str(rng.choice(LABELS)), *segment())
        for _ in range(int(rng.integers(1, 12)))
    ]
    scores = rng.integers(4, size=20) / 4 if ties else rng.permutation(20) / 20
    found = [
        Detection(str(rng.choice([*videos, "v9"])), str(rng.choice(LABELS)), *segment(), float(score))
        for score in scores[: int(rng.integers(0, 20))]
    ]
    return truth, found


@pytest.mark.parametrize("ties", [False, True])
def test_ap_equals_the_plain_derivation(ties):
    rng = np.random.default_rng(int(ties))
    thresholds = [0.1, 0.3, 0.5, 0.75, 1.0]
    for _ in range(1_000):
        truth, found = random_case(rng, ties)
        scores = average_precision(truth, found, LABELS, thresholds)
        expected = [[plain_ap(truth, found, label, tau) for label in scores.labels] for tau in thresholds]
        np.testing.assert_allclose(scores.ap, expected, rtol=0, atol=1e-12)
        assert set(scores.labels) == {t.label for t in truth}


def test_the_order_of_rows_moves_nothing_even_with_equal_scores():
    rng = np.random.default_rng(2)
    for _ in range(300):
        truth, found = random_case(rng, ties=True)
        scores = average_precision(truth, found, LABELS)
        mixed = average_precision(
            [truth[i] for i in rng.permutation(len(truth))],
            [found[i] for i in rng.permutation(len(found))],
            LABELS,
        )
        np.testing.assert_array_equal(scores.ap, mixed.ap)


def test_r9_truth_as_prediction_is_perfect():
    rng = np.random.default_rng(3)
    cells = rng.integers(1, 30, size=(10_000, 4, 4))  # of each case: video, class, start, length
    for case in cells.tolist():
        truth = [
            TrueSegment(f"v{v % 3}", LABELS[c % 3], start, start + length)
            for v, c, start, length in {tuple(row) for row in case}
        ]
        unique = list(dict.fromkeys(truth))
        scores = average_precision(unique, [Detection(*row, 1.0) for row in unique], LABELS, [0.5, 1.0])
        assert scores.average == 1.0


def test_the_default_thresholds_are_activitynets():
    assert AP_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def test_equal_scores_are_ordered_by_video_then_start():
    truth = [TrueSegment("w", "a", 0, 1)]
    hit, miss = Detection("w", "a", 0, 1, 0.5), Detection("v", "a", 0, 1, 0.5)
    assert average_precision(truth, [hit, miss], ["a"], [0.5]).average == 0.5  # v before w
    early = Detection("w", "a", -5, -4, 0.5)
    assert average_precision(truth, [hit, early], ["a"], [0.5]).average == 0.5
    late = Detection("w", "a", 5, 6, 0.5)
    assert average_precision(truth, [late, hit], ["a"], [0.5]).average == 1.0


def test_a_second_detection_of_one_segment_is_false():
    truth = [TrueSegment("v", "a", 0, 4), TrueSegment("v", "a", 10, 14)]
    found = [Detection("v", "a", 0, 4, 0.9), Detection("v", "a", 0, 4, 0.8), Detection("v", "a", 10, 14, 0.7)]
    assert average_precision(truth, found, ["a"], [0.5]).average == pytest.approx((1 + 2 / 3) / 2)


def test_duplicate_truth_is_kept_and_must_be_found_twice():
    truth = [TrueSegment("v", "a", 0, 4)] * 2
    assert average_precision(truth, [Detection("v", "a", 0, 4, 0.9)], ["a"]).average == 0.5
    assert average_precision(truth, [Detection("v", "a", 0, 4, 0.9)] * 2, ["a"]).average == 1.0


def test_degenerate_detections_are_false_positives_and_not_dropped():
    truth = [TrueSegment("v", "a", 0, 4)]
    broken = [Detection("v", "a", 2, 2, 0.95), Detection("v", "a", 4, 0, 0.9)]
    assert average_precision(
        truth, [*broken, Detection("v", "a", 0, 4, 0.5)], ["a"]
    ).average == pytest.approx(1 / 3)


def test_no_detections_give_zero_and_absent_classes_leave_the_mean():
    truth = [TrueSegment("v", "a", 0, 4)]
    assert average_precision(truth, [], LABELS).average == 0.0
    noise = [Detection("v", "b", 0, 4, 0.99)]
    scores = average_precision(truth, [Detection("v", "a", 0, 4, 0.5), *noise], LABELS)
    assert (scores.average, scores.labels) == (1.0, ("a",))


def test_map_is_the_mean_over_classes_then_thresholds():
    truth = [TrueSegment("v", "a", 0, 4), TrueSegment("v", "b", 0, 4)]
    scores = average_precision(truth, [Detection("v", "a", 0, 3, 0.5)], LABELS, [0.5, 0.9])
    assert scores.mean_ap == {0.5: 0.5, 0.9: 0.0}
    assert scores.average == 0.25
    assert scores.n == 2
