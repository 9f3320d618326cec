"""Whether a confidence of 0.8 is right eight times in ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import MetricTypeError, as_list, finite, same_length
from rushes.metrics.estimate import Estimate, wilson


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers of similar confidence.

    Attributes:
        low, high: confidences in ``(low, high]``; the first bin holds 0 as well.
        confidence: their mean confidence.
        accuracy: share of right answers with its Wilson interval; ``accuracy.n`` answers fell here.
    """

    low: float
    high: float
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class Calibration:
    """Expected calibration error, in [0, 1], and the non-empty bins of the reliability diagram."""

    ece: float
    bins: tuple[ReliabilityBin, ...]
    n: int


def calibration(
    confidence: ArrayLike, correct: Sequence[bool] | NDArray[np.bool_], bins: int = 10
) -> Calibration:
    """Expected calibration error over bins of equal width.

    ``ECE = sum over bins of (n_bin / n) * |accuracy_bin - mean confidence_bin|`` (Guo et al. 2017, eq. 3).
    Answers that could not be read carry no confidence: leave them out here and report their rate beside it.

    Args:
        confidence: (n,) in [0, 1].
        correct: (n,) booleans.
        bins: number of bins of width 1 / bins.

    Raises:
        MetricError: empty, not finite, outside of [0, 1], or lengths differ.

    >>> result = calibration([0.95, 0.95, 0.65, 0.65], [True, True, True, False])
    >>> round(result.ece, 3), [bin.accuracy.value for bin in result.bins]
    (0.1, [0.5, 1.0])
    """
    sure = finite(confidence, "confidences")
    right = np.asarray(as_list(correct, "correct"))
    if right.dtype != np.bool_ or sure.ndim != 1:
        raise MetricTypeError(f"needed (n,) numbers and (n,) booleans, found {sure.shape} and {right.dtype}")
    n = same_length(confidence=sure, correct=right)
    edges, place = np.linspace(0, 1, bins + 1), bin_of(sure, bins)
    filled = []
    for b in np.unique(place):
        inside = place == b
        share = wilson(int(right[inside].sum()), int(inside.sum()))
        filled.append(ReliabilityBin(float(edges[b]), float(edges[b + 1]), float(sure[inside].mean()), share))
    ece = sum(bin.accuracy.n / n * abs(bin.accuracy.value - bin.confidence) for bin in filled)
    return Calibration(float(ece), tuple(filled), n)


def bin_of(confidence: ArrayLike, bins: int = 10) -> NDArray[np.int64]:
    """Number of the bin ``(b / bins, (b + 1) / bins]`` of each confidence; the first holds 0 as well.

    Raises:
        MetricError: empty, not finite, outside of [0, 1], or no bins.

    >>> bin_of([0.0, 0.1, 0.11, 1.0]).tolist()
    [0, 0, 1, 9]
    """
    sure = finite(confidence, "confidences")
    if sure.min() < 0 or sure.max() > 1:
        raise MetricError(f"a confidence lies in [0, 1], found {sure.min()} to {sure.max()}")
    if bins < 1:
        raise MetricError(f"asked for {bins} bins", cure="ask for at least one")
    return np.maximum(np.searchsorted(np.linspace(0, 1, bins + 1), sure, side="left"), 1) - 1
