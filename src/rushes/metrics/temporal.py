"""Intervals of seconds against intervals of seconds: overlap, boundaries, and frame numbers at the edge.

Intervals are half-open ``[start_s, end_s)``. The truth must be a real interval. A prediction may be None (no
answer) or degenerate (it does not end after it starts): both are *misses*, score 0 and stay in every
denominator. A nan or an infinity is a fault of the caller and an error on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import MetricTypeError, as_list, finite, same_length

Interval = tuple[float, float]
THRESHOLDS = (0.3, 0.5, 0.7)
ROUNDING = 1e-9  # of seconds in binary: an overlap of exactly a half may come out as 0.49999999999999994
_FARTHEST_S = 1e12  # 30,000 years; beyond it lengths overflow or lose their microseconds


def tiou(truth: ArrayLike, predicted: Sequence[Interval | None]) -> NDArray[np.float64]:
    """Overlap over union of each pair of intervals, shape (n,), in [0, 1]; a miss is 0.

    Args:
        truth: (n, 2) seconds.
        predicted: n intervals in seconds or None.

    Raises:
        MetricError: empty, lengths differ, nan or infinity, or a true interval that does not end after it
            starts.

    >>> tiou([[0, 5], [0, 5], [0, 5]], [(0, 0.4), (4, 8), None]).tolist()
    [0.08, 0.125, 0.0]
    """
    true, answer, answered = _pairs(truth, predicted)
    overlap, union = _overlap_union(true, np.where(answered[:, None], answer, true))
    return np.where(answered, np.minimum(overlap / union, 1.0), 0.0)


def reaches(tious: ArrayLike, thresholds: ArrayLike) -> NDArray[np.bool_]:
    """Whether each tIoU is at or above its threshold, but for rounding; the one rule of every hit here.

    >>> overlap = tiou([[0, 0.1]], [(0, 0.2)])
    >>> float(overlap[0]), bool(reaches(overlap, 0.5)[0])
    (0.49999999999999994, True)
    """
    return np.asarray(tious) >= np.asarray(thresholds) - ROUNDING


def pairwise_tiou(targets: ArrayLike, candidates: ArrayLike) -> NDArray[np.float64]:
    """Overlap over union of each target with each candidate, shape (targets, candidates), in [0, 1].

    A single candidate of shape (2,) gives shape (targets,).

    Raises:
        MetricError: empty, nan or infinity, or an interval that does not end after it starts.

    >>> pairwise_tiou([[1, 2], [2, 3]], [[2, 3], [2.5, 3]]).tolist()
    [[0.0, 0.0], [1.0, 0.5]]
    """
    true = intervals(targets, "targets")
    many = finite(candidates, "candidates")
    single = many.ndim == 1
    many = intervals(many[None] if single else many, "candidates")
    overlap, union = _overlap_union(true[:, None], many[None])
    tious = np.minimum(overlap / union, 1.0)
    return tious[:, 0] if single else tious


def boundary_errors(
    truth: ArrayLike, predicted: Sequence[Interval | None], miss_s: float
) -> NDArray[np.float64]:
    """Seconds by which start and end are off, shape (n, 2), at least 0.

    Where the truth is cut to its clip, its cut edges are no boundaries: select with `interior_edges`.

    Args:
        truth: (n, 2) seconds.
        predicted: n intervals in seconds or None.
        miss_s: charged for both boundaries of a miss, e.g. the length of the clip; so misses weigh in every
            mean and median instead of leaving it.

    Raises:
        MetricError: as `tiou`; or ``miss_s`` is negative or not finite.

    >>> boundary_errors([[1, 3], [1, 3]], [(1.5, 3), None], miss_s=5.0).tolist()
    [[0.5, 0.0], [5.0, 5.0]]
    """
    charge = float(finite(miss_s, "miss_s"))
    if charge < 0:
        raise MetricError(f"miss_s must not be negative, found {miss_s}")
    true, answer, answered = _pairs(truth, predicted)
    return np.where(answered[:, None], np.abs(true - answer), charge)


def interior_edges(truth: ArrayLike, clip_s: float | ArrayLike) -> NDArray[np.bool_]:
    """Which starts and ends of (n, 2) true intervals lie strictly inside their clip ``[0, clip_s)``.

    Args:
        truth: (n, 2) seconds on the clip's clock.
        clip_s: length of all clips, or (n,) lengths.

    Raises:
        MetricError: as `pairwise_tiou`.

    >>> interior_edges([[0, 2.5], [2.5, 5]], clip_s=5.0).tolist()
    [[False, True], [True, False]]
    """
    true = intervals(truth, "the truth")
    length = np.broadcast_to(finite(clip_s, "clip_s"), len(true))[:, None]
    return (true > 0) & (true < length)


def frames_to_seconds(first: int, last: int, fps: Fraction | int) -> Interval:
    """Seconds ``[start_s, end_s)`` of the frames ``first..last``, counted from 1, last included.

    Args:
        first: number of the first frame, at least 1.
        last: number of the last frame, at least ``first``.
        fps: frames per second, exact: ``Fraction(30000, 1001)`` rather than 29.97.

    Raises:
        MetricError: frames out of order or below 1; fps not positive.
        MetricTypeError: fps is a float, or a frame number is not whole.

    >>> frames_to_seconds(1, 125, 25)
    (0.0, 5.0)
    """
    if isinstance(fps, bool) or not isinstance(fps, Fraction | int):
        raise MetricTypeError(
            f"fps must be exact, found {type(fps).__name__} {fps!r}", cure="type Fraction(30000, 1001), or 25"
        )
    if fps <= 0:
        raise MetricError(f"fps must be positive, found {fps}")
    for number in (first, last):
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise MetricTypeError(f"frame numbers are whole, found {number!r}")
    if not 1 <= first <= last:
        raise MetricError(f"frames must satisfy 1 <= first <= last, found [{first}, {last}]")
    return float((int(first) - 1) / Fraction(fps)), float(int(last) / Fraction(fps))


def seconds_to_frames(start_s: float, end_s: float, fps: Fraction | int) -> tuple[int, int]:
    """The frames of ``[start_s, end_s)``, counted from 1, the last one included: at least one.

    Both ends are rounded to whole frames.

    Args:
        start_s, end_s: at least 0, the end behind the start.
        fps: frames per second.

    >>> seconds_to_frames(0.0, 5.0, 25), seconds_to_frames(1.2, 1.21, 25)
    ((1, 125), (31, 31))
    """
    first = round(start_s * fps) + 1
    return first, max(round(end_s * fps), first)


def intervals(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """``values`` as (n, 2) float64 intervals, each ending after it starts.

    Raises:
        MetricError: empty, nan or infinity, another shape, or a degenerate interval; the first is named.

    >>> intervals([(0, 1)], "the truth")
    array([[0., 1.]])
    """
    array = _seconds(values, what)
    wrong = np.flatnonzero(array[:, 1] <= array[:, 0])
    if len(wrong):
        start, end = array[wrong[0]].tolist()
        raise MetricError(
            f"{what} must end after it starts, found [{start}, {end})", where=f"index {wrong[0]}"
        )
    return array


def _seconds(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array = finite(values, what)
    if array.ndim != 2 or array.shape[1] != 2:
        raise MetricTypeError(f"{what} must be (start_s, end_s) in each row, found shape {array.shape}")
    if np.abs(array).max() > _FARTHEST_S:
        raise MetricError(f"{what} holds {np.abs(array).max():.3g} s", cure="give seconds, not nanoseconds")
    return array


def _pairs(
    truth: ArrayLike, predicted: Sequence[Interval | None]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Truth and predictions as (n, 2), with (0, 0) for None, and which predictions are real intervals."""
    true = intervals(truth, "the truth")
    rows = predicted.tolist() if isinstance(predicted, np.ndarray) else predicted
    spans = [(0.0, 0.0) if row is None else row for row in as_list(rows, "the prediction")]
    answer = _seconds(spans, "the prediction")
    same_length(truth=true, predicted=answer)
    return true, answer, answer[:, 1] > answer[:, 0]


def _overlap_union(
    one: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    overlap = np.minimum(one[..., 1], other[..., 1]) - np.maximum(one[..., 0], other[..., 0])
    overlap = np.maximum(overlap, 0.0)
    lengths = (one[..., 1] - one[..., 0]) + (other[..., 1] - other[..., 0])
    return overlap, lengths - overlap
