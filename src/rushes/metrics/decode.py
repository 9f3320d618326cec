"""From noisy window labels to a plausible sequence: Viterbi under a grammar, and majority vote beside it.

Report raw and smoothed figures side by side, never only the better one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import MISSING, Label, MetricTypeError, encode, finite, label_index
from rushes.metrics.grammar import Grammar


def viterbi(
    log_initial: ArrayLike, log_transition: ArrayLike, log_emission: ArrayLike
) -> tuple[NDArray[np.int64], float]:
    """The most probable path of states, in log space.

    Maximises ``log pi[s_0] + sum_t log A[s_{t-1}, s_t] + sum_t log B_t[s_t]`` (Viterbi 1967). Minus infinity
    stands for what cannot happen. Equal paths: the lowest last state, then the lowest state before it, and
    so on backwards.

    Args:
        log_initial: (K,) log probabilities of the first state.
        log_transition: (K, K) log A[from, to].
        log_emission: (T, K) log probability (or density) of each observation in each state.

    Returns:
        The states (T,) and the log probability of the path with its observations.

    Raises:
        MetricError: empty, shapes that do not fit, nan or plus infinity, or no path that can happen.

    >>> with np.errstate(divide="ignore"):
    ...     initial, transition = np.log([0.6, 0.4]), np.log([[0.7, 0.3], [0.4, 0.6]])
    ...     emission = np.log([[0.5, 0.1], [0.4, 0.3], [0.1, 0.6]])
    >>> path, log_probability = viterbi(initial, transition, emission)
    >>> path.tolist(), round(log_probability, 6)
    ([0, 0, 1], -4.191737)
    """
    initial = _logs(log_initial, "log_initial", axes=1)
    transition = _logs(log_transition, "log_transition", axes=2)
    emission = _logs(log_emission, "log_emission", axes=2)
    length, k = emission.shape
    if initial.shape != (k,) or transition.shape != (k, k):
        raise MetricError(
            f"{k} states need ({k},) initial and ({k}, {k}) transition values, "
            f"found {initial.shape} and {transition.shape}"
        )
    came_from = np.zeros((length, k), dtype=np.int64)
    score = initial + emission[0]
    for t in range(1, length):
        through = score[:, None] + transition  # (from, to)
        came_from[t] = through.argmax(axis=0)
        score = through[came_from[t], np.arange(k)] + emission[t]
    path = np.empty(length, dtype=np.int64)
    path[-1] = score.argmax()
    best = float(score[path[-1]])
    if best == -np.inf:
        raise MetricError("no path of states can give these observations", cure="smooth the probabilities")
    for t in range(length - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path, best


def smooth(grammar: Grammar, probabilities: ArrayLike, prior: ArrayLike | None = None) -> list[Label]:
    """The most probable label sequence of windows under a grammar fitted on windows of the same step.

    Args:
        grammar: of K labels, fitted on window sequences (see `rushes.metrics.grammar`).
        probabilities: (T, K) a model's probability of each label in each window, or `label_probabilities`.
        prior: (K,) shares of the labels in the model's training data. With it the probabilities are divided
            by it, which turns posteriors into scaled likelihoods (Bourlard and Morgan 1994); without it the
            grammar counts frequent labels twice.

    Raises:
        MetricError: empty, not finite, negative, a window without any probability, a prior not above 0, or a
            number of labels other than the grammar's.

    >>> from rushes.metrics.grammar import fit_grammar
    >>> grammar = fit_grammar([["pick", "pick", "pick", "pack", "pack", "pack"]], ["pick", "pack"])
    >>> noisy = ["pick", "pack", "pick", "pick", "pack", "pack"]
    >>> smooth(grammar, label_probabilities(noisy, grammar.labels, accuracy=0.8))
    ['pick', 'pick', 'pick', 'pick', 'pack', 'pack']
    """
    rows = finite(probabilities, "probabilities")
    k = len(grammar.labels)
    if rows.ndim != 2 or rows.shape[1] != k:
        raise MetricError(f"probabilities must be (T, {k}) for this grammar, found {rows.shape}")
    if rows.min() < 0 or not rows.any(axis=1).all():
        raise MetricError(
            "probabilities must not be negative, and some label must be possible in each window"
        )
    if prior is not None:
        shares = finite(prior, "the prior")
        if shares.shape != (k,) or shares.min() <= 0:
            raise MetricError(f"the prior must be ({k},) shares above 0, found {shares.tolist()}")
        rows = rows / shares
    with np.errstate(divide="ignore"):
        path, _ = viterbi(np.log(grammar.initial), np.log(grammar.transition), np.log(rows))
    return [grammar.labels[state] for state in path]


def label_probabilities(
    sequence: Sequence[Label | None], labels: Sequence[Label], accuracy: float
) -> NDArray[np.float64]:
    """Hard labels as probabilities, (T, K): ``accuracy`` for the label, the rest shared by the others.

    A None says nothing, so all labels are equally probable there.

    Args:
        sequence: T labels or None.
        labels: the K >= 2 labels.
        accuracy: share of windows that are right, as measured on the validation split, in (0, 1).

    Raises:
        MetricError: empty, an unknown label, one single label, accuracy outside of (0, 1).

    >>> label_probabilities(["b", None], ["a", "b", "c"], accuracy=0.8).round(3).tolist()
    [[0.1, 0.8, 0.1], [0.333, 0.333, 0.333]]
    """
    codes = encode(sequence, labels, "the sequence", missing=True)
    k = len(labels)
    if k < 2 or not 0 < accuracy < 1:
        raise MetricError(f"needed two labels and an accuracy in (0, 1), found {k} and {accuracy}")
    rows = np.full((len(codes), k), (1 - accuracy) / (k - 1))
    known = codes != MISSING
    rows[known, codes[known]] = accuracy
    rows[~known] = 1 / k
    return rows


def majority_vote(
    sequence: Sequence[Label | None], labels: Sequence[Label], width: int
) -> list[Label | None]:
    """The most frequent label among the ``width`` windows around each one: the baseline of `smooth`.

    At a tie the window's own label if it is among the tied, else the one named first in ``labels``. Windows
    beyond the ends do not vote, nor does None.

    Args:
        sequence: T labels or None.
        labels: the K labels.
        width: odd number of windows.

    Raises:
        MetricError: empty, an unknown label, or a width that is even or below 1.

    >>> majority_vote(["a", "b", "a", "a", "b", "b"], ["a", "b"], width=3)
    ['a', 'a', 'a', 'a', 'b', 'b']
    """
    if width < 1 or width % 2 == 0:
        raise MetricError(f"the width of a vote must be odd and at least 1, found {width}")
    codes = encode(sequence, labels, "the sequence", missing=True)
    k = len(label_index(labels))
    known = np.flatnonzero(codes != MISSING)
    votes = np.zeros((len(codes) + 1, k))
    votes[known + 1, codes[known]] = 1
    sums = votes.cumsum(axis=0)
    centre = np.arange(len(codes))
    last, first = np.minimum(centre + width // 2 + 1, len(codes)), np.maximum(centre - width // 2, 0)
    counts = sums[last] - sums[first]
    counts[known, codes[known]] += 0.5  # decides ties only
    return [labels[row.argmax()] if row.any() else None for row in counts]


def _logs(values: ArrayLike, what: str, axes: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != axes or array.size == 0:
        raise MetricTypeError(f"{what} must have {axes} non-empty axes, found shape {array.shape}")
    if np.isnan(array).any() or (array == np.inf).any():
        raise MetricError(
            f"{what} must be below infinity and not nan", cure="take logs of probabilities above 0"
        )
    return array
