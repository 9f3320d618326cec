"""What the cameras of the twin of driving see stands where a pinhole camera sees it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from rushes.tasks.driving.twin.ground import SKY_SIDE, Ground
from rushes.tasks.driving.twin.motion import RoadMotion, draw_motion
from rushes.tasks.driving.twin.props import Builder, Mover, Props, car, draw_movers, draw_props
from rushes.tasks.driving.twin.rig import MOUNTS, Camera, camera_of
from rushes.tasks.driving.twin.scene import RoadScene, draw_light
from rushes.tasks.driving.twin.view import RoadView

SIZE = (256, 144)
BLACK, RED = 0xFF000000, 0xFF0000FF


@pytest.fixture(scope="module")
def drive() -> RoadMotion:
    return draw_motion(np.random.default_rng(5), -2.0, 6.0, 0.5)


def camera(name: str) -> Camera:
    return camera_of(name, SIZE, np.random.default_rng(0))


def scene(
    drive: RoadMotion, texels: np.ndarray, origin: np.ndarray, props: Props, *movers: Mover
) -> RoadScene:
    """A scene with one copy of the ground, 0.125 m a texel, under a black sky."""
    log = int(np.log2(len(texels)))
    ground = Ground(texels.ravel(), np.zeros(1, np.int32), (log, log), origin, 0.125)
    return RoadScene(drive, ground, np.full(SKY_SIDE[0] * SKY_SIDE[1], BLACK, np.uint32), props, movers)


def black() -> np.ndarray:
    return np.full((1024, 1024), BLACK, np.uint32)


def red_middle(image: Image.Image) -> np.ndarray:
    """Middle of the red pixels, (x, y); pixel (0, 0) has its centre at (0.5, 0.5)."""
    rows, columns = np.nonzero(np.asarray(image)[..., 0] > 100)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def in_rig(drive: RoadMotion, time_s: float, places: np.ndarray) -> np.ndarray:
    """World (n, 3; z above the ground) -> rig, with the pose's own numbers."""
    pose = drive.at(np.array([time_s]))
    away = places - np.append(pose.positions[0, :2], 0.0)
    return Rotation.from_quat(pose.rotations[0]).inv().apply(away)


@pytest.mark.parametrize("name", list(MOUNTS))
@pytest.mark.parametrize("time_s", [0.0, 3.21])
def test_each_pixel_shows_the_ground_that_its_ray_meets(drive: RoadMotion, name: str, time_s: float) -> None:
    """Every texel of every copy has a colour of its own, so a picture tells which one each pixel shows."""
    seen, pose = camera(name), drive.at(np.array([time_s]))
    origin = pose.positions[0, :2] - 64.0
    sides = 1024 >> np.arange(6)
    starts = np.concatenate([[0], np.cumsum(sides**2)])
    colours = np.arange(starts[-1], dtype=np.uint32)
    ground = Ground(colours, starts[:-1].astype(np.int32), (10, 10), origin, 0.125)
    view = RoadView(RoadScene(drive, ground, np.zeros(1 << 20, np.uint32), Builder().props(), ()), seen)
    shown = np.asarray(view.draw(pose, 0)).copy().view(np.uint32)[..., 0]
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]] + 0.5
    rays = np.stack([(x - 128) / seen.focal_px, (y - 72) / seen.focal_px, np.ones_like(x)], -1) @ seen.axes.T
    with np.errstate(divide="ignore", invalid="ignore"):
        meets = seen.place + rays * (-seen.place[2] / rays[..., 2])[..., np.newaxis]
    near = (rays[..., 2] < 0) & (np.hypot(meets[..., 0], meets[..., 1]) < 60.0)
    assert near.sum() > 8000
    places = Rotation.from_quat(pose.rotations[0]).apply(meets[near])[:, :2] + pose.positions[0, :2]
    levels = np.searchsorted(starts, shown[near], side="right") - 1
    rows, columns = np.divmod(shown[near] - starts[levels], sides[levels])
    texels_m = 0.125 * 2.0**levels
    middles = origin + texels_m[:, np.newaxis] * (np.stack([columns, rows], -1) + 0.5)
    assert (np.abs(middles - places).max(1) <= texels_m / 2 + 1e-3).all()
    sees_m = np.hypot(*(places - pose.positions[0, :2]).T) / seen.focal_px
    assert (texels_m >= 0.6 * np.minimum(sees_m, 1.0)).all()  # or it would flicker
    assert (levels[sees_m < 0.02] <= 1).all()


def project(seen: Camera, points: np.ndarray) -> np.ndarray:
    """Pixels (n, 2) of points (n, 3) in the rig that lie before the camera."""
    rays = (points - seen.place) @ seen.axes
    return rays[:, :2] / rays[:, 2:] * seen.focal_px + np.array(seen.centre)


def test_left_of_the_vehicle_is_left_in_the_picture_and_ahead_comes_nearer(drive: RoadMotion) -> None:
    front = camera("camera_front_wide_120fov")
    left, right = project(front, np.array([[10.0, 2.0, 0.0], [10.0, -2.0, 0.0]]))
    assert left[0] < 128 < right[0]
    far, near = project(front, np.array([[20.0, 0.0, 0.0], [8.0, 0.0, 0.0]]))
    assert 64 < far[1] < near[1]


@pytest.mark.parametrize("name", ["camera_front_wide_120fov", "camera_rear_left_70fov"])
def test_a_pole_stands_where_the_pinhole_says(drive: RoadMotion, name: str) -> None:
    seen, pose = camera(name), drive.at(np.array([1.0]))
    ahead = seen.place[:2] + 9.0 * seen.axes[:2, 2]
    cos, sin = np.cos(pose.yaws[0]), np.sin(pose.yaws[0])
    x, y = pose.positions[0, :2] + (ahead[0] * cos - ahead[1] * sin, ahead[0] * sin + ahead[1] * cos)
    builder = Builder()
    builder.thing(x, y, 0.5)
    builder.blob([(-0.4, 0.0), (0.4, 0.0), (0.4, 2.0), (-0.4, 2.0)], (255, 0, 0))
    image = RoadView(scene(drive, black(), np.zeros(2), builder.props()), seen).draw(pose, 0)
    foot, top = project(seen, in_rig(drive, 1.0, np.array([[x, y, 0.0], [x, y, 2.0]])))
    rows = np.nonzero((np.asarray(image)[..., 0] > 100).any(1))[0]
    assert (rows[0], rows[-1] + 1) == pytest.approx((top[1], foot[1]), abs=1.5)
    assert red_middle(image)[0] == pytest.approx(foot[0], abs=1.0)


def test_what_is_nearer_hides_what_is_behind(drive: RoadMotion) -> None:
    pose = drive.at(np.zeros(1))
    yaw = float(pose.yaws[0])
    builder = Builder()
    for far, colour in ((8.0, (255, 0, 0)), (20.0, (0, 255, 0))):
        x, y = pose.positions[0, :2] + far * np.array([np.cos(yaw), np.sin(yaw)])
        builder.thing(x, y, 0.5)
        builder.blob([(-0.5, 0.5), (0.5, 0.5), (0.5, 2.5), (-0.5, 2.5)], colour)
    image = RoadView(
        scene(drive, black(), np.zeros(2), builder.props()), camera("camera_front_wide_120fov")
    ).draw(pose, 0)
    pixels = np.asarray(image)
    assert (pixels[..., 0] > 200).any()
    assert not (pixels[..., 1] > 200).any()


def test_a_wall_that_reaches_behind_the_camera_is_cut_and_not_turned_over(drive: RoadMotion) -> None:
    pose = drive.at(np.zeros(1))
    yaw, place = float(pose.yaws[0]), np.append(pose.positions[0, :2], 0.0)
    ahead, left = np.array([np.cos(yaw), np.sin(yaw), 0.0]), np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    builder = Builder()
    builder.thing(*(place + 5.0 * ahead + 4.0 * left)[:2], 20.0)
    corners = [place + a * ahead + 4.0 * left + z * up for a, z in ((-15, 0), (25, 0), (25, 3), (-15, 3))]
    builder.quad(np.array(corners), -left, (255, 0, 0))
    image = RoadView(
        scene(drive, black(), np.zeros(2), builder.props()), camera("camera_front_wide_120fov")
    ).draw(pose, 0)
    red = np.asarray(image)[..., 0] > 100
    assert red[:, 0].sum() > 80  # the wall is next to the camera here
    assert not red[:, 130:].any()  # and ends ahead, left of the middle
    assert 3 <= red[:, 108].sum() < 30


def test_an_oncoming_car_comes(drive: RoadMotion) -> None:
    builder = Builder()
    car(np.random.default_rng(0), builder, 0.0, 0.0, np.pi)
    ways = drive.way(np.array([0.0]))
    mover = Mover(builder.props(), float(ways[0]) + 30.0, 10.0)
    view = RoadView(
        scene(drive, black(), np.zeros(2), Builder().props(), mover), camera("camera_front_wide_120fov")
    )
    poses = drive.at(np.array([0.0, 0.5, 1.0]))
    seen = [int((np.asarray(view.draw(poses, number))[..., :3] > 20).any(-1).sum()) for number in range(3)]
    assert 0 < seen[0] < seen[1] < seen[2]


@pytest.fixture(scope="module")
def corners() -> list[RoadMotion]:
    """Drives around two corners or more, where what stands beside one road may stand on another."""
    drives = (draw_motion(np.random.default_rng(seed), -8.0, 20.0, 0.5) for seed in range(60))
    return [drive for drive in drives if sum(0.0 < start < 100.0 for start, _ in drive.turns) > 1][:6]


@pytest.mark.parametrize("kind", ["town", "suburb"])
def test_nothing_stands_on_the_way(kind: str, corners: list[RoadMotion]) -> None:
    assert len(corners) > 2
    for seed, drive in enumerate(corners):
        props = draw_props(np.random.default_rng(seed), drive, (0.0, 100.0), kind, 1.0)
        path = np.concatenate([drive.path(np.arange(-40.0, 160.0, 0.5)), *_straight_on(drive)])
        gaps = np.hypot(*(props.centres[:, np.newaxis] - path).transpose(2, 0, 1)).min(1)
        assert len(gaps) > 15
        assert (gaps > 2.0).all()
        round_ = np.unique(props.things[(props.normals == 0.0).all(1)])
        assert (gaps[round_] > 4.4).all()  # off the asphalt, and off the parked cars
        walls = props.corners[props.sizes_m > 7.0][:, :4, :2]
        assert np.hypot(*(walls[:, :, np.newaxis] - path).transpose(3, 0, 1, 2)).min() > 4.0


def _straight_on(drive: RoadMotion) -> list[np.ndarray]:
    """The right lane of the side road that goes on where the road turns."""
    reach_m = np.arange(0.0, 50.0, 0.5)[:, np.newaxis]
    yaws = [float(drive.heading(start)) for start, _ in drive.turns]
    ahead = [np.array([np.cos(yaw), np.sin(yaw)]) for yaw in yaws]
    return [drive.path(start) + reach_m * way for (start, _), way in zip(drive.turns, ahead, strict=True)]


def test_hard_scenes_have_more_in_them(drive: RoadMotion) -> None:
    def things(clutter: float) -> int:
        rng = np.random.default_rng(0)
        props = draw_props(rng, drive, (0.0, 60.0), "suburb", clutter)
        return len(props.centres) + len(draw_movers(rng, drive, (0.0, 60.0), clutter))

    assert things(1.0) > 1.3 * things(0.0)


def test_light_leaves_room_for_noise_and_changes_with_the_difficulty() -> None:
    for hour in (7, 13, 19):
        for seed in range(5):
            table = draw_light(np.random.default_rng(seed), hour, 1.0).table(1.0)
            assert table.min() >= 16 + 20
            assert table.max() <= 235 - 20
            assert (np.diff(table.astype(int)) >= 0).all()
    steady = draw_light(np.random.default_rng(0), 13, 0.0)
    assert (steady.table(0.0) == steady.table(3.3)).all()
    assert draw_light(np.random.default_rng(0), 7, 0.0).gain < 0.75 * steady.gain
