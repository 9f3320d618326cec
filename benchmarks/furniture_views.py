"""Views of OBJ models without OpenGL: points of their surfaces, by area, into a picture with depth.

A triangle that is seen from behind or lies inside costs nothing but its points, textures need no rasterizer, and a
picture of 128 x 128 with 200,000 points takes about 40 ms of one core.
"""

from __future__ import annotations

import io
import math
import posixpath
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

POINTS, FINE = 200_000, 2
"""Of a model; and points a pixel has room for in each direction."""

PASSES, DEEPER = 2, 0.04
"""How often holes between points are closed, and by how much deeper a hole is, in lengths of the thing."""

AROUND = tuple((row, column) for row in range(3) for column in range(3) if (row, column) != (1, 1))
LAMP = np.array([0.446, 0.743, 0.496], np.float32)  # of unit length
MAX_MEMBER = 200_000_000
"""Bytes of one file of an archive."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """RGB 0 to 1, how much light it stops, 0 to 1, and its texture (H, W, 3) uint8, if any."""

    rgb: tuple[float, float, float] = (0.7, 0.7, 0.7)
    opaque: float = 1.0
    texture: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Points:
    """Points of a surface: places (3, n), unit normals (3, n), and RGB 0 to 1, (3, n)."""

    places: Array
    normals: Array
    colours: Array


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of an archive, whole; ValueError where it is huge, KeyError where it is missing."""
    if archive.getinfo(name).file_size > MAX_MEMBER:
        raise ValueError(f"{name}: more than {MAX_MEMBER:,} bytes")
    return archive.read(name)


def read_model(archive: zipfile.ZipFile, name: str, rng: np.random.Generator) -> Points:
    """Points of the OBJ ``name``, by area, with the colours of its materials; ValueError where it has no surface."""
    places: list[list[float]] = []
    textured: list[list[float]] = []
    corners: list[tuple[int, int, int, int, int, int]] = []
    owners: list[str] = []
    materials: dict[str, Material] = {}
    material = ""
    for line in read_member(archive, name).decode("utf-8", errors="replace").splitlines():
        what, _, rest = line.strip().partition(" ")
        if what == "v":
            places.append([float(value) for value in rest.split()[:3]])
        elif what == "vt":
            textured.append([float(value) for value in rest.split()[:2]])
        elif what == "usemtl":
            material = rest.strip()
        elif what == "mtllib":
            materials |= read_materials(archive, posixpath.join(posixpath.dirname(name), rest.strip()))
        elif what == "f":
            face = [corner.split("/", 2) for corner in rest.split()]
            ends = [_number(corner[0], len(places)) for corner in face]
            spots = [_number(corner[1] if len(corner) > 1 else "", len(textured)) for corner in face]
            for third in range(2, len(face)):
                corners.append(
                    (ends[0], ends[third - 1], ends[third], spots[0], spots[third - 1], spots[third])
                )
                owners.append(material)
    if not corners:
        raise ValueError(f"{name}: no faces")
    index = np.array(corners)
    return _spread(
        np.array(places, np.float32),
        np.array(textured or [[0.0, 0.0]], np.float32),
        index,
        owners,
        materials,
        rng,
    )


def read_materials(archive: zipfile.ZipFile, name: str) -> dict[str, Material]:
    """The materials of an MTL file; none where it is missing."""
    found: dict[str, Material] = {}
    current, settings = "", Material()
    try:
        text = read_member(archive, name).decode("utf-8", errors="replace")
    except KeyError:
        return {}
    for line in text.splitlines():
        what, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if what == "newmtl":
            current, settings = rest, Material()
        elif what == "Kd":
            red, green, blue = (float(value) for value in rest.split()[:3])
            settings = Material((red, green, blue), settings.opaque, settings.texture)
        elif what in ("d", "Tr"):
            value = float(rest.split()[-1])
            settings = Material(settings.rgb, value if what == "d" else 1.0 - value, settings.texture)
        elif what == "map_Kd":
            texture = _texture(archive, posixpath.join(posixpath.dirname(name), rest.split()[-1]))
            settings = Material(settings.rgb, settings.opaque, texture)
        found[current] = settings
    return found


def view(points: Points, azimuth: float, elevation: float, side: int) -> NDArray[np.uint8]:
    """Picture uint8 (side, side, 3) on white; 0, 0 looks at the front, along -z, y is up; angles in degrees."""
    turn, tilt = math.radians(azimuth), math.radians(elevation)
    towards = np.array([math.sin(turn) * math.cos(tilt), math.sin(tilt), math.cos(turn) * math.cos(tilt)])
    right = np.array([math.cos(turn), 0.0, -math.sin(turn)])
    axes = np.stack([right, np.cross(towards, right), towards])
    seen = axes.astype(np.float32) @ points.places  # (3, n): right, up, nearer
    low, high = seen.min(axis=1), seen.max(axis=1)
    pixels = side * FINE
    scale = np.float32(pixels * 0.92 / max(*(high - low)[:2], 1e-9))
    middle = (low + high) / 2
    column = ((seen[0] - middle[0]) * scale + pixels / 2).astype(np.int32).clip(0, pixels - 1)
    row = (pixels / 2 - (seen[1] - middle[1]) * scale).astype(np.int32).clip(0, pixels - 1)
    order = np.argsort(seen[2])  # of points in one place the nearest is written last
    first = np.full(pixels * pixels, -1, np.int64)
    first[(row * pixels + column)[order]] = order
    light = 0.5 + 0.55 * np.abs(LAMP @ points.normals[:, first])  # normals of models point anywhere
    colours = np.where(first >= 0, points.colours[:, first] * light, 1.0)
    depth = np.where(first >= 0, seen[2, first], -np.inf).reshape(pixels, pixels)
    picture = colours.reshape(3, pixels, pixels).astype(np.float32)
    for _ in range(PASSES):
        picture, depth = _closed(picture, depth, DEEPER * float(max(high - low)))
    parts = picture.clip(0.0, 1.0).reshape(3, side, FINE, side, FINE).mean(axis=(2, 4))
    return np.asarray(parts * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0).copy()


def fitted(points: Points, rotation: Sequence[float] | None, size_cm: tuple[float, float, float]) -> Points:
    """Points turned by the nine numbers of a catalogue, rows first, and scaled to width, depth and height."""
    turn = np.eye(3, dtype=np.float32) if rotation is None else np.array(rotation, np.float32).reshape(3, 3)
    places = turn @ points.places
    low, high = places.min(axis=1, keepdims=True), places.max(axis=1, keepdims=True)
    width, depth, height = size_cm
    scale = np.array([[width], [height], [depth]], np.float32) / np.maximum(high - low, np.float32(1e-9))
    normals = (turn @ points.normals) / scale
    normals /= np.sqrt(np.einsum("in,in->n", normals, normals)) + np.float32(1e-12)
    return Points((places - (low + high) / 2) * scale, normals, points.colours)


def _number(text: str, count: int) -> int:
    """Place from 0 of what a corner names; negative numbers count from the last so far."""
    number = int(text or 1)
    return number - 1 if number > 0 else count + number


def _spread(
    places: Array,
    textured: Array,
    index: NDArray[np.int64],
    owners: Sequence[str],
    materials: dict[str, Material],
    rng: np.random.Generator,
) -> Points:
    a, b, c = (places[index[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    areas = np.linalg.norm(normals, axis=1)
    if not areas.sum() > 0:
        raise ValueError("no surface")
    names, owner = np.unique(np.array(owners), return_inverse=True)
    known = [materials.get(str(name), Material()) for name in names]
    areas = (
        areas * np.array([one.opaque for one in known])[owner]
    )  # glass has fewer points, so it is seen through
    count = np.floor(POINTS * areas / areas.sum() + rng.random(len(areas))).astype(np.int64)
    face = np.repeat(np.arange(len(areas)), count)
    first, second = np.sqrt(rng.random(len(face), np.float32)), rng.random(len(face), np.float32)
    weights = 1 - first, first * (1 - second), first * second
    corners = sum(weight * part.T[:, face] for weight, part in zip(weights, (a, b, c), strict=True))
    uv = sum(
        weight * textured.T[:, index[face, 3 + corner].clip(0, len(textured) - 1)]
        for corner, weight in enumerate(weights)
    )
    colours = np.empty((3, len(face)), np.float32)
    for number, one in enumerate(known):
        of = owner[face] == number
        colours[:, of] = np.array(one.rgb, np.float32)[:, None]
        if one.texture is not None and of.any():
            height, width = one.texture.shape[:2]
            columns = (uv[0, of] % 1.0 * width).astype(np.int64).clip(0, width - 1)
            rows = ((1 - uv[1, of] % 1.0) * height).astype(np.int64).clip(0, height - 1)
            colours[:, of] = one.texture[rows, columns].T / np.float32(255)
    unit = normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)
    return Points(corners, np.ascontiguousarray(unit.T[:, face], np.float32), colours)


def _texture(archive: zipfile.ZipFile, name: str) -> NDArray[np.uint8] | None:
    try:
        with Image.open(io.BytesIO(read_member(archive, posixpath.normpath(name)))) as opened:
            return np.asarray(opened.convert("RGB"))
    except (KeyError, OSError, ValueError, Image.DecompressionBombError):
        return None


def _closed(picture: Array, depth: Array, deeper: float) -> tuple[Array, Array]:
    """Picture and depth where a pixel through which one sees farther than beside it is closed.

    Such a pixel is deeper than at least half of the eight around it; it becomes their mean.
    """
    high, wide = depth.shape
    ahead = np.pad(depth, 1, constant_values=-np.inf)
    colours = np.pad(picture, ((0, 0), (1, 1), (1, 1)))
    count, total, nearest = np.zeros_like(depth), np.zeros_like(picture), depth.copy()
    for row, column in AROUND:
        beside = ahead[row : row + high, column : column + wide]
        nearer = beside > depth + deeper
        count += nearer
        total += nearer * colours[:, row : row + high, column : column + wide]
        np.maximum(nearest, beside, out=nearest)
    hole = count >= len(AROUND) / 2
    return np.where(hole, total / np.maximum(count, 1), picture), np.where(hole, nearest, depth)
