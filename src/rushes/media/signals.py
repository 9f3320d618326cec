"""Per-frame signals on the reduced luma plane, one frame after the other.

Both look at the same small plane (see ``Frame.luma``); plane and size belong to the preprocessing contract,
because signals of two different planes must not be mixed in one dataset.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image


class Signal(NamedTuple):
    """The signals of one frame.

    Attributes:
        entropy: Shannon entropy of the luma's 256-bin histogram, bits, 0..8.
        motion: mean absolute luma difference to the frame before, 0..255; 0 for the first frame.
    """

    entropy: float
    motion: float


def luma_entropy(luma: np.ndarray) -> float:
    """Shannon entropy ``-sum(p * log2(p))`` of the 256-bin histogram of a uint8 (h, w) plane, in bits.

    Pillow counts and sums in C: 14 us for 160x120, where ``np.bincount`` needs 26 and ``np.histogram`` 146.

    >>> luma_entropy(np.array([[0, 0], [255, 255]], np.uint8))
    1.0
    """
    height, width = luma.shape
    return Image.frombuffer("L", (width, height), luma, "raw", "L", 0, 1).entropy() + 0.0  # no -0.0


def mean_difference(luma: np.ndarray, before: np.ndarray) -> float:
    """Mean of ``|luma - before|`` of two uint8 planes of one shape, 0..255.

    >>> mean_difference(np.array([[0, 4]], np.uint8), np.array([[2, 0]], np.uint8))
    3.0
    """
    difference = np.maximum(luma, before)
    difference -= np.minimum(luma, before)  # uint8 throughout: no widening, no wrap-around
    return int(difference.sum(dtype=np.uint32)) / difference.size


class Signals:
    """Signals of a stream of frames: feed the luma planes in order.

    >>> signals = Signals()
    >>> signals.update(np.zeros((2, 2), np.uint8))
    Signal(entropy=0.0, motion=0.0)
    >>> signals.update(np.array([[0, 0], [8, 8]], np.uint8))
    Signal(entropy=1.0, motion=4.0)
    """

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: np.ndarray | None = None

    def update(self, luma: np.ndarray) -> Signal:
        """Signals of the next frame.

        Args:
            luma: uint8 (h, w), C-contiguous, the same shape for every frame; kept until the next call.
        """
        before, self._before = self._before, luma
        return Signal(luma_entropy(luma), 0.0 if before is None else mean_difference(luma, before))


def smooth(entropy: np.ndarray) -> np.ndarray:
    """Causal smoothing ``S(0) = H(0); S(t) = 0.7 H(t) + 0.3 S(t-1)``; float64 (T,) in and out.

    >>> smooth(np.array([1.0, 0.0, 1.0])).round(3).tolist()
    [1.0, 0.3, 0.79]
    """
    smoothed = np.array(entropy, np.float64)
    for index in range(1, len(smoothed)):
        smoothed[index] = 0.7 * smoothed[index] + 0.3 * smoothed[index - 1]
    return smoothed
