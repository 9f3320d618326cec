"""The ground and the sky of the twin of driving, as tables that a picture is looked up in.

The ground around a drive is one flat texture, drawn once a clip: noise of many scales on asphalt, kerb and
verge, and the markings. It wraps around at its sides (powers of two), so an index is two masks and a shift.
Smaller copies, each a mean of four texels of the one before, serve the pixels that see much ground at once:
a pixel always reads the copy whose texel is about as large as the ground it sees, so nothing flickers that
would not flicker before a real camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from rushes.tasks.driving.twin.motion import RoadMotion

MARGIN_M = 56.0
NOISE_SIDE = 1024
NOISE_SCALES_M = (0.15, 0.5, 1.5, 4.0, 9.0)
"""Sizes of the spots in the ground: the small ones for cameras that see much, the large ones for tiny
pictures."""

LANE_M = 3.5
RIGHT_EDGE_M, LEFT_EDGE_M = -4.0, 7.5
"""Sides of the asphalt, metres to the left of the path: two lanes, and room for parked cars on both sides."""

SIDE_ROAD_M = 60.0
"""Length of what goes straight on at a junction."""

SKY_SIDE = (4096, 256)
"""Columns (around the whole horizon) and rows (from the horizon up) of the sky."""
SKY_TOP_DEG = 64.0

Colour = tuple[int, int, int]

KINDS = ("verge", "walk", "kerb", "asphalt", "patch", "line")

GROUNDS: Mapping[str, Mapping[str, tuple[Colour, float]]] = {
    "town": {
        "verge": ((128, 122, 112), 1.0),
        "walk": ((150, 146, 140), 0.8),
        "kerb": ((188, 186, 180), 0.4),
        "asphalt": ((92, 93, 96), 1.0),
        "patch": ((70, 70, 73), 1.0),
        "line": ((226, 226, 220), 0.4),
    },
    "suburb": {
        "verge": ((96, 122, 66), 1.1),
        "walk": ((142, 136, 126), 0.8),
        "kerb": ((172, 170, 164), 0.4),
        "asphalt": ((98, 98, 99), 1.0),
        "patch": ((76, 76, 78), 1.0),
        "line": ((226, 226, 220), 0.4),
    },
    "country": {
        "verge": ((118, 124, 62), 1.3),
        "walk": ((124, 112, 84), 1.2),
        "kerb": ((110, 104, 80), 1.0),
        "asphalt": ((104, 102, 100), 1.0),
        "patch": ((82, 81, 80), 1.0),
        "line": ((230, 230, 222), 0.4),
    },
}
"""Colour and strength of the noise of each kind of ground, by scene."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The texture of the ground with its smaller copies.

    Attributes:
        texels: all copies in a row, ``uint32``: red, green, blue, 255 from the lowest byte.
        starts: (levels,) where each copy begins.
        log_size: base-2 logarithms of the first copy's width and height.
        origin: (2,) world x and y of the corner of texel (0, 0), metres.
        texel_m: side of a texel of the first copy, metres.
    """

    texels: np.ndarray
    starts: np.ndarray
    log_size: tuple[int, int]
    origin: np.ndarray
    texel_m: float


def draw_ground(
    rng: np.random.Generator,
    motion: RoadMotion,
    span: tuple[float, float],
    scene: str,
    contrast: float,
    texel_m: float,
) -> Ground:
    """Draw the ground along a stretch of a drive.

    Args:
        rng: of the clip.
        motion: the drive.
        span: first and last way that the vehicle comes to, metres.
        scene: a key of `GROUNDS`.
        contrast: standard deviation of the asphalt's noise, grey levels.
        texel_m: side of a texel, metres: about what the nearest pixels see.
    """
    ways = np.arange(span[0] - 60.0, span[1] + 100.0, 1.0)
    driven = motion.path(np.linspace(*span, 50))
    low, high = driven.min(0) - MARGIN_M, driven.max(0) + MARGIN_M
    log_width, log_height = (int(np.ceil(np.log2(side / texel_m))) for side in high - low)
    kinds = Image.new("L", (1 << log_width, 1 << log_height), KINDS.index("verge"))
    _paint(rng, _Chart(ImageDraw.Draw(kinds), motion, low, texel_m), ways)
    noise = tile_of_noise(rng, NOISE_SIDE, tuple(scale / texel_m for scale in NOISE_SCALES_M))
    texels = _colour(np.asarray(kinds), noise, scene, contrast)
    levels, starts = [texels], [0]
    while min(levels[-1].shape) > 2:
        starts.append(starts[-1] + levels[-1].size)
        levels.append(_halved(levels[-1]))
    return Ground(
        texels=np.concatenate([level.ravel() for level in levels]),
        starts=np.array(starts, np.int32),
        log_size=(log_width, log_height),
        origin=low,
        texel_m=texel_m,
    )


def tile_of_noise(rng: np.random.Generator, side: int, scales: tuple[float, ...]) -> np.ndarray:
    """Noise that tiles, ``float32 (side, side)``, mean 0, deviation 1: equal parts of spots of each scale.

    Args:
        rng: of the clip.
        side: of the tile, texels.
        scales: sizes of the spots, texels: deviations of the Gaussians that white noise is blurred with.
    """
    white = np.fft.rfft2(rng.standard_normal((side, side), np.float32))
    rows, columns = np.fft.fftfreq(side)[:, np.newaxis], np.fft.rfftfreq(side)[np.newaxis]
    squares = (rows**2 + columns**2).astype(np.float32)
    power: np.ndarray = sum(scale**2 * np.exp(-((2 * np.pi * scale) ** 2) * squares) for scale in scales)
    power[0, 0] = 0.0
    noise: np.ndarray = np.fft.irfft2(white * np.sqrt(power).astype(np.float32), s=(side, side))
    noise /= noise.std()
    return noise.astype(np.float32)


def draw_sky(rng: np.random.Generator, light: Colour, hills: Colour) -> np.ndarray:
    """The sky around, from the horizon (row 0) up: haze, clouds, hills; ``uint32`` as in `Ground`, flat."""
    columns, rows = SKY_SIDE
    up = np.linspace(0.0, 1.0, rows, dtype=np.float32)[:, np.newaxis]
    cloud = np.repeat(tile_of_noise(rng, 1024, (8.0, 20.0, 50.0))[:rows], columns // 1024, axis=1)
    cloud = np.clip(cloud - 0.2, 0.0, 1.0) * np.clip(4.0 * up, 0.0, 1.0)
    sky = np.empty((rows, columns, 4), np.uint8)
    for channel in range(3):
        zenith = light[channel] * (0.62, 0.74, 0.95)[channel]
        shade = light[channel] + (zenith - light[channel]) * up**0.6
        sky[..., channel] = np.clip(shade + (light[channel] - shade + 12) * 0.8 * cloud, 0, 250)
    sky[..., 3] = 255
    ridge = np.fft.irfft(
        np.fft.rfft(rng.standard_normal(columns)) / (4.0 + np.arange(columns // 2 + 1)) ** 1.1
    )
    tops = np.clip(9.0 + 4.0 * ridge / ridge.std(), 2.0, 24.0)
    sky[(np.arange(rows)[:, np.newaxis] < tops), :3] = hills
    return sky.view(np.uint32).ravel()


@dataclass(frozen=True, slots=True)
class _Chart:
    """The map of kinds, and where it lies in the world."""

    draw: ImageDraw.ImageDraw
    motion: RoadMotion
    low: np.ndarray
    texel_m: float

    def strip(self, ways: np.ndarray, lefts_m: tuple[float, float], kind: str) -> None:
        """Fill between two distances beside the path, a few metres of way at a time: a loop has no holes."""
        right, left = (self.motion.beside(ways, left_m) for left_m in lefts_m)
        for start in range(0, len(ways) - 1, 6):
            part = slice(start, start + 7)
            self._fill(np.concatenate([right[part], left[part][::-1]]), kind)

    def side_road(self, way: float, reach_m: float, lefts_m: tuple[float, float], kind: str) -> None:
        """Where the road turns at a junction, what goes straight on."""
        yaw = float(self.motion.heading(way))
        sides = self.motion.beside(np.array([way, way]), np.array(lefts_m))
        beyond = sides + reach_m * np.array([np.cos(yaw), np.sin(yaw)])
        self._fill(np.concatenate([sides, beyond[::-1]]), kind)

    def _fill(self, outline: np.ndarray, kind: str) -> None:
        self.draw.polygon(((outline - self.low) / self.texel_m).ravel().tolist(), KINDS.index(kind))


def _paint(rng: np.random.Generator, chart: _Chart, ways: np.ndarray) -> None:
    """Side roads and the road, from the outer stripe to the lines."""
    for kind, wider_m in (("walk", 2.3), ("kerb", 0.3), ("asphalt", 0.0)):
        edges = (RIGHT_EDGE_M - wider_m, LEFT_EDGE_M + wider_m)
        for start, end in chart.motion.turns:
            chart.side_road(start, SIDE_ROAD_M, edges, kind)
            chart.side_road(end, -SIDE_ROAD_M, edges, kind)
        chart.strip(ways, edges, kind)
    for way in ways[:: int(rng.integers(7, 13))]:
        right_m = rng.uniform(-3.8, 5.0)
        here = way + rng.uniform(0.0, 3.0) + np.array([0.0, rng.uniform(0.6, 5.0)])
        chart.strip(here, (right_m, right_m + rng.uniform(0.5, 2.2)), "patch")
    if rng.random() < 0.6:
        for left_m in (-LANE_M / 2, LANE_M * 1.5):
            chart.strip(ways, (left_m - 0.09, left_m + 0.09), "line")
    dash_m = rng.uniform(2.5, 3.5)
    for way in np.arange(ways[0], ways[-1], dash_m + rng.uniform(3.5, 6.0)):
        chart.strip(way + np.array([0.0, dash_m]), (LANE_M / 2 - 0.09, LANE_M / 2 + 0.09), "line")
    for way in rng.uniform(ways[0], ways[-1], rng.integers(3)):
        for left_m in np.arange(RIGHT_EDGE_M + 0.5, LEFT_EDGE_M - 0.5, 1.0):
            chart.strip(way + np.array([0.0, 3.0]), (left_m, left_m + 0.5), "line")


def _colour(kinds: np.ndarray, noise: np.ndarray, scene: str, contrast: float) -> np.ndarray:
    """Look up each texel's colour by its kind and the noise there; ``uint32`` of the shape of ``kinds``."""
    steps = np.linspace(-3.0, 3.0, 256, dtype=np.float32)
    table = np.full((len(KINDS), 256, 4), 255, np.uint8)
    for row, kind in enumerate(KINDS):
        colour, strength = GROUNDS[scene][kind]
        table[row, :, :3] = np.clip(np.array(colour) + (contrast * strength * steps)[:, np.newaxis], 8, 247)
    tile = np.clip((noise + 3.0) * (255 / 6.0), 0, 255).astype(np.uint16)
    index = kinds.astype(np.uint16) << 8
    height, width = index.shape
    for top in range(0, height, NOISE_SIDE):
        for left in range(0, width, NOISE_SIDE):
            part = index[top : top + NOISE_SIDE, left : left + NOISE_SIDE]
            part |= tile[: part.shape[0], : part.shape[1]]
    return np.take(table.view(np.uint32).ravel(), index)


def _halved(level: np.ndarray) -> np.ndarray:
    """The mean of each two by two texels, byte by byte."""
    height, width = level.shape
    part = level.view(np.uint8).reshape(height // 2, 2, width // 2, 2, 4)
    total = part[:, 0, :, 0].astype(np.uint16)
    total += part[:, 0, :, 1]
    total += part[:, 1, :, 0]
    total += part[:, 1, :, 1]
    return ((total + 2) >> 2).astype(np.uint8).view(np.uint32)[..., 0]
