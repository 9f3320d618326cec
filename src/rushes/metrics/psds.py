"""The polyphonic sound detection score over all thresholds at once (Bilen et al. 2020; Ebbers et al. 2022).

Scores of a class at or above a threshold are detections, one for each run of ticks. A detection is relevant where
enough of it lies on true events of its class, else a false alarm; a true event is found where enough of it lies
under relevant detections. Every threshold gives a share of events found and a rate of false alarms an hour; the
score is the area under the curve of all of them up to a greatest rate, the mean over classes less their spread.

A falling threshold only ever adds ticks to runs, so one pass through the sorted scores of a recording knows the
counts at each of them. Times are whole microseconds, so that sums are exact.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import Label, encode, finite, vector
from rushes.metrics.events import Event

HOUR_S = 3600.0
_US = 1_000_000
ROUNDING_US = 0.5
"""Of a share of a length: less than that is no shortfall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What makes a detection relevant, an event found, and a false alarm worse.

    Attributes:
        detection: share of a detection that must lie on true events of its class.
        truth: share of a true event that must lie under relevant detections.
        cross: share of a false alarm on events of another class from which on it is a confusion with that one.
        cross_weight: of the mean rate of confusions with other classes, an hour of their events, beside the
            rate of false alarms; 0 counts none.
        spread: of the classes' shares, taken from their mean so many times.
        most_per_hour: rate of false alarms up to which the area is taken.
    """

    detection: float
    truth: float
    cross: float = 1.0
    cross_weight: float = 0.0
    spread: float = 1.0
    most_per_hour: float = 100.0


IN_TIME = Criteria(detection=0.7, truth=0.7)
"""DCASE's first scenario: where and how long."""

APART = Criteria(detection=0.1, truth=0.1, cross=0.3, cross_weight=0.5)
"""DCASE's second scenario: which class, wherever about."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """How the counts of a class change in one recording as the threshold falls to each of its scores.

    Attributes:
        thresholds: (s,) falling.
        changes: (s, 2 + K) of events found, false alarms, and confusions with each class.
    """

    thresholds: NDArray[np.float64]
    changes: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """A recording, as far as the score depends on it.

    Attributes:
        length_s: of the recording.
        events: (K,) true events of each class.
        event_s: (K,) their lengths together.
        steps: of each class.
    """

    length_s: float
    events: NDArray[np.int64]
    event_s: NDArray[np.float64]
    steps: tuple[Steps, ...]


def tally(
    truth: Sequence[Event], scores: ArrayLike, edges_s: ArrayLike, labels: Sequence[Label], criteria: Criteria
) -> Tally:
    """Count a recording at all thresholds.

    Args:
        truth: events of the recording; those of one class do not overlap. May be empty.
        scores: (T, K) of each class in each tick, higher is surer.
        edges_s: (T + 1,) rising ends of the ticks in seconds.
        labels: the K classes.
        criteria: of `psds`.

    Raises:
        MetricError: shapes that do not fit, nan or infinity, an unknown label, an event without length, or
            two of one class that overlap.

    >>> found = tally([(1.0, 3.0, "snore")], [[0.1], [0.9], [0.8], [0.2]], [0, 1, 2, 3, 4], ["snore"], IN_TIME)
    >>> found.steps[0].thresholds.tolist(), found.steps[0].changes[:, :2].tolist()
    ([0.9, 0.8, 0.2, 0.1], [[0, 0], [1, 0], [-1, 1], [0, 0]])
    """
    values, edges = finite(scores, "scores"), np.rint(_US * vector(edges_s, "edges")).astype(np.int64)
    if values.shape != (len(edges) - 1, len(labels)) or (np.diff(edges) <= 0).any():
        raise MetricError(f"{len(labels)} classes and {len(edges)} rising edges, found scores {values.shape}")
    spans = _spans(truth, labels)
    covered = np.stack([_covered(edges, own) for own in spans])
    steps = [
        _Sweep(edges.tolist(), covered, place, spans[place], criteria).steps(values[:, place])
        for place in range(len(labels))
    ]
    return Tally(
        length_s=float(edges[-1] - edges[0]) / _US,
        events=np.array([len(own) for own in spans]),
        event_s=np.array([np.diff(own).sum() / _US for own in spans]),
        steps=tuple(steps),
    )


def psds(tallies: Sequence[Tally], criteria: Criteria) -> float:
    """The score in [0, 1] over the classes that have true events.

    Args:
        tallies: of recordings, made with the same classes and criteria.
        criteria: see `Criteria`.

    Raises:
        MetricError: no recording, or no class has a true event.

    >>> edges, sure = np.arange(5.0), np.array([[0.1], [0.9], [0.8], [0.2]])
    >>> psds([tally([(1.0, 3.0, "snore")], sure, edges, ["snore"], IN_TIME)], IN_TIME)
    1.0
    """
    if not tallies:
        raise MetricError("there is no recording to measure")
    events = np.sum([one.events for one in tallies], axis=0)
    event_s = np.sum([one.event_s for one in tallies], axis=0)
    there = np.flatnonzero(events)
    if not len(there):
        raise MetricError("there is no true event", cure="measure recordings whose labels name events")
    hours = sum(one.length_s for one in tallies) / HOUR_S
    curves = []
    for place in there:
        counts = _counts([one.steps[place] for one in tallies])
        rates = counts[:, 1] / hours
        if criteria.cross_weight and len(others := there[there != place]):
            confusions = counts[:, 2 + others] / (event_s[others] / HOUR_S)
            rates = rates + criteria.cross_weight * confusions.mean(axis=1)
        curves.append((rates, counts[:, 0] / events[place]))
    return _area(curves, criteria)


def _spans(truth: Sequence[Event], labels: Sequence[Label]) -> list[NDArray[np.int64]]:
    """Events of each class in order, (n, 2) microseconds."""
    if not len(truth):
        return [np.empty((0, 2), dtype=np.int64) for _ in labels]
    times = np.rint(_US * finite([row[:2] for row in truth], "the truth")).astype(np.int64)
    place = encode([row[2] for row in truth], labels, "the truth")
    found = []
    for number, label in enumerate(labels):
        own = times[place == number]
        own = own[np.argsort(own[:, 0], kind="stable")]
        if (own[:, 1] <= own[:, 0]).any() or (own[1:, 0] < own[:-1, 1]).any():
            raise MetricError(f"events of {label} overlap, or one has no length", cure="join them first")
        found.append(own)
    return found


def _covered(edges: NDArray[np.int64], spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Microseconds of the spans before each edge, (T + 1,)."""
    if not len(spans):
        return np.zeros(len(edges), dtype=np.int64)
    begun = np.searchsorted(spans[:, 0], edges, side="right")
    lengths = np.append(0, np.cumsum(np.diff(spans)))
    beyond = np.maximum(spans[np.maximum(begun - 1, 0), 1] - edges, 0) * (begun > 0)
    covered: NDArray[np.int64] = lengths[begun] - beyond
    return covered


class _Sweep:
    """Runs of ticks of one class, while its threshold falls.

    Args:
        edges: ends of the ticks.
        covered: (K, T + 1) microseconds of each class before each edge.
        place: number of the class.
        spans: (n, 2) its true events in order.
        criteria: of `psds`.
    """

    def __init__(
        self,
        edges: list[int],
        covered: NDArray[np.int64],
        place: int,
        spans: NDArray[np.int64],
        criteria: Criteria,
    ) -> None:
        self.edges, self.criteria = edges, criteria
        self.own: list[int] = covered[place].tolist()
        self.others = covered.copy()
        self.others[place] = 0  # with its own class nothing is confused
        self.spans, (self.starts, self.ends) = spans, spans.T.tolist()
        self.needed = criteria.truth * (spans[:, 1] - spans[:, 0]) - ROUNDING_US
        self.under = np.zeros(len(spans), dtype=np.int64)  # relevant detections, of each true event
        self.counts = np.zeros(2 + len(covered), dtype=np.int64)

    def steps(self, scores: NDArray[np.float64]) -> Steps:
        """The counts at each score; ticks of equal scores come in together."""
        order = np.argsort(-scores, kind="stable")
        last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
        recorded, ends = [], iter(last.tolist())
        end = next(ends)
        first_of = list(range(len(scores)))  # of a run, by its last tick
        end_of = [0] * len(scores)  # by its first one
        for rank, tick in enumerate(order.tolist()):
            start, stop = tick, tick + 1
            if tick and end_of[first_of[tick - 1]] == tick:
                start = first_of[tick - 1]
                self._count(start, tick, -1)
            if stop < len(scores) and end_of[stop]:
                stop = end_of[stop]
                self._count(tick + 1, stop, -1)
            self._count(start, stop, 1)
            end_of[start], first_of[stop - 1] = stop, start
            if rank == end:
                recorded.append(self.counts.copy())
                end = next(ends, -1)
        return Steps(scores[order[last]], np.diff(recorded, axis=0, prepend=0))

    def _count(self, start: int, stop: int, sign: int) -> None:
        """Let the run of the ticks from ``start`` to ``stop`` come, or go."""
        length = self.edges[stop] - self.edges[start]
        overlap = self.own[stop] - self.own[start]
        if overlap < self.criteria.detection * length - ROUNDING_US:
            self.counts[1] += sign
            if self.criteria.cross_weight:
                confused = self.others[:, stop] - self.others[:, start]
                self.counts[2:] += sign * (confused >= self.criteria.cross * length - ROUNDING_US)
        elif overlap:
            self._cover(self.edges[start], self.edges[stop], sign)

    def _cover(self, start: int, stop: int, sign: int) -> None:
        """Put true events under a relevant detection, or take it away from them."""
        touched = slice(bisect_right(self.ends, start), bisect_left(self.starts, stop))
        under, spans, needed = self.under[touched], self.spans[touched], self.needed[touched]
        before = int((under >= needed).sum())
        under += sign * (np.minimum(spans[:, 1], stop) - np.maximum(spans[:, 0], start))
        self.counts[0] += int((under >= needed).sum()) - before


def _counts(steps: Sequence[Steps]) -> NDArray[np.int64]:
    """Counts of several recordings at no detection, then at each of their thresholds, (s, 2 + K)."""
    thresholds = np.concatenate([one.thresholds for one in steps])
    changes = np.concatenate([one.changes for one in steps])
    order = np.argsort(-thresholds, kind="stable")
    last = np.append(np.flatnonzero(np.diff(thresholds[order])), len(order) - 1)
    counts: NDArray[np.int64] = np.cumsum(changes[order], axis=0)[last]
    return np.concatenate([np.zeros_like(counts[:1]), counts])


def _area(curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], criteria: Criteria) -> float:
    """Area under the mean of stairs, less their spread, up to the greatest rate, as a share of it."""
    grid = np.unique(np.concatenate([rates for rates, _ in curves]))
    grid = grid[grid <= criteria.most_per_hour]
    stairs = []
    for rates, shares in curves:
        order = np.lexsort((shares, rates))
        best = np.maximum.accumulate(shares[order])
        stairs.append(best[np.searchsorted(rates[order], grid, side="right") - 1])
    heights = np.maximum(np.mean(stairs, axis=0) - criteria.spread * np.std(stairs, axis=0), 0.0)
    widths = np.diff(grid, append=criteria.most_per_hour)
    return float(heights @ widths / criteria.most_per_hour)
