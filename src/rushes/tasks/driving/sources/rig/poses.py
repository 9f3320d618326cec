"""Poses of a vehicle in a table: ``time_s, x, y, z, qx, qy, qz, qw`` or ``time_s, x, y, heading_deg``.

``x``, ``y``, ``z`` are metres. A rotation is a unit quaternion from the vehicle to the world,
whose columns say which number is which, or ``yaw_deg`` / ``yaw_rad``, turned from the world's x towards its y, or
``heading_deg`` / ``heading_rad``, of a compass: from north, clockwise. ``vx``, ``vy``, ``vz`` are metres per second in
the world, where they are known. ``z`` and ``vz`` may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rushes.errors import SourceError
from rushes.tasks.driving.recipe import Frame
from rushes.tasks.driving.sources.columns import Columns
from rushes.tasks.driving.sources.trajectory import Trajectory

QUATERNION = ("qx", "qy", "qz", "qw")
ANGLES = ("yaw_deg", "yaw_rad", "heading_deg", "heading_rad")

_NORTH_EAST_DOWN = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])  # to east, north, up


@dataclass(frozen=True, slots=True)
class PoseTable:
    """A table of poses.

    Attributes:
        path: of the file.
        frame: its world, see `rushes.tasks.driving.recipe.RigSource`; null where nobody said.
    """

    path: Path
    frame: Frame | None

    @property
    def files(self) -> tuple[Path, ...]:
        """See `Motion.files`."""
        return (self.path,)

    def read(self) -> Trajectory:
        """See `Motion.read`.

        Raises:
            SourceError: a column is missing, a cell holds no number, or the frame is not stated.
        """
        if self.frame is None:
            raise SourceError(
                "nobody said in which world the poses are",
                where=self.path,
                cure="write source.frame: enu (x east, y north, z up, or any world with z up) or ned (x north, y "
                "east, z down)",
            )
        table = Columns.read(self.path)
        if not table.has("x", "y"):
            raise SourceError(
                f"poses need columns x and y, found {', '.join(table.table.header)}",
                where=self.path,
                cure="name them so; places in degrees belong into gps.csv",
            )
        places = _in_space(table, ("x", "y", "z"))
        velocities = _in_space(table, ("vx", "vy", "vz")) if table.has("vx", "vy") else None
        times_s, rotations = table.times_s(), self._rotations(table)
        if self.frame == "ned":
            places = places @ _NORTH_EAST_DOWN.T
            velocities = None if velocities is None else velocities @ _NORTH_EAST_DOWN.T
        try:
            return Trajectory(times_s, rotations, places, velocities)
        except SourceError as error:
            cure = "correct the file, or leave the drive out"
            raise SourceError(error.message, where=self.path, cure=error.cure or cure) from error

    def _rotations(self, table: Columns) -> np.ndarray:
        """(n, 4) x, y, z, w, from a vehicle with z up to a world with z up."""
        found = [name for name in ANGLES if table.has(name)]
        if table.has(*QUATERNION) == bool(found) or len(found) > 1:
            raise SourceError(
                f"rotations are qx, qy, qz, qw, or one of {', '.join(ANGLES)}; found "
                f"{', '.join(table.table.header)}",
                where=self.path,
                cure="name the columns so, and keep one kind",
            )
        if not found:
            quaternions = table.numbers(QUATERNION)
            return quaternions if self.frame == "enu" else _turned_over(quaternions)
        angles = table.numbers(found)[:, 0]
        angles = np.radians(angles) if found[0].endswith("_deg") else angles
        if found[0].startswith("heading") or self.frame == "ned":
            angles = np.pi / 2 - angles
        zeros = np.zeros_like(angles)
        return np.stack([zeros, zeros, np.sin(angles / 2), np.cos(angles / 2)], axis=1)


def _in_space(table: Columns, axes: Sequence[str]) -> np.ndarray:
    """(n, 3) of columns of which the last may be missing: it is 0 then."""
    there = [axis for axis in axes if table.has(axis)]
    return np.pad(table.numbers(there), ((0, 0), (0, len(axes) - len(there))))


def _turned_over(quaternions: np.ndarray) -> np.ndarray:
    """Rotations (n, 4) to north, east, down, of a vehicle with y right and z down, as those to east, north, up.

    World and vehicle turn over: the quaternion of a half turn around (1, 1, 0) before, of one around x behind it.
    """
    x, y, z, w = quaternions.T
    turned: np.ndarray = np.stack([x + y, x - y, w - z, w + z], axis=1) * 0.5**0.5
    return turned
