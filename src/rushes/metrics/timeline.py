"""Whole sessions second by second: labels at moments, and at 1 Hz as OpenPack's challenge scores them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import MISSING, Label, as_list, encode, same_length, vector
from rushes.metrics.temporal import intervals

NULL = "Null"


def labels_at(
    segments: Sequence[tuple[float, float, Label]], times_s: ArrayLike, gap: Label | None = None
) -> list[Label | None]:
    """The label under way at each moment.

    Args:
        segments: (start_s, end_s, label), half-open, in any order, not overlapping.
        times_s: (n,) moments in seconds.
        gap: what stands where no segment is.

    Raises:
        MetricError: empty, not finite, a degenerate segment, or two that overlap.

    >>> labels_at([(0.0, 2.0, "Tape"), (3.0, 4.0, "Pack")], [0.0, 1.9, 2.0, 3.0], gap="Null")
    ['Tape', 'Tape', 'Null', 'Pack']
    """
    moments = vector(times_s, "moments")
    rows = sorted(as_list(segments, "segments"), key=lambda row: row[0])
    spans = intervals([row[:2] for row in rows], "segments")
    overlapping = np.flatnonzero(spans[1:, 0] < spans[:-1, 1])
    if len(overlapping):
        i = overlapping[0]
        raise MetricError(f"segments overlap: {rows[i]} and {rows[i + 1]}")
    place = np.searchsorted(spans[:, 0], moments, side="right") - 1
    inside = (place >= 0) & (moments < spans[np.maximum(place, 0), 1])
    return [rows[i][2] if within else gap for i, within in zip(place, inside, strict=True)]


def resample_1hz(
    times_s: ArrayLike, sequence: Sequence[Label | None]
) -> tuple[NDArray[np.int64], list[Label | None]]:
    """The last label of each second that holds a sample: ``(seconds (m,), m labels)``.

    Times are first rounded to milliseconds, then cut to the second, as OpenPack's challenge does. Seconds
    without a sample do not appear.

    Args:
        times_s: (n,) seconds, never falling.
        sequence: n labels, one at each time.

    Raises:
        MetricError: empty, lengths differ, not finite, or a clock that runs backwards.

    >>> seconds, labels = resample_1hz([10.0, 10.5, 11.0, 11.5, 12.0], ["a", "a", "a", "b", "c"])
    >>> seconds.tolist(), labels
    ([10, 11, 12], ['a', 'b', 'c'])
    """
    times = vector(times_s, "times")
    names = as_list(sequence, "labels")
    same_length(times=times, labels=names)
    backwards = np.flatnonzero(np.diff(times) < 0)
    if len(backwards):
        i = backwards[0]
        raise MetricError(
            f"the clock runs backwards, from {times[i]} to {times[i + 1]} s", where=f"index {i + 1}"
        )
    seconds = np.rint(times * 1000).astype(np.int64) // 1000
    last = np.append(np.flatnonzero(np.diff(seconds)), len(seconds) - 1)
    return seconds[last], [names[i] for i in last]


def labels_1hz(
    truth: tuple[ArrayLike, Sequence[Label]],
    predicted: tuple[ArrayLike, Sequence[Label | None]],
    labels: Sequence[Label],
    *,
    null: Label = NULL,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The seconds that OpenPack's challenge scores, of one or more sessions, with their labels.

    Both sides are brought to 1 Hz by the last sample of each second. Seconds whose *truth* is ``null`` are
    left out; a predicted ``null`` there stays, as a wrong class. A true second without a prediction is wrong.
    Join several sessions by giving each its own stretch of the clock.

    Args:
        truth: (times_s (n,), n labels or ``null``).
        predicted: (times_s (m,), m labels, ``null`` or None).
        labels: the K classes of the mean, ``null`` not among them.
        null: the label without a class.

    Returns:
        ``(seconds, true positions, answered positions)``, (m,) each: positions are those in ``labels``; an
        answer outside of them, or none, is negative.

    Raises:
        MetricError: as `resample_1hz`; a label outside of ``labels``; no second left to score.

    >>> found = labels_1hz(([0, 1, 2], ["a", "Null", "b"]), ([0, 1, 2.5], ["a", "b", "a"]), ["a", "b"])
    >>> [column.tolist() for column in found]
    [[0, 2], [0, 1], [0, 0]]
    """
    if null in labels:
        raise MetricError(f"{null!r} is no class of the mean", cure="leave it out of the class list")
    classes = [*labels, null]
    true_seconds, true_labels = resample_1hz(*truth)
    seconds, answers = resample_1hz(*predicted)
    actual = encode(true_labels, classes, "the truth")
    answer = encode(answers, classes, "the prediction", missing=True)
    place = np.minimum(np.searchsorted(seconds, true_seconds), len(seconds) - 1)
    answer = np.where(seconds[place] == true_seconds, answer[place], MISSING)
    answer[answer == len(labels)] = MISSING  # Null lowers recall, and no class's precision
    scored = actual != len(labels)
    if not scored.any():
        raise MetricError(f"the truth is {null!r} throughout, so there is nothing to score")
    return true_seconds[scored], actual[scored], answer[scored]
