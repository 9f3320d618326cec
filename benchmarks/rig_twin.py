"""The twin of driving rewritten as folders anybody may have, and simulated drives through a city with a receiver.

as_rig(root, folder, cameras)            # <clip>/<camera>.mp4, <camera>.times.csv, poses.csv; drives.csv
truth = city(seed)                       # truth.at(times_s): places, speeds, headings
write_fixes(path, truth, sigma_m=1.5)    # gps.csv, or a GPX by its suffix, a fix a second
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from rushes.annotations.rows import write_rows
from rushes.media.zipped import mapped
from rushes.metrics.geodesy import EQUATOR_M, FLATTENING
from rushes.records import Member
from rushes.tasks.driving.sources.physical_ai_av.clip import Clip
from rushes.tasks.driving.sources.physical_ai_av.parquet import integers, numbers, read_table
from rushes.tasks.driving.sources.physical_ai_av.source import scan

POSES = ("qx", "qy", "qz", "qw", "x", "y", "z", "vx", "vy", "vz")
LATERAL_MPS2 = 2.5
HERE_DEG = (48.2, 16.37)
BEGINS = datetime(2024, 5, 1, 10, tzinfo=UTC)


def as_rig(root: Path, folder: Path, cameras: Sequence[str]) -> tuple[Clip, ...]:
    """Rewrite the whole clips of a dataset of archives; the numbers are written as exactly as they are held."""
    recordings = scan(root, cameras).recordings
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "drives.csv", ("drive", "split"), [(one.key, one.split) for one in recordings])
    for recording in recordings:
        drive = folder / recording.key
        drive.mkdir()
        for footage in recording.cameras:
            (drive / f"{footage.camera}.mp4").write_bytes(content(footage.video))
            times = integers(read_table(footage.times, ("timestamp",)), "timestamp", footage.times)
            write_table(drive / f"{footage.camera}.times.csv", ("time_us",), times[:, np.newaxis].tolist())
        assert recording.egomotion is not None
        table = read_table(recording.egomotion, ("timestamp", *POSES))
        columns = [integers(table, "timestamp", "").tolist()]
        columns += [numbers(table, name, "").tolist() for name in POSES]
        write_table(drive / "poses.csv", ("time_us", *POSES), list(zip(*columns, strict=True)))
    return recordings


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A CSV whose numbers come back as they are."""
    path.write_bytes(write_rows(header, [[str(cell) for cell in row] for row in rows]))


def content(member: Member) -> bytes:
    """The bytes of a stored member."""
    with mapped(member) as view:
        return bytes(view)


@dataclass(frozen=True)
class City:
    """A drive of which everything is known: (x, y), speed and heading as smooth functions of time."""

    end_s: float
    speed: PchipInterpolator
    turns: tuple[tuple[float, float, float], ...]  # begin, duration, angle
    heading_rad: float
    path: CubicSpline

    def headings(self, times_s: np.ndarray) -> np.ndarray:
        """Radians from x, to the left, not wrapped."""
        heading = np.full(len(times_s), self.heading_rad)
        for begin_s, lasts_s, angle in self.turns:
            share = np.clip((times_s - begin_s) / lasts_s, 0.0, 1.0)
            heading += angle * (share - np.sin(2 * np.pi * share) / (2 * np.pi))
        return heading


def city(seed: int, end_s: float = 300.0) -> City:
    """Stretches at 40 to 52 km/h between stops of 5 to 25 s and turns by 90 degrees at 13 to 20 km/h."""
    rng = np.random.default_rng(seed)
    times, speeds, turns = [0.0], [float(rng.uniform(11.0, 14.5))], []

    def drive(speed: float, change: float) -> None:
        times.append(times[-1] + max(abs(speed - speeds[-1]) / change, 0.5))
        speeds.append(speed)

    def hold(seconds: float) -> None:
        times.append(times[-1] + seconds)
        speeds.append(speeds[-1])

    while times[-1] < end_s:
        hold(rng.uniform(10.0, 25.0))
        slow = 0.0 if rng.random() < 0.45 else float(rng.uniform(3.5, 5.5))
        drive(slow, rng.uniform(1.2, 2.2))
        if slow:
            angle = float(rng.choice([-1.0, 1.0])) * np.pi / 2
            lasts_s = max(2 * abs(angle) * slow / LATERAL_MPS2, 4.0)
            turns.append((times[-1], lasts_s, angle))
            hold(lasts_s)
        else:
            hold(rng.uniform(5.0, 25.0))
        drive(float(rng.uniform(11.0, 14.5)), rng.uniform(0.9, 1.8))
    grid_s = np.linspace(0.0, end_s, round(end_s * 100) + 1)
    speed, heading = PchipInterpolator(times, speeds), float(rng.uniform(-np.pi, np.pi))
    known = City(end_s, speed, tuple(turns), heading, CubicSpline([0, 1], np.zeros((2, 2))))
    headings = known.headings(grid_s)
    velocities = speed(grid_s)[:, np.newaxis] * np.stack([np.cos(headings), np.sin(headings)], axis=1)
    path = CubicSpline(grid_s, velocities).antiderivative()
    return City(end_s, speed, tuple(turns), heading, path)


def write_fixes(
    path: Path, truth: City, *, seed: int = 0, sigma_m: float = 1.5, rate_hz: float = 1.0, speed: bool = False
) -> None:
    """Fixes of a receiver with white noise; ``speed`` adds its own, exact to .1 m/s."""
    rng = np.random.default_rng([seed, 7])
    times_s = np.arange(0.0, truth.end_s + 1e-9, 1 / rate_hz)
    places = truth.path(times_s) + rng.normal(0.0, sigma_m, (len(times_s), 2))
    degrees = degrees_of(places)
    speeds = np.abs(truth.speed(times_s) + rng.normal(0.0, 0.1, len(times_s)))
    if path.suffix == ".gpx":
        points = [
            f'<trkpt lat="{lat!r}" lon="{lon!r}"><ele>0</ele><time>{moment(time_s)}</time>'
            + (f"<speed>{own!r}</speed>" if speed else "")
            + "</trkpt>"
            for (lat, lon), time_s, own in zip(
                degrees.tolist(), times_s.tolist(), speeds.tolist(), strict=True
            )
        ]
        body = "\n".join(points)
        path.write_text(
            f'<gpx xmlns="http://www.topografix.com/GPX/1/0"><trk><trkseg>{body}</trkseg></trk></gpx>'
        )
        return
    columns = [times_s, *degrees.T, *([speeds] if speed else [])]
    rows = np.column_stack(columns).tolist()
    write_table(path, ("time_s", "lat", "lon", *(["speed_mps"] if speed else [])), rows)


def moment(time_s: float) -> str:
    """A time of the drive as GPX has it."""
    return (BEGINS + timedelta(seconds=time_s)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def degrees_of(places: np.ndarray) -> np.ndarray:
    """Latitude and longitude (n, 2) of metres (n, 2) east and north of `HERE_DEG`, on the ellipsoid, by Newton's steps.

    The inverse of what the source computes, by nothing that the source uses but the two constants of the ellipsoid.
    """
    flat = FLATTENING * (2 - FLATTENING)

    def earth(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        across = EQUATOR_M / np.sqrt(1 - flat * np.sin(lat) ** 2)
        return np.stack(
            [
                across * np.cos(lat) * np.cos(lon),
                across * np.cos(lat) * np.sin(lon),
                across * (1 - flat) * np.sin(lat),
            ],
            axis=1,
        )

    lat0, lon0 = np.radians(HERE_DEG)
    east = np.array([-np.sin(lon0), np.cos(lon0), 0.0])
    north = np.array([-np.sin(lat0) * np.cos(lon0), -np.sin(lat0) * np.sin(lon0), np.cos(lat0)])
    here = earth(np.array([lat0]), np.array([lon0]))
    lat, lon = np.full(len(places), lat0), np.full(len(places), lon0)
    for _ in range(6):
        off = places - (earth(lat, lon) - here) @ np.stack([east, north], axis=1)
        lat, lon = lat + off[:, 1] / EQUATOR_M, lon + off[:, 0] / (EQUATOR_M * np.cos(lat0))
    return np.degrees(np.stack([lat, lon], axis=1))
