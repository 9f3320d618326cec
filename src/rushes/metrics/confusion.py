"""Scores of whole stacks of confusion matrices at once, and the matrices of systems that only guess.

Confusion matrices of clusters add up, so the interval of a macro score over tens of thousands of rows needs
no more than the matrix without each cluster, see `rushes.metrics.jackknife.Jackknife.sums`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import MetricTypeError, finite


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of confusion matrices of shape (..., K, K), all in [0, 1].

    Attributes:
        precision, recall, f1: (..., K) of each class; 0 where the denominator is 0.
        support: (..., K) rows whose truth is the class.
        accuracy: (...) share of right answers.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def precision_macro(self) -> NDArray[np.float64]:
        """Plain mean over all K classes, (...)."""
        mean: NDArray[np.float64] = self.precision.mean(axis=-1)
        return mean

    @property
    def recall_macro(self) -> NDArray[np.float64]:
        """Plain mean over all K classes, those without support included (as 0), (...)."""
        mean: NDArray[np.float64] = self.recall.mean(axis=-1)
        return mean

    @property
    def f1_macro(self) -> NDArray[np.float64]:
        """Plain mean over all K classes, those without support included (as 0), (...)."""
        mean: NDArray[np.float64] = self.f1.mean(axis=-1)
        return mean

    @property
    def balanced_accuracy(self) -> NDArray[np.float64]:
        """Mean recall of the classes that have support, (...)."""
        mean: NDArray[np.float64] = self.recall.sum(axis=-1) / np.maximum((self.support > 0).sum(axis=-1), 1)
        return mean


def confusion_scores(counts: ArrayLike) -> Scores:
    """Scores of confusion matrices; rows are the truth, columns the prediction.

    ``P = tp / predicted``, ``R = tp / support``, ``F1 = 2 tp / (predicted + support)``, each 0 where its
    denominator is 0, as in `rushes.metrics.classify.precision_recall_f1`.

    Args:
        counts: (..., K, K) counts, or expected counts, at least 0.

    Raises:
        MetricError: not square, not finite, or below 0.

    >>> scores = confusion_scores([[3, 1], [0, 4]])
    >>> float(scores.accuracy), scores.recall.tolist(), round(float(scores.f1_macro), 4)
    (0.875, [0.75, 1.0], 0.873)
    """
    matrices = finite(counts, "confusion matrices")
    if matrices.ndim < 2 or matrices.shape[-1] != matrices.shape[-2]:
        raise MetricTypeError(f"a confusion matrix is square, found shape {matrices.shape}")
    if matrices.min() < 0:
        raise MetricError(f"counts are not negative, found {matrices.min():g}")
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    support, named = matrices.sum(axis=-1), matrices.sum(axis=-2)
    return Scores(
        precision=_share(right, named),
        recall=_share(right, support),
        f1=_share(2 * right, named + support),
        support=support,
        accuracy=_share(right.sum(axis=-1), support.sum(axis=-1)),
    )


def guesses(support: ArrayLike, shares: ArrayLike) -> NDArray[np.float64]:
    """Expected confusion matrix of a system that names each class as often as ``shares`` says, blindly.

    With all of the share on one class it is the system that always names it. Accuracy and recall of the
    expected matrix are the expected accuracy and recall; precision and F1, which are ratios of counts, are
    their limits for many rows.

    Args:
        support: (..., K) rows of each true class.
        shares: (K,) how often each class is named, together 1.

    Raises:
        MetricError: shapes differ, not finite, or shares that do not add up to 1.

    >>> guesses([8, 2], [0.75, 0.25]).tolist()
    [[6.0, 2.0], [1.5, 0.5]]
    """
    rows, often = finite(support, "support"), finite(shares, "shares")
    if often.ndim != 1 or rows.shape[-1:] != often.shape:
        raise MetricTypeError(f"needed a share for each class, found {rows.shape} and {often.shape}")
    if often.min() < 0 or abs(often.sum() - 1) > 1e-9:
        raise MetricError(f"shares are not negative and add up to 1, found {often.tolist()}")
    return rows[..., :, None] * often


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
