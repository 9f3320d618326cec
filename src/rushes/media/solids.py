"""Pictures of drawn things: boxes, ellipsoids and tubes, cast by parallel rays into a picture with depth.

Every solid is a unit shape under an affine map, so that a ray meets it where a formula says: no triangles, no holes,
and true normals. A picture of 96 x 96 pixels with a dozen solids takes about 5 ms of one core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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
    halves = np.array([_reach(solid, np.eye(3)) for solid in solids])
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
    seen = (canvas.surface >= 0).astype(np.float32)
    picture = _shrunk(colours)
    return (
        np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy(),
        (_shrunk(seen[None])[0] * 255 + 0.5).astype(np.uint8),
    )


class _Canvas:
    """What each ray has met so far."""

    def __init__(
        self, pixels: int, scale: float, middle: NDArray[np.float64], camera: NDArray[np.float64], size: float
    ) -> None:
        self.pixels, self.scale, self.camera, self.size = pixels, scale, camera, size
        centred = (np.arange(pixels) + 0.5 - pixels / 2) * scale
        self.right = (middle[0] + centred).astype(np.float32)  # (W,), metres
        self.up = (middle[1] - centred).astype(np.float32)  # (H,), from the top down
        self.depth = np.full((pixels, pixels), -np.inf, np.float32)
        self.normal = np.zeros((3, pixels, pixels), np.float32)  # towards the camera's axes, unit length
        self.own = np.zeros((3, pixels, pixels), np.float32)  # metres, the solid's longest axis first
        self.surface = np.full((pixels, pixels), -1, np.int8)

    def cast(self, solid: Solid) -> None:
        """Let the rays meet one more solid."""
        centre, reach = self.camera @ np.asarray(solid.at), _reach(solid, self.camera)
        columns = _within(self.right, centre[0], reach[0])
        rows = _within(-self.up, -centre[1], reach[1])
        if columns.start >= columns.stop or rows.start >= rows.stop:
            return
        half = np.maximum(np.asarray(solid.size), 1e-4) / 2
        turn = np.eye(3) if solid.turn is None else np.asarray(solid.turn)
        to_own = (turn.T / half[:, None]) @ self.camera.T
        to_own[:, 2] = np.where(np.abs(to_own[:, 2]) < _FLAT, _FLAT, to_own[:, 2])
        shift = to_own @ centre
        flat = [  # own coordinates of each ray where its depth is 0, (h, w) each
            (np.float32(to_own[axis, 1]) * self.up[rows])[:, None]
            + (np.float32(to_own[axis, 0]) * self.right[columns] - np.float32(shift[axis]))[None, :]
            for axis in range(3)
        ]
        along = to_own[:, 2].astype(np.float32)
        depth, face = _MEET[solid.shape](flat, along, solid.taper)
        before = self.depth[rows, columns]
        won = np.nonzero(depth > before)
        if not won[0].size:
            return
        met = depth[won]
        own = np.stack([flat[axis][won] + along[axis] * met for axis in range(3)])
        outward = _outward(solid, own, None if face is None else face[won], along)
        normal = (self.camera @ (turn / half)).astype(np.float32) @ outward
        normal /= np.sqrt(np.einsum("in,in->n", normal, normal)) + 1e-9
        order = np.argsort(-half, kind="stable")
        place = (won[0] + rows.start, won[1] + columns.start)
        self.depth[place] = met
        self.normal[:, place[0], place[1]] = normal
        self.own[:, place[0], place[1]] = (own * half[:, None].astype(np.float32))[order]
        self.surface[place] = solid.surface

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
        """Paint what rays have met over the background."""
        for number, surface in enumerate(surfaces):
            seen = np.nonzero(self.surface == number)
            if seen[0].size:
                behind = colours[:, seen[0], seen[1]]
                own = self.own[:, seen[0], seen[1]] / np.float32(self.size)
                normal = self.normal[:, seen[0], seen[1]]
                colours[:, seen[0], seen[1]] = SHADERS[surface.material](surface, own, normal, behind)


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
    turn = np.eye(3) if solid.turn is None else np.asarray(solid.turn)
    half = np.asarray(solid.size) / 2
    sides = axes @ turn * half
    if solid.shape == "round":
        return np.asarray(np.sqrt((sides**2).sum(axis=1)))
    if solid.shape == "tube":
        return np.asarray(np.hypot(sides[:, 0], sides[:, 1]) + np.abs(sides[:, 2])) * max(1.0, solid.taper)
    return np.asarray(np.abs(sides).sum(axis=1))


def _within(values: Array, centre: float, reach: float) -> slice:
    """Which of rising ``values`` lie within ``reach`` of ``centre``."""
    return slice(
        int(np.searchsorted(values, centre - reach)), int(np.searchsorted(values, centre + reach, "right"))
    )


def _meet_box(flat: list[Array], along: Array, taper: float) -> tuple[Array, NDArray[np.int8]]:
    near = [(np.sign(along[axis]) - flat[axis]) / along[axis] for axis in range(3)]
    far = [near[axis] - 2 / abs(along[axis]) for axis in range(3)]
    depth = np.minimum(np.minimum(near[0], near[1]), near[2])
    face = np.where(depth == near[0], 0, np.where(depth == near[1], 1, 2)).astype(np.int8)
    depth[depth < np.maximum(np.maximum(far[0], far[1]), far[2])] = -np.inf
    return depth, face


def _meet_round(flat: list[Array], along: Array, taper: float) -> tuple[Array, None]:
    x, y, z = flat
    a = np.float32(along @ along)
    b = x * along[0] + y * along[1] + z * along[2]
    inside = b * b - a * (x * x + y * y + z * z - 1)
    depth = (np.sqrt(np.maximum(inside, 0)) - b) / a
    depth[inside < 0] = -np.inf
    return depth, None


def _meet_tube(flat: list[Array], along: Array, taper: float) -> tuple[Array, NDArray[np.int8]]:
    """The side is the cone x² + y² = (m + n z)²; face 1 is the lid that the camera sees."""
    x, y, z = flat
    m, n = np.float32((1 + taper) / 2), np.float32((taper - 1) / 2)
    a = np.float32(along[0] ** 2 + along[1] ** 2 - (n * along[2]) ** 2)
    radius = m + n * z
    b = x * along[0] + y * along[1] - n * along[2] * radius
    inside = b * b - a * (x * x + y * y - radius * radius)
    root = np.sqrt(np.maximum(inside, 0))
    a = a if abs(a) > _FLAT else np.float32(_FLAT)
    depth = np.full_like(x, -np.inf)
    for sign in (1, -1):
        side = (sign * root - b) / a
        height = z + along[2] * side
        fits = (inside >= 0) & (np.abs(height) <= 1) & (m + n * height >= 0)
        depth = np.where(fits, np.maximum(depth, side), depth)
    up = np.sign(along[2])
    lid = (up - z) / along[2]
    on_lid = (x + along[0] * lid) ** 2 + (y + along[1] * lid) ** 2 <= (m + n * up) ** 2
    is_lid = on_lid & (lid > depth)
    return np.where(is_lid, lid, depth), is_lid.astype(np.int8)


_MEET = {"box": _meet_box, "round": _meet_round, "tube": _meet_tube}


def _outward(solid: Solid, own: Array, face: NDArray[np.int8] | None, along: Array) -> Array:
    """Normals in own coordinates, (3, n), of any length."""
    if solid.shape == "round" or face is None:
        return own
    if solid.shape == "box":
        return np.asarray((face == np.arange(3)[:, None]) * np.sign(along)[:, None], np.float32)
    slope = (solid.taper - 1) / 2
    side = np.stack([own[0], own[1], -slope * ((1 + solid.taper) / 2 + slope * own[2])])
    lid = np.zeros_like(own)
    lid[2] = np.sign(along[2])
    return np.where(face == 1, lid, side)


def _shrunk(planes: Array) -> Array:
    """Means over each pixel's rays: (c, H, W) from (c, 2H, 2W)."""
    parts = [
        planes[:, row::OVERSAMPLED, column::OVERSAMPLED]
        for row in range(OVERSAMPLED)
        for column in range(OVERSAMPLED)
    ]
    means: Array = np.add.reduce(parts) / np.float32(OVERSAMPLED**2)
    return means
