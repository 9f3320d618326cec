"""Random but consistent changes of pictures, so that a model does not learn one bench, or one photo, by heart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

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
    _, height, width, _ = frames.shape
    zoom, mirrored = rng.uniform(0.92, 1.12), rng.random() < 0.5
    rows = _lookup(height, zoom, rng.uniform(-0.06, 0.06))
    columns = _lookup(width, zoom, rng.uniform(-0.06, 0.06))
    return relight(_moved(frames, rows, columns[::-1] if mirrored else columns), rng)


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


def _moved(frames: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) whose pixels come from these rows and columns."""
    count, height, width, _ = frames.shape
    source = (rows[:, None] * width + columns).ravel()
    moved: np.ndarray = frames.reshape(count, height * width, 3).take(source, axis=1).reshape(frames.shape)
    return moved


def _lookup(length: int, zoom: float, shift: float) -> np.ndarray:
    """Source index of each target index along one axis, edges repeated."""
    middle = length / 2
    wanted = (np.arange(length) - middle) / zoom + middle + shift * length
    source: NDArray[np.int64] = np.clip(np.rint(wanted).astype(int), 0, length - 1)
    return source


Augment = Literal["none", "simple", "strong"]

SHIFT = 4 / 224
"""Of the side of a picture: how far the simple change moves it, at most."""


def _none(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return picture


def _simple(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width, _ = picture.shape
    mirrored = rng.random() < 0.5
    rows, columns = (_lookup(length, 1.0, rng.uniform(-SHIFT, SHIFT)) for length in (height, width))
    changed: np.ndarray = _moved(picture[None], rows, columns[::-1] if mirrored else columns)[0]
    return changed


def _strong(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    changed: np.ndarray = augment(picture[None], rng)[0]
    return changed


AUGMENTS: Final[Mapping[Augment, Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = {
    "none": _none,
    "simple": _simple,
    "strong": _strong,
}
"""Changes of a single picture, uint8 RGB (H, W, 3): none; mirrored and shifted; also lit, coloured and zoomed."""
