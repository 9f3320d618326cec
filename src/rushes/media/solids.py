"""Pictures of drawn things: boxes, ellipsoids and tubes, cast by parallel rays into a picture with depth.

Every solid is a unit shape under an affine map, so that a ray meets it where a formula says: no triangles, no holes,
and true normals. A picture of 96 x 96 pixels with a dozen solids takes about 5 ms of one core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rushes.media.surfaces import SHADERS, Surface

Array = NDArray[np.float32]
Shape = Literal["box", "round", "tube"]

OVERSAMPLED = 2
"""Rays a pixel in each direction; edges are smooth that way."""

MARGIN = 1.12
"""Side of the picture in lengths of what is drawn."""

_FLAT = 1e-5
_UPRIGHT = np.eye(3)
_ON_LID = 1e-3


@dataclass(frozen=True, slots=True)
class Solid:
    """A convex piece of a thing, in metres; x to the right, y away from the beholder, z up.

    Attributes:
        shape: ``round`` is an ellipsoid; ``tube`` stands along its own z.
        at: its centre.
        size: along its own x, y and z.
        surface: place of its surface among those of the thing.
        turn: rotation about the centre, (3, 3) rows; None leaves it upright.
        taper: width of a tube at its top in widths at its bottom; 0 is a cone.
    """

    shape: Shape
    at: tuple[float, float, float]
    size: tuple[float, float, float]
    surface: int = 0
    turn: tuple[tuple[float, float, float], ...] | None = None
    taper: float = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """How a thing is photographed.

    Attributes:
        azimuth, elevation: where the camera stands, in degrees: 0, 0 is before it, 90, 0 to its right.
        backdrop: RGB of the wall, 0 to 1.
        floor: RGB of the floor; None is a studio without an edge.
        horizon: height at which wall and floor meet, 0 (bottom) to 1.
    """

    azimuth: float
    elevation: float
    backdrop: tuple[float, float, float] = (1.0, 1.0, 1.0)
    floor: tuple[float, float, float] | None = None
    horizon: float = 0.45


def turned(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> tuple[tuple[float, float, float], ...]:
    """Rotation by these angles in degrees about the axes, x first."""
    (cx, sx), (cy, sy), (cz, sz) = (
        (math.cos(math.radians(angle)), math.sin(math.radians(angle))) for angle in (x, y, z)
    )
    return (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        (-sy, cy * sx, cy * cx),
    )


def extent(solids: Sequence[Solid]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corner of the box around all solids, each (3,) in metres."""
    halves = np.array([_reach(solid, _UPRIGHT) for solid in solids])
    centres = np.array([solid.at for solid in solids])
    return (centres - halves).min(axis=0), (centres + halves).max(axis=0)


def render(
    solids: Sequence[Solid], surfaces: Sequence[Surface], look: Look, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a thing in the middle of a square.

    Args:
        solids: at least one.
        surfaces: by the places that solids name.
        look: camera and background.
        side: of the picture, in pixels.

    Returns:
        RGB (side, side, 3), and how much of each pixel the thing covers, (side, side), 0 to 255.
    """
    camera = _camera(look)
    low, high = extent(solids)
    middle = camera @ (low + high) / 2
    reach = np.abs(camera) @ (high - low) / 2
    scale = MARGIN * float(max(reach[:2])) * 2 / (side * OVERSAMPLED)
    canvas = _Canvas(side * OVERSAMPLED, scale, middle, camera, float(max(high - low)))
    for solid in solids:
        canvas.cast(solid)
    colours = canvas.background(look, low, high)
    canvas.shade(colours, surfaces)
    seen = (canvas.met >= 0).astype(np.float32)
    picture = _shrunk(colours)
    return (
        np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy(),
        (_shrunk(seen[None])[0] * 255 + 0.5).astype(np.uint8),
    )


class _Cast(NamedTuple):
    """A solid as the rays see it: its own coordinates of a place are ``to_own @ (right, up, depth) - shift``.

    Attributes:
        rows, columns: of the canvas that it can be in.
        to_own: (3, 3); unit lengths are half of the solid's.
        shift: (3,).
        to_camera: of normals, (3, 3).
        half: of its lengths along its own axes, (3,), metres.
    """

    solid: Solid
    rows: slice
    columns: slice
    to_own: Array
    shift: Array
    to_camera: Array
    half: Array


class _Canvas:
    """What each ray has met so far."""

    def __init__(
        self, pixels: int, scale: float, middle: NDArray[np.float64], camera: NDArray[np.float64], size: float
    ) -> None:
        self.pixels, self.camera, self.size = pixels, camera, size
        centred = (np.arange(pixels) + 0.5 - pixels / 2) * scale
        self.right = (middle[0] + centred).astype(np.float32)  # (W,), metres
        self.up = (middle[1] - centred).astype(np.float32)  # (H,), from the top down
        self.depth = np.full((pixels, pixels), -np.inf, np.float32)
        self.met = np.full((pixels, pixels), -1, np.int16)  # place of the nearest solid
        self.casts: list[_Cast] = []

    def cast(self, solid: Solid) -> None:
        """Let the rays meet one more solid."""
        centre, reach = self.camera @ np.asarray(solid.at), _reach(solid, self.camera)
        rows = _within(-self.up, -centre[1], reach[1])
        columns = _within(self.right, centre[0], reach[0])
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        half = np.maximum(np.asarray(solid.size), 1e-4) / 2
        turn = _UPRIGHT if solid.turn is None else np.asarray(solid.turn)
        to_own = (turn.T / half[:, None]) @ self.camera.T
        to_own[:, 2] = np.where(np.abs(to_own[:, 2]) < _FLAT, _FLAT, to_own[:, 2])
        to_camera = (self.camera @ (turn / half)).astype(np.float32)
        shift = (to_own @ centre).astype(np.float32)
        cast = _Cast(
            solid, rows, columns, to_own.astype(np.float32), shift, to_camera, half.astype(np.float32)
        )
        across, up = self.right[columns], self.up[rows]
        flat = [  # own coordinates of each ray where its depth is 0, (h, w) each
            (cast.to_own[axis, 1] * up)[:, None] + (cast.to_own[axis, 0] * across - shift[axis])[None, :]
            for axis in range(3)
        ]
        depth = _MEET[solid.shape](flat, cast.to_own[:, 2], solid.taper)
        nearer = depth > self.depth[rows, columns]
        np.copyto(self.depth[rows, columns], depth, where=nearer)
        np.copyto(self.met[rows, columns], len(self.casts), where=nearer)
        self.casts.append(cast)

    def background(self, look: Look, low: NDArray[np.float64], high: NDArray[np.float64]) -> Array:
        """Wall, floor and a soft shadow, (3, H, W)."""
        side = self.pixels // OVERSAMPLED
        colours = np.empty((3, side, side), np.float32)
        colours[:] = np.asarray(look.backdrop, np.float32)[:, None, None]
        if look.floor is not None:
            colours[:, round(side * (1 - look.horizon)) :] = np.asarray(look.floor, np.float32)[:, None, None]
        axes, ground = self.camera.astype(np.float32), np.float32(low[2])
        across, up = self.right[::OVERSAMPLED], self.up[::OVERSAMPLED]
        depth = (ground - up * axes[1, 2]) / (axes[2, 2] or np.float32(_FLAT))  # where a ray meets the ground
        far = np.zeros((side, side), np.float32)
        for axis in range(2):
            middle, half = (low + high)[axis] / 2, (high - low)[axis] / 2 + 0.03 * self.size
            place = (across * axes[0, axis])[None, :] + (up * axes[1, axis] + depth * axes[2, axis])[:, None]
            square = np.square((place - np.float32(middle)) / np.float32(half))
            far += square * square
        colours *= 1 - np.float32(0.34) * np.exp(-far)
        return colours.repeat(OVERSAMPLED, axis=1).repeat(OVERSAMPLED, axis=2)

    def shade(self, colours: Array, surfaces: Sequence[Surface]) -> None:
        """Paint what rays have met over the background ``colours``, (3, H, W)."""
        flat = colours.reshape(3, -1)
        for number, surface in enumerate(surfaces):
            parts = [
                self._seen(place, cast)
                for place, cast in enumerate(self.casts)
                if cast.solid.surface == number
            ]
            if parts and sum(len(pixels) for pixels, _, _ in parts):
                pixels, own, normal = (np.concatenate(of, axis=-1) for of in zip(*parts, strict=True))
                shader = SHADERS[surface.material]
                flat[:, pixels] = shader(surface, own, normal, flat[:, pixels])

    def _seen(self, place: int, cast: _Cast) -> tuple[NDArray[np.int64], Array, Array]:
        """Where a solid is what rays meet first.

        Returns:
            Its pixels (n,); places in lengths of the thing, the solid's longest axis first, (3, n); and unit normals
            towards the camera's axes, (3, n).
        """
        rows, columns = cast.rows, cast.columns
        row, column = np.nonzero(self.met[rows, columns] == place)
        pixels = (row + rows.start) * self.pixels + column + columns.start
        rays = np.stack([self.right[columns][column], self.up[rows][row], self.depth.reshape(-1)[pixels]])
        own = cast.to_own @ rays - cast.shift[:, None]
        normal = cast.to_camera @ _outward(cast.solid, own)
        normal /= np.sqrt(np.einsum("in,in->n", normal, normal)) + np.float32(1e-9)
        order = np.argsort(-cast.half, kind="stable")
        return pixels, own[order] * (cast.half[order] / np.float32(self.size))[:, None], normal


def _camera(look: Look) -> NDArray[np.float64]:
    """Rows: the world's directions to the right, up, and towards the camera."""
    azimuth, elevation = math.radians(look.azimuth), math.radians(look.elevation)
    towards = np.array(
        [
            math.sin(azimuth) * math.cos(elevation),
            -math.cos(azimuth) * math.cos(elevation),
            math.sin(elevation),
        ]
    )
    right = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    return np.stack([right, np.cross(towards, right), towards])


def _reach(solid: Solid, axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half of a solid's length along each of ``axes``, at least."""
    turn = _UPRIGHT if solid.turn is None else np.asarray(solid.turn)
    half = np.asarray(solid.size) / 2
    sides = axes @ turn * half
    if solid.shape == "round":
        return np.asarray(np.sqrt((sides**2).sum(axis=1)))
    if solid.shape == "tube":
        across = np.hypot(sides[:, 0], sides[:, 1]) * max(1.0, solid.taper)
        return np.asarray(across + np.abs(sides[:, 2]))
    return np.asarray(np.abs(sides).sum(axis=1))


def _within(values: Array, centre: float, reach: float) -> slice:
    """Which of rising ``values`` lie within ``reach`` of ``centre``."""
    return slice(
        int(np.searchsorted(values, centre - reach)), int(np.searchsorted(values, centre + reach, "right"))
    )


def _meet_box(flat: list[Array], along: Array, taper: float) -> Array:
    near = [(np.sign(along[axis]) - flat[axis]) / along[axis] for axis in range(3)]
    far = [near[axis] - 2 / abs(along[axis]) for axis in range(3)]
    depth: Array = np.minimum(np.minimum(near[0], near[1]), near[2])
    depth[depth < np.maximum(np.maximum(far[0], far[1]), far[2])] = -np.inf
    return depth


def _meet_round(flat: list[Array], along: Array, taper: float) -> Array:
    x, y, z = flat
    a = np.float32(along @ along)
    b = x * along[0] + y * along[1] + z * along[2]
    inside = b * b - a * (x * x + y * y + z * z - 1)
    depth = (np.sqrt(np.maximum(inside, 0)) - b) / a
    depth[inside < 0] = -np.inf
    return np.asarray(depth)


def _meet_tube(flat: list[Array], along: Array, taper: float) -> Array:
    """The side is the cone x² + y² = (m + n z)²; of the lids the camera sees one."""
    x, y, z = flat
    m, n = np.float32((1 + taper) / 2), np.float32((taper - 1) / 2)
    a = np.float32(along[0] ** 2 + along[1] ** 2 - (n * along[2]) ** 2)
    radius = m + n * z
    b = x * along[0] + y * along[1] - n * along[2] * radius
    c = x * x + y * y - radius * radius
    inside = b * b - a * c
    if abs(a) > _FLAT * np.square(along).max():
        root = np.sqrt(np.maximum(inside, 0))
        sides = [(root - b) / a, (-root - b) / a]
    else:  # rays run along the side: a cone's they meet once, a cylinder's never
        sides = [-c / (2 * np.where(np.abs(b) < _FLAT, np.float32(_FLAT), b))]
    depth = np.full_like(x, -np.inf)
    for side in sides:
        height = z + along[2] * side
        fits = (inside >= 0) & (np.abs(height) <= 1) & (m + n * height >= 0)
        depth = np.where(fits, np.maximum(depth, side), depth)
    up = np.sign(along[2])
    lid = (up - z) / along[2]
    on_lid = (x + along[0] * lid) ** 2 + (y + along[1] * lid) ** 2 <= (m + n * up) ** 2
    return np.where(on_lid, np.maximum(depth, lid), depth)


_MEET = {"box": _meet_box, "round": _meet_round, "tube": _meet_tube}


def _outward(solid: Solid, own: Array) -> Array:
    """Normals in own coordinates at places of the surface: (3, n) both, of any length."""
    if solid.shape == "round":
        return own
    if solid.shape == "box":
        face = np.abs(own).argmax(axis=0)
        return np.where(face == np.arange(3)[:, None], np.sign(own), np.float32(0))
    slope = np.float32((solid.taper - 1) / 2)
    outward = own.copy()
    outward[2] = -slope * (np.float32((1 + solid.taper) / 2) + slope * own[2])
    lid = np.abs(own[2]) > 1 - _ON_LID
    outward[:2, lid] = 0
    outward[2, lid] = np.sign(own[2, lid])
    return outward


def _shrunk(planes: Array) -> Array:
    """Means over each pixel's rays: (c, H, W) from (c, 2H, 2W)."""
    parts = [
        planes[:, row::OVERSAMPLED, column::OVERSAMPLED]
        for row in range(OVERSAMPLED)
        for column in range(OVERSAMPLED)
    ]
    means: Array = np.add.reduce(parts) / np.float32(OVERSAMPLED**2)
    return means
