"""Whole recordings: windows become ticks, ticks become events, as the net hears them and smoothed.

The answer about a window stands for the stretch of one hop in its middle; the first and the last of a recording reach
to its ends. A stretch whose window was left out of the dataset has no answer: nothing is predicted there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.events import FIGURES, Heard, Rules, Track, event_measures
from rushes.evaluate.pages.timeline import fell_into_one_class
from rushes.evaluate.parts import part_of
from rushes.evaluate.scorecard import Part
from rushes.metrics.decode import running_median
from rushes.tasks.sounds.evaluate.answers import Answers
from rushes.tasks.sounds.evaluate.names import EVENT, MODEL, SMOOTHED, SYSTEMS
from rushes.tasks.sounds.recipe import Timelines
from rushes.tasks.sounds.sources.windows import Cutting


@dataclass(frozen=True, slots=True)
class Timeline:
    """Whole recordings: their part of the scorecard, the labels of each as JSON, and what to say of them."""

    part: Part
    details: dict[str, Any]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """A recording with the net's answers.

    Attributes:
        track: the recording.
        truth: its labelled stretches, background among them.
        probabilities: (T, K) over the classes; a row of zeros where there is no answer.
    """

    track: Track
    truth: tuple[tuple[float, float, str], ...]
    probabilities: NDArray[np.float64]

    def labels(self, probabilities: NDArray[np.float64], classes: Sequence[str]) -> list[str | None]:
        """The most probable class of each tick; None where there is no answer."""
        best = np.where(self.probabilities.any(axis=1), probabilities.argmax(axis=1), -1)
        return [None if place < 0 else classes[place] for place in best.tolist()]


def timeline(
    answers: Answers,
    places: Mapping[str, tuple[str, float]],
    recordings: Sequence[Mapping[str, Any]],
    cutting: Cutting,
    settings: Timelines,
    train: Mapping[str, int],
) -> Timeline:
    """Measure whole recordings: the net's answers as they come, smoothed, and what always says the same.

    Args:
        answers: of the net about windows.
        places: key of a window -> key of its recording, and where it starts in seconds.
        recordings: content of ``recordings.json``.
        cutting: how recordings were cut.
        settings: how they are measured.
        train: windows of each class on the training side.

    Raises:
        MetricError: a window of a recording that is not known, or no event on this side.
    """
    found = read_ticks(answers, places, {row["key"]: row for row in recordings}, cutting)
    smooth_s = cutting.clip_s if settings.smooth_s is None else settings.smooth_s
    width = 2 * int(smooth_s / cutting.hop_s / 2) + 1
    probabilities = {
        MODEL: [one.probabilities for one in found],
        SMOOTHED: [running_median(one.probabilities, width) for one in found],
    }
    for name, label in constant(cutting, train).items():
        always = np.equal(cutting.labels, label).astype(np.float64)
        probabilities[name] = [np.tile(always, (len(one.probabilities), 1)) for one in found]
    labels = {
        name: [one.labels(each, cutting.labels) for one, each in zip(found, of, strict=True)]
        for name, of in probabilities.items()
    }
    heard = {
        name: [_heard(*one, cutting) for one in zip(found, of, labels[name], strict=True)]
        for name, of in probabilities.items()
    }
    rules = Rules(
        collar_s=settings.collar_s, offset_percent=settings.offset_percent, segment_s=settings.segment_s
    )
    tracks = [one.track for one in found]
    measures, among = event_measures(tracks, heard, cutting.events, rules)
    rows: list[dict[str, Any]] = [
        {
            "key": one.track.key,
            "truth": [list(segment) for segment in one.truth],
            **{
                name: [list(span) for span in one.track.spans(labels[name][place])]
                for name in (MODEL, SMOOTHED)
            },
        }
        for place, one in enumerate(found)
    ]
    return Timeline(
        part_of(measures, FIGURES, SYSTEMS, among, kind="timeline"),
        {
            "hop_s": cutting.hop_s,
            "smooth_s": width * cutting.hop_s,
            "events": list(cutting.events),
            "recordings": rows,
        },
        tuple(_remarks(tracks, rows, cutting)),
    )


def constant(cutting: Cutting, train: Mapping[str, int]) -> dict[str, str]:
    """Systems that are given no sound, each with what it always says."""
    return {
        "majority": max(cutting.labels, key=lambda label: train.get(label, 0)),
        EVENT: max(cutting.events, key=lambda label: train.get(label, 0)),
    }


def read_ticks(
    answers: Answers,
    places: Mapping[str, tuple[str, float]],
    known: Mapping[str, Mapping[str, Any]],
    cutting: Cutting,
) -> list[Ticks]:
    """The answers of each recording in order of time.

    Raises:
        MetricError: a window of a recording that is not known.
    """
    rows: dict[str, list[tuple[int, int]]] = {}
    for number, key in enumerate(answers.key.tolist()):
        recording, start_s = places[key]
        if recording not in known:
            raise MetricError("a window of a recording that recordings.json does not hold", where=key)
        rows.setdefault(recording, []).append((round(start_s / cutting.hop_s), number))
    probabilities = np.exp(answers.log_probabilities)
    found = []
    for key in sorted(rows):
        length_s, (ticks, numbers) = known[key]["duration_s"], np.array(rows[key]).T
        starts = cutting.starts(length_s)
        filled = np.zeros((len(starts), len(cutting.labels)))
        filled[ticks] = probabilities[numbers]
        segments = tuple((start_s, end_s, label) for start_s, end_s, label in known[key]["segments"])
        events = tuple(segment for segment in segments if segment[2] in cutting.events)
        edges = np.concatenate([[0.0], starts[1:] + (cutting.clip_s - cutting.hop_s) / 2, [length_s]])
        found.append(Ticks(Track(key, known[key]["group"], edges, events), segments, filled))
    return found


def _heard(
    ticks: Ticks, probabilities: NDArray[np.float64], labels: Sequence[str | None], cutting: Cutting
) -> Heard:
    events = [
        (start_s, end_s, label)
        for start_s, end_s, label in ticks.track.spans(labels)
        if label is not None and label != cutting.background
    ]
    columns = [cutting.labels.index(label) for label in cutting.events]
    return Heard(events, probabilities[:, columns])


def _remarks(tracks: Sequence[Track], rows: Sequence[Mapping[str, Any]], cutting: Cutting) -> list[str]:
    there = {label for track in tracks for *_, label in track.events}
    absent = [label for label in cutting.events if label not in there]
    said = [f"no event of {', '.join(absent)} on this side: left out of figures of events"] if absent else []
    return said + [
        f"{row['key']}, {name} labels: {fallen}"
        for row in rows
        for name in (MODEL, SMOOTHED)
        if (fallen := fell_into_one_class(row["truth"], row[name]))
    ]
