"""Records of KITTI's inertial receiver: 30 numbers a file, of which place, attitude and speed are read.

Latitude and longitude (degrees), height (m); roll, pitch, yaw (rad), pitch positive with the front down, yaw 0 to the
east, counter-clockwise; speeds to the north and east, forward, left, up (m/s). The receiver's frame is x forward, y
left, z up. Places become metres by `rushes.metrics.geodesy`: the development kit's Mercator scale errs by .2 to .7 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from rushes.errors import MetricError, SourceError, unreadable_as
from rushes.metrics.geodesy import east_north_up
from rushes.tasks.driving.sources.trajectory import Trajectory

NUMBERS = 30
PLACE, ATTITUDE, NORTH_EAST, UP, VELOCITY_ACCURACY = slice(0, 3), slice(3, 6), slice(6, 8), 10, 24
MAX_BYTES = 4096

_AGAIN = "fetch the drive again, or leave it out"


@dataclass(frozen=True, slots=True)
class Oxts:
    """The records of a drive.

    Attributes:
        stamps: the file of their times.
        records: one file a record.
        times_s: of each, seconds.
    """

    stamps: Path
    records: tuple[Path, ...]
    times_s: tuple[float, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """See `Motion.files`."""
        return (self.stamps, *self.records)

    def read(self) -> Trajectory:
        """See `Motion.read`.

        Raises:
            SourceError: a record that is not 30 finite numbers, or poses that do not hold.
        """
        rows = np.array([read_record(path) for path in self.records])
        try:
            places = east_north_up(*rows[:, PLACE].T)
            rotations = Rotation.from_euler("ZYX", rows[:, ATTITUDE][:, ::-1]).as_quat()
            north, east = rows[:, NORTH_EAST].T
            velocities = np.stack([east, north, rows[:, UP]], axis=1)
            sigma_mps = float(np.median(rows[:, VELOCITY_ACCURACY]))
            return Trajectory(np.array(self.times_s), rotations, places, velocities, sigma_mps=sigma_mps)
        except (SourceError, MetricError) as error:
            raise SourceError(error.message, where=self.stamps, cure=error.cure or _AGAIN) from error


def read_record(path: Path) -> list[float]:
    """The numbers of a record.

    Raises:
        SourceError: it cannot be read, or holds something else.
    """
    with unreadable_as(SourceError, "a record cannot be read", where=path), path.open("rb") as file:
        cells = file.read(MAX_BYTES).split()
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        values = []
    if len(values) != NUMBERS or not np.isfinite(values).all():
        raise SourceError(
            f"a record has {NUMBERS} finite numbers, found {len(cells)} cells", where=f"{path}:1", cure=_AGAIN
        )
    return values
