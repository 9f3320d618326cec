"""Events compared with events, and second by second, as DCASE does (Mesaros et al. 2016), on whole milliseconds.

A predicted event is a hit where label, onset and offset fit a true event that no other one is matched with: the
onset within a collar, the offset within the collar or a share of the true event's length, whichever is more. As
many as possible are matched. Times are rounded to milliseconds before, so that no border depends on how binary
fractions round.

Each event, or each second, adds a row to sums, and every score is one of sums: over recordings, and without any
cluster of rows::

    rows = event_rows(truth, predicted, labels)
    scores = Scores.of(rows.parts.sum(axis=0))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from rushes.errors import MetricError
from rushes.metrics.checks import Label, encode, finite

COLLAR_S = 0.2
OFFSET_PERCENT = 20
SEGMENT_S = 1.0

Event = tuple[float, float, Label]
"""Start and end in seconds, and a label. A point has no length."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What each event, or each segment, of a recording adds.

    Attributes:
        at_s: (n,) where it begins.
        parts: (n, 3 K + 3) hits, true and predicted ones by class; substituted, deleted and inserted ones.
    """

    at_s: NDArray[np.float64]
    parts: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of sums; ``...`` is whatever axes the sums have, such as leave-outs.

    Attributes:
        hits, truth, predicted: (..., K) events or active segments of each class.
        errors: (..., 3) substituted, deleted and inserted ones over all classes.
    """

    hits: NDArray[np.float64]
    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    errors: NDArray[np.float64]

    @classmethod
    def of(cls, sums: NDArray[np.float64] | NDArray[np.int64]) -> Scores:
        """Of sums (..., 3 K + 3) of `Rows.parts`."""
        k = sums.shape[-1] // 3 - 1
        return cls(*np.split(np.asarray(sums, dtype=np.float64), [k, 2 * k, 3 * k], axis=-1))

    @property
    def f1_of_class(self) -> NDArray[np.float64]:
        """F1 of each class, (..., K); 0 where nothing is on either side."""
        f1: NDArray[np.float64] = 2 * self.hits / np.maximum(self.truth + self.predicted, 1)
        return f1

    @property
    def f1_macro(self) -> NDArray[np.float64]:
        """Mean F1 of the classes that have a true one, (...); 0 without any."""
        there = self.truth > 0
        f1: NDArray[np.float64] = (self.f1_of_class * there).sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)
        return f1

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 over all classes together, (...)."""
        sides = (self.truth + self.predicted).sum(axis=-1)
        f1: NDArray[np.float64] = 2 * self.hits.sum(axis=-1) / np.maximum(sides, 1)
        return f1

    @property
    def error_rate(self) -> NDArray[np.float64]:
        """Errors for each true one, (...), at least 0; more than 1 is worse than silence."""
        rate: NDArray[np.float64] = self.errors.sum(axis=-1) / np.maximum(self.truth.sum(axis=-1), 1)
        return rate


def event_rows(
    truth: Sequence[Event],
    predicted: Sequence[Event],
    labels: Sequence[Label],
    *,
    collar_s: float = COLLAR_S,
    offset_percent: int = OFFSET_PERCENT,
) -> Rows:
    """Match the events of one recording, as many as possible (Hopcroft and Karp 1973).

    True events that are left over count as substituted as far as they can be matched, whatever the labels, with
    predicted ones that are left over; the rest are deleted, or inserted. Either side may be empty.

    Args:
        truth, predicted: events in any order; they may overlap.
        labels: the K classes.
        collar_s: how far an onset may be off.
        offset_percent: how far an offset may be off, in per cent of the true event's length, where that is more.

    Raises:
        MetricError: nan or infinity, an event that ends before it starts, or a label outside of ``labels``.

    >>> truth = [(0.0, 1.0, "snore"), (5.0, 6.0, "cough")]
    >>> rows = event_rows(truth, [(0.2, 1.2, "snore"), (5.0, 6.0, "snore")], ["snore", "cough"])
    >>> rows.parts.tolist()
    [[1, 0, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0, 0]]
    >>> float(Scores.of(rows.parts.sum(axis=0)).error_rate)
    0.5
    """
    true, found = _events(truth, labels, "the truth"), _events(predicted, labels, "the prediction")
    rows, columns = _candidates(true, found, round(1000 * collar_s), offset_percent)
    alike = true[rows, 2] == found[columns, 2]
    hit, confirmed = _matching(rows[alike], columns[alike], len(true), len(found))
    left = ~hit[rows] & ~confirmed[columns]
    substituted, substitutes = _matching(rows[left], columns[left], len(true), len(found))
    n, k = len(true), len(labels)
    parts = np.zeros((n + len(found), 3 * k + 3), dtype=np.int64)
    parts[np.flatnonzero(hit), true[hit, 2]] = 1
    parts[np.arange(n), k + true[:, 2]] = 1
    parts[n + np.arange(len(found)), 2 * k + found[:, 2]] = 1
    parts[:n, -3], parts[:n, -2] = substituted, ~hit & ~substituted
    parts[n:, -1] = ~confirmed & ~substitutes
    return Rows(np.concatenate([true[:, 0], found[:, 0]]) / 1000, parts)


def segment_rows(
    truth: Sequence[Event],
    predicted: Sequence[Event],
    labels: Sequence[Label],
    length_s: float,
    *,
    segment_s: float = SEGMENT_S,
) -> Rows:
    """Hold a recording's truth against the prediction in each segment; a class is active where it touches one.

    Args:
        truth, predicted: events in any order; what lies outside of the recording is cut off.
        labels: the K classes.
        length_s: of the recording; its last segment may be shorter.
        segment_s: length of a segment.

    Raises:
        MetricError: as `event_rows`.

    >>> rows = segment_rows([(0.5, 2.0, "snore")], [(1.0, 3.0, "snore")], ["snore", "cough"], 3.0)
    >>> rows.parts.sum(axis=0).tolist()
    [1, 0, 2, 0, 2, 0, 0, 1, 1]
    """
    count = -(-round(1000 * length_s) // round(1000 * segment_s))
    true = _active(_events(truth, labels, "the truth"), len(labels), count, segment_s)
    found = _active(_events(predicted, labels, "the prediction"), len(labels), count, segment_s)
    missed, invented = (true & ~found).sum(axis=1), (found & ~true).sum(axis=1)
    substituted = np.minimum(missed, invented)
    errors = np.column_stack([substituted, missed - substituted, invented - substituted])
    return Rows(
        np.arange(count, dtype=np.float64) * segment_s, np.column_stack([true & found, true, found, errors])
    )


def _events(events: Sequence[Event], labels: Sequence[Label], what: str) -> NDArray[np.int64]:
    """Start and end in whole milliseconds and the number of the label, (n, 3)."""
    if not len(events):
        return np.empty((0, 3), dtype=np.int64)
    times = np.rint(1000 * finite([row[:2] for row in events], what)).astype(np.int64)
    backwards = np.flatnonzero(times[:, 1] < times[:, 0])
    if len(backwards):
        raise MetricError(f"{what} holds an event that ends before it starts: {events[backwards[0]]}")
    return np.column_stack([times, encode([row[2] for row in events], labels, what)])


def _candidates(
    true: NDArray[np.int64], found: NDArray[np.int64], collar_ms: int, offset_percent: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the pairs whose onsets and offsets fit, whatever their labels."""
    order = np.argsort(found[:, 0], kind="stable")
    onsets = found[order, 0]
    first = np.searchsorted(onsets, true[:, 0] - collar_ms, side="left")
    counts = np.searchsorted(onsets, true[:, 0] + collar_ms, side="right") - first
    rows = np.repeat(np.arange(len(true)), counts)
    since = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = order[np.repeat(first, counts) + since]
    off = np.abs(true[rows, 1] - found[columns, 1])
    lengths = true[rows, 1] - true[rows, 0]
    fits = (off <= collar_ms) | (100 * off <= offset_percent * lengths)
    return rows[fits], columns[fits]


def _matching(
    rows: NDArray[np.int64], columns: NDArray[np.int64], n: int, m: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of ``n`` rows and of ``m`` columns are in a greatest matching of the pairs."""
    taken = np.zeros(m, dtype=bool)
    if not len(rows):
        return np.zeros(n, dtype=bool), taken
    graph = csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(n, m))
    partners = maximum_bipartite_matching(graph, perm_type="column")
    taken[partners[partners >= 0]] = True
    return partners >= 0, taken


def _active(events: NDArray[np.int64], k: int, count: int, segment_s: float) -> NDArray[np.bool_]:
    """Whether each class is somewhere in each segment, (count, k)."""
    length_ms = round(1000 * segment_s)
    active = np.zeros((count, k), dtype=bool)
    for start, end, label in events.tolist():
        active[max(start, 0) // length_ms : max(-(-end // length_ms), 0), label] = True
    return active
