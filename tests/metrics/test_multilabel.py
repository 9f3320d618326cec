import numpy as np
import pytest

from rushes.metrics.multilabel import average_precisions, mean_average_precision

SCORES = [[0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.1], [0.3, 0.4, 0.1, 0.2], [0.4, 0.1, 0.2, 0.3]]


def test_r4_mean_average_precision():
    first = [[1, 1, 0, 0], [1, 0, 1, 1], [1, 0, 1, 0], [1, 1, 0, 1]]
    np.testing.assert_allclose(average_precisions(SCORES, first), [1, 0.4166666667, 0.75, 0.5], atol=1e-9)
    assert mean_average_precision(SCORES, first) == pytest.approx(2 / 3, abs=1e-9)
    second = [[0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 1, 1]]
    expected = np.mean([0.5, 0.5833333333333333, 0.8055555555555556, 1.0])
    assert mean_average_precision(SCORES, second) == pytest.approx(expected, abs=1e-9)


def test_average_precision_is_the_mean_precision_at_the_positives():
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(2, 30))
        scores, truth = rng.permutation(n).astype(float), rng.integers(2, size=n)
        if not truth.any():
            continue
        ranked = truth[np.argsort(-scores)]
        expected = np.mean([ranked[: i + 1].mean() for i in np.flatnonzero(ranked)])
        assert average_precisions(scores[:, None], truth[:, None])[0] == pytest.approx(expected)


def test_classes_absent_from_the_truth_leave_the_mean():
    assert mean_average_precision([[0.9, 0.5], [0.1, 0.4]], [[1, 0], [0, 0]]) == 1.0


def test_the_order_of_rows_moves_nothing():
    rng = np.random.default_rng(1)
    scores, truth = rng.integers(5, size=(40, 6)) / 5, rng.integers(2, size=(40, 6))
    order = rng.permutation(40)
    assert mean_average_precision(scores, truth) == pytest.approx(
        mean_average_precision(scores[order], truth[order]), abs=1e-12
    )
