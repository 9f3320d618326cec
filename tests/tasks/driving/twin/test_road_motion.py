"""The vehicle of the twin of driving: a smooth, possible drive."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.tasks.driving.twin.motion import LATERAL_MPS2, TOP_MPS, RoadMotion, draw_motion


@pytest.fixture(scope="module")
def drives() -> list[RoadMotion]:
    return [draw_motion(np.random.default_rng(seed), -3.0, 9.0, 0.5) for seed in range(40)]


def test_velocity_is_what_position_does(drives: list[RoadMotion]) -> None:
    times, step = np.linspace(-2.9, 8.9, 700), 1e-4
    for drive in drives[:10]:
        before, now, after = (drive.at(times + shift) for shift in (-step, 0.0, step))
        moved = (after.positions - before.positions) / (2 * step)
        assert np.abs(moved - now.velocities).max() < 1e-3
        gained = (after.velocities - before.velocities) / (2 * step)
        smooth = np.abs(after.accelerations - before.accelerations).max(1) < 0.01
        assert np.abs(gained - now.accelerations)[smooth].max() < 0.02


def test_the_vehicle_drives_along_its_heading_and_the_curvature_turns_it(drives: list[RoadMotion]) -> None:
    times, step = np.linspace(-2.9, 8.9, 300), 1e-4
    for drive in drives[:10]:
        poses = drive.at(times)
        speeds = np.hypot(*poses.velocities[:, :2].T)
        aside = poses.velocities[:, 1] * np.cos(poses.yaws) - poses.velocities[:, 0] * np.sin(poses.yaws)
        assert np.abs(aside).max() < 1e-9
        turned = (drive.at(times + step).yaws - drive.at(times - step).yaws) / (2 * step)
        assert turned == pytest.approx(speeds * poses.curvatures, abs=1e-4)
        half = poses.yaws / 2
        assert poses.rotations == pytest.approx(
            np.stack([0 * half, 0 * half, np.sin(half), np.cos(half)], -1)
        )
        assert np.ptp(poses.positions[:, 2]) == 0.0


def test_drives_are_possible(drives: list[RoadMotion]) -> None:
    for drive in drives:
        poses = drive.at(np.linspace(-3.0, 9.0, 1000))
        speeds = np.hypot(*poses.velocities[:, :2].T)
        assert speeds.max() <= TOP_MPS + 1e-9
        assert (np.diff(poses.ways) >= -1e-12).all()
        assert (speeds**2 * np.abs(poses.curvatures)).max() < 1.1 * LATERAL_MPS2
        assert np.abs(poses.accelerations).max() < 8.0


def test_drives_differ_and_change(drives: list[RoadMotion]) -> None:
    """Guessing the mean is a poor guess, between clips and within them; all that can happen does."""
    speeds = np.array([drive.speed(np.linspace(0.0, 8.0, 200)) for drive in drives])
    assert speeds.mean(1).std() > 3.0
    assert np.median(np.ptp(speeds, 1)) > 5.0
    assert (speeds < 0.1).any()
    assert (speeds > 17.0).any()
    turned = np.array([np.degrees(np.ptp(drive.at(np.linspace(0, 8, 50)).yaws)) for drive in drives])
    assert (turned > 45.0).any()
    assert (turned < 3.0).any()
    signs = {np.sign(drive.at(np.linspace(0, 8, 50)).curvatures).sum() > 0 for drive in drives}
    assert signs == {True, False}


def test_beside_is_to_the_left(drives: list[RoadMotion]) -> None:
    drive = drives[0]
    pose = drive.at(np.zeros(1))
    left = drive.beside(np.zeros(1), 2.0)[0] - pose.positions[0, :2]
    yaw = float(pose.yaws[0])
    assert left == pytest.approx([-2.0 * np.sin(yaw), 2.0 * np.cos(yaw)], abs=1e-9)


def test_a_wild_drive_brakes_harder() -> None:
    def hardest(wildness: float) -> float:
        drives = [draw_motion(np.random.default_rng(seed), 0.0, 20.0, wildness) for seed in range(15)]
        return float(np.mean([drive.speed(np.linspace(0, 20, 2000), 1).min() for drive in drives]))

    assert hardest(1.0) < hardest(0.0) - 0.5
