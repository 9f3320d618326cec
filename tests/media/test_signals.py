from __future__ import annotations

import numpy as np
import pytest

from rushes.media.signals import Signals, luma_entropy, mean_difference, smooth


def reference_entropy(plane: np.ndarray) -> float:
    counts = np.bincount(plane.ravel(), minlength=256)
    shares = counts[counts > 0] / plane.size
    return float(-(shares * np.log2(shares)).sum())


def test_entropy_equals_its_definition() -> None:
    random = np.random.default_rng(0)
    for top in (1, 2, 17, 256):
        plane = random.integers(0, top, (120, 160), dtype=np.uint8)
        assert luma_entropy(plane) == pytest.approx(reference_entropy(plane), abs=1e-9)


def test_entropy_spans_zero_to_eight_bits() -> None:
    assert str(luma_entropy(np.full((9, 9), 7, np.uint8))) == "0.0"
    assert luma_entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == 8.0


def test_motion_is_exact_in_both_directions() -> None:
    random = np.random.default_rng(0)
    before, after = random.integers(0, 256, (2, 120, 160), dtype=np.uint8)
    expected = np.abs(before.astype(int) - after.astype(int)).mean()
    assert mean_difference(after, before) == pytest.approx(expected, abs=1e-12)
    assert mean_difference(before, after) == pytest.approx(expected, abs=1e-12)
    white, black = np.full((4, 4), 255, np.uint8), np.zeros((4, 4), np.uint8)
    assert mean_difference(white, black) == 255.0


def test_stream_compares_with_the_frame_before_only() -> None:
    signals = Signals()
    planes = [np.full((4, 4), level, np.uint8) for level in (10, 13, 13, 3)]
    assert [signals.update(plane).motion for plane in planes] == [0.0, 3.0, 0.0, 10.0]


def test_smoothing_is_recursive_and_causal() -> None:
    assert smooth(np.array([8.0, 0.0, 0.0])).tolist() == pytest.approx([8.0, 2.4, 0.72])
    entropy = np.random.default_rng(0).random(50)
    assert smooth(entropy)[:20].tolist() == smooth(entropy[:20]).tolist()
