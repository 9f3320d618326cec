"""What a clip's tables hold: the clock of a camera, and the vehicle's own motion.

Microseconds become seconds here, on the clip's clock, which begins a little before zero. A camera's timestamp
is the end of its frame's exposure; row k belongs to frame k in presentation order. Poses reach far beyond the
video on either side and come at no fixed rate: nothing is ever paired by row number.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rushes.errors import SourceError
from rushes.records import Member
from rushes.tasks.driving.sources.physical_ai_av.parquet import integers, numbers, read_table
from rushes.tasks.driving.sources.trajectory import Trajectory

_LEAVE_OUT = "fetch the archive again; leave the clip out if it is damaged at its source"


def read_camera_times(member: Member) -> np.ndarray:
    """When the frames of a camera were taken.

    Args:
        member: ``<clip>.<camera>.timestamps.parquet``.

    Returns:
        (n,) float64 seconds on the clip's clock, strictly increasing, n >= 1; the first may be negative.

    Raises:
        SourceError: no such table, times that do not increase, or rows that are not the frames in order;
            names the row, counted from 0.
        MediaError: the member's bytes are damaged.
    """
    table = read_table(member, ("timestamp",), ("frame_index",))
    times_us = _times_us(table, member)
    if "frame_index" in table.column_names:
        off = integers(table, "frame_index", member) != np.arange(len(times_us))
        if off.any():
            row = int(off.argmax())
            raise SourceError(
                f"row {row}: frame_index should be {row}, found {table['frame_index'][row]}",
                where=member,
                cure=_LEAVE_OUT,
            )
    return times_us / 1e6


def read_trajectory(member: Member) -> Trajectory:
    """The vehicle's poses, with velocities where the table has them (the offline table has none).

    Args:
        member: ``<clip>.egomotion.parquet`` or ``<clip>.egomotion.offline.parquet``.

    Raises:
        SourceError: no such table, a value that is not finite, a quaternion that is not unit, times that do
            not increase; names the row, counted from 0.
        MediaError: the member's bytes are damaged.
    """
    rotation, position, velocity = ("qx", "qy", "qz", "qw"), ("x", "y", "z"), ("vx", "vy", "vz")
    table = read_table(member, ("timestamp", *rotation, *position), velocity)

    def columns(names: tuple[str, ...]) -> np.ndarray:
        return np.stack([numbers(table, name, member) for name in names], axis=1)

    moving = set(velocity) <= set(table.column_names)
    times_us = _times_us(table, member)
    try:
        return Trajectory(
            times_us / 1e6, columns(rotation), columns(position), columns(velocity) if moving else None
        )
    except SourceError as error:
        raise SourceError(
            error.message, where=error.where or member, cure=error.cure or _LEAVE_OUT
        ) from error


def _times_us(table: pa.Table, member: Member) -> np.ndarray:
    times_us = integers(table, "timestamp", member)
    if not len(times_us):
        raise SourceError("a table without a row", where=member, cure=_LEAVE_OUT)
    stuck = times_us[1:] <= times_us[:-1]
    if stuck.any():
        row = int(stuck.argmax()) + 1
        raise SourceError(
            f"row {row}: times must increase, found {times_us[row]} us after {times_us[row - 1]} us "
            f"({int(stuck.sum())} of {len(times_us)} rows)",
            where=member,
            cure=_LEAVE_OUT,
        )
    return times_us
