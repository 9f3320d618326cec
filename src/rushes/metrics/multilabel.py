"""Average precision of ranked answers where a row may carry several labels at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score

from rushes.errors import MetricError
from rushes.metrics.checks import finite


def average_precisions(scores: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Average precision of each class that occurs in the truth, shape (classes present,), in [0, 1].

    ``AP = sum over ranks of (R_k - R_{k-1}) P_k``, not interpolated; equal scores share one rank
    (`sklearn.metrics.average_precision_score`).

    Args:
        scores: (n, K) any finite numbers, higher means more likely.
        truth: (n, K) zeros and ones.

    Raises:
        MetricError: empty, not finite, shapes differ, truth other than 0 and 1, or no positive at all.

    >>> average_precisions([[0.1, 0.9], [0.8, 0.2], [0.4, 0.3]], [[1, 0], [1, 0], [0, 0]]).round(3)
    array([0.833])
    """
    ranks, positives = finite(scores, "scores"), finite(truth, "the truth")
    if ranks.ndim != 2 or ranks.shape != positives.shape:
        raise MetricError(f"scores and truth must both be (n, K), found {ranks.shape} and {positives.shape}")
    if not np.isin(positives, (0, 1)).all():
        raise MetricError("the truth must be zeros and ones")
    present = np.flatnonzero(positives.any(axis=0))
    if not len(present):
        raise MetricError("no class occurs in the truth, so no precision is defined")
    return np.array([average_precision_score(positives[:, k], ranks[:, k]) for k in present])


def mean_average_precision(scores: ArrayLike, truth: ArrayLike) -> float:
    """Mean of `average_precisions` over the classes present in the truth, in [0, 1].

    Raises:
        MetricError: as `average_precisions`.

    >>> mean_average_precision([[0.1, 0.9], [0.8, 0.2]], [[0, 1], [1, 0]])
    1.0
    """
    return float(average_precisions(scores, truth).mean())
