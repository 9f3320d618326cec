"""OpenPack's labels at 1 Hz: the rule by which they follow from the intervals.

OpenPack scores operations once a second, and its 1 Hz files are *not* the intervals sampled at the second:
the label of the second ``[k, k+1)`` is the one under way at its **end**, a gap carries the operation before
it, and the file stops before the annotation does. On the published sample (U0209 S0500) the rule gives
every one of the 1,404 labels; sampling at the middle of the second gives 1,308 and at its start 1,212.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

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
