"""The order of work: which label follows which, fitted on training sequences and never copied from a table.

A grammar over labels (one for each segment) is the baseline of anticipation: the most frequent
successor of the current operation. A grammar over windows (one label a window, so mostly self-transitions)
holds the mean durations as well and is what `rushes.metrics.decode.smooth` wants; the least ones stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import Label, as_list, encode, label_index
from rushes.metrics.segments import runs


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """Counted transitions of K labels and the probabilities they give.

    Attributes:
        labels: the K labels.
        counts: (K, K) how often column followed row.
        starts: (K,) how often a sequence began with the label.
        smoothing: pseudo-count added to each of K outcomes, above 0.
    """

    labels: tuple[Label, ...]
    counts: NDArray[np.int64]
    starts: NDArray[np.int64]
    smoothing: float

    def __post_init__(self) -> None:
        if not (isfinite(self.smoothing) and self.smoothing > 0):
            raise MetricError(
                f"smoothing must be above 0, or unseen labels have no successor; found {self.smoothing}",
                cure="type a small number such as 0.1",
            )

    @property
    def transition(self) -> NDArray[np.float64]:
        """P(next | current), (K, K), each row sums to 1: ``(count + s) / (row sum + K s)``."""
        smoothed = self.counts + self.smoothing
        shares: NDArray[np.float64] = smoothed / smoothed.sum(axis=1, keepdims=True)
        return shares

    @property
    def initial(self) -> NDArray[np.float64]:
        """P(first label of a sequence), (K,), sums to 1."""
        smoothed = self.starts + self.smoothing
        shares: NDArray[np.float64] = smoothed / smoothed.sum()
        return shares

    def next_label(self, current: Label) -> Label:
        """The most probable successor; at a tie the one named first in ``labels``.

        Raises:
            MetricError: ``current`` is no label of this grammar.
        """
        row = encode([current], self.labels, "the current label")[0]
        return self.labels[int(self.counts[row].argmax())]


def fit_grammar(
    sequences: Sequence[Sequence[Label]], labels: Sequence[Label], smoothing: float = 0.1
) -> Grammar:
    """Count transitions inside each sequence; none is counted from one sequence to the next.

    Args:
        sequences: labels in order of time, one sequence a session, of the training split only.
        labels: the K labels.
        smoothing: pseudo-count of each of K successors, above 0.

    Raises:
        MetricError: no sequence, an empty one, None or an unknown label, smoothing not above 0.

    >>> grammar = fit_grammar([["pick", "pack", "tape", "pick"], ["pick", "tape"]], ["pick", "pack", "tape"])
    >>> grammar.counts.tolist()
    [[0, 1, 1], [0, 0, 1], [1, 0, 0]]
    >>> grammar.next_label("pack"), grammar.transition[1].round(3).tolist()
    ('tape', [0.077, 0.077, 0.846])
    """
    k = len(label_index(labels))
    counts, starts = np.zeros((k, k), dtype=np.int64), np.zeros(k, dtype=np.int64)
    for number, sequence in enumerate(as_list(sequences, "training sequences")):
        codes = encode(sequence, labels, f"training sequence {number}")
        starts[codes[0]] += 1
        np.add.at(counts, (codes[:-1], codes[1:]), 1)
    return Grammar(tuple(labels), counts, starts, smoothing)


def minimum_durations(
    sequences: Sequence[Sequence[Label]], labels: Sequence[Label], excluded: float = 0.05
) -> NDArray[np.int64]:
    """The least number of windows that each label lasts, for `rushes.metrics.decode.smooth`.

    Of n runs the r-th shortest with ``r = floor(excluded * (n + 1))``: a further run like them is shorter with a
    probability of at most ``excluded`` (r / (n + 1), whatever the durations are like; Wilks 1941). Too few runs for
    that, fewer than 19 at 0.05, promise nothing: 1. The first and the last run of a sequence may be cut and do not
    count.

    Args:
        sequences: labels in order of time, one sequence a session, of the training split only.
        labels: the K labels.
        excluded: share of true runs that a minimum may cost, in (0, 1). At 0.1 the real sample of OpenPack loses an
            operation to it where every label is right.

    Returns:
        (K,) windows, 1 or more.

    Raises:
        MetricError: no sequence, an empty one, None or an unknown label, or a share outside of (0, 1).

    >>> sequence = ["pick", *(["pack"] * 3 + ["pick"]) * 8, *["pack"] * 2, *["pick"] * 2, "pack"]
    >>> minimum_durations([sequence], ["pick", "pack", "tape"], excluded=0.1).tolist()
    [1, 2, 1]
    """
    if not 0 < excluded < 1:
        raise MetricError(f"the share of excluded runs must lie between 0 and 1, found {excluded}")
    lengths: dict[Label | None, list[int]] = {code: [] for code in label_index(labels).values()}
    for number, sequence in enumerate(as_list(sequences, "training sequences")):
        codes = encode(sequence, labels, f"training sequence {number}")
        for run in runs(codes.tolist())[1:-1]:
            lengths[run.label].append(run.end - run.start)
    ranks = [
        int(excluded * (len(found) + 1) + 1e-9) for found in lengths.values()
    ]  # 0.1 * 30 is no less than 3
    shortest = [
        sorted(found)[rank - 1] if rank else 1 for found, rank in zip(lengths.values(), ranks, strict=True)
    ]
    return np.array(shortest, dtype=np.int64)


def grammar_prior(grammar: Grammar, currents: Sequence[Label | None]) -> list[Label | None]:
    """The baseline of AA@1: the most probable successor of each current label.

    For an honest baseline pass the model's *own* current labels, not the true ones. Where there is none
    (None), there is no successor either.

    Raises:
        MetricError: empty, or a label that is not the grammar's.

    >>> grammar = fit_grammar([["pick", "pack", "tape"]], ["pick", "pack", "tape"])
    >>> grammar_prior(grammar, ["pick", None])
    ['pack', None]
    """
    names = as_list(currents, "current labels")
    successor = {label: grammar.next_label(label) for label in grammar.labels}
    encode(names, grammar.labels, "current labels", missing=True)
    return [None if name is None else successor[name] for name in names]


def transition_distance(truth: NDArray[np.int64], predicted: NDArray[np.int64], k: int) -> float:
    """How far predicted transitions are from true ones: ``|| T(predicted) - T(truth) ||_F``.

    T has the row-normalised counts of transitions without smoothing, and a zero row for a label that is never
    current. The distance, from 0 to `farthest`, knows frequencies only: predicting each clip wrongly can still
    give 0.

    Args:
        truth: (n, 2) positions of current and next in the labels.
        predicted: (m, 2) likewise; a pair with a negative one does not enter.
        k: labels.

    >>> round(transition_distance(np.array([[0, 1], [1, 2]]), np.array([[0, 1], [1, 0]]), 3), 3)
    1.414
    """
    complete = predicted[(predicted >= 0).all(axis=1)]
    return min(float(np.linalg.norm(_matrix(complete, k) - _matrix(truth, k))), farthest(k))


def farthest(k: int) -> float:
    """The greatest `transition_distance` of ``k`` labels: rows of shares differ by ``sqrt(2)`` at most.

    >>> farthest(2)
    2.0
    """
    return sqrt(2 * k)


def _matrix(codes: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    counts = np.bincount(codes[:, 0] * k + codes[:, 1], minlength=k * k).reshape(k, k)
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares
