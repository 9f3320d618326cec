"""The picture: what is drawn can be seen, belongs to its moment, and changes at the boundary."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageOps

from rushes.tasks.operations.twin.look import look_of
from rushes.tasks.operations.twin.motion import BLEND_S, moment_of
from rushes.tasks.operations.twin.scene import BenchScene
from rushes.tasks.operations.twin.script import MEDIAN_S, Step, TwinSettings, TwinUnit, plan_session

SETTINGS = TwinSettings()
SMALL = (160, 120)


def scene_of(person, number, size=SMALL, **changes):
    return BenchScene(replace(look_of(person, number, "S0100", SETTINGS), **changes), size)


def pixels(scene, step, time_s, before=None):
    return np.asarray(scene.draw(moment_of(step, before, time_s, 0.5))).astype(int)


def changed(one, other):
    """Share of pixels that differ by more than 24 grey levels in some colour."""
    return float((np.abs(one - other).max(axis=2) > 24).mean())


def test_every_moment_of_a_session_can_be_drawn_and_leaves_room_for_noise():
    scene = scene_of("U0102", 1)
    before = None
    for step in plan_session(TwinUnit("U0102", "S0100"), SETTINGS):
        for share in (0.0, 0.02, 0.3, 0.6, 0.99):
            picture = pixels(scene, step, step.start_s + share * (step.end_s - step.start_s), before)
            assert picture.shape == (120, 160, 3)
            assert picture.min() >= 16
            assert picture.max() <= 239
        before = step


@pytest.mark.parametrize("cue", list(MEDIAN_S))
def test_each_cue_can_be_seen(cue):
    """At least 1 % of a picture of 160 x 120, for a right-handed and a left-handed person."""
    for person, number in (("U0101", 0), ("U0108", 7)):
        scene = scene_of(person, number)
        idle = Step(None, 0.0, 2.0, 1, "closed")
        assert changed(pixels(scene, idle, 1.0), pixels(scene, replace(idle, cue=cue), 1.0)) > 0.01


def test_all_pairs_of_operations_differ_in_the_middle():
    scene = scene_of("U0101", 0)
    states = {"Picking": "none", "Relocate Item Label": "none", "Assemble Box": "none"}
    states |= {"Insert Items": "open", "Close Box": "open"}
    middle = {
        name: pixels(scene, Step(name, 0.0, 4.0, 1, states.get(name, "closed")), 2.0) for name in MEDIAN_S
    }
    names = list(middle)
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            assert changed(middle[one], middle[other]) > 0.02, (one, other)


@pytest.mark.parametrize("operation", list(MEDIAN_S))
def test_operations_move(operation):
    """Something moves in every operation: a frame is not the frame 0.4 s later."""
    scene = scene_of("U0101", 0)
    step = Step(operation, 0.0, 4.0, 1, "closed" if IS_CLOSED[operation] else "open")
    moved = [
        changed(pixels(scene, step, time_s), pixels(scene, step, time_s + 0.4)) for time_s in (1.0, 1.7, 2.6)
    ]
    assert max(moved) > 0.0005


IS_CLOSED = {name: place > 4 for place, name in enumerate(MEDIAN_S)}


def test_left_handed_bench_is_the_mirrored_bench():
    looks = {"shift": (0.0, 0.0), "zoom": 1.0}
    right = scene_of("U0101", 0, (640, 480), mirrored=False, **looks)
    left = scene_of("U0101", 0, (640, 480), mirrored=True, **looks)
    moment = moment_of(Step("Scan Label", 0.0, 4.0, 1, "closed"), None, 2.0, 0.5)
    mirrored = np.asarray(ImageOps.mirror(right.draw(moment))).astype(int)
    assert changed(mirrored, np.asarray(left.draw(moment)).astype(int)) < 0.02


def test_body_has_left_the_last_pose_a_quarter_second_after_the_boundary():
    before = Step("Fill out Order", 0.0, 4.0, 1, "closed")
    step = Step("Put on Back Table", 4.0, 8.0, 1, "closed")
    at_start, at_end = moment_of(step, before, 4.0, 0.5).body, moment_of(before, None, 3.9999, 0.5).body
    assert at_start.x == pytest.approx(at_end.x, abs=1.0)
    assert moment_of(step, before, 4.0 + BLEND_S, 0.5) == moment_of(step, None, 4.0 + BLEND_S, 0.5)
    assert BLEND_S < 0.3


def test_a_person_looks_the_same_each_day_and_different_from_others():
    one = look_of("U0103", 2, "S0100", SETTINGS)
    assert one == look_of("U0103", 2, "S0100", SETTINGS)
    other_day = look_of("U0103", 2, "S0200", SETTINGS)
    assert (one.shirt, one.bench, one.mirrored) == (other_day.shirt, other_day.bench, other_day.mirrored)
    assert one.shift != other_day.shift
    assert [look_of(f"U01{n:02d}", n, "S0100", SETTINGS).mirrored for n in range(4)] == [False, True] * 2
    assert len({look_of(f"U01{n:02d}", n, "S0100", SETTINGS).bench for n in range(1, 9)}) == 8


def test_without_difficulty_people_look_alike_but_for_the_hand_they_use():
    easy = TwinSettings(difficulty=0.0)
    one, other = (look_of(person, 0, "S0100", easy) for person in ("U0101", "U0102"))
    assert replace(one, goods=other.goods) == other
    assert one.noise == 0.0


def test_wider_pictures_see_more_of_the_same():
    narrow, wide = scene_of("U0101", 0, (640, 480)), scene_of("U0101", 0, (854, 480))
    step = Step("Close Box", 0.0, 4.0, 1, "open")
    middle = pixels(wide, step, 2.0)[:, 107:-107]
    assert changed(middle, pixels(narrow, step, 2.0)) < 0.001
