from __future__ import annotations

import doctest
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import cumulative_simpson
from scipy.spatial.transform import Rotation

from rushes.errors import SourceError
from rushes.tasks.driving.sources import trajectory as module
from rushes.tasks.driving.sources.trajectory import (
    Motion,
    Poses,
    Trajectory,
    motion,
    refuse_other_conventions,
    yaw_rad,
)

FINE_S = np.arange(-20_000, 30_000_001, 100) / 1e6  # the truth: every 100 us from -.02 to 30 s


def drive(hilly: bool = False) -> dict[str, np.ndarray]:
    """A drive with a stop, hard braking and tight turns: yaw up to 40 degrees a second at 12 m/s."""
    speed = np.clip(9 + 9 * np.sin(0.45 * FINE_S) + 2 * np.sin(1.3 * FINE_S), 0, None)
    yaw = 1.5 * np.sin(0.45 * FINE_S) + 2.0 * np.tanh((FINE_S - 12) / 2)
    velocity = speed * np.stack([np.cos(yaw), np.sin(yaw), 0.05 * hilly * np.sin(FINE_S)])
    position = cumulative_simpson(velocity, x=FINE_S, initial=0).T
    way = cumulative_simpson(np.linalg.norm(velocity[:2], axis=0), x=FINE_S, initial=0)
    return {"speed": speed, "yaw": yaw, "velocity": velocity.T, "position": position, "way": way}


TRUTH = drive()


def turned_left(yaw: np.ndarray) -> np.ndarray:
    """Quaternions (n, 4) of turns about the z axis by ``yaw`` (n,) radians."""
    return Rotation.from_rotvec(np.outer(yaw, [0.0, 0.0, 1.0])).as_quat()


def table(truth: dict[str, np.ndarray], rate: float, seed: int = 0, velocities: bool = True) -> Trajectory:
    """Rows of the truth at about ``rate`` Hz, jittered by a fifth of the period; quaternions of any sign."""
    rng = np.random.default_rng(seed)
    period = 10_000 / rate  # in fine steps
    rows = np.unique((np.arange(0, len(FINE_S) - period, period) + rng.uniform(0, period / 5)).astype(int))
    rotations = turned_left(truth["yaw"][rows])
    rotations *= rng.choice([-1.0, 1.0], len(rows))[:, None]
    velocity = truth["velocity"][rows] if velocities else None
    return Trajectory(FINE_S[rows], rotations, truth["position"][rows], velocity)


def wrapped(degrees: np.ndarray) -> np.ndarray:
    return (degrees + 180) % 360 - 180


def starts() -> np.ndarray:
    return np.arange(0.013, 27.0, 0.8)


def fine(times_s: np.ndarray) -> np.ndarray:
    return np.rint((times_s - FINE_S[0]) * 1e4).astype(int)


@pytest.mark.parametrize("rate", [84.0, 100.0])
@pytest.mark.parametrize("velocities", [True, False])
def test_motion_equals_the_truth_within_a_millimetre_and_a_hundredth_degree(
    rate: float, velocities: bool
) -> None:
    drive_table = table(TRUTH, rate, velocities=velocities)
    for start_s in starts():
        times_s = np.round(start_s + np.arange(16) / 10, 4)
        rows = fine(times_s)
        moved = motion(drive_table.at(times_s))
        since = (TRUTH["position"][rows] - TRUTH["position"][rows[0]])[:, :2]
        heading = TRUTH["yaw"][rows[0]]
        ahead = since @ [np.cos(heading), np.sin(heading)]
        left = since @ [-np.sin(heading), np.cos(heading)]
        turned = wrapped(np.degrees(TRUTH["yaw"][rows] - heading))
        assert np.abs(moved.displacement_m - np.linalg.norm(since, axis=1)).max() < 1e-3
        assert np.abs(moved.path_m - (TRUTH["way"][rows] - TRUTH["way"][rows[0]])).max() < 1e-3
        assert np.abs(moved.forward_m - ahead).max() < 1e-3
        assert np.abs(moved.left_m - left).max() < 1e-3
        assert np.abs(wrapped(moved.yaw_deg - turned)).max() < 0.01
        assert np.abs(moved.final_speed_mps - TRUTH["speed"][rows]).max() < 5e-3
        means = [TRUTH["speed"][rows[:k]].mean() for k in range(1, 17)]
        assert np.abs(moved.mean_speed_mps - means).max() < 5e-3


def test_the_tenth_of_the_rate_still_serves() -> None:
    """A table trimmed to the clip, at 10 Hz and without velocities."""
    trimmed = table(TRUTH, 10.0, velocities=False)
    times_s = np.round(5.05 + np.arange(16) / 10, 4)
    rows = fine(times_s)
    moved = motion(trimmed.at(times_s))
    chord = np.linalg.norm((TRUTH["position"][rows] - TRUTH["position"][rows[0]])[:, :2], axis=1)
    assert np.abs(moved.displacement_m - chord).max() < 0.02
    assert np.abs(moved.final_speed_mps - TRUTH["speed"][rows]).max() < 0.05


def test_the_tables_own_rows_come_back() -> None:
    drive_table = table(TRUTH, 84.0)
    rows = [0, 7, 500, len(drive_table.times_s) - 1]
    poses = drive_table.at(drive_table.times_s[rows])
    assert np.allclose(poses.positions, drive_table.positions[rows], atol=1e-9)
    assert np.allclose(poses.velocities, drive_table.velocities[rows], atol=1e-12)
    assert np.allclose(np.abs((poses.rotations * drive_table.rotations[rows]).sum(1)), 1, atol=1e-12)


def test_rotation_takes_the_short_way_whatever_the_sign() -> None:
    quarter = turned_left(np.radians([170, -170]))
    turning = Trajectory(np.array([0.0, 0.4]), quarter * [[1], [-1]], np.zeros((2, 3)))
    assert np.degrees(yaw_rad(turning.at(np.array([0.1])).rotations)) == pytest.approx([175])
    assert motion(turning.at(np.array([0.0, 0.2, 0.4]))).yaw_deg == pytest.approx([0, 10, 20])


def test_yaw_is_left_positive_and_wraps_at_half_a_turn() -> None:
    times_s = np.arange(5) / 10
    for step, expected in ((45, [0, 45, 90, 135, 180]), (-50, [0, -50, -100, -150, 160])):
        rotations = turned_left(np.radians(100.0 + step * np.arange(5)))
        moved = motion(Poses(times_s, rotations, np.zeros((5, 3)), np.zeros((5, 3))))
        assert moved.yaw_deg == pytest.approx(expected)


def test_forward_and_left_are_those_of_the_vehicle_on_a_slope() -> None:
    """Nose up by 10 degrees and driving along its nose: all of the way is forward."""
    nose = Rotation.from_euler("ZY", [30, -10], degrees=True)
    along = np.outer([0.0, 1.0, 2.0], nose.apply([1.0, 0, 0]))
    moved = motion(
        Poses(
            np.array([0, 0.1, 0.2]),
            nose.as_quat()[None].repeat(3, 0),
            along,
            np.diff(along, axis=0)[[0] * 3] * 10,
        )
    )
    assert moved.forward_m == pytest.approx([0, 1, 2])
    assert moved.left_m == pytest.approx([0, 0, 0])
    assert moved.displacement_m[-1] == pytest.approx(2 * np.cos(np.radians(10)))


def test_a_standing_vehicle_has_moved_by_nothing() -> None:
    still = np.zeros((4, 3))
    moved = motion(Poses(np.arange(4) / 10, np.eye(4)[[3] * 4], still, still))
    assert not any(values.any() for values in (getattr(moved, name) for name in Motion.__slots__))


@pytest.mark.parametrize("asked", [[-0.5, 1.0], [1.0, 29.999], [1.0, np.nan], [np.inf], []])
def test_nothing_is_extrapolated(asked: list[float]) -> None:
    with pytest.raises(SourceError, match=r"poses cover -0\.0\d\d to 29\.9\d\d s, asked for"):
        table(TRUTH, 84.0).at(np.array(asked))


def test_nothing_is_interpolated_across_a_hole() -> None:
    whole = table(TRUTH, 84.0)
    there = (whole.times_s < 10) | (whole.times_s > 10.8)
    holed = Trajectory(*(values[there] for values in vars(whole).values() if values is not None))
    with pytest.raises(SourceError, match=r"no pose for 0\.8\d* s around 10\.400 s; at most 0\.5 s"):
        holed.at(np.array([3.0, 10.4]))
    beside = np.array([9.9, holed.times_s[holed.times_s < 10][-1], 10.82])
    assert np.allclose(holed.at(beside).positions, whole.at(beside).positions, atol=1e-3)
    late = Trajectory(np.array([0.0, 5.0, 5.1]), np.eye(4)[[3] * 3], np.zeros((3, 3)))
    assert late.at(np.array([0.0])).times_s == [0.0]  # its own row, though a hole follows


Break = Callable[[dict[str, np.ndarray]], object]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t["positions"].__setitem__((7, 1), np.nan), r"row 7: positions not finite, or"),
        (lambda t: t["velocities"].__setitem__((8, 2), np.inf), "row 8: velocities not finite"),
        (lambda t: t["rotations"].__setitem__((9, 0), np.nan), "row 9: rotations not finite"),
        (lambda t: t["times_s"].__setitem__(3, np.nan), "row 3: times_s not finite"),
        (lambda t: t["positions"].__setitem__((2, 0), -1e12), r"row 2: positions not .* beyond 1e\+07"),
        (lambda t: t["rotations"].__setitem__(5, 0), "row 5: a quaternion of another length than 1: 0"),
        (lambda t: t["rotations"].__imul__(1.01), r"row 0: a quaternion .* \((\d+) of \1 rows\)"),
        (lambda t: t["times_s"].__setitem__(6, t["times_s"][5]), "row 6: times must increase"),
        (lambda t: t["times_s"].__setitem__(6, 0.0), "row 6: times must increase"),
        (lambda t: t.update(positions=t["positions"][:, :2]), r"positions should have \d+ rows of 3, found"),
        (lambda t: t.update(rotations=t["rotations"][1:]), r"rotations should have \d+ rows of 4, found"),
        (lambda t: t.update(headed=np.ones(3, bool)), r"headed should have \d+ rows, found"),
        (lambda t: t.update({k: v[:1] for k, v in t.items()}), "at least 2 poses, found 1"),
    ],
)
def test_tables_that_do_not_hold(damage: Break, message: str) -> None:
    columns = {name: values.copy() for name, values in vars(table(TRUTH, 84.0)).items() if values is not None}
    damage(columns)
    with pytest.raises(SourceError, match=message):
        Trajectory(**columns)


def test_positions_and_speeds_must_agree() -> None:
    """Fifteen rows of a table at 100 Hz, taken for a second and a half: a tenth of the way."""
    fast = table(TRUTH, 100.0).at(np.round(3 + np.arange(16) / 100, 4))
    motion(fast)
    with pytest.raises(SourceError, match=r"positions move at 1\.\d\d m/s, the velocities say 1\d\.\d\d m/s"):
        motion(replace(fast, times_s=3 + np.arange(16) / 10))
    with pytest.raises(SourceError, match="velocities say"):
        motion(replace(fast, velocities=fast.velocities * 3.6))


def left_turn(write: Callable[[np.ndarray], np.ndarray]) -> Trajectory:
    """Three seconds at 10 m/s, turning left by 20 degrees a second, with rotations as ``write`` changes them."""
    times_s = np.arange(0.0, 3.0001, 0.01)
    yaw = np.radians(20 * times_s)
    radius = 10 / np.radians(20)
    positions = radius * np.stack([np.sin(yaw), 1 - np.cos(yaw), 0 * yaw], 1)
    return Trajectory(times_s, write(turned_left(yaw)), positions)


def test_a_left_turn_is_what_it_is() -> None:
    turn = left_turn(lambda rotations: rotations)
    moved = motion(turn.at(np.linspace(0, 3, 31)))
    found = [float(values[-1]) for values in (moved.yaw_deg, moved.forward_m, moved.left_m)]
    assert found == pytest.approx([60, 24.81, 14.32], abs=0.05)
    refuse_other_conventions(turn.evidence, "poses.parquet")


@pytest.mark.parametrize(
    ("write", "looks_like", "cure"),
    [
        (
            lambda rotations: np.roll(rotations, 1, 1),
            "they look like quaternions w, x, y, z",
            "write them x, y, z, w",
        ),
        (
            lambda rotations: rotations * (-1, -1, -1, 1),
            "like rotations from the world to the vehicle",
            "write the inv",
        ),
    ],
)
def test_rotations_in_another_convention_are_refused_by_the_motion(
    write: Callable[[np.ndarray], np.ndarray], looks_like: str, cure: str
) -> None:
    with pytest.raises(SourceError, match=looks_like) as caught:
        refuse_other_conventions(left_turn(write).evidence, "poses.parquet")
    assert re.search(r"the way lies \d+ degrees from \+x .* over 20 m of driving$", caught.value.cure)
    assert caught.value.where == "poses.parquet"
    assert caught.value.cure.startswith(cure)


def test_rotations_in_no_convention_are_refused_too() -> None:
    some = Rotation.random(301, np.random.default_rng(0)).as_quat()
    with pytest.raises(SourceError, match="look like none that is known here") as caught:
        refuse_other_conventions(left_turn(lambda rotations: some).evidence, "poses.parquet")
    assert caught.value.cure.startswith("write x, y, z, w, from the vehicle (x forward, y left, z up)")


def test_a_window_needs_two_poses_in_order() -> None:
    drive_table = table(TRUTH, 84.0)
    for times_s in ([1.0], [1.0, 1.0], [2.0, 1.0]):
        with pytest.raises(SourceError, match="two poses in order"):
            motion(drive_table.at(np.array(times_s)))


def test_a_label_that_is_not_finite_is_refused() -> None:
    positions = np.zeros((3, 3))
    positions[1] = np.nan
    with pytest.raises(SourceError, match="a way of nan m cannot join"):
        motion(Poses(np.arange(3) / 10, np.eye(4)[[3] * 3], positions, np.zeros((3, 3))))


def test_examples() -> None:
    assert doctest.testmod(module).failed == 0
