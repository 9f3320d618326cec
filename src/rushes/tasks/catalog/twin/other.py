"""Another domain than the shop's: other types of thing in the same colours and materials, with words from the web.

The tiny base is pretrained on it, and what training on the shop makes a model forget is measured on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rushes.media.solids import Solid, render
from rushes.media.surfaces import MATERIALS, Material
from rushes.runs.drawing import seeded
from rushes.tasks.catalog.twin.things import Finish, ball, box, finish, look, pick, tube

Parts = list[Solid]
"""Of a thing: surface 0 is what it is called by, 1 is beside it."""


def _wheels(xs: tuple[float, ...], width: float, across: float) -> Parts:
    return [tube((x, y, across / 2), (across, across, 0.12), 1, x=90) for x in xs for y in (-width, width)]


def _car() -> Parts:
    body = [box((0, 0, 0.45), (2.0, 0.85, 0.4)), box((-0.1, 0, 0.8), (1.0, 0.75, 0.35))]
    return [*body, box((-0.1, 0, 0.8), (0.8, 0.78, 0.22), 1), *_wheels((-0.6, 0.6), 0.42, 0.46)]


def _truck() -> Parts:
    body = [box((0.3, 0, 0.95), (1.7, 0.95, 1.1)), box((-0.95, 0, 0.7), (0.6, 0.9, 0.7))]
    return [*body, box((-1.0, 0, 0.85), (0.55, 0.92, 0.25), 1), *_wheels((-0.9, 0.1, 0.8), 0.44, 0.5)]


def _boat() -> Parts:
    hull = [ball((0, 0, 0.25), (2.2, 0.8, 0.7)), box((0, 0, 0.45), (1.5, 0.6, 0.2))]
    return [*hull, tube((0, 0, 1.1), (0.07, 0.07, 1.4), 1), box((0.35, 0, 1.15), (0.62, 0.03, 0.95), 1)]


def _rocket() -> Parts:
    fins = [box((0.3 * s, 0, 0.3), (0.35, 0.06, 0.5), 1, y=20 * s) for s in (-1, 1)]
    return [tube((0, 0, 0.9), (0.5, 0.5, 1.2)), tube((0, 0, 1.75), (0.5, 0.5, 0.5), 1, 0.05), *fins]


def _house() -> Parts:
    roof = [box((0.32 * s, 0, 1.25), (0.95, 1.3, 0.08), 1, y=38 * s) for s in (-1, 1)]
    door = [box((0, -0.56, 0.35), (0.25, 0.03, 0.6), 1), box((0.38, -0.56, 0.6), (0.2, 0.03, 0.2), 1)]
    return [box((0, 0, 0.5), (1.2, 1.1, 1.0)), box((0, 0, 1.12), (0.62, 1.08, 0.45), 0, y=45), *roof, *door]


def _tower() -> Parts:
    teeth = [box((x, y, 2.15), (0.2, 0.2, 0.25)) for x in (-0.32, 0.32) for y in (-0.32, 0.32)]
    return [tube((0, 0, 1.0), (0.9, 0.9, 2.0), 0, 0.85), *teeth, box((0, -0.42, 0.4), (0.3, 0.08, 0.7), 1)]


def _tree() -> Parts:
    crown = [tube((0, 0, 0.7 + 0.4 * n), (1.2 - 0.3 * n, 1.2 - 0.3 * n, 0.7), 0, 0.05) for n in range(3)]
    return [*crown, tube((0, 0, 0.25), (0.2, 0.2, 0.5), 1)]


def _dog() -> Parts:
    legs = [tube((x, y, 0.25), (0.16, 0.16, 0.5)) for x in (-0.4, 0.4) for y in (-0.15, 0.15)]
    head = [ball((0.65, 0, 1.0), (0.42, 0.38, 0.4)), ball((0.87, 0, 0.94), (0.25, 0.2, 0.2), 1)]
    ears = [ball((0.58, y, 1.1), (0.14, 0.1, 0.35), 1) for y in (-0.2, 0.2)]
    return [
        ball((0, 0, 0.65), (1.2, 0.5, 0.5)),
        *legs,
        *head,
        *ears,
        tube((-0.62, 0, 0.9), (0.1, 0.1, 0.5), y=-35),
    ]


def _duck() -> Parts:
    return [
        ball((0, 0, 0.4), (1.1, 0.75, 0.7)),
        ball((0.4, 0, 0.95), (0.5, 0.46, 0.48)),
        tube((0.72, 0, 0.92), (0.2, 0.25, 0.3), 1, 0.4, y=90),
        ball((-0.55, 0, 0.6), (0.4, 0.3, 0.2), y=30),
    ]


def _fish() -> Parts:
    tail = [box((-0.85, 0, 0.6 + 0.16 * s), (0.5, 0.06, 0.2), 1, y=35 * s) for s in (-1, 1)]
    return [ball((0, 0, 0.6), (1.5, 0.4, 0.75)), *tail, box((0, 0, 1.0), (0.5, 0.05, 0.22), 1, y=-12)]


def _apple() -> Parts:
    halves = [ball((0.12 * s, 0, 0.5), (0.85, 0.95, 0.95)) for s in (-1, 1)]
    return [
        *halves,
        tube((0, 0, 1.03), (0.06, 0.06, 0.3), 1, y=12),
        ball((0.2, 0, 1.1), (0.3, 0.14, 0.06), 1),
    ]


def _pear() -> Parts:
    return [
        ball((0, 0, 0.45), (0.95, 0.95, 0.9)),
        ball((0, 0, 0.95), (0.55, 0.55, 0.8)),
        tube((0, 0, 1.4), (0.06, 0.06, 0.3), 1, y=12),
    ]


def _mushroom() -> Parts:
    return [tube((0, 0, 0.3), (0.4, 0.4, 0.6), 1, 0.8), tube((0, 0, 0.75), (1.2, 1.2, 0.45), 0, 0.35)]


def _hammer() -> Parts:
    head = [box((0, 0, 1.5), (0.7, 0.25, 0.28)), tube((0.42, 0, 1.5), (0.34, 0.34, 0.16), 0, y=90)]
    return [tube((0, 0, 0.75), (0.16, 0.16, 1.5), 1), *head]


def _robot() -> Parts:
    limbs = [box((0.48 * s, 0, 0.75), (0.15, 0.2, 0.6), 1) for s in (-1, 1)]
    limbs += [box((0.2 * s, 0, 0.2), (0.2, 0.25, 0.4), 1) for s in (-1, 1)]
    eyes = [ball((0.13 * s, -0.23, 1.4), (0.12, 0.1, 0.12), 1) for s in (-1, 1)]
    return [box((0, 0, 0.75), (0.75, 0.45, 0.7)), box((0, 0, 1.36), (0.55, 0.45, 0.4)), *limbs, *eyes]


def _snowman() -> Parts:
    balls = [ball((0, 0, z), (d, d, d)) for z, d in ((0.45, 0.95), (1.05, 0.7), (1.5, 0.48))]
    hat = [tube((0, 0, 1.85), (0.36, 0.36, 0.36), 1), tube((0, 0, 1.7), (0.6, 0.6, 0.05), 1)]
    return balls + hat + [tube((0, -0.35, 1.5), (0.1, 0.1, 0.3), 1, 0.05, x=90)]


def _cup() -> Parts:
    grip = [
        tube((0.62, 0, 0.5), (0.1, 0.1, 0.5)),
        *(tube((0.5, 0, z), (0.1, 0.1, 0.3), y=90) for z in (0.28, 0.72)),
    ]
    return [tube((0, 0, 0.5), (0.75, 0.75, 1.0), 0, 1.2), tube((0, 0, 0.99), (0.78, 0.78, 0.05), 1), *grip]


def _guitar() -> Parts:
    body = [ball((0, 0, 0.45), (1.0, 0.25, 0.9)), ball((0, 0, 0.95), (0.75, 0.25, 0.7))]
    neck = [box((0, -0.06, 1.6), (0.14, 0.1, 1.2), 1), box((0, -0.06, 2.25), (0.25, 0.1, 0.3), 1)]
    return [*body, tube((0, -0.12, 0.75), (0.3, 0.3, 0.06), 1, x=90), *neck]


TYPES: Mapping[str, Callable[[], Parts]] = {
    "car": _car,
    "truck": _truck,
    "boat": _boat,
    "rocket": _rocket,
    "house": _house,
    "tower": _tower,
    "tree": _tree,
    "dog": _dog,
    "duck": _duck,
    "fish": _fish,
    "apple": _apple,
    "pear": _pear,
    "mushroom": _mushroom,
    "hammer": _hammer,
    "robot": _robot,
    "snowman": _snowman,
    "cup": _cup,
    "guitar": _guitar,
}

_CAPTIONS = (
    "a photo of a {colour} {material} {kind}",
    "{colour} {kind} made of {material}",
    "my new {material} {kind}, it is {colour}",
    "{kind} in {colour} {material}",
    "cute {colour} {kind}",
    "{material} {kind} toy",
    "{kind} {colour} {material} img {number}",
    "{colour} {material} {kind} for sale, like new",
    "look at this {colour} {material} {kind}!",
    "{number} {material} {kind} ({colour})",
)


_BESIDE: tuple[Material, ...] = ("metal", "plastic", "wood")


@dataclass(frozen=True, slots=True)
class Thing:
    """Something of this domain.

    Attributes:
        kind: one of `TYPES`.
        made: what it is called by; ``beside`` is what else it has.
        caption: words that somebody wrote beside its picture: most of what can be said, in any order.
    """

    kind: str
    made: Finish
    beside: Finish
    caption: str


def thing(seed: int, name: str) -> Thing:
    """The thing of this name; another seed is another draw."""
    rng = seeded(seed, "thing", name)
    kind, made, beside = pick(rng, list(TYPES)), finish(rng, MATERIALS), finish(rng, _BESIDE)
    caption = pick(rng, _CAPTIONS).format(
        kind=kind, colour=made.colour, material=made.material, number=int(rng.integers(100, 10_000))
    )
    return Thing(kind, made, beside, caption)


def picture(seed: int, name: str, side_px: int) -> NDArray[np.uint8]:
    """RGB of the thing of this name, uint8 (side_px, side_px, 3)."""
    what, rng = thing(seed, name), seeded(seed, "picture", name)
    surfaces = [what.made.surface(rng), what.beside.surface(rng)]
    drawn, _ = render(TYPES[what.kind](), surfaces, look(rng), side_px)
    return drawn


def pairs(count: int, side_px: int, seed: int) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Pictures uint8 (side_px, side_px, 3) with the words beside them; the same for the same arguments.

    Args:
        count: how many.
        side_px: side of the square, in pixels.
        seed: of the draw; each pair depends on it and its own number alone.
    """
    names = (f"pair{number}" for number in range(count))  # no name of the twin's: those are asked about
    return ((picture(seed, name, side_px), thing(seed, name).caption) for name in names)
