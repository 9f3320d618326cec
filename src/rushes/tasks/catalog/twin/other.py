"""Another domain than the shop's: other types of thing in the same colours and materials, with words from the web.

The tiny base is pretrained on it, and what training on the shop makes a model forget is measured on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import cast

import numpy as np
import yaml
from numpy.typing import NDArray

from rushes.media.solids import Shape, Solid, render, turned
from rushes.media.surfaces import MATERIALS, Material
from rushes.media.things import Finish, finish, look, pick
from rushes.runs.drawing import seeded

_BESIDE: tuple[Material, ...] = ("metal", "plastic", "wood")

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


def _solid(text: str) -> Solid:
    """A solid as ``other.yaml`` writes it."""
    shape, *words = text.split()
    x, y, z, width, depth, height = map(float, words[:6])
    further = {name: float(value) for name, value in (word.split("=") for word in words[7:])}
    taper = further.pop("taper", 1.0)
    turn = turned(**further) if further else None
    return Solid(cast(Shape, shape), (x, y, z), (width, depth, height), int(words[6]), turn, taper)


TYPES: Mapping[str, tuple[Solid, ...]] = {
    kind: tuple(map(_solid, lines))
    for kind, lines in yaml.safe_load(files(__package__).joinpath("other.yaml").read_text("utf-8")).items()
}
"""By the word for it."""


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
    drawn, _ = render(TYPES[what.kind], surfaces, look(rng), side_px)
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
