"""The twin of operations, its looks: how persons, benches and cameras differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rushes.runs.drawing import seeded
from rushes.tasks.operations.twin.script import TwinSettings

Colour = tuple[int, int, int]
Point = tuple[float, float]

CENTRE: Point = (320.0, 240.0)
"""Middle of the canonical picture of 640 x 480."""


@dataclass(frozen=True, slots=True)
class Look:
    """What stays the same all through a session.

    Attributes:
        mirrored: left-handed person at a mirrored bench.
        zoom, shift: of the camera, against the canonical picture; shift in canonical pixels.
        gain: of the light; all colours are multiplied by it.
        prop_scale: size of small props (tools, labels), smaller when it is difficult.
        spread: offsets (canonical pixels) of printer, goods and racks against their places.
        noise: standard deviation of the sensor's noise, in grey levels of 255.
        bench, wall, curtain, shirt, hair, skin, glove, carton, form, dispenser: colours.
        goods: colours of the goods.
    """

    mirrored: bool
    zoom: float
    shift: Point
    gain: float
    prop_scale: float
    spread: Point
    noise: float
    bench: Colour
    wall: Colour
    curtain: Colour
    shirt: Colour
    hair: Colour
    skin: Colour
    glove: Colour
    carton: Colour
    form: Colour
    dispenser: Colour
    goods: tuple[Colour, Colour, Colour]


BENCHES = (
    (214, 140, 84),
    (196, 196, 190),
    (176, 150, 112),
    (120, 146, 160),
    (150, 164, 136),
    (206, 176, 128),
)
WALLS = ((170, 176, 180), (188, 182, 170), (150, 164, 176), (176, 184, 168), (160, 156, 164))
SHIRTS = (
    (112, 56, 84),
    (52, 76, 128),
    (60, 104, 74),
    (150, 70, 52),
    (84, 84, 92),
    (92, 62, 128),
    (44, 108, 116),
)
HAIRS = ((34, 30, 30), (66, 46, 34), (96, 72, 50), (52, 52, 56))
SKINS = ((226, 184, 156), (198, 150, 118), (150, 104, 78), (236, 200, 176))
GLOVES = ((236, 236, 236), (232, 226, 206), (206, 222, 236))
CARTONS = ((190, 142, 86), (176, 128, 78), (202, 156, 104))
FORMS = ((244, 170, 196), (248, 182, 186), (236, 164, 206))
DISPENSERS = ((206, 40, 36), (220, 66, 30), (190, 30, 56))
GOODS = (
    ((40, 92, 190), (228, 190, 40), (60, 150, 80)),
    ((60, 120, 200), (214, 120, 40), (130, 70, 150)),
    ((40, 140, 150), (230, 200, 60), (190, 70, 60)),
)


def look_of(person: str, number: int, session: str, settings: TwinSettings) -> Look:
    """Colours and bench belong to the person; each session moves the camera and the light a little.

    Args:
        person: seeds the looks, so both ids of a person look alike.
        number: of the person; every second one is left-handed.
        session: moves the camera.
        settings: the difficulty scales all differences.
    """
    rng = seeded(settings.seed, "look", person)
    camera = seeded(settings.seed, "camera", person, session)
    vary = 2.0 * settings.difficulty

    def pick(choices: Sequence[Colour]) -> Colour:
        usual, own = np.array(choices[0]), np.array(choices[int(rng.integers(len(choices)))])
        mixed = usual + min(1.0, 1.2 * settings.difficulty) * (own - usual) + rng.normal(0.0, 4.0 * vary, 3)
        red, green, blue = np.clip(mixed, 16, 244).astype(int).tolist()
        return red, green, blue

    def about(width: float, source: np.random.Generator = rng) -> float:
        return float(source.uniform(-width, width)) * vary

    goods = GOODS[int(rng.integers(len(GOODS)))]
    return Look(
        mirrored=number % 2 == 1,
        zoom=1.0 + about(0.05) + about(0.01, camera),
        shift=(about(12.0) + about(3.0, camera), about(7.0) + about(2.0, camera)),
        gain=1.0 + about(0.08) + about(0.02, camera),
        prop_scale=1.4 - 0.5 * settings.difficulty,
        spread=(about(12.0), about(6.0)),
        noise=5.0 * settings.difficulty,
        bench=pick(BENCHES),
        wall=pick(WALLS),
        curtain=pick(WALLS),
        shirt=pick(SHIRTS),
        hair=pick(HAIRS),
        skin=pick(SKINS),
        glove=pick(GLOVES),
        carton=pick(CARTONS),
        form=pick(FORMS),
        dispenser=pick(DISPENSERS),
        goods=(pick(goods[:1]), pick(goods[1:2]), pick(goods[2:])),
    )
