"""Average precision of detected segments, as ActivityNet scores them, made independent of input order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import Label, as_list, encode, finite
from rushes.metrics.temporal import intervals, reaches

AP_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


class TrueSegment(NamedTuple):
    """A segment of the truth, ``[start_s, end_s)`` in ``video``."""

    video: str
    label: Label
    start_s: float
    end_s: float


class Detection(NamedTuple):
    """A predicted segment with a score; higher means surer."""

    video: str
    label: Label
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class DetectionScores:
    """Average precision at each threshold.

    Attributes:
        thresholds: the T tIoU thresholds.
        labels: the K classes present in the truth.
        ap: (T, K) average precisions in [0, 1].
        n: true segments.
    """

    thresholds: tuple[float, ...]
    labels: tuple[Label, ...]
    ap: NDArray[np.float64]
    n: int

    @property
    def mean_ap(self) -> dict[float, float]:
        """At each threshold the mean AP over the classes present in the truth."""
        return {tau: float(row.mean()) for tau, row in zip(self.thresholds, self.ap, strict=True)}

    @property
    def average(self) -> float:
        """Mean of mAP over all thresholds."""
        return float(self.ap.mean())


def average_precision(
    truth: Sequence[TrueSegment],
    detections: Sequence[Detection],
    labels: Sequence[Label],
    thresholds: Sequence[float] = AP_THRESHOLDS,
) -> DetectionScores:
    """ActivityNet's AP@tIoU of each class present in the truth.

    Per class, detections by falling score each take the free true segment of their video with the highest
    tIoU, if that is at or above the threshold; what takes none is a false positive. Precision is then made
    monotone from the right and summed over the steps of recall (VOC 2011, all points).

    Fixed here where the source leaves it open: equal scores are ordered by video, then start, then end; equal
    tIoUs go to the earlier true segment; duplicates in the truth are kept, each to be found once. A
    degenerate detection overlaps nothing and is a false positive. Detections of classes absent from the
    truth count nowhere; no detections at all give 0.

    Args:
        truth: true segments of all videos.
        detections: predicted segments of all videos, possibly none.
        labels: the class list.
        thresholds: tIoU in (0, 1].

    Raises:
        MetricError: no truth, a degenerate true segment, nan or infinity, an unknown label, a threshold
            outside of (0, 1].

    >>> truth = [TrueSegment("v", "Tape", 0, 4), TrueSegment("v", "Tape", 6, 8)]
    >>> found = [Detection("v", "Tape", 0, 3, 0.9), Detection("v", "Tape", 1, 4, 0.8)]
    >>> average_precision(truth, found, ["Tape", "Pack"], [0.5, 0.8]).mean_ap
    {0.5: 0.5, 0.8: 0.0}
    """
    taus = finite(thresholds, "thresholds")
    if taus.min() <= 0 or taus.max() > 1:
        raise MetricError(f"tIoU thresholds lie in (0, 1], found {taus.tolist()}")
    true = sorted(
        (TrueSegment(*row) for row in as_list(truth, "the truth")), key=lambda row: (row.start_s, row.end_s)
    )
    intervals([(row.start_s, row.end_s) for row in true], "the truth")
    codes = encode([row.label for row in true], labels, "the truth")
    found = sorted(
        map(Detection._make, detections), key=lambda row: (-row.score, row.video, row.start_s, row.end_s)
    )
    if found:
        finite([(row.start_s, row.end_s, row.score) for row in found], "detections")
        encode([row.label for row in found], labels, "the detections")
    present = tuple(labels[code] for code in np.unique(codes))
    columns = [
        _class_ap(
            [row for row in true if row.label == label], [row for row in found if row.label == label], taus
        )
        for label in present
    ]
    return DetectionScores(tuple(thresholds), present, np.stack(columns, axis=1), len(true))


def _class_ap(
    true: list[TrueSegment], found: list[Detection], taus: NDArray[np.float64]
) -> NDArray[np.float64]:
    """AP at each threshold, shape (T,), of one class; both lists are in their final order."""
    by_video = defaultdict(list)
    for segment in true:
        by_video[segment.video].append((segment.start_s, segment.end_s))
    spans = {video: np.array(rows, dtype=np.float64) for video, rows in by_video.items()}
    taken = {video: np.zeros((len(taus), len(rows)), dtype=bool) for video, rows in spans.items()}
    hits = np.zeros((len(taus), len(found)), dtype=bool)
    for rank, row in enumerate(found):
        if row.video not in spans or row.end_s <= row.start_s:
            continue
        tious = _tious(spans[row.video], row)
        free = taken[row.video]
        best = np.where(free, -1.0, tious).argmax(axis=1)  # (T,)
        every = np.arange(len(taus))
        hits[:, rank] = reaches(tious[best], taus) & ~free[every, best]
        free[every, best] |= hits[:, rank]
    return np.array([_area(row, len(true)) for row in hits])


def _tious(spans: NDArray[np.float64], row: Detection) -> NDArray[np.float64]:
    overlap = np.minimum(spans[:, 1], row.end_s) - np.maximum(spans[:, 0], row.start_s)
    overlap = np.maximum(overlap, 0.0)
    tious: NDArray[np.float64] = overlap / (spans[:, 1] - spans[:, 0] + row.end_s - row.start_s - overlap)
    return tious


def _area(hits: NDArray[np.bool_], positives: int) -> float:
    """Area under the interpolated precision-recall curve of ranked hits."""
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[hits].sum() / positives)
