"""A vehicle's path through the world: poses by time, interpolated, and what a window of them amounts to.

    poses = trajectory.at(times_s)          # times_s (k,), of a camera's frames
    moved = motion(poses)                   # moved.displacement_m[-1], moved.yaw_deg[-1], ...

The frame of a vehicle is x forward, y left, z up; a pose takes it to the world: ``world = R vehicle + p``.
Quaternions are unit, scalar last (x, y, z, w), and ``q`` and ``-q`` are one rotation. Labels come from poses
interpolated at the very times of the pictures, never from rows of a table, whose rate nobody promises; and
never from beyond its ends or across a hole. That rotations are written like this the motion itself must show
(`refuse_other_conventions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, Slerp

from rushes.errors import SourceError
from rushes.metrics.conventions import CONVENTIONS, Evidence, evidence

UNIT_TOLERANCE = 1e-3
"""By how much the length of a quaternion may differ from 1; float32 and five decimals stay below 1e-4."""

MAX_HOLE_S = 0.5
"""A longer stretch without a pose is not interpolated; known tables have 10 to 100 poses a second."""

SPEED_TOLERANCE_MPS, SPEED_TOLERANCE = 0.5, 0.1
"""Path and speed may disagree by the greater of the two: metres per second, and a share of the speed."""

_COLUMNS = (("times_s", 1, 1e10), ("rotations", 4, 2.0), ("positions", 3, 1e7), ("velocities", 3, 1e3))
"""Field, width, and what no vehicle on Earth exceeds."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses of a vehicle in order of time, checked at birth.

    Attributes:
        times_s: (n,) float64 seconds, strictly increasing, n >= 2.
        rotations: (n, 4) unit quaternions x, y, z, w: vehicle to world.
        positions: (n, 3) metres, x, y, z of the vehicle's origin in the world.
        velocities: (n, 3) metres per second; None where the source has none.
        headed: (n,) bool, where the rotation is known; None where it is everywhere. A place tells the heading of
            a vehicle by its motion alone, so that of one that stands is not known.
        sigma_mps: standard deviation of each axis of a velocity, as whoever estimated the poses states it; None
            where they are taken as they are.

    Raises:
        SourceError: shapes that do not fit, a value that is not finite or absurd, a quaternion that is not
            unit, times that do not increase; names the first row at fault, counted from 0.
    """

    times_s: np.ndarray
    rotations: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray | None = None
    headed: np.ndarray | None = None
    sigma_mps: float | None = None

    def __post_init__(self) -> None:
        n = len(self.times_s)
        if n < 2:
            raise SourceError(f"a trajectory needs at least 2 poses, found {n}")
        for name, width, bound in _COLUMNS:
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != ((n,) if name == "times_s" else (n, width)):
                raise SourceError(f"{name} should have {n} rows of {width}, found shape {values.shape}")
            sane = (np.abs(values.reshape(n, -1)) <= bound).all(1)
            _refuse_rows(~sane, f"{name} not finite, or beyond {bound:g}", values)
        if self.headed is not None and self.headed.shape != (n,):
            raise SourceError(f"headed should have {n} rows, found shape {self.headed.shape}")
        lengths = np.linalg.norm(self.rotations, axis=1)
        _refuse_rows(np.abs(lengths - 1) > UNIT_TOLERANCE, "a quaternion of another length than 1", lengths)
        stuck = np.concatenate([[False], np.diff(self.times_s) <= 0])
        _refuse_rows(stuck, "times must increase; found one not after the time before it", self.times_s)

    @cached_property
    def evidence(self) -> Evidence:
        """What the motion says of the convention in which the rotations are written."""
        return evidence(self.times_s, self.rotations, self.positions)

    @cached_property
    def _slerp(self) -> Slerp:
        return Slerp(self.times_s, Rotation.from_quat(self.rotations))

    @cached_property
    def _spline(self) -> CubicSpline:
        return CubicSpline(self.times_s, self.positions)

    def at(self, times_s: np.ndarray) -> Poses:
        """Poses at any times that the table covers.

        Rotations by slerp, positions by a cubic spline, velocities linearly; where the table has none, they
        are the spline's derivative. At the table's own times the table's own values come back.

        Args:
            times_s: (k,) seconds on the trajectory's clock, in any order.

        Raises:
            SourceError: a time before the first or after the last pose, or in a hole longer than
                `MAX_HOLE_S`. Nothing is extrapolated.
        """
        times_s = np.asarray(times_s, np.float64)
        first_s, last_s = self.times_s[[0, -1]]
        if not (times_s.size and first_s <= times_s.min() and times_s.max() <= last_s):  # NaN fails, too
            asked = f"{times_s.min():.3f} to {times_s.max():.3f}" if times_s.size else "no time"
            raise SourceError(
                f"poses cover {first_s:.3f} to {last_s:.3f} s, asked for {asked} s",
                cure="leave out what the poses do not cover",
            )
        after = np.searchsorted(self.times_s, times_s)
        holes_s = np.where(
            self.times_s[after] == times_s, 0.0, self.times_s[after] - self.times_s[np.maximum(after, 1) - 1]
        )
        worst = int(holes_s.argmax())
        if holes_s[worst] > MAX_HOLE_S:
            raise SourceError(
                f"no pose for {holes_s[worst]:.3f} s around {times_s[worst]:.3f} s; at most {MAX_HOLE_S} s "
                "are interpolated",
                cure="leave out what the poses do not cover",
            )
        if self.velocities is None:
            velocities = self._spline(times_s, 1)
        else:
            velocities = np.stack([np.interp(times_s, self.times_s, v) for v in self.velocities.T], axis=1)
        return Poses(times_s, self._slerp(times_s).as_quat(), self._spline(times_s), velocities)

    def knows_heading(self, times_s: np.ndarray) -> bool:
        """Whether the rotation is known at all of these times, which lie within the table."""
        if self.headed is None:
            return True
        after = np.searchsorted(self.times_s, times_s)
        exact = self.times_s[after] == times_s
        before = np.where(exact, after, np.maximum(after, 1) - 1)
        return bool((self.headed[after] & self.headed[before]).all())


def refuse_other_conventions(found: Evidence, where: object) -> None:
    """Refuse rotations that the motion itself contradicts; what cannot be told passes.

    Args:
        found: of a trajectory, or of all those of a dataset.
        where: their file or folder.

    Raises:
        SourceError: a vehicle does not move like that; says which convention it looks like, and what to change.
    """
    if found.verdict != "wrong":
        return
    differences = () if found.likely is None else CONVENTIONS[found.likely].differences
    looks_like = " and ".join(what for what, _ in differences) or "none that is known here"
    cure = ", and ".join(cure for _, cure in differences)
    ahead_deg, up_deg = found.degrees()
    raise SourceError(
        f"the rotations do not fit the motion; they look like {looks_like}",
        where=where,
        cure=f"{cure or 'write x, y, z, w, from the vehicle (x forward, y left, z up) to a world with z up'}; as they "
        f"are, the way lies {ahead_deg:.0f} degrees from +x and +z {up_deg:.0f} from the vertical, on average over "
        f"{found.way_m:,.0f} m of driving",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """A vehicle at some moments: what `Trajectory.at` gives.

    Attributes:
        times_s: (k,) seconds.
        rotations: (k, 4) unit quaternions x, y, z, w.
        positions: (k, 3) metres.
        velocities: (k, 3) metres per second.
    """

    times_s: np.ndarray
    rotations: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How a vehicle has moved since the first of k poses, behind each of them: all (k,), the first rows 0.

    Attributes:
        displacement_m: straight distance from the first pose, in x and y.
        path_m: length of the way, in x and y; at least the displacement.
        mean_speed_mps: mean of |(vx, vy)| over the times so far.
        final_speed_mps: |(vx, vy)| at each time.
        yaw_deg: change of heading in (-180, 180], left positive.
        forward_m, left_m: displacement as seen by the vehicle at the first pose.
    """

    displacement_m: np.ndarray
    path_m: np.ndarray
    mean_speed_mps: np.ndarray
    final_speed_mps: np.ndarray
    yaw_deg: np.ndarray
    forward_m: np.ndarray
    left_m: np.ndarray


def yaw_rad(rotations: np.ndarray) -> np.ndarray:
    """Headings of quaternions (..., 4): angle in (-pi, pi] from the world's x axis, left positive.

    ``atan2(2 (w z + x y), 1 - 2 (y^2 + z^2))``, the first of the z-y-x Euler angles.

    >>> float(np.degrees(yaw_rad(np.array([0.0, 0.0, 0.5**0.5, 0.5**0.5]))).round(6))
    90.0
    """
    x, y, z, w = np.moveaxis(np.asarray(rotations, np.float64), -1, 0)
    angles: np.ndarray = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return angles


def motion(poses: Poses) -> Motion:
    """Displacement, speed and turn over a window of poses, for the whole window and for every start of it.

    The way between two neighbouring poses is the arc whose chord they are, as the heading turns from the one
    to the other: ``chord (a / 2) / sin(a / 2)``. At ten poses a second a tight turn's way is then right to
    .01 mm a step, where the chord alone loses .1 mm.

    >>> times = np.array([0.0, 0.5, 1.0])
    >>> ahead = np.eye(4)[[3, 3, 3]]  # no rotation, three times
    >>> moved = motion(Poses(times, ahead, np.outer(times, [8, 6, 0]), np.tile([8.0, 6.0, 0.0], (3, 1))))
    >>> [float(values[-1]) for values in (moved.displacement_m, moved.path_m, moved.mean_speed_mps)]
    [10.0, 10.0, 10.0]
    >>> float(moved.forward_m[-1]), float(moved.left_m[-1]), float(moved.yaw_deg[-1])
    (8.0, 6.0, 0.0)

    Raises:
        SourceError: fewer than two poses, or a label that contradicts itself: a way that is not finite or
            shorter than its chord, or not what the speed makes of the time, so that positions and speeds
            cannot both be right.
    """
    if len(poses.times_s) < 2 or not (np.diff(poses.times_s) > 0).all():
        raise SourceError("a window needs at least two poses in order of time", cure="ask for more times")
    since = poses.positions - poses.positions[0]
    yaw = np.unwrap(yaw_rad(poses.rotations))
    steps_m = np.linalg.norm(np.diff(since[:, :2], axis=0), axis=1)
    steps_m = steps_m / np.sinc(np.diff(yaw) / (2 * np.pi))
    speed = np.linalg.norm(poses.velocities[:, :2], axis=1)
    seen = Rotation.from_quat(poses.rotations[0]).inv().apply(since)
    moved = Motion(
        displacement_m=np.linalg.norm(since[:, :2], axis=1),
        path_m=np.concatenate([[0.0], np.cumsum(steps_m)]),
        mean_speed_mps=np.cumsum(speed) / np.arange(1, len(speed) + 1),
        final_speed_mps=speed,
        yaw_deg=180.0 - (180.0 - np.degrees(yaw - yaw[0])) % 360.0,
        forward_m=seen[:, 0],
        left_m=seen[:, 1],
    )
    _check(poses.times_s, moved)
    return moved


def _check(times_s: np.ndarray, moved: Motion) -> None:
    """Labels that cannot be right are refused: 16 rows of a 100 Hz table taken for 1.5 s, for one."""
    span_s, where = float(times_s[-1] - times_s[0]), f"{times_s[0]:.3f} to {times_s[-1]:.3f} s"
    if not (moved.displacement_m <= moved.path_m + 1e-6).all():  # NaN fails, too
        raise SourceError(
            f"a way of {moved.path_m[-1]} m cannot join ends {moved.displacement_m[-1]} m apart", where=where
        )
    by_way, by_speed = (
        float(moved.path_m[-1]) / span_s,
        float(np.trapezoid(moved.final_speed_mps, times_s)) / span_s,
    )
    if not abs(by_way - by_speed) <= max(SPEED_TOLERANCE_MPS, SPEED_TOLERANCE * by_speed):
        raise SourceError(
            f"positions move at {by_way:.2f} m/s, the velocities say {by_speed:.2f} m/s",
            where=where,
            cure="check units and clock of the poses; leave the window out",
        )


def _refuse_rows(bad: np.ndarray, what: str, values: np.ndarray) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise SourceError(f"row {row}: {what}: {values[row]} ({int(bad.sum())} of {len(bad)} rows)")
