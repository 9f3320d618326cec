"""The motion of a drive by satellite."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rig_files import PREPROCESSING, first, rewrite, rig
from rig_twin import City, city, degrees_of, write_fixes, write_table

from rushes.errors import SourceError
from rushes.tasks.driving.prepare.plan import plan_clip
from rushes.tasks.driving.sources.rig.gps import GpsTrack, read_fixes, read_gpx


@pytest.fixture(scope="module")
def driven() -> City:
    return city(1, 120.0)


def errors(
    truth: City, path: Path, offset_s: float = 0.0, sigma_m: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Of the speed, m/s, and of places relative to the first, m."""
    found = GpsTrack(path, sigma_m, 1.0).read()
    times_s = found.times_s - offset_s
    speeds = np.linalg.norm(found.velocities[:, :2], axis=1)
    places = truth.path(times_s) - truth.path(np.zeros(1))
    return speeds - truth.speed(times_s), found.positions[:, :2] - places


def test_degrees_of_the_simulation_are_those_of_its_metres(driven):
    """By its own inverse of the ellipsoid, the one check of the other."""
    from rushes.metrics.geodesy import east_north_up

    places = driven.path(np.arange(0.0, 120.0, 1.0)) - driven.path(np.zeros(1))
    degrees = degrees_of(places)
    seen = east_north_up(*degrees.T, np.zeros(len(degrees)))
    np.testing.assert_allclose(seen[:, :2], places, atol=1e-3)


@pytest.mark.parametrize("name", ["gps.csv", "ride.gpx"])
def test_fixes_without_noise_tell_the_motion(driven, tmp_path, name):
    write_fixes(tmp_path / name, driven, sigma_m=0.0, rate_hz=10.0)
    offset_s = 0.0 if name == "gps.csv" else 1714557600.0
    speeds, places = errors(driven, tmp_path / name, offset_s, 0.01)
    assert np.abs(places).max() < 0.02
    assert np.sqrt((speeds**2).mean()) < 0.03


def test_a_gpx_and_a_table_of_one_ride_are_one_motion(driven, tmp_path):
    for name in ("gps.csv", "ride.gpx"):
        write_fixes(tmp_path / name, driven, seed=3, speed=True)
    table, ride = read_fixes(tmp_path / "gps.csv"), read_gpx(tmp_path / "ride.gpx")
    np.testing.assert_allclose(ride.times_s - ride.times_s[0], table.times_s - table.times_s[0], atol=1e-6)
    np.testing.assert_allclose(ride.places, table.places, atol=1e-6)
    np.testing.assert_allclose(ride.speeds[1], table.speeds[1])


def test_the_receivers_own_speed_is_preferred(driven, tmp_path):
    write_fixes(tmp_path / "gps.csv", driven, seed=3)
    without, _ = errors(driven, tmp_path / "gps.csv")
    write_fixes(tmp_path / "gps.csv", driven, seed=3, speed=True)
    own, _ = errors(driven, tmp_path / "gps.csv")
    assert np.sqrt((own**2).mean()) < 0.5 * np.sqrt((without**2).mean())


def test_where_the_receiver_tells_no_speed_the_path_does(driven, tmp_path):
    write_fixes(tmp_path / "gps.csv", driven, seed=3)
    path = GpsTrack(tmp_path / "gps.csv", 1.5, 1.0).read()
    write_fixes(tmp_path / "gps.csv", driven, seed=3, speed=True)
    rewrite(
        tmp_path / "gps.csv", lambda row: row | ({} if 40 <= float(row["time_s"]) < 80 else {"speed_mps": ""})
    )
    found = GpsTrack(tmp_path / "gps.csv", 1.5, 1.0).read()
    changed = np.abs(found.velocities - path.velocities).max(axis=1) > 1e-9
    assert found.times_s[changed].min() == pytest.approx(40 - 1.5, abs=0.11)
    assert found.times_s[changed].max() == pytest.approx(79 + 1.5, abs=0.11)


@pytest.mark.parametrize(("name", "unknown"), [("gps.csv", "-1"), ("ride.gpx", "-1"), ("ride.gpx", "nan")])
def test_a_speed_that_the_receiver_did_not_know_is_none(driven, tmp_path, name, unknown):
    """Telephones write -1."""
    write_fixes(tmp_path / name, driven, seed=3, speed=True)
    text = (tmp_path / name).read_text()
    known = GpsTrack(tmp_path / name, 1.5, 1.0).read()
    written = re.findall(r"(?m)<speed>[^<]*</speed>|,[^,]*$", text)[60]
    (tmp_path / name).write_text(text.replace(written, re.sub(r"[\d.]+", unknown, written), 1))
    found = GpsTrack(tmp_path / name, 1.5, 1.0).read()
    assert not np.array_equal(found.velocities, known.velocities)
    np.testing.assert_allclose(found.velocities, known.velocities, atol=2.0)


def test_where_the_vehicle_is_too_slow_there_is_no_window(driven, tmp_path):
    """And where it is fast enough and there are fixes, there is one."""
    write_fixes(tmp_path / "gps.csv", driven, sigma_m=0.5)
    found = GpsTrack(tmp_path / "gps.csv", 0.5, 1.0).read()
    speeds = np.linalg.norm(found.velocities[:, :2], axis=1)
    np.testing.assert_array_equal(found.headed, speeds >= 1.0)
    assert 0 < (~found.headed).sum() < len(speeds)
    standing = found.times_s[np.flatnonzero(~found.headed)[3]] + np.array([-0.05, 0.0, 0.03])
    assert not found.knows_heading(standing)
    assert not found.knows_heading(np.append(standing, found.times_s[speeds.argmax()]))
    assert found.knows_heading(found.times_s[speeds.argmax()] + np.array([0.0, 0.01]))
    assert found.sigma_mps == pytest.approx(0.24, abs=0.05)


def test_a_tunnel_is_a_hole(driven, tmp_path):
    write_fixes(tmp_path / "gps.csv", driven)
    rewrite(tmp_path / "gps.csv", lambda row: None if 30.0 < float(row["time_s"]) < 36.0 else row)
    found = GpsTrack(tmp_path / "gps.csv", 1.5, 1.0).read()
    with pytest.raises(SourceError, match=r"no pose for 6\."):
        found.at(np.array([32.0, 33.0]))
    found.at(np.array([29.0, 29.95]))
    found.at(np.array([36.05, 40.0]))


def test_windows_of_a_drive_by_satellite_say_why_they_are_left_out(drives, driven, tmp_path):
    folder = first(drives)
    (folder / "poses.csv").unlink()
    times_s = np.arange(-2.0, 8.0, 0.2)
    east = np.where(times_s < 1.0, 0.0, 5.0 * (times_s - 1.0))
    degrees = degrees_of(np.column_stack([east, np.zeros(len(east))]))
    write_table(folder / "gps.csv", ("time_s", "lat", "lon"), np.column_stack([times_s, degrees]).tolist())
    [drive] = [one for one in rig(fix_sigma_m=0.1).scan(drives).recordings if one.key == folder.name]
    plan = plan_clip(drive, PREPROCESSING, 2)
    assert plan.refused["heading"] >= 2
    assert plan.windows
    assert all(one.motion.final_speed_mps.min() >= 1.0 for one in plan.windows)
    slow = replace(drive, motion=replace(drive.motion, heading_above_mps=9.0))
    assert plan_clip(slow, PREPROCESSING, 2).why_empty == "too slow in every window to tell a heading"
