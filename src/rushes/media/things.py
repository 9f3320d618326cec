"""What drawn things of both domains share: how solids are put together, coloured and photographed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rushes.media.solids import Look, Solid, turned
from rushes.media.surfaces import COLOURS, Colour, Material, Surface

T = TypeVar("T")
Triple = tuple[float, float, float]

FINISHES: Mapping[Material, tuple[Colour, ...]] = {
    "wood": ("brown", "beige", "white", "black", "grey", "red", "green", "blue", "yellow"),
    "metal": ("grey", "black", "white", "red", "blue", "green", "orange", "yellow"),
    "plastic": ("white", "red", "orange", "yellow", "green", "blue", "purple", "pink", "black"),
    "glass": ("grey", "blue", "green", "purple", "pink", "orange"),
    "marble": ("white", "black", "green", "beige", "pink", "grey"),
    "leather": ("brown", "black", "beige", "red", "white", "green", "orange"),
    "fabric": ("grey", "beige", "blue", "green", "red", "yellow", "orange", "pink", "purple", "white"),
    "velvet": ("purple", "green", "blue", "pink", "red", "orange", "grey", "yellow"),
    "rattan": ("beige", "brown", "black", "white", "grey"),
}
"""Material -> colours that it comes in."""


@dataclass(frozen=True, slots=True)
class Finish:
    """What a thing is made of, and in which colour."""

    material: Material
    colour: Colour

    def surface(self, rng: np.random.Generator) -> Surface:
        """As it is drawn, a shade off."""
        shade = rng.normal(1.0, 0.05, 3) * rng.uniform(0.9, 1.08)
        red, green, blue = (
            float(value) for value in np.clip(np.asarray(COLOURS[self.colour]) * shade, 0.0, 1.0)
        )
        return Surface(self.material, (red, green, blue), float(rng.uniform(0, 6)))


def finish(rng: np.random.Generator, materials: Sequence[Material]) -> Finish:
    """One of ``materials`` in one of its colours."""
    material = materials[int(rng.integers(len(materials)))]
    return Finish(material, pick(rng, FINISHES[material]))


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of ``choices``, each as often."""
    return choices[int(rng.integers(len(choices)))]


def box(at: Triple, size: Triple, surface: int = 0, **turn: float) -> Solid:
    """A box; ``turn`` in degrees about ``x``, ``y`` and ``z``."""
    return Solid("box", at, size, surface, turned(**turn) if turn else None)


def ball(at: Triple, size: Triple, surface: int = 0, **turn: float) -> Solid:
    """An ellipsoid."""
    return Solid("round", at, size, surface, turned(**turn) if turn else None)


def tube(at: Triple, size: Triple, surface: int = 0, taper: float = 1.0, **turn: float) -> Solid:
    """A cylinder along its own z, or a cone."""
    return Solid("tube", at, size, surface, turned(**turn) if turn else None, taper)


_PALE: tuple[Triple, ...] = ((0.93, 0.94, 0.96), (0.96, 0.93, 0.88), (0.90, 0.94, 0.90), (0.86, 0.86, 0.88))
_FLOORS: tuple[Triple, ...] = ((0.72, 0.62, 0.50), (0.62, 0.62, 0.64), (0.80, 0.76, 0.70))


def look(rng: np.random.Generator, *, turned_by: float = 0.0, studio: float = 0.6) -> Look:
    """A camera somewhat from above and from one side.

    Args:
        rng: of the draw.
        turned_by: degrees about the thing, for a further view of it.
        studio: how often the background is white.
    """
    side = float(rng.choice([-1, 1]) * rng.uniform(18, 48))
    elevation = float(rng.uniform(12, 34))
    if rng.random() < studio:
        return Look(side + turned_by, elevation)
    floor = pick(rng, _FLOORS) if rng.random() < 0.6 else None
    return Look(side + turned_by, elevation, pick(rng, _PALE), floor, float(rng.uniform(0.3, 0.5)))
