"""Random but consistent changes of a clip's pictures, so that a model does not learn one bench by heart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def augment(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change light, colour, place, zoom and side, the same for all frames of a clip.

    Mirroring is a change of handedness: no operation of the task tells left from right.

    Args:
        frames: ``(T, H, W, 3)`` uint8 RGB.
        rng: the only source of randomness.

    Returns:
        ``(T, H, W, 3)`` uint8 RGB.
    """
    count, height, width, _ = frames.shape
    zoom, mirrored = rng.uniform(0.92, 1.12), rng.random() < 0.5
    rows = _lookup(height, zoom, rng.uniform(-0.06, 0.06))
    columns = _lookup(width, zoom, rng.uniform(-0.06, 0.06))
    source = (rows[:, None] * width + (columns[::-1] if mirrored else columns)).ravel()
    moved = frames.reshape(count, height * width, 3).take(source, axis=1)
    return relight(moved.reshape(frames.shape), rng)


def relight(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change light and colour alone, the same for all frames: where geometry is what is learnt.

    Args:
        frames: ``(T, H, W, 3)`` uint8 RGB.
        rng: the only source of randomness.

    Returns:
        ``(T, H, W, 3)`` uint8 RGB.
    """
    contrast, brightness = rng.uniform(0.75, 1.25), rng.uniform(-25.0, 25.0)
    gain = (contrast * rng.uniform(0.85, 1.15, 3)).astype(np.float32)
    # There are only 256 levels: each is changed once per channel, and looked up for every pixel.
    levels = np.arange(256, dtype=np.float32)[:, None] - np.float32(128.0)
    changed = np.clip(levels * gain + np.float32(128.0 + brightness), 0, 255).astype(np.uint8)
    lit = np.empty_like(frames)
    for channel in range(3):
        lit[..., channel] = changed[:, channel].take(frames[..., channel])
    return lit


def _lookup(length: int, zoom: float, shift: float) -> np.ndarray:
    """Source index of each target index along one axis, edges repeated."""
    middle = length / 2
    wanted = (np.arange(length) - middle) / zoom + middle + shift * length
    source: NDArray[np.int64] = np.clip(np.rint(wanted).astype(int), 0, length - 1)
    return source
