"""Right or wrong, per class and between classes: accuracy, confusion, precision, recall, F1.

A prediction that is None (an answer that could not be read) stays in every denominator and counts as wrong.
The class list is always given: a label outside of it is an error that names it, never a silent class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import Label, MetricTypeError, as_list, encode, label_index, same_length
from rushes.metrics.estimate import Estimate, wilson

Normalize = Literal["true", "pred", "all"]


def hits(
    truth: Sequence[Label], predicted: Sequence[Label | None], labels: Sequence[Label]
) -> NDArray[np.bool_]:
    """Whether each prediction is exactly right, shape (n,): the rows that accuracy and its interval rest on.

    Raises:
        MetricError: empty, lengths differ, or a label outside of ``labels``.

    >>> hits(["Tape", "Pack"], ["Tape", None], ["Pack", "Tape"]).tolist()
    [True, False]
    """
    actual, answer = _codes(truth, predicted, labels)
    right: NDArray[np.bool_] = actual == answer
    return right


def accuracy(truth: Sequence[Label], predicted: Sequence[Label | None], labels: Sequence[Label]) -> float:
    """Share of exactly right predictions, in [0, 1].

    Over labels of work this is OCA (operation classification accuracy), over those that come next AA@1
    (anticipation accuracy).

    Raises:
        MetricError: empty, lengths differ, or a label outside of ``labels``.

    >>> accuracy(["Tape", "Pack", "Pack", "Tape"], ["Tape", None, "Pack", "Pack"], ["Pack", "Tape"])
    0.5
    """
    return float(hits(truth, predicted, labels).mean())


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


@dataclass(frozen=True, slots=True)
class Averages:
    """Precision, recall and F1, each in [0, 1]."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Precision, recall and F1 of K classes and their means.

    Attributes:
        labels: the K classes.
        precision, recall, f1: (K,) in [0, 1]; 0 where the denominator is 0.
        support: (K,) rows whose truth is the class.
        macro: plain means over all K classes, those without support included (as 0).
        weighted: means weighted by support.
    """

    labels: tuple[Label, ...]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]
    macro: Averages
    weighted: Averages


def precision_recall_f1(
    truth: Sequence[Label], predicted: Sequence[Label | None], labels: Sequence[Label]
) -> ClassScores:
    """Precision, recall and F1 per class over a fixed class list.

    ``P = tp / predicted``, ``R = tp / support``, ``F1 = 2 tp / (predicted + support)``, each 0 where its
    denominator is 0 (scikit-learn's ``zero_division=0``). A prediction of None lowers recall only.

    Raises:
        MetricError: empty, lengths differ, or a label outside of ``labels``.

    >>> scores = precision_recall_f1([1, 2, 3, 1, 2, 3], [1, 3, 2, 1, 1, 2], [1, 2, 3])
    >>> scores.f1.round(2).tolist(), round(scores.macro.f1, 4)
    ([0.8, 0.0, 0.0], 0.2667)
    """
    actual, answer = _codes(truth, predicted, labels)
    return class_scores(actual, answer, labels)


def class_scores(
    actual: NDArray[np.int64], answer: NDArray[np.int64], labels: Sequence[Label]
) -> ClassScores:
    """`precision_recall_f1` of positions in ``labels``; a negative ``answer`` is one outside of the classes.

    >>> class_scores(np.array([0, 1]), np.array([0, -1]), ["a", "b"]).recall.tolist()
    [1.0, 0.0]
    """
    k = len(labels)
    true_positives = np.bincount(actual[actual == answer], minlength=k)
    support = np.bincount(actual, minlength=k)
    named = np.bincount(answer[answer >= 0], minlength=k)
    precision = true_positives / np.maximum(named, 1)
    recall = true_positives / np.maximum(support, 1)
    f1 = 2 * true_positives / np.maximum(named + support, 1)
    columns = (precision, recall, f1)
    return ClassScores(
        tuple(labels),
        *columns,
        support=support,
        macro=Averages(*(float(column.mean()) for column in columns)),
        weighted=Averages(*(float(column @ support / support.sum()) for column in columns)),
    )


def rank_classes(
    truth: Sequence[Label],
    predicted: Sequence[Label | None],
    labels: Sequence[Label],
    k: int,
    order: Literal["best", "worst"] = "best",
) -> list[tuple[Label, float]]:
    """The k most (or least) accurate classes with their accuracy (recall), most extreme first.

    Classes without support have no accuracy and are left out; ties keep the order of ``labels``.

    Raises:
        MetricError: as `accuracy`; k below 1; another order.

    >>> rank_classes([3, 2, 2, 1, 3, 3], [3, 2, 1, 0, 3, 3], range(4), k=2)
    [(3, 1.0), (2, 0.5)]
    """
    if order not in ("best", "worst"):
        raise MetricError(f"no order {order!r}", cure="choose 'best' or 'worst'")
    if k < 1:
        raise MetricError(f"asked for {k} classes", cure="ask for at least one")
    scores = precision_recall_f1(truth, predicted, labels)
    rows = [
        (label, float(recall))
        for label, recall, support in zip(scores.labels, scores.recall, scores.support, strict=True)
        if support
    ]
    sign = -1 if order == "best" else 1
    return sorted(rows, key=lambda row: sign * row[1])[:k]


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
    actual, answer = _codes(truth, predicted, labels)
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


def _codes(
    truth: Sequence[Label], predicted: Sequence[Label | None], labels: Sequence[Label]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    actual = encode(truth, labels, "the truth")
    answer = encode(predicted, labels, "the prediction", missing=True)
    same_length(truth=actual, predicted=answer)
    return actual, answer


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
