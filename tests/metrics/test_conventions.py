"""No right motion is refused, whatever sets its way off its heading; wrong conventions are, and are named."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from rushes.errors import MetricError
from rushes.metrics.conventions import CONVENTIONS, FRAMES, NO_EVIDENCE, Evidence, evidence

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
drives: ModuleType = importlib.import_module("driving_conventions")

NORTH_FIRST = Rotation.from_matrix([[0, 1, 0], [1, 0, 0], [0, 0, -1]])
TOWN = ("bends", "a roundabout, twice", "a u-turn", "lane changes at 30 m/s", "straight on", "stop and go")


def town(seed: int = 0, local: bool = False) -> list:
    """Drives of a dataset, each in a world of its own: turned anyhow, or so that the first heading is 0."""
    rng = np.random.default_rng(seed)
    drawn = [drives.RIGHT[name](rng) for name in TOWN]
    return drawn if local else [motion.turned(rng.uniform(-np.pi, np.pi)) for motion in drawn]


def pooled(motions: list, **written) -> Evidence:
    return sum((motion.written(**written) for motion in motions), NO_EVIDENCE)


@pytest.mark.parametrize("name", drives.RIGHT)
def test_no_right_motion_is_refused(name):
    rng = np.random.default_rng(1)
    for _ in range(4):
        motion = drives.RIGHT[name](rng)
        for heading in (0.0, rng.uniform(-np.pi, np.pi)):
            assert motion.turned(heading).written().verdict != "wrong"


def test_the_twins_motion_is_right():
    assert {motion.written().verdict for motion in drives.twin_motions(8)} <= {"fits", "cannot be told"}
    assert pooled(drives.twin_motions(8)).verdict == "fits"


@pytest.mark.parametrize("name", ["standing", "standing, positions jitter by .3 m"])
def test_a_vehicle_that_stands_tells_nothing(name):
    for convention in list(drives.conventions())[:4]:
        found = drives.RIGHT[name](np.random.default_rng(0)).written(**convention)
        assert (found.verdict, found.way_m) == ("cannot be told", 0.0)


@pytest.mark.parametrize("local", [True, False])
def test_every_wrong_convention_of_a_dataset_is_refused(local):
    motions = town(local=local)
    missed = [one for one in list(drives.conventions())[1:] if pooled(motions, **one).verdict != "wrong"]
    assert missed == []


@pytest.mark.parametrize(
    ("written", "looks_like"),
    [
        ({"scalar_first": True}, ["quaternions w, x, y, z"]),
        ({"to_vehicle": True}, ["rotations from the world to the vehicle, or positions with y to the right"]),
        (
            {"scalar_first": True, "to_vehicle": True},
            [
                "quaternions w, x, y, z",
                "rotations from the world to the vehicle, or positions with y to the right",
            ],
        ),
        (
            {"frame": np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])},
            ["a vehicle with x right, y forward, z up"],
        ),
        ({"frame": np.diag([1, -1, -1])}, ["a vehicle with x forward, y right, z down"]),
        ({"frame": np.diag([-1, -1, 1])}, ["a vehicle with x backward, y right, z up"]),
        (
            {"frame": np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])},
            ["a vehicle with x right, y down, z forward"],
        ),
    ],
)
def test_a_wrong_convention_is_named(written, looks_like):
    found = pooled(town(), **written)
    assert found.verdict == "wrong"
    differences = CONVENTIONS[found.likely].differences
    assert [what for what, _ in differences] == looks_like
    assert all(cure for _, cure in differences)


def test_rotations_in_a_world_of_north_east_down_are_named():
    found = NO_EVIDENCE
    for motion in town():
        rotations = (
            NORTH_FIRST * Rotation.from_quat(motion.rotations) * Rotation.from_matrix(np.diag([1, -1, -1]))
        )
        found += evidence(motion.times_s, rotations.as_quat(), motion.positions)
    assert found.verdict == "wrong"
    assert [what for what, _ in CONVENTIONS[found.likely].differences] == [
        "rotations in a world of north, east, down under positions in one of east, north, up",
        "a vehicle with x forward, y right, z down",
    ]


def test_a_mirrored_world_is_taken_for_its_inverse():
    found = NO_EVIDENCE
    for motion in town():
        found += evidence(motion.times_s, motion.rotations, motion.positions * (1.0, -1.0, 1.0))
    assert found.verdict == "wrong"
    assert CONVENTIONS[found.likely].to_vehicle


def test_noise_for_rotations_is_refused_without_a_name():
    rng, found = np.random.default_rng(0), NO_EVIDENCE
    for motion in town():
        found += evidence(
            motion.times_s, Rotation.random(len(motion.times_s), rng).as_quat(), motion.positions
        )
    assert (found.verdict, found.likely) == ("wrong", None)


def test_what_motions_say_adds_up():
    first, second, *_ = (motion.written() for motion in town())
    both = first + second
    assert both.way_m == first.way_m + second.way_m
    assert np.array_equal(both.off, first.off + second.off)
    assert first.way_m == pytest.approx(
        19 * np.linalg.norm(np.diff(town()[0].positions, axis=0), axis=1).sum() / 20, rel=0.05
    )


def test_nothing_is_told_across_a_hole_or_by_a_moment():
    motion = drives.RIGHT["straight on"](np.random.default_rng(0))
    for rows in (slice(0, 90), slice(0, 1), slice(None, None, 60)):  # .9 s, one pose, one pose each .6 s
        found = evidence(motion.times_s[rows], motion.rotations[rows], motion.positions[rows])
        assert (found.verdict, found.way_m) == ("cannot be told", 0.0)
    speed = np.linalg.norm(motion.positions[-1]) / motion.times_s[-1]
    kept = (motion.times_s < 5) | (motion.times_s > 15)
    found = evidence(motion.times_s[kept], motion.rotations[kept], motion.positions[kept])
    assert found.way_m == pytest.approx(8 * speed, rel=0.1)


def test_ten_poses_a_second_tell_as_much_as_a_hundred():
    for motion in town():
        few = evidence(motion.times_s[::10], motion.rotations[::10], motion.positions[::10])
        assert few.way_m == pytest.approx(motion.written().way_m, rel=0.1)
        assert few.degrees() == pytest.approx(motion.written().degrees(), abs=1.0)


def test_frames_are_the_24_right_handed_ones():
    assert len({frame.tobytes() for frame in FRAMES}) == 24
    assert all(np.linalg.det(frame) == pytest.approx(1) for frame in FRAMES)
    assert np.array_equal(FRAMES[0], np.eye(3))
    assert len(set(CONVENTIONS)) == 192
    assert CONVENTIONS[0].differences == ()


def test_shapes_must_fit():
    with pytest.raises(MetricError, match="3 times need rotations"):
        evidence(np.arange(3.0), np.zeros((2, 4)), np.zeros((3, 3)))
