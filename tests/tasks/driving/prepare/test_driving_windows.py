"""Moments and windows: joined by time against brute force, and refused where something is missing."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pytest

from rushes.errors import SourceError
from rushes.tasks.driving.prepare import windows
from rushes.tasks.driving.prepare.windows import (
    MAX_CLIP_S,
    Framing,
    align,
    half_period_s,
    nearest,
    plan_windows,
)
from rushes.tasks.driving.sources.trajectory import Trajectory

FRAMING = Framing("front", frames=4, rate_hz=10.0, stride=2)


def clock(count=60, fps=30.0, first_s=-0.014, jitter=0.0, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return first_s + (np.arange(count) + rng.uniform(-jitter, jitter, count)) / fps


def straight(start_s=-2.0, end_s=10.0, speed=10.0, rate=90.0) -> Trajectory:
    """Along x at an even speed."""
    times_s = np.arange(start_s, end_s, 1 / rate)
    zeros = np.zeros(len(times_s))
    rotations = np.stack([zeros, zeros, zeros, zeros + 1], axis=1)
    positions = np.stack([speed * times_s, zeros, zeros], axis=1)
    return Trajectory(times_s, rotations, positions, np.tile([speed, 0.0, 0.0], (len(times_s), 1)))


def brute_align(times_of, framing):
    """The rule in words, one moment at a time."""
    reference = list(times_of[framing.reference])
    moments, step = [], 1 / framing.rate_hz
    used = None
    for number in range(int((reference[-1] - reference[0]) / step + 1e-6) + 1):
        wanted = reference[0] + number * step
        own = min(range(len(reference)), key=lambda n: (abs(reference[n] - wanted), n))
        half = {name: np.median(np.diff(times)) / 2 + 1e-9 for name, times in times_of.items()}
        whole = abs(reference[own] - wanted) <= 1.5 * half[framing.reference] and own != used
        used, found = own, {framing.reference: (own, 0.0)}
        for name, times in times_of.items():
            if name != framing.reference:
                place = min(range(len(times)), key=lambda n: (abs(times[n] - reference[own]), n))
                found[name] = (place, times[place] - reference[own])
                whole = whole and abs(found[name][1]) <= half[name]
        moments.append((reference[own], found, bool(whole)))
    return moments


def test_nearest_is_that_of_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(200):
        times_s = np.sort(rng.choice(np.arange(40), int(rng.integers(1, 15)), replace=False)).astype(float)
        wanted_s = rng.integers(-10, 100, 20) / 2  # many of them half-way
        expected = [min(range(len(times_s)), key=lambda n: (abs(times_s[n] - w), n)) for w in wanted_s]
        assert nearest(times_s, wanted_s).tolist() == expected


def test_moments_are_those_of_brute_force():
    rng = np.random.default_rng(1)
    seen = set()
    for seed in range(40):
        times_of = {
            "front": clock(
                int(rng.integers(20, 90)), rng.uniform(9, 35), rng.uniform(-0.02, 0.02), 0.1, seed
            ),
            "side": clock(
                int(rng.integers(20, 90)), rng.uniform(9, 35), rng.uniform(-0.1, 0.1), 0.1, seed + 50
            ),
        }
        if seed % 3 == 0:  # a hole
            times_of["front"] = np.delete(times_of["front"], slice(8, 8 + seed // 3))
        moments = align(times_of, FRAMING)
        expected = brute_align(times_of, FRAMING)
        assert moments.times_s.tolist() == [time for time, _, _ in expected]
        for name in times_of:
            assert moments.numbers[name].tolist() == [found[name][0] for _, found, _ in expected]
            np.testing.assert_allclose(moments.offsets_s[name], [found[name][1] for _, found, _ in expected])
        assert moments.whole.tolist() == [whole for _, _, whole in expected]
        seen |= set(moments.whole.tolist())
    assert seen == {True, False}


def test_rows_do_not_pair_where_clocks_differ():
    """A camera that began two frames later: its row k shows what row k + 2 of the reference shows."""
    times_of = {"front": clock(60), "side": clock(58, first_s=-0.014 + 2 / 30 + 0.004)}
    moments = align(times_of, FRAMING)
    inside = moments.numbers["front"] >= 2
    assert (moments.numbers["side"][inside] == moments.numbers["front"][inside] - 2).all()
    np.testing.assert_allclose(moments.offsets_s["side"][inside], 0.004, atol=1e-9)
    assert (moments.offsets_s["front"] == 0.0).all()
    assert not moments.whole[0]  # the side camera was not running yet
    assert moments.whole[1:].all()


@pytest.mark.parametrize(("share", "whole"), [(0.49, True), (0.51, False)])
def test_a_camera_may_be_half_of_its_own_period_away(share, whole):
    slow = clock(20, fps=10.0, first_s=-0.014 + share / 10)
    moments = align({"front": clock(60), "side": slow}, FRAMING)
    assert moments.offsets_s["side"][0] == pytest.approx(share / 10)
    assert half_period_s(slow) == pytest.approx(0.05)
    assert moments.whole[0] == whole


def test_a_slow_camera_gives_one_frame_to_two_moments_and_the_reference_never_does():
    slow = clock(10, fps=5.0, first_s=0.01)
    moments = align({"front": clock(60), "side": slow}, FRAMING)
    assert np.diff(moments.numbers["side"])[:17].tolist() == [0, 1] * 8 + [0]
    assert moments.whole[:17].all()
    alone = align({"front": slow}, FRAMING)
    assert plan_windows(alone, straight(), FRAMING)[0] == []


def test_a_hole_in_the_reference_refuses_the_windows_it_cuts():
    reference = np.delete(clock(90), slice(40, 52))  # 1.3 to 1.7 s
    moments = align({"front": reference}, FRAMING)
    found, refused = plan_windows(moments, straight(), FRAMING)
    assert refused["frames"] > 0
    assert set(refused) == {"frames"}
    assert len(found) + refused["frames"] == (len(moments.times_s) - 4) // 2 + 1
    for window in found:
        np.testing.assert_allclose(np.diff(window.times_s), 0.1, atol=1e-9)
        assert window.times_s[-1] < reference[39] + 0.05 or window.times_s[0] > reference[40] - 0.05


def test_windows_start_every_stride_and_end_inside():
    moments = align({"front": clock(61)}, FRAMING)  # 2.0 s from first to last: 21 moments
    assert len(moments.times_s) == 21
    for frames, stride, starts in (
        (4, 2, range(0, 18, 2)),
        (21, 1, [0]),
        (22, 1, []),
        (4, 5, [0, 5, 10, 15]),
    ):
        found, _ = plan_windows(moments, straight(), replace(FRAMING, frames=frames, stride=stride))
        assert [window.moments.start for window in found] == list(starts)
        assert all(len(window.moments) == len(window.times_s) == frames for window in found)
        for window in found:
            np.testing.assert_array_equal(window.times_s, moments.times_s[list(window.moments)])


def test_motion_is_that_of_the_frames_own_times():
    """Jitter of the reference is in the labels: they follow the pictures, not the grid."""
    times = clock(61, jitter=0.2)
    found, refused = plan_windows(align({"front": times}, FRAMING), straight(speed=8.0), FRAMING)
    assert not refused
    assert any(np.abs(np.diff(window.times_s) - 0.1).max() > 1e-3 for window in found)
    for window in found:
        np.testing.assert_allclose(
            window.motion.forward_m, 8.0 * (window.times_s - window.times_s[0]), atol=1e-9
        )


def test_windows_are_refused_for_poses_and_for_labels_and_counted_apart():
    moments = align({"front": clock(61)}, FRAMING)
    short = straight(start_s=0.5, end_s=1.5)
    found, refused = plan_windows(moments, short, FRAMING)
    assert (refused["poses"], refused["labels"], refused["frames"]) == (9 - len(found), 0, 0)
    assert found
    assert refused["poses"]
    assert all(window.times_s[0] >= 0.5 and window.times_s[-1] <= short.times_s[-1] for window in found)
    steady = straight()
    lying = replace(steady, velocities=steady.velocities * 2)
    assert plan_windows(moments, lying, FRAMING) == ([], {"labels": 9})


def test_no_reference_frame_stands_for_two_moments_at_too_high_a_rate():
    moments = align({"front": clock(30, fps=6.0)}, FRAMING)
    found, refused = plan_windows(moments, straight(), FRAMING)
    assert found == []
    assert refused["frames"] > 10


def test_a_single_frame_is_one_moment():
    moments = align({"front": np.array([0.3]), "side": np.array([0.3])}, FRAMING)
    assert moments.times_s.tolist() == [0.3]
    assert plan_windows(moments, straight(), FRAMING) == ([], {})


def test_one_wrong_time_does_not_ask_for_billions_of_moments():
    damaged = np.append(clock(30), 9.2e12)
    with pytest.raises(SourceError, match=f"a clip at most {MAX_CLIP_S:g} s"):
        align({"front": damaged}, FRAMING)
    assert len(align({"front": clock(30), "side": damaged}, FRAMING).times_s) == 10


def test_examples():
    assert doctest.testmod(windows).failed == 0
