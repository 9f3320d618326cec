"""OpenPack's labels at 1 Hz: the rule by which they follow from the intervals.

OpenPack scores operations once a second, and its 1 Hz files are *not* the intervals sampled at the second:
the label of the second ``[k, k+1)`` is the one under way at its **end**, a gap carries the operation before
it, and the file stops before the annotation does. On the published sample (U0209 S0500) the rule gives
every one of the 1,404 labels; sampling at the middle of the second gives 1,308 and at its start 1,212.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from rushes.errors import SourceError
from rushes.records import Segment
from rushes.tasks.operations.sources.openpack.layout import OperationRow, SecondRow

SECONDS_MISSING = 3
"""The published 1 Hz files end this many seconds before the second in which the last operation ends."""


def seconds_of(rows: Sequence[OperationRow], missing: int = SECONDS_MISSING) -> list[SecondRow]:
    """The 1 Hz rows that OpenPack publishes for the operations ``rows`` of one session.

    The first row is the second in which the first operation starts; the ``missing`` last ones are left out.

    Args:
        rows: operations in order of time.
        missing: seconds left out at the end.
    """
    if not rows:
        return []
    starts_us = [row.start_us for row in rows]
    first, last = starts_us[0] // 1_000_000, rows[-1].end_us // 1_000_000 - missing
    under_way = (
        (second, rows[bisect_right(starts_us, (second + 1) * 1_000_000) - 1])
        for second in range(first, last + 1)
    )
    return [SecondRow(second * 1000, row.user, row.session, row.box, row.id) for second, row in under_way]


def labels_at_1hz(
    segments: Sequence[Segment], first_second_s: float, n_seconds: int, *, carry_gaps: bool = True
) -> list[str | None]:
    """Labels of ``n_seconds`` consecutive seconds by OpenPack's rule: the one under way at the second's end.

    >>> work = [Segment(0.2, 1.5, "Picking"), Segment(3.0, 4.0, "Close Box")]
    >>> labels_at_1hz(work, 0.0, 4)
    ['Picking', 'Picking', 'Close Box', 'Close Box']
    >>> labels_at_1hz(work, 0.0, 4, carry_gaps=False)
    ['Picking', None, 'Close Box', None]

    Args:
        segments: in order of time, not overlapping.
        first_second_s: start of the first second, on the clock of ``segments``.
        n_seconds: how many labels to give.
        carry_gaps: a gap, and what follows the last segment, carries the label before it, as OpenPack does;
            otherwise it is None.

    Returns:
        One label a second; None before the first segment, and in gaps that are not carried.

    Raises:
        SourceError: the segments are not in order of time.
    """
    starts_s = [segment.start_s for segment in segments]
    if any(later < earlier for earlier, later in pairwise(starts_s)):
        raise SourceError("segments out of order", cure="sort them by their start")
    labels: list[str | None] = []
    for k in range(n_seconds):
        moment_s = first_second_s + k + 1.0
        index = bisect_right(starts_s, moment_s) - 1
        current = segments[index] if index >= 0 else None
        held = current is not None and (carry_gaps or current.contains(moment_s))
        labels.append(current.label if current is not None and held else None)
    return labels
