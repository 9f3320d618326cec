"""Targets of any stretch of a window, on a drive where chords, turns and signs all matter."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.media.image import encode_jpeg
from rushes.tasks.driving.prepare.sample import Sample
from rushes.tasks.driving.sources.trajectory import Trajectory, motion

STRETCHES = [(0, 7), (0, 1), (2, 3), (3, 7), (6, 7), (1, 6)]


def circle(start_deg: float, turn_dps: float) -> Trajectory:
    """Round in a circle of 12 m, faster and faster."""
    times_s = np.arange(-0.5, 2.0, 0.01)
    yaw = np.radians(start_deg + turn_dps * (times_s + 0.5 * times_s**2))
    rate = np.radians(turn_dps) * (1 + times_s)
    side = np.sign(turn_dps)
    zeros = np.zeros(len(times_s))
    positions = 12.0 * side * np.stack([np.sin(yaw), -np.cos(yaw), zeros], axis=1)
    velocities = 12.0 * np.abs(rate)[:, None] * np.stack([np.cos(yaw), np.sin(yaw), zeros], axis=1)
    rotations = np.stack([zeros, zeros, np.sin(yaw / 2), np.cos(yaw / 2)], axis=1)
    return Trajectory(times_s, rotations, positions, velocities)


def sample_of(trajectory: Trajectory) -> tuple[Sample, np.ndarray]:
    """Eight moments of it as a sample, and their times."""
    times_s = 0.1 * np.arange(8)
    moved = motion(trajectory.at(times_s))
    names = type(moved).__dataclass_fields__
    picture = encode_jpeg(np.zeros((28, 28, 3), np.uint8))
    truth = {name: getattr(moved, name) for name in names}
    return Sample("key", {}, ((picture,) * 8,), tuple(times_s.tolist()), truth), times_s


@pytest.mark.parametrize("turn_dps", [60.0, -60.0, 230.0, -230.0])
@pytest.mark.parametrize(("since", "moment"), STRETCHES)
def test_a_stretch_of_a_curve(turn_dps, since, moment):
    """Against the motion of that stretch by itself."""
    trajectory = circle(170.0, turn_dps)
    sample, times_s = sample_of(trajectory)
    alone = motion(trajectory.at(times_s[since : moment + 1]))
    found = sample.target(range(since, moment + 1))
    assert found["displacement_m"] == pytest.approx(alone.displacement_m[-1], abs=1e-9)
    assert found["mean_speed_mps"] == pytest.approx(alone.mean_speed_mps[-1], abs=1e-9)
    assert found["final_speed_mps"] == pytest.approx(alone.final_speed_mps[-1], abs=1e-9)
    assert found["start_speed_mps"] == pytest.approx(alone.final_speed_mps[0], abs=1e-9)
    assert found["yaw_deg"] == pytest.approx(alone.yaw_deg[-1], abs=1e-6)
    assert -180 < found["yaw_deg"] <= 180


def test_the_whole_window_is_the_shards_own_figures():
    """On a slope, too, where forward and left are those of the tilted vehicle."""
    trajectory = circle(0.0, 60.0)
    rise = np.array([0.0, -np.sin(0.1), 0.0, np.cos(0.1)])  # nose up by 11 degrees
    z, w = trajectory.rotations[:, 2], trajectory.rotations[:, 3]
    tilted = np.stack([-z * rise[1], w * rise[1], z * rise[3], w * rise[3]], axis=1)
    sample, _ = sample_of(Trajectory(trajectory.times_s, tilted, trajectory.positions, trajectory.velocities))
    whole = sample.target()
    assert whole["displacement_m"] == sample.truth["displacement_m"][-1]
    assert (
        abs(whole["displacement_m"] - np.hypot(sample.truth["forward_m"], sample.truth["left_m"])[-1]) > 1e-3
    )
    assert whole["yaw_deg"] == pytest.approx(sample.truth["yaw_deg"][-1])


def test_pixels_of_chosen_moments(prepared_pictures):
    _, sample = prepared_pictures
    assert [view.shape for view in sample.pixels()] == [(8, 28, 28, 3)] * 2
    chosen = sample.pixels(6, 1, 1)
    for view, number in ((0, 10), (1, 110)):
        assert [round(float(frame.mean()) / 10) * 10 for frame in chosen[view]] == [
            number + 60,
            number + 10,
            number + 10,
        ]


@pytest.fixture
def prepared_pictures():
    views = tuple(
        tuple(encode_jpeg(np.full((28, 28, 3), first + 10 * number, np.uint8)) for number in range(8))
        for first in (10, 110)
    )
    return views, Sample("key", {}, views, tuple(range(8)), {})
