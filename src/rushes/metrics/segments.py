"""Sequences of labels compared as segments: runs, edit score and segmental F1, as MS-TCN defines them.

A sequence holds one label a frame (or a second, or a window). Both scores run from 0 to 100, as their source
prints them. A predicted None is a segment that matches nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import Label, as_list, encode, same_length
from rushes.metrics.temporal import reaches

F1_THRESHOLDS = (0.10, 0.25, 0.50)


class Run(NamedTuple):
    """Equal labels in a row: positions ``[start, end)`` of the sequence."""

    label: Label | None
    start: int
    end: int


def runs(sequence: Sequence[Label | None]) -> list[Run]:
    """Maximal runs of equal labels, in order.

    Raises:
        MetricError: the sequence is empty.

    >>> runs("Tape Tape Pack".split())
    [Run(label='Tape', start=0, end=2), Run(label='Pack', start=2, end=3)]
    """
    found, start = [], 0
    for label, members in groupby(as_list(sequence, "the sequence")):
        end = start + sum(1 for _ in members)
        found.append(Run(label, start, end))
        start = end
    return found


def edit_scores(
    truths: Sequence[Sequence[Label]],
    predictions: Sequence[Sequence[Label | None]],
    labels: Sequence[Label],
    *,
    background: Collection[Label] = (),
) -> NDArray[np.float64]:
    """Edit score of each video, shape (videos,), in [0, 100]: the order of segments, blind to durations.

    ``100 * (1 - Levenshtein(labels of runs) / longer number of runs)``; 100 where neither side has a segment
    outside of the background. The figure to report is the mean over videos.

    Args:
        truths: for each video its labels, one a frame.
        predictions: for each video as many labels, or None.
        labels: the class list.
        background: labels whose runs are no segments.

    Raises:
        MetricError: empty, lengths differ, or a label outside of ``labels``.

    >>> edit_scores([[0, 0, 1, 1, 2, 1, 1, 0, 0]], [[0, 0, 0, 1, 0, 1, 1, 1, 0]], range(4)).tolist()
    [80.0]
    """
    scores = []
    for truth, prediction in _videos(truths, predictions, labels, background):
        longer = max(len(truth), len(prediction))
        distance = _levenshtein([run.label for run in truth], [run.label for run in prediction])
        scores.append(100.0 * (1 - distance / longer) if longer else 100.0)
    return np.array(scores)


@dataclass(frozen=True, slots=True)
class SegmentCounts:
    """Segments found, invented and overlooked, and the F1 they make, in [0, 100]."""

    tp: int
    fp: int
    fn: int

    @property
    def f1(self) -> float:
        """``100 * 2 tp / (2 tp + fp + fn)``.

        Raises:
            MetricError: neither side has a segment.
        """
        segments = 2 * self.tp + self.fp + self.fn
        if not segments:
            raise MetricError("neither truth nor prediction has a segment outside of the background")
        return 100.0 * 2 * self.tp / segments

    def __add__(self, other: SegmentCounts) -> SegmentCounts:
        """Pooled counts of both."""
        return SegmentCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def segment_counts(
    truths: Sequence[Sequence[Label]],
    predictions: Sequence[Sequence[Label | None]],
    labels: Sequence[Label],
    threshold: float,
    *,
    background: Collection[Label] = (),
) -> list[SegmentCounts]:
    """Counts of each video, to be pooled by ``sum(counts, SegmentCounts(0, 0, 0))``.

    A predicted segment, taken in order, is a hit if the true segment of its class with the highest tIoU (the
    earlier at a tie) reaches ``threshold`` and is not taken yet. The best segment is chosen *before* looking
    whether it is taken, as MS-TCN does, so a second prediction over it is a false positive even where
    another true segment would fit.

    Args:
        truths: for each video its labels, one a frame.
        predictions: for each video as many labels, or None.
        labels: the class list.
        threshold: tIoU in (0, 1].
        background: labels whose runs are no segments.

    Raises:
        MetricError: as `edit_scores`; or the threshold lies outside of (0, 1].

    >>> segment_counts([[0, 0, 1, 1, 2, 1, 1, 0, 0]], [[0, 0, 0, 1, 0, 1, 1, 1, 0]], range(4), 0.1)
    [SegmentCounts(tp=4, fp=1, fn=1)]
    """
    if not 0 < threshold <= 1:
        raise MetricError(f"a tIoU threshold lies in (0, 1], found {threshold}")
    pairs = _videos(truths, predictions, labels, background)
    return [_match(truth, prediction, threshold) for truth, prediction in pairs]


def _videos(
    truths: Sequence[Sequence[Label]],
    predictions: Sequence[Sequence[Label | None]],
    labels: Sequence[Label],
    background: Collection[Label],
) -> list[tuple[list[Run], list[Run]]]:
    """Segments of each video's truth and of its prediction, by positions in ``labels``; a predicted None is -1."""
    ignored = set(encode([*background], labels, "the background").tolist()) if background else set()
    same_length(truths=as_list(truths, "truths"), predictions=as_list(predictions, "predictions"))
    pairs = []
    for number, (truth, prediction) in enumerate(zip(truths, predictions, strict=True)):
        actual = encode(truth, labels, f"the truth of video {number}")
        answer = encode(prediction, labels, f"the prediction of video {number}", missing=True)
        same_length(truth=actual, prediction=answer)
        true, found = (
            [run for run in runs(side.tolist()) if run.label not in ignored] for side in (actual, answer)
        )
        pairs.append((true, found))
    return pairs


def _levenshtein(one: Sequence[Label | None], other: Sequence[Label | None]) -> int:
    above = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        row = [i]
        for j, right in enumerate(other, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right)))
        above = row
    return above[-1]


def _match(truth: list[Run], prediction: list[Run], threshold: float) -> SegmentCounts:
    if not truth:
        return SegmentCounts(0, len(prediction), 0)
    labels, starts, ends = (np.array(column) for column in zip(*truth, strict=True))
    taken = np.zeros(len(truth), dtype=bool)
    for run in prediction:
        overlap = np.maximum(np.minimum(run.end, ends) - np.maximum(run.start, starts), 0)
        union = np.maximum(run.end, ends) - np.minimum(run.start, starts)  # exact wherever they overlap
        tious = overlap / union * (labels == run.label)
        best = int(tious.argmax())
        taken[best] |= reaches(tious[best], threshold)
    tp = int(taken.sum())
    return SegmentCounts(tp, len(prediction) - tp, len(truth) - tp)
