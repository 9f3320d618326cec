"""How materials look in drawn pictures: colour, grain and shine of a surface under one lamp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

Material = Literal["wood", "metal", "plastic", "glass", "marble", "leather", "fabric", "velvet", "rattan"]
MATERIALS: tuple[Material, ...] = get_args(Material)

Colour = Literal[
    "white",
    "black",
    "grey",
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "beige",
]
COLOURS: Mapping[Colour, tuple[float, float, float]] = {
    "white": (0.93, 0.93, 0.92),
    "black": (0.11, 0.11, 0.12),
    "grey": (0.50, 0.51, 0.53),
    "red": (0.78, 0.12, 0.12),
    "orange": (0.93, 0.48, 0.08),
    "yellow": (0.94, 0.80, 0.15),
    "green": (0.15, 0.52, 0.24),
    "blue": (0.12, 0.30, 0.72),
    "purple": (0.46, 0.20, 0.60),
    "pink": (0.93, 0.55, 0.68),
    "brown": (0.42, 0.25, 0.13),
    "beige": (0.83, 0.73, 0.57),
}
"""RGB, 0 to 1."""

_LAMP = np.array([-0.45, 0.62, 0.64], np.float32)
_HALF = (_LAMP + np.array([0, 0, 1], np.float32)) / np.linalg.norm(_LAMP + np.array([0, 0, 1]))


@dataclass(frozen=True, slots=True)
class Surface:
    """What a part of a thing is made of.

    Attributes:
        material: how it reflects.
        rgb: its colour, 0 to 1.
        phase: shifts the grain, so that two boards are not alike.
    """

    material: Material
    rgb: tuple[float, float, float]
    phase: float = 0.0


Shader = Callable[[Surface, Array, Array, Array], Array]
"""Surface, places (3, n) in lengths of the thing with the longest axis of the solid first, normals (3, n) towards the
camera's axes, and RGB behind (3, n) -> RGB (3, n)."""


def _lit(surface: Surface, normal: Array, pattern: Array | float, shine: float, gloss: float) -> Array:
    """Lambert with soft light from all around, and a highlight (Blinn 1977).

    Args:
        surface, normal: as of `Shader`.
        pattern: what the colour is multiplied by, (n,).
        shine: strength of the highlight.
        gloss: its exponent.
    """
    light = 0.46 + 0.60 * np.maximum(_LAMP @ normal, 0)
    spot = shine * np.maximum(_HALF @ normal, 0) ** gloss if shine else np.float32(0)
    colours: Array = np.asarray(surface.rgb, np.float32)[:, None] * (light * pattern) + spot
    return colours


def _wood(surface: Surface, own: Array, normal: Array, behind: Array) -> Array:
    rings = np.sin(46 * (own[1] + own[2]) + 5 * np.sin(7 * own[0] + surface.phase) + surface.phase)
    return _lit(surface, normal, 0.90 + 0.20 * rings, 0.06, 12)


def _metal(surface: Surface, own: Array, normal: Array, behind: Array) -> Array:
    mirrored = np.sin(5.5 * normal[1] + 3.5 * normal[0] + 6 * own[0] + surface.phase)
    return _lit(surface, normal, 0.74 + 0.42 * mirrored, 0.62, 22)


def _plastic(surface: Surface, own: Array, normal: Array, behind: Array) -> Array:
    return _lit(surface, normal, 1.08, 0.30, 60)


def _glass(surface: Surface, own: Array, normal: Array, behind: Array) -> Array:
    rim = (1 - np.abs(normal[2])) ** 2
    streak = np.sin(16 * (own[0] + own[1] + own[2]) + surface.phase) > 0.86
    tint = 0.62 * behind + 0.38 * np.asarray(surface.rgb, np.float32)[:, None]
    return np.asarray(tint + 0.30 * rim + 0.28 * streak + 0.5 * np.maximum(_HALF @ normal, 0) ** 40)


def _marble(surface: Surface, own: Array, normal: Array, behind: Array) -> Array:
    wave = 9 * own[0] + 14 * own[1] + 11 * own[2] + 2.6 * np.sin(13 * own[1] - 8 * own[0] + surface.phase)
    vein = np.exp(-14 * np.abs(np.sin(wave + surface.phase)))
    towards = 0.55 if sum(surface.rgb) < 1.2 else -0.55  # veins are light on dark stone
    return np.asarray(_lit(surface, normal, 1.02, 0.22, 40) + towards * vein)


def _leather(surface: Surface, own: Array, normal: Array, behind: Array) -> Array:
    buttons = np.sin(24 * (own[0] + own[1])) * np.sin(24 * (own[0] - own[1]))
    folds = 0.94 + 0.10 * np.sin(19 * own[0] + 3 * np.sin(23 * own[1] + surface.phase))
    return _lit(surface, normal, folds - 0.40 * (np.abs(buttons) < 0.10), 0.34, 14)


def _fabric(surface: Surface, own: Array, normal: Array, behind: Array) -> Array:
    weave = np.sin(88 * own[0]) * np.sin(88 * (own[1] + own[2]))
    return _lit(surface, normal, 0.98 + 0.17 * np.sign(weave), 0.0, 1)


def _velvet(surface: Surface, own: Array, normal: Array, behind: Array) -> Array:
    pile = np.sin(8 * own[0] + 3 * np.sin(9 * own[1] + surface.phase)) * np.sin(7 * own[2] + 5 * own[1])
    rim = 0.75 * (1 - np.maximum(normal[2], 0)) ** 1.5
    return _lit(surface, normal, 0.72 + 0.30 * pile + rim, 0.0, 1)


def _rattan(surface: Surface, own: Array, normal: Array, behind: Array) -> Array:
    x, y = 30 * own[0], 30 * (own[1] + own[2])
    over = (np.floor(x / np.pi) + np.floor(y / np.pi)) % 2
    strand = np.where(over == 0, np.abs(np.sin(x)), np.abs(np.sin(y)))
    return _lit(surface, normal, 0.45 + 0.70 * strand, 0.0, 1)


SHADERS: Mapping[Material, Shader] = {
    "wood": _wood,
    "metal": _metal,
    "plastic": _plastic,
    "glass": _glass,
    "marble": _marble,
    "leather": _leather,
    "fabric": _fabric,
    "velvet": _velvet,
    "rattan": _rattan,
}
