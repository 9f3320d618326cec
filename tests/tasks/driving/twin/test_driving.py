"""The script of the twin of driving: clips, what they lack, clocks, and the truth."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rushes.errors import SourceError
from rushes.tasks.driving.sources.trajectory import Trajectory, yaw_rad
from rushes.tasks.driving.twin.script import (
    CAMERAS,
    REFERENCE,
    DrivingSettings,
    egomotion_timestamps,
    frame_timestamps,
    truth,
    units,
)

SETTINGS = DrivingSettings(
    train=12,
    val=3,
    test=5,
    clip_s=4.0,
    missing_share=0.25,
    without_egomotion=2,
    invalid=1,
    chunk_clips=8,
    seed=3,
)


def test_clips_are_those_asked_for() -> None:
    clips = units(SETTINGS)
    assert len({unit.key for unit in clips}) == 20
    assert Counter(unit.split for unit in clips) == {"train": 12, "val": 3, "test": 5}
    assert [unit.chunk for unit in clips] == [0] * 8 + [1] * 8 + [2] * 4
    assert clips == units(SETTINGS)


def test_damages_are_as_many_as_asked_for_and_spare_what_must_be_there() -> None:
    clips = units(SETTINGS)
    lacking = [unit for unit in clips if len(unit.cameras) < len(CAMERAS)]
    assert len(lacking) == 5
    assert all(len(unit.cameras) == 6 and REFERENCE in unit.cameras for unit in lacking)
    blind = [unit for unit in clips if not unit.egomotion]
    invalid = [unit for unit in clips if not unit.valid]
    assert (len(blind), len(invalid)) == (2, 1)
    assert {unit.split for unit in (*blind, *invalid)} == {"train"}
    assert not {unit.key for unit in blind} & {unit.key for unit in invalid}


def test_one_camera_alone_is_never_missing() -> None:
    settings = DrivingSettings(cameras=(REFERENCE,), missing_share=1.0)
    assert all(unit.cameras == (REFERENCE,) for unit in units(settings))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"train": 0, "val": 0, "test": 0, "invalid": 0, "without_egomotion": 0}, "train, val, test"),
        ({"clip_s": 0.1}, "clip_s must be"),
        ({"cameras": ("camera_roof",)}, "cameras must be some of"),
        ({"cameras": ()}, "cameras must be some of"),
        ({"size": (255, 144)}, "size must be even"),
        ({"fps": 0}, "fps must be"),
        ({"b_frames": 9}, "b_frames"),
        ({"difficulty": 1.5}, "difficulty and missing_share"),
        ({"train": 1}, "count train clips"),
        ({"chunk_clips": 0}, "chunk_clips"),
    ],
)
def test_wrong_settings_say_what_is_wrong(wrong: dict, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        DrivingSettings(**wrong)


def test_frames_of_each_camera_are_on_a_clock_of_their_own() -> None:
    key = units(SETTINGS)[0].key
    clocks = [frame_timestamps(SETTINGS, key, camera) for camera in CAMERAS]
    for clock in clocks:
        assert clock.dtype == np.int64
        assert -16_667 <= clock[0] < 0
        assert (np.diff(clock) > 32_000).all()
        assert (np.diff(clock) < 34_700).all()
        assert 4_060_000 < clock[-1] < 4_160_000
    assert len(clocks[0]) == 125
    assert {len(clock) for clock in clocks} == {124, 125}
    assert len({int(clock[0]) for clock in clocks}) == len(CAMERAS)


def test_poses_are_at_another_rate_and_cover_more_than_the_pictures() -> None:
    for unit in units(SETTINGS)[:6]:
        times = egomotion_timestamps(SETTINGS, unit.key)
        rate = 1e6 / np.median(np.diff(times))
        assert 83.5 < rate < 100.5
        assert (np.diff(times) > 0).all()
        assert times[0] < -2_000_000
        assert times[-1] > 6_000_000


def test_the_table_of_poses_gives_the_truth_back_between_its_rows() -> None:
    """To 1 mm and 0.01 degrees at the times of the frames, by the way that labels are made."""
    for unit in units(SETTINGS):
        motion = truth(SETTINGS, unit.key)
        rows = motion.at(egomotion_timestamps(SETTINGS, unit.key) / 1e6)
        table = Trajectory(rows.times_s, rows.rotations, rows.positions, rows.velocities)
        times_s = frame_timestamps(SETTINGS, unit.key, REFERENCE) / 1e6
        read, true = table.at(times_s), motion.at(times_s)
        assert np.linalg.norm(read.positions - true.positions, axis=1).max() < 1e-3
        turned = np.degrees(yaw_rad(read.rotations)) - np.degrees(true.yaws)
        assert np.abs((turned + 180.0) % 360.0 - 180.0).max() < 0.01
        assert np.abs(read.velocities - true.velocities).max() < 0.01


def test_a_clip_depends_on_its_seed_only() -> None:
    more = DrivingSettings(train=30, clip_s=4.0, cameras=CAMERAS[:1], size=(64, 36), seed=3)
    key = units(SETTINGS)[0].key
    assert units(more)[0].key == key
    times = np.linspace(-1.0, 5.0, 50)
    assert (truth(more, key).at(times).positions == truth(SETTINGS, key).at(times).positions).all()
    other = DrivingSettings(seed=4)
    assert units(other)[0].key != key


def test_scenes_do_not_tell_the_speed() -> None:
    """Tags are drawn from another generator than the motion: means of 400 clips differ by chance only."""
    settings = DrivingSettings(train=400, clip_s=2.0, cameras=CAMERAS[:1])
    speeds: dict[str, list[float]] = {}
    for unit in units(settings):
        speed = float(truth(settings, unit.key).speed(np.linspace(0.0, 2.0, 9)).mean())
        speeds.setdefault(unit.scene, []).append(speed)
    means = [np.mean(values) for values in speeds.values()]
    error = np.std([speed for values in speeds.values() for speed in values]) / np.sqrt(133)
    assert len(means) == 3
    assert np.ptp(means) < 4.0 * error
