"""OpenPack on disk, both ways: where files lie, how times and rows are written, how they are read back.

The source reads through this file and the twin writes through it, so the two cannot drift apart::

    <root>/[v1.0.0/]<user>/annotation/openpack-operations/<session>.csv
                          /annotation/openpack-operations-1hz/<session>.csv
                          /kinect/color-masked/frames/<session>/%Y/%m/%d/%H/%M/%Y%m%d_%H%M%S_%f.jpg
                          /kinect/color-masked/video/<session>.mp4 and <session>.json   (normalised footage)

Wall-clock times are whole microseconds or milliseconds since 1970 (UTC) in an ``int``, so nothing is rounded
on the way. Files show them in Japanese time (UTC+9, no daylight saving); names of frames say no zone at all.
"""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rushes.errors import SourceError
from rushes.media.folder import JST
from rushes.stages import write_atomic, write_json

RELEASE = "v1.0.0"
OPERATION_COLUMNS = ("uuid", "user", "session", "box", "id", "operation", "start", "end", "actions")
SECOND_COLUMNS = ("unixtime", "user", "session", "box", "id")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WALL_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One row of ``openpack-operations``: the operation ``id`` from ``start_us`` until before ``end_us``.

    Attributes:
        uuid: ``op:`` and a UUID, unique in the file.
        user, session: ``U0209``, ``S0500``; the same in every row of a file.
        box: number of the box that is being packed, from 1.
        id, operation: OpenPack's operation, e.g. 100 and ``Picking``.
        start_us, end_us: wall-clock, microseconds since 1970 (UTC).
        actions: uuids (``act:...``) of the actions inside of it; may be empty.
    """

    uuid: str
    user: str
    session: str
    box: int
    id: int
    operation: str
    start_us: int
    end_us: int
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecondRow:
    """One row of ``openpack-operations-1hz``: the label of the second that starts at ``unix_ms``."""

    unix_ms: int
    user: str
    session: str
    box: int
    id: int


# --- places -----------------------------------------------------------------------------------------------


def operations_csv(root: Path, user: str, session: str) -> Path:
    """The operations of a session, as intervals."""
    return root / user / "annotation" / "openpack-operations" / f"{session}.csv"


def operations_1hz_csv(root: Path, user: str, session: str) -> Path:
    """The operations of a session, one label a second."""
    return root / user / "annotation" / "openpack-operations-1hz" / f"{session}.csv"


def frames_dir(root: Path, user: str, session: str) -> Path:
    """The colour frames of a session, a tree of folders down to the minute."""
    return root / user / "kinect" / "color-masked" / "frames" / session


def video_file(root: Path, user: str, session: str) -> Path:
    """The normalised video of a session."""
    return root / user / "kinect" / "color-masked" / "video" / f"{session}.mp4"


def video_sidecar(root: Path, user: str, session: str) -> Path:
    """The small JSON beside the video that says when its first frame was taken."""
    return video_file(root, user, session).with_suffix(".json")


def key_of(user: str, session: str) -> str:
    """Key of a session's recording, whatever its files are named.

    >>> key_of("U0209", "S05.old")
    'U0209_S05-old'
    """
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"{user}_{session}")


# --- times ------------------------------------------------------------------------------------------------


def format_time(unix_us: int) -> str:
    """Wall-clock time as the annotation writes it.

    >>> format_time(1648531522143000)
    '2022-03-29 14:25:22.143000+09:00'
    """
    return _wall_clock(unix_us).isoformat(sep=" ", timespec="microseconds")


def parse_time(text: str) -> int:
    """Microseconds since 1970 (UTC) of a wall-clock time with its time zone; the inverse of `format_time`.

    >>> parse_time("2022-03-29T14:25:22.143+09:00")
    1648531522143000

    Raises:
        SourceError: no such date or time, or no time zone.
    """
    found = _WALL_TIME.fullmatch(text)
    if found is None:
        raise SourceError(
            f"not a time: {text!r}",
            cure="write YYYY-MM-DD hh:mm:ss.ffffff+09:00",
        )
    if found.group(2) is None:
        raise SourceError(
            f"a time without its time zone: {text!r}",
            cure=f"write the zone at its end, e.g. {text}+09:00 for Japanese time",
        )
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError as error:
        raise SourceError(f"no such time: {text!r} ({error})", cure="correct the date or the hour") from error


def frame_name(unix_ms: int) -> Path:
    """Path of a frame below the session's folder of frames.

    >>> frame_name(1648531511030).as_posix()
    '2022/03/29/14/25/20220329_142511_030.jpg'
    """
    moment = _wall_clock(unix_ms * 1000)
    return Path(f"{moment:%Y/%m/%d/%H/%M/%Y%m%d_%H%M%S}_{unix_ms % 1000:03d}.jpg")


def _wall_clock(unix_us: int) -> datetime:
    return (_EPOCH + unix_us * _MICROSECOND).astimezone(JST)


# --- labels at 1 Hz ----------------------------------------------------------------------------------------


SECONDS_MISSING = 3
"""The published 1 Hz files end this many seconds before the second in which the last operation ends."""


def seconds_of(rows: Sequence[OperationRow], missing: int = SECONDS_MISSING) -> list[SecondRow]:
    """The 1 Hz rows that OpenPack publishes for the operations ``rows`` of one session.

    They are *not* the intervals sampled at the second: the label of the second ``[k, k+1)`` is the one under
    way at its **end**, and a gap carries the operation before it. On the published sample (U0209 S0500) this
    gives every one of the 1,404 labels; sampling at the middle of the second gives 1,308, at its start 1,212.

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


# --- writing ----------------------------------------------------------------------------------------------


def write_operations(path: Path, rows: Iterable[OperationRow]) -> None:
    """Write the operations of one session, in the order given."""
    _write_csv(path, OPERATION_COLUMNS, (_operation_cells(row) for row in rows))


def write_operations_1hz(path: Path, rows: Iterable[SecondRow]) -> None:
    """Write one label a second; `seconds_of` gives the rows by OpenPack's own rule."""
    cells = ((row.unix_ms, row.user, row.session, row.box, row.id) for row in rows)
    _write_csv(path, SECOND_COLUMNS, cells)


def write_video_sidecar(path: Path, start_us: int) -> None:
    """Write when the first frame of a video was taken, microseconds since 1970 (UTC)."""
    write_json(path, {"start": _wall_clock(start_us).isoformat(sep="T")})


def _operation_cells(row: OperationRow) -> tuple[object, ...]:
    times = format_time(row.start_us), format_time(row.end_us)
    return row.uuid, row.user, row.session, row.box, row.id, row.operation, *times, ";".join(row.actions)


def _write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_atomic(path, text.getvalue())
