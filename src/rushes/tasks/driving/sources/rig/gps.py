"""Fixes of a satellite receiver, a table or GPX, and the motion that they tell.

A fix once a second errs by metres, so that differences of fixes tell neither speed nor turn. All fixes of a stretch
together do (`rushes.metrics.smooth`): in simulated city drives with 1.5 m of white noise speed to .5 m/s, a turn
within 1.5 s to 1.6 degrees above 5 m/s. A heading is where the vehicle goes, so one that stands has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from rushes.annotations.files import read_xml
from rushes.errors import MetricError, SourceError
from rushes.metrics.geodesy import east_north_up
from rushes.metrics.smooth import smooth
from rushes.tasks.driving.sources.columns import Columns, instant_s
from rushes.tasks.driving.sources.trajectory import Trajectory

LATITUDE, LONGITUDE, HEIGHT, SPEED = (
    ("lat", "latitude"),
    ("lon", "longitude"),
    ("alt", "ele", "altitude"),
    "speed_mps",
)

GAP_S = 3.0
"""Longer without a fix is a tunnel, not a path: two stretches."""

LEAST = 4
"""A stretch of fewer fixes tells no motion."""

STEP_S = 0.1
"""From one pose to the next."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Fixes in order of time.

    Attributes:
        times_s: (n,) seconds, increasing.
        places: (n, 3) metres east, north and up of the first fix.
        speeds: (k,) times and (k,) metres per second that the receiver itself tells; None where it does not.
    """

    times_s: np.ndarray
    places: np.ndarray
    speeds: tuple[np.ndarray, np.ndarray] | None


@dataclass(frozen=True, slots=True)
class GpsTrack:
    """A file of fixes.

    Attributes:
        path: of the file, GPX by its suffix, else a table.
        fix_sigma_m: standard deviation of each axis of a fix.
        heading_above_mps: slower than that there is no heading.
    """

    path: Path
    fix_sigma_m: float
    heading_above_mps: float

    @property
    def files(self) -> tuple[Path, ...]:
        """See `Motion.files`."""
        return (self.path,)

    def read(self) -> Trajectory:
        """See `Motion.read`; ten poses a second within each stretch of fixes.

        Raises:
            SourceError: the file does not hold, or has no stretch that tells a motion.
        """
        track = read_track(self.path)
        breaks = np.flatnonzero(np.diff(track.times_s) > GAP_S) + 1
        stretches = [rows for rows in np.split(np.arange(len(track.times_s)), breaks) if len(rows) >= LEAST]
        if not stretches:
            raise SourceError(
                f"no stretch of {LEAST} fixes, at most {GAP_S:g} s apart, among {len(track.times_s)}",
                where=self.path,
                cure="set the receiver to a fix a second, or leave the drive out",
            )
        smoothed = [self._smooth(track.times_s[rows], track.places[rows]) for rows in stretches]
        times_s, places, velocities, sigmas = (np.concatenate(part) for part in zip(*smoothed, strict=True))
        speeds = np.linalg.norm(velocities[:, :2], axis=1)
        headings = np.arctan2(velocities[:, 1], velocities[:, 0])
        if track.speeds is not None:
            own = _own_speeds(*track.speeds, times_s, speeds)
            velocities = np.stack([own * np.cos(headings), own * np.sin(headings), velocities[:, 2]], axis=1)
            speeds = np.minimum(own, speeds)  # both must tell that it moves
        zeros = np.zeros_like(headings)
        rotations = np.stack([zeros, zeros, np.sin(headings / 2), np.cos(headings / 2)], axis=1)
        headed = speeds >= self.heading_above_mps
        return Trajectory(times_s, rotations, places, velocities, headed, float(np.median(sigmas)))

    def _smooth(
        self, fixes_s: np.ndarray, places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        count = int((fixes_s[-1] - fixes_s[0]) / STEP_S)
        times_s = fixes_s[0] + STEP_S * np.arange(count + 1)
        times_s = times_s[times_s <= fixes_s[-1]]
        path = smooth(fixes_s, places, times_s, sigma_m=self.fix_sigma_m)
        return times_s, path.positions, path.velocities, path.velocity_sigma_mps


def read_track(path: Path) -> Track:
    """A file of fixes, GPX by its suffix, else a table.

    Raises:
        SourceError: see `read_gpx` and `read_fixes`.
    """
    return read_gpx(path) if path.suffix.lower() == ".gpx" else read_fixes(path)


def read_fixes(path: Path) -> Track:
    """A table ``time, lat, lon``, and where they are known ``alt`` (metres) and ``speed_mps`` of the receiver.

    Raises:
        SourceError: a column is missing, a cell holds no number, or a place lies beyond a pole.
    """
    table = Columns.read(path)
    latitude, longitude, height = (
        next((name for name in names if table.has(name)), None) for names in (LATITUDE, LONGITUDE, HEIGHT)
    )
    if latitude is None or longitude is None:
        raise SourceError(
            f"fixes need columns lat and lon, in degrees, found {', '.join(table.table.header)}",
            where=path,
            cure="name them so",
        )
    heights = table.numbers([height])[:, 0] if height else np.zeros(len(table.table.rows))
    times_s = table.times_s()
    rows, values = table.known(SPEED) if table.has(SPEED) else (np.empty(0, np.int64), np.empty(0))
    degrees = table.numbers([latitude, longitude])
    return _track(path, times_s, np.column_stack([degrees, heights]), (times_s[rows], values))


def read_gpx(path: Path) -> Track:
    """Track points of a GPX file of any version: ``lat``, ``lon``, ``time``, and if they are there ``ele``, ``speed``.

    Raises:
        SourceError: it is no GPX, a point lacks its time, or times do not increase.
    """
    root = read_xml(path)
    points = [one for one in root.iter() if _name(one) == "trkpt"]
    if _name(root) != "gpx" or not points:
        raise SourceError(
            f"expected GPX with track points, found <{_name(root)}> with {len(points)}",
            where=path,
            cure="export the track, not routes or waypoints",
        )
    times_s, places, speeds = [], [], []
    for point in points:
        said = {_name(one): one.text or "" for one in point.iter()}
        try:
            times_s.append(instant_s(said["time"]))
            places.append(
                [float(point.attrib["lat"]), float(point.attrib["lon"]), float(said.get("ele", "0"))]
            )
            speeds += [(times_s[-1], float(said["speed"]))] if "speed" in said else []
        except (KeyError, ValueError) as error:
            raise SourceError(
                f"a track point without {error}" if isinstance(error, KeyError) else str(error),
                where=f"{path}:{getattr(point, 'line', 0)}",
                cure="export the track with times, or correct the point",
            ) from None
        if len(times_s) > 1 and times_s[-1] <= times_s[-2]:
            raise SourceError(
                f"times must increase, found {said['time']} after a later or equal time",
                where=f"{path}:{getattr(point, 'line', 0)}",
                cure="remove the point, or give each ride a folder of its own",
            )
    known = np.array(speeds).reshape(-1, 2)
    return _track(path, np.array(times_s), np.array(places), (known[:, 0], known[:, 1]))


def _track(
    path: Path, times_s: np.ndarray, places: np.ndarray, speeds: tuple[np.ndarray, np.ndarray]
) -> Track:
    """Of times, degrees and heights (n, 3), and the times and values (k,) of speeds; one below 0 stands for none."""
    known = (speeds[1] >= 0) & np.isfinite(speeds[1])
    try:
        own = (speeds[0][known], speeds[1][known]) if known.any() else None
        return Track(times_s, east_north_up(*places.T), own)
    except MetricError as error:
        raise SourceError(
            error.message, where=path, cure="correct the file, or leave the drive out"
        ) from None


def _own_speeds(
    told_s: np.ndarray, told: np.ndarray, times_s: np.ndarray, otherwise: np.ndarray
) -> np.ndarray:
    """What the receiver tells at times near to which it tells something; else the speed of the path."""
    after = np.searchsorted(told_s, times_s).clip(min(1, len(told_s) - 1), len(told_s) - 1)
    away_s = np.minimum(np.abs(times_s - told_s[after - 1]), np.abs(told_s[after] - times_s))
    return np.where(away_s <= GAP_S / 2, np.interp(times_s, told_s, told), otherwise)


def _name(element: ElementTree.Element) -> str:
    """Name of an element, without the version of GPX that it is of."""
    return element.tag.rpartition("}")[2]
