import numpy as np
import pytest

from rushes.metrics.calibration import calibration


def test_ece_by_hand():
    result = calibration([0.95, 0.95, 0.65, 0.65, 0.05], [True, True, True, False, False])
    assert result.ece == pytest.approx((2 * 0.05 + 2 * 0.15 + 1 * 0.05) / 5)
    assert [(round(b.low, 1), b.accuracy.value, b.accuracy.n) for b in result.bins] == [
        (0.0, 0.0, 1),
        (0.6, 0.5, 2),
        (0.9, 1.0, 2),
    ]


def test_bins_close_on_the_right_and_hold_everything_once():
    result = calibration([0.0, 0.5, 0.50001, 1.0], [False, True, True, True], bins=2)
    assert [b.accuracy.n for b in result.bins] == [2, 2]
    rng = np.random.default_rng(0)
    sure = rng.random(500)
    assert sum(b.accuracy.n for b in calibration(sure, rng.random(500) < sure, bins=7).bins) == 500


def test_ece_is_the_plain_sum_on_random_inputs():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n, bins = int(rng.integers(1, 80)), int(rng.integers(1, 15))
        sure, right = rng.random(n), rng.random(n) < 0.5
        expected = 0.0
        for b in range(bins):
            inside = (sure > b / bins) & (sure <= (b + 1) / bins)
            if inside.any():
                expected += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
        result = calibration(sure, right, bins)
        assert result.ece == pytest.approx(expected)
        assert 0 <= result.ece <= 1


def test_calibrated_and_overconfident_models_differ():
    rng = np.random.default_rng(2)
    sure = rng.random(20_000)
    assert calibration(sure, rng.random(20_000) < sure).ece < 0.02
    assert calibration(np.full(20_000, 0.99), rng.random(20_000) < 0.6).ece == pytest.approx(0.39, abs=0.02)


def test_the_order_of_rows_moves_nothing():
    rng = np.random.default_rng(3)
    sure, right = rng.random(100), rng.random(100) < 0.5
    order = rng.permutation(100)
    assert calibration(sure, right).ece == pytest.approx(
        calibration(sure[order], right[order]).ece, abs=1e-12
    )
