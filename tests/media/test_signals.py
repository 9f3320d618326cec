from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rushes.media.signals import Signals, smooth, with_signals
from rushes.media.video import decode
from rushes.records import Media


def reference_entropy(plane: np.ndarray) -> float:
    counts = np.bincount(plane.ravel(), minlength=256)
    shares = counts[counts > 0] / plane.size
    return float(-(shares * np.log2(shares)).sum())


def entropy(plane: np.ndarray) -> float:
    return Signals().update(plane).entropy


def motion(plane: np.ndarray, before: np.ndarray) -> float:
    signals = Signals()
    signals.update(before)
    return signals.update(plane).motion


def test_entropy_equals_its_definition_for_every_plane_of_a_stream() -> None:
    random = np.random.default_rng(0)
    signals = Signals()
    for top in (1, 2, 17, 256, 3):
        plane = random.integers(0, top, (120, 160), dtype=np.uint8)
        assert signals.update(plane).entropy == pytest.approx(reference_entropy(plane), abs=1e-9)


def test_entropy_spans_zero_to_eight_bits() -> None:
    assert str(entropy(np.full((9, 9), 7, np.uint8))) == "0.0"
    assert entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == 8.0


def test_motion_is_exact_in_both_directions() -> None:
    random = np.random.default_rng(0)
    before, after = random.integers(0, 256, (2, 120, 160), dtype=np.uint8)
    expected = np.abs(before.astype(int) - after.astype(int)).mean()
    assert motion(after, before) == pytest.approx(expected, abs=1e-12)
    assert motion(before, after) == pytest.approx(expected, abs=1e-12)
    white, black = np.full((4, 4), 255, np.uint8), np.zeros((4, 4), np.uint8)
    assert motion(white, black) == 255.0


def test_stream_compares_with_the_frame_before_only() -> None:
    signals = Signals()
    planes = [np.full((4, 4), level, np.uint8) for level in (10, 13, 13, 3)]
    assert [signals.update(plane).motion for plane in planes] == [0.0, 3.0, 0.0, 10.0]


def test_planes_are_copied_whatever_their_layout() -> None:
    random = np.random.default_rng(0)
    planes = random.integers(0, 256, (3, 12, 16), dtype=np.uint8)
    turned, signals, reused = Signals(), Signals(), np.empty((12, 16), np.uint8)
    for plane in planes:
        reused[...] = plane
        across = np.asfortranarray(plane)
        across.flags.writeable = False
        assert signals.update(reused) == turned.update(across)
        reused[...] = 0
    assert signals.update(reused).motion == pytest.approx(planes[-1].mean())


def test_batches_change_nothing(b_frame_video: Path) -> None:
    frames = list(decode(Media("video", b_frame_video)))
    signals = Signals()
    expected = [(frame, signals.update(frame.luma((32, 24)))) for frame in frames]
    assert len({signal for _, signal in expected}) == len(frames) == 40
    for batch in (1, 3, 4, 40, 99):
        assert list(with_signals(iter(frames), (32, 24), batch)) == expected
    assert list(with_signals([], (32, 24))) == []


def test_smoothing_is_recursive_and_causal() -> None:
    assert smooth(np.array([8.0, 0.0, 0.0])).tolist() == pytest.approx([8.0, 2.4, 0.72])
    entropy = np.random.default_rng(0).random(50)
    assert smooth(entropy)[:20].tolist() == smooth(entropy[:20]).tolist()
