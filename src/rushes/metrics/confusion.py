"""Confusion matrices: counted, scored in whole stacks at once, and those of systems that only guess.

A prediction that is None (an answer that could not be read) stays in every denominator and counts as wrong.
Where a class list is given, a label outside of it is an error that names it, never a silent class.

Confusion matrices of clusters add up, so the interval of a macro score over tens of thousands of rows needs
no more than the matrix without each cluster, see `rushes.metrics.jackknife.Jackknife.sums`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import Label, MetricTypeError, as_list, encode, finite, label_index, same_length
from rushes.metrics.estimate import Estimate, wilson

Normalize = Literal["true", "pred", "all"]


def confusion_matrix(
    truth: Sequence[Label],
    predicted: Sequence[Label | None],
    labels: Sequence[Label] | None = None,
    *,
    normalize: Normalize | None = None,
    missing: Label | None = None,
) -> NDArray[np.number[Any]]:
    """Count of each (true, predicted) pair, shape (K, K): rows are the truth, columns the prediction.

    Args:
        truth: n labels.
        predicted: n labels; None only where ``missing`` is given.
        labels: the K classes in order; without it, the sorted classes found on either side.
        normalize: None for counts (int64); ``true`` divides each row by its sum, ``pred`` each column,
            ``all`` everything by n (float64). A row or column without counts stays zero.
        missing: a name under which predictions of None are counted; it becomes the last class, with an empty
            row, so that row sums remain the support.

    Raises:
        MetricError: empty, lengths differ, a label outside of ``labels``, an unknown normalisation.
        MetricTypeError: a label that is neither str nor int.

    >>> confusion_matrix(["a", "b", "b", "b"], ["a", "a", "b", None], ["a", "b"], missing="none")
    array([[1, 0, 0],
           [1, 1, 1],
           [0, 0, 0]])
    >>> confusion_matrix([0, 7, 7, 7], [0, 0, 7, 7], normalize="true").round(3)
    array([[1.   , 0.   ],
           [0.333, 0.667]])
    """
    if normalize is not None and normalize not in get_args(Normalize):
        raise MetricError(
            f"no normalisation {normalize!r}", cure=f"choose one of {get_args(Normalize)} or None"
        )
    answers = as_list(predicted, "the prediction")
    if missing is not None:
        answers = [missing if answer is None else answer for answer in answers]
    if labels is None:
        classes = _classes_found(truth, answers)
    else:
        classes = [*labels] if missing is None or missing in labels else [*labels, missing]
    same_length(truth=truth, predicted=answers)
    actual, answer = encode(truth, classes, "the truth"), encode(answers, classes, "the prediction")
    return normalized(_counts(actual, answer, len(classes)), normalize)


def normalized(counts: NDArray[np.int64], normalize: Normalize | None) -> NDArray[np.number[Any]]:
    """A confusion matrix (K, K) of counts as shares; see ``normalize`` of `confusion_matrix`.

    >>> normalized(np.array([[1, 3], [0, 0]]), "true")
    array([[0.25, 0.75],
           [0.  , 0.  ]])
    """
    if normalize is None:
        return counts
    axis = {"true": 1, "pred": 0, "all": None}[normalize]
    totals = counts.sum(axis=axis, keepdims=True)
    shares: NDArray[np.float64] = counts / np.maximum(totals, 1)
    return shares


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
    denominator is 0 (scikit-learn's ``zero_division=0``).

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


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """One class taken for another.

    Attributes:
        truth: what it was.
        predicted: what it was taken for; None where no answer could be read.
        count: rows of this pair.
        rate: count over all rows of the true class, with its Wilson interval; ``rate.n`` is the support.
    """

    truth: Label
    predicted: Label | None
    count: int
    rate: Estimate


def confused_pairs(
    truth: Sequence[Label],
    predicted: Sequence[Label | None],
    labels: Sequence[Label],
    *,
    minimum_support: int = 10,
    k: int | None = None,
) -> list[ConfusedPair]:
    """Ordered pairs (true, predicted) of confused classes, highest rate first; "a for b" is not "b for a".

    The interval takes rows as independent: pass one row per operation, not three windows of each. Ties are
    ordered by count, then by the order of ``labels``, missing answers last.

    Args:
        truth: n labels.
        predicted: n labels or None.
        labels: the class list.
        minimum_support: true classes with fewer rows are left out, since their rates say little.
        k: at most so many pairs; None for all that occur.

    Raises:
        MetricError: empty, lengths differ, or a label outside of ``labels``.

    >>> [pair] = confused_pairs(["Tape"] * 4 + ["Pack"], ["Pack"] + ["Tape"] * 4, ["Pack", "Tape"],
    ...                         minimum_support=2)
    >>> pair.truth, pair.predicted, pair.count, str(pair.rate)
    ('Tape', 'Pack', 1, '0.250 [0.046, 0.699] n=4')
    """
    actual = encode(truth, labels, "the truth")
    answer = encode(predicted, labels, "the prediction", missing=True)
    same_length(truth=actual, predicted=answer)
    size = len(labels)
    answer = np.where(answer < 0, size, answer)  # column K holds the missing answers
    counts = _counts(actual, answer, size + 1)[:size]
    support = counts.sum(axis=1)
    names = [*labels, None]
    pairs = [
        ConfusedPair(
            names[row], names[column], int(counts[row, column]), wilson(counts[row, column], support[row])
        )
        for row, column in np.argwhere(counts)
        if row != column and support[row] >= minimum_support
    ]
    return sorted(pairs, key=lambda pair: (-pair.rate.value, -pair.count))[:k]


def _counts(actual: NDArray[np.int64], answer: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    return np.bincount(actual * k + answer, minlength=k * k).reshape(k, k)


def _classes_found(truth: Sequence[Label], predicted: list[Any]) -> list[Label]:
    names = as_list(truth, "the truth") + predicted
    known = list(dict.fromkeys(name for name in names if name is not None))
    label_index(known)  # refuses floats before they are sorted among the labels
    try:
        return sorted(known)
    except TypeError as error:
        raise MetricTypeError("labels must be all str or all int") from error


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
