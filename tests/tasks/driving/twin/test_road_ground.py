"""Ground and sky of the twin of driving: textures that wrap, with smaller copies."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.tasks.driving.twin.ground import GROUNDS, Ground, draw_ground, draw_sky, tile_of_noise
from rushes.tasks.driving.twin.motion import RoadMotion, draw_motion


def bytes_of(texels: np.ndarray) -> np.ndarray:
    return texels.view(np.uint8).reshape(*texels.shape, 4)


@pytest.fixture(scope="module")
def drive() -> RoadMotion:
    return draw_motion(np.random.default_rng(1), -2.0, 4.0, 0.5)


@pytest.fixture(scope="module")
def ground(drive: RoadMotion) -> Ground:
    return draw_ground(np.random.default_rng(2), drive, (0.0, 30.0), "suburb", 20.0, 0.25)


def level(ground: Ground, number: int) -> np.ndarray:
    width, height = (1 << (log - number) for log in ground.log_size)
    start = ground.starts[number]
    return ground.texels[start : start + width * height].reshape(height, width)


def test_each_copy_is_the_mean_of_the_one_before(ground: Ground) -> None:
    for number in range(len(ground.starts) - 1):
        fine, coarse = bytes_of(level(ground, number)), bytes_of(level(ground, number + 1))
        mean = fine.reshape(coarse.shape[0], 2, coarse.shape[1], 2, 4).mean((1, 3))
        assert np.abs(mean - coarse).max() <= 0.5


def test_road_and_verge_lie_where_the_drive_says(ground: Ground, drive: RoadMotion) -> None:
    texels = bytes_of(level(ground, 0))

    def colour(left_m: float) -> np.ndarray:
        places = drive.beside(np.arange(0.0, 30.0, 0.5), left_m)
        columns, rows = ((places - ground.origin) / ground.texel_m).astype(int).T
        return np.median(texels[rows, columns, :3], 0)

    asphalt, verge = (GROUNDS["suburb"][kind][0] for kind in ("asphalt", "verge"))
    assert colour(0.3) == pytest.approx(asphalt, abs=25)
    assert colour(-12.0) == pytest.approx(verge, abs=25)
    assert colour(16.0) == pytest.approx(verge, abs=25)


def test_contrast_is_what_was_asked_for(drive: RoadMotion) -> None:
    def spread(contrast: float) -> float:
        ground = draw_ground(np.random.default_rng(2), drive, (0.0, 60.0), "town", contrast, 0.25)
        places = np.concatenate(
            [drive.beside(np.arange(0.0, 60.0, 0.1), left_m) for left_m in (-3.2, 0.5, 5)]
        )
        columns, rows = ((places - ground.origin) / ground.texel_m).astype(int).T
        values = bytes_of(level(ground, 0))[rows, columns, 0]
        return float(values[values < 150].std())  # markings are brighter

    assert spread(6.0) == pytest.approx(10.0, abs=5.0)  # patches add to it
    assert spread(18.0) > 1.6 * spread(6.0)


def test_noise_tiles_and_has_large_spots_too() -> None:
    tile = tile_of_noise(np.random.default_rng(0), 256, (1.0, 16.0))
    assert (tile.mean(), tile.std()) == pytest.approx((0.0, 1.0), abs=1e-4)
    inner = np.abs(np.diff(tile, axis=1)).mean()
    seam = np.abs(tile[:, 0] - tile[:, -1]).mean()
    assert seam == pytest.approx(inner, rel=0.3)
    blurred = tile.reshape(16, 16, 16, 16).mean((1, 3))
    assert blurred.std() > 0.4


def test_hills_stand_on_the_horizon_under_a_sky() -> None:
    sky = bytes_of(draw_sky(np.random.default_rng(0), (200, 210, 230), (100, 110, 90))).reshape(256, 4096, 4)
    assert (sky[0, :, :3] == (100, 110, 90)).all()
    assert (sky[40:, :, 2] > 150).all()
