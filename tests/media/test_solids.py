"""Drawn solids against what geometry says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rushes.media.solids import MARGIN, Look, Solid, extent, render, turned
from rushes.media.surfaces import COLOURS, MATERIALS, SHADERS, Surface

PLAIN = Surface("plastic", (0.8, 0.1, 0.1))
FRONT = Look(0.0, 0.0)


def covered(solids: list[Solid], look: Look = FRONT, side: int = 128) -> float:
    """Area that solids cover, in squares of the longest side of their box as it is seen."""
    _, mask = render(solids, [PLAIN], look, side)
    return float(mask.sum() / 255 / side**2 * MARGIN**2)


@pytest.mark.parametrize(
    ("solid", "area"),
    [
        (Solid("box", (0, 0, 0), (1, 1, 1)), 1.0),
        (Solid("box", (3, 2, 1), (2, 1, 1)), 0.5),
        (Solid("round", (0, 0, 0), (1, 1, 1)), math.pi / 4),
        (Solid("round", (0, 0, 0), (1, 3, 0.5)), math.pi / 8),
        (Solid("tube", (0, 0, 0), (1, 1, 1)), 1.0),
        (Solid("tube", (0, 0, 0), (1, 1, 1), taper=0.0), 0.5),
        (Solid("tube", (0, 0, 0), (1, 1, 1), taper=0.5), 0.75),
        (Solid("tube", (0, 0, 0), (1, 1, 0.2), turn=turned(x=90)), math.pi / 4),
    ],
)
def test_a_solid_covers_the_area_of_its_outline(solid, area):
    assert covered([solid]) == pytest.approx(area, abs=0.012)


def test_a_cube_from_above_and_from_a_corner():
    cube = [Solid("box", (0, 0, 0), (1, 1, 1))]
    assert covered(cube, Look(0.0, 89.9)) == pytest.approx(1.0, abs=0.02)
    reach = math.sqrt(2)  # of a cube seen over its edge
    assert covered(cube, Look(45.0, 0.0)) == pytest.approx(reach / reach**2, abs=0.012)


def test_a_cone_seen_along_its_side_is_whole():
    cone = [Solid("tube", (0, 0, 0), (1, 1, 1), taper=0.0)]
    along, beside = (covered(cone, Look(0.0, elevation)) for elevation in (math.degrees(math.atan(2)), 60.0))
    assert along == pytest.approx(beside, abs=0.05)


def test_what_is_nearer_hides_what_is_behind_whatever_the_order():
    near = Solid("box", (0, -2, 0), (1, 1, 1), 0)
    far = Solid("box", (0, 2, 0), (1, 1, 1), 1)
    other = Surface("plastic", (0.1, 0.1, 0.8))
    for solids in ([near, far], [far, near]):
        picture, _ = render(solids, [PLAIN, other], FRONT, 32)
        red, _, blue = picture[16, 16].astype(int)
        assert red > blue + 60


def test_the_lamp_is_above():
    picture, _ = render([Solid("round", (0, 0, 0), (1, 1, 1))], [PLAIN], FRONT, 64)
    assert picture[14, 28].sum() > picture[52, 36].sum() + 60


def test_the_box_around_solids_holds_turned_ones():
    low, high = extent(
        [Solid("box", (1, 0, 0), (2, 1, 1), turn=turned(z=90)), Solid("round", (0, 0, 2), (1, 1, 1))]
    )
    assert low.tolist() == pytest.approx([-0.5, -1.0, -0.5])
    assert high.tolist() == pytest.approx([1.5, 1.0, 2.5])


@pytest.mark.parametrize("material", MATERIALS)
def test_every_material_keeps_its_colour_apart_and_has_a_grain_of_its_own(material):
    solids = [Solid("box", (0, 0, 0), (1, 1, 1)), Solid("round", (0.2, -0.5, 0.4), (0.8, 0.8, 0.8))]
    pictures = {
        name: render(solids, [Surface(material, rgb)], Look(30, 25), 48)[0].astype(int)
        for name, rgb in COLOURS.items()
    }
    red, blue = pictures["red"].mean(axis=(0, 1)), pictures["blue"].mean(axis=(0, 1))
    assert red[0] - red[2] > 8
    assert blue[2] - blue[0] > 8
    plain, mask = render(solids, [Surface("plastic", COLOURS["red"])], Look(30, 25), 48)
    assert material == "plastic" or np.abs(pictures["red"] - plain)[mask == 255].mean() > 5
    assert set(SHADERS) == set(MATERIALS)
