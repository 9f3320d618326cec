"""Whole recordings as events: what systems predict beside what was labelled, for any task with timelines.

Event-based and segment-based figures rest on sums, so they are measured again without each group, each recording or,
where there are few of these, each block of ten minutes; PSDS, which is no sum, without each group or recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import BLOCK, BLOCK_S, Clusters, clusters, levels_in_time
from rushes.evaluate.figures import Figure
from rushes.evaluate.parts import Measured, Measures
from rushes.metrics.events import (
    COLLAR_S,
    OFFSET_PERCENT,
    SEGMENT_S,
    Event,
    Rows,
    Scores,
    event_rows,
    segment_rows,
)
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.psds import APART, IN_TIME, Criteria, psds, tally
from rushes.metrics.segments import runs

SCENARIOS: Mapping[str, Criteria] = {"psds_1": IN_TIME, "psds_2": APART}

FIGURES = {
    "event_f1": Figure(
        title="event F1",
        meaning=(
            "mean F1 of the classes that have events: one is found where label, onset and offset fit, within the "
            "collar or, for the offset, a share of its length"
        ),
        compared=True,
        on="timeline",
    ),
    "event_error_rate": Figure(
        title="event error rate",
        meaning="events substituted, missed and invented for each true one; above 1 silence would be better",
        better="lower",
        bounds=(0.0, None),
        on="timeline",
    ),
    "segment_f1": Figure(
        title="segment F1",
        meaning="mean F1 of the classes that have events, second by second: active where an event touches it",
        compared=True,
        on="timeline",
    ),
    "segment_error_rate": Figure(
        title="segment error rate",
        meaning="classes substituted, missed and invented second by second for each true one",
        better="lower",
        bounds=(0.0, None),
        on="timeline",
    ),
    "psds_1": Figure(
        title="PSDS 1",
        meaning=(
            "polyphonic sound detection score over all thresholds up to 100 false alarms an hour, DCASE's first "
            "scenario: 70 % of an event and of a detection must agree"
        ),
        compared=True,
        on="timeline",
    ),
    "psds_2": Figure(
        title="PSDS 2",
        meaning=(
            "the same in DCASE's second scenario: 10 % is enough, and a false alarm on another class's event "
            "counts more"
        ),
        compared=True,
        on="timeline",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When an event is found.

    Attributes:
        collar_s, offset_percent: see `rushes.metrics.events.event_rows`.
        segment_s: length of a segment.
    """

    collar_s: float = COLLAR_S
    offset_percent: int = OFFSET_PERCENT
    segment_s: float = SEGMENT_S


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A recording over time.

    Attributes:
        key: of the recording.
        group: whose it is; empty where nobody said.
        edges_s: (T + 1,) rising ends of its ticks, from 0.
        events: that were labelled.
    """

    key: str
    group: str
    edges_s: NDArray[np.float64]
    events: tuple[Event, ...]

    @property
    def length_s(self) -> float:
        """Length of the recording."""
        return float(self.edges_s[-1])

    def spans(self, labels: Sequence[str | None]) -> list[tuple[float, float, str | None]]:
        """Runs of equal labels (T) as start and end in seconds, and label."""
        return [
            (
                float(self.edges_s[run.start]),
                float(self.edges_s[run.end]),
                None if run.label is None else str(run.label),
            )
            for run in runs(labels)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What a system makes of a recording.

    Attributes:
        events: that it predicts.
        scores: (T, K) of each class of events in each tick.
    """

    events: Sequence[Event]
    scores: NDArray[np.float64]


def event_measures(
    tracks: Sequence[Track], heard: Mapping[str, Sequence[Heard]], labels: Sequence[str], rules: Rules
) -> tuple[Measures, Clusters]:
    """Figures of every system, and what moves together.

    Args:
        tracks: recordings.
        heard: system -> what it makes of each of them.
        labels: the K classes that are events.
        rules: when an event is found.

    Raises:
        MetricError: no recording, or none with an event.
    """
    if not any(track.events for track in tracks):
        raise MetricError(
            f"no event of {', '.join(labels)} in {len(tracks)} recordings, so there is nothing to find",
            cure="report a side whose recordings have events: another evaluate.split, source.split or shares.seed",
        )
    units = _Units.of(tracks)
    return {
        system: _figures(list(zip(tracks, answers, strict=True)), labels, rules, units)
        for system, answers in heard.items()
    }, units.among


@dataclass(frozen=True, slots=True, eq=False)
class _Units:
    """What moves together: blocks of time for sums, whole recordings for what is no sum.

    Attributes:
        among: cluster of each block of all recordings, one recording after the other.
        summed, whole: of blocks, and of recordings.
        blocks: of each recording.
    """

    among: Clusters
    summed: Jackknife
    whole: Jackknife
    blocks: NDArray[np.int64]

    @classmethod
    def of(cls, tracks: Sequence[Track]) -> _Units:
        blocks = np.array([ceil(track.length_s / BLOCK_S) for track in tracks])
        each, first = np.arange(blocks.sum()), np.cumsum(blocks) - blocks
        groups = np.repeat(np.array([track.group for track in tracks]), blocks)
        keys = np.repeat(np.array([track.key for track in tracks]), blocks)
        levels = levels_in_time(groups, keys, BLOCK_S * (each - np.repeat(first, blocks)))
        among = clusters(levels, each)
        whole = clusters({name: ids for name, ids in levels.items() if name != BLOCK}, first)
        return cls(among, Jackknife.of(among.ids), Jackknife.of(whole.ids), blocks)

    def scores(self, rows: Sequence[Rows]) -> Scores:
        """Of the rows of each recording: over all blocks, then without each cluster."""
        parts = np.zeros((len(self.among.ids), rows[0].parts.shape[1]))
        first = np.cumsum(self.blocks) - self.blocks
        for place, one in enumerate(rows):
            block = np.minimum(one.at_s // BLOCK_S, self.blocks[place] - 1).astype(np.int64)
            np.add.at(parts, first[place] + block, one.parts)
        return Scores.of(self.summed.sums(parts))


def _figures(
    pairs: Sequence[tuple[Track, Heard]], labels: Sequence[str], rules: Rules, units: _Units
) -> dict[str, Measured]:
    """Figures of one system."""
    collar_s, percent, segment_s = rules.collar_s, rules.offset_percent, rules.segment_s
    event = units.scores(
        [
            event_rows(track.events, one.events, labels, collar_s=collar_s, offset_percent=percent)
            for track, one in pairs
        ]
    )
    segment = units.scores(
        [
            segment_rows(track.events, one.events, labels, track.length_s, segment_s=segment_s)
            for track, one in pairs
        ]
    )
    return {
        "event_f1": Measured(units.summed, event.f1_macro),
        "event_error_rate": Measured(units.summed, event.error_rate),
        "segment_f1": Measured(units.summed, segment.f1_macro),
        "segment_error_rate": Measured(units.summed, segment.error_rate),
        **{
            name: Measured(units.whole, _psds(pairs, labels, criteria, units.whole))
            for name, criteria in SCENARIOS.items()
        },
    }


def _psds(
    pairs: Sequence[tuple[Track, Heard]], labels: Sequence[str], criteria: Criteria, jackknife: Jackknife
) -> NDArray[np.float64]:
    """PSDS of all recordings, then without each leave-out; 0 where those that are left have no event."""
    tallies = [tally(track.events, one.scores, track.edges_s, labels, criteria) for track, one in pairs]

    def of(kept: NDArray[np.int64]) -> float:
        there = [tallies[number] for number in kept]
        return psds(there, criteria) if any(one.events.any() for one in there) else 0.0

    return jackknife.statistic(of)
