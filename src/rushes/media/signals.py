"""Per-frame signals on the reduced luma plane, one frame after the other.

    for frame, signal in with_signals(decode(media), size=(160, 120)):
        signal.entropy, signal.motion

Both look at the same small plane (see ``Frame.luma``); plane and size belong to the preprocessing,
because signals of two different planes must not be mixed in one dataset.

A decoder fills the processor's caches, so whatever runs once between two frames runs cold, at about twice its
cost in a loop. Hence ``with_signals`` takes a few frames before it measures them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from PIL import Image

from rushes.media.flow import Motion
from rushes.media.frame import Frame
from rushes.media.geometry import Size

BATCH = 4
"""Frames measured at a time: with decoding 554 us a frame for 1, 538 for 4, 536 for 8 (640x480)."""


class Signal(NamedTuple):
    """The signals of one frame.

    Attributes:
        entropy: Shannon entropy ``-sum(p * log2(p))`` of the luma's 256-bin histogram, bits, 0..8.
        motion: mean of ``|luma - luma of the frame before|``, 0..255, or what a `Motion` measures; 0 for the
            first frame.
    """

    entropy: float
    motion: float


class Signals:
    """Signals of a stream of frames: feed the luma planes in order.

    Args:
        measure: of motion; the mean difference of the planes without it.

    >>> signals = Signals()
    >>> signals.update(np.zeros((2, 2), np.uint8))
    Signal(entropy=0.0, motion=0.0)
    >>> signals.update(np.array([[0, 0], [8, 8]], np.uint8))
    Signal(entropy=1.0, motion=4.0)
    """

    __slots__ = ("_larger", "_measure", "_planes", "_smaller")

    def __init__(self, measure: Motion | None = None) -> None:
        self._measure = measure or self._difference
        self._planes: list[tuple[np.ndarray, Image.Image]] = []  # of two frames; Pillow's share their memory

    def update(self, luma: np.ndarray) -> Signal:
        """Signals of the next frame.

        Args:
            luma: uint8 (h, w), the same shape for every frame; copied.
        """
        first = not self._planes
        if first:
            self._begin(luma)
        self._planes.reverse()
        (plane, image), (before, _) = self._planes
        np.copyto(plane, luma)
        motion = 0.0 if first else self._measure(before, plane)
        # Pillow counts and sums in C: 10 us for 160x120, where np.bincount alone needs 24. No -0.0.
        return Signal(image.entropy() + 0.0, motion)

    def _difference(self, before: np.ndarray, plane: np.ndarray) -> float:
        # |plane - before| in uint8 throughout: no widening, no wrap-around
        np.maximum(plane, before, out=self._larger)
        np.minimum(plane, before, out=self._smaller)
        np.subtract(self._larger, self._smaller, out=self._larger)
        return int(self._larger.sum(dtype=np.uint32)) / plane.size

    def _begin(self, first: np.ndarray) -> None:
        self._larger, self._smaller = np.empty_like(first, order="C"), np.empty_like(first, order="C")
        for plane in (first.copy(order="C"), first.copy(order="C")):
            self._planes.append((plane, Image.frombuffer("L", plane.shape[::-1], plane, "raw", "L", 0, 1)))


def with_signals(
    frames: Iterable[Frame], size: Size, batch: int = BATCH, measure: Motion | None = None
) -> Iterator[tuple[Frame, Signal]]:
    """Each frame with its signals; up to ``batch`` frames are taken before the first of them is given.

    Args:
        frames: in order of time.
        size: (w, h) of the luma plane, see ``Frame.luma``.
        batch: what an error loses: the whole frames of the batch in which it comes.
        measure: of motion, see `Signals`.
    """
    frames, signals = iter(frames), Signals(measure)
    while taken := list(islice(frames, batch)):
        lumas = [frame.luma(size) for frame in taken]
        yield from zip(taken, [signals.update(luma) for luma in lumas], strict=True)


def smooth(entropy: np.ndarray) -> np.ndarray:
    """Causal smoothing ``S(0) = H(0); S(t) = 0.7 H(t) + 0.3 S(t-1)``; float64 (T,) in and out.

    >>> smooth(np.array([1.0, 0.0, 1.0])).round(3).tolist()
    [1.0, 0.3, 0.79]
    """
    smoothed = np.asarray(entropy, np.float64).tolist()  # numbers of Python: five times faster one by one
    for index in range(1, len(smoothed)):
        smoothed[index] = 0.7 * smoothed[index] + 0.3 * smoothed[index - 1]
    return np.array(smoothed, np.float64)
