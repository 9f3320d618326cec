"""What stands and drives along the road of the twin of driving: houses, trees, poles, cars.

Everything is made of flat polygons of one colour. A house or a car is made of upright and level quads with
an outward normal; a tree or a pole is round, so it is drawn flat and always faces the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rushes.tasks.driving.twin.ground import LANE_M, LEFT_EDGE_M, RIGHT_EDGE_M, SIDE_ROAD_M, Colour
from rushes.tasks.driving.twin.motion import RoadMotion

CORNERS = 6
"""Vertices of every polygon; shorter ones repeat their last."""

WARM = np.array([28.0, 4.0, -24.0])
"""How walls differ: from brick and sand to slate."""

SUN = np.array([0.5, -0.3, 0.8]) / np.linalg.norm([0.5, -0.3, 0.8])


@dataclass(frozen=True, slots=True)
class Props:
    """n polygons of m things.

    Attributes:
        corners: (n, CORNERS, 4) x, y, half-width towards the camera's right, z; world metres.
        normals: (n, 3) outward; zero for what faces the camera always.
        colours: (n, 3) uint8.
        things: (n,) number of the thing that each polygon belongs to; polygons of a thing are in the order in
            which they are painted.
        sizes_m: (n,) extent, metres: what is smaller than a pixel is not drawn.
        centres: (m, 2) world x and y of the things.
        radii_m: (m,) of the circle around each.
    """

    corners: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    things: np.ndarray
    sizes_m: np.ndarray
    centres: np.ndarray
    radii_m: np.ndarray


@dataclass(frozen=True, slots=True)
class Mover:
    """A car that drives towards the vehicle, at an even speed.

    Attributes:
        props: its polygons, at the world's origin, heading along x.
        way_m: where on the drive's way it is at time 0.
        speed_mps: how fast it comes, negative along the way.
    """

    props: Props
    way_m: float
    speed_mps: float


class Builder:
    """Collects polygons thing by thing."""

    def __init__(self) -> None:
        self._rows: list[tuple[np.ndarray, np.ndarray, Colour, int]] = []
        self._centres: list[tuple[float, float, float]] = []

    def thing(self, x: float, y: float, radius_m: float) -> None:
        """Begin a thing; polygons added from now on belong to it."""
        self._centres.append((x, y, radius_m))

    def quad(self, points: np.ndarray, normal: np.ndarray, colour: Colour) -> None:
        """A quad of points (4, 3), shaded by the sun."""
        shade = 0.72 + 0.28 * float(normal @ SUN)
        corners = np.zeros((CORNERS, 4))
        corners[:, [0, 1, 3]] = points[[0, 1, 2, 3, 3, 3]]
        self._add(corners, normal, _colour(np.array(colour) * shade))

    def blob(self, outline: list[tuple[float, float]], colour: Colour) -> None:
        """A polygon of (right, up) metres that stands at the thing's centre and faces the camera."""
        x, y, _ = self._centres[-1]
        points = [*outline, *[outline[-1]] * (CORNERS - len(outline))]
        self._add(np.array([(x, y, right, up) for right, up in points]), np.zeros(3), colour)

    def _add(self, corners: np.ndarray, normal: np.ndarray, colour: Colour) -> None:
        self._rows.append((corners, normal, colour, len(self._centres) - 1))

    def props(self) -> Props:
        """All polygons so far."""
        corners = np.array([row[0] for row in self._rows]).reshape(-1, CORNERS, 4)
        centres = np.array(self._centres).reshape(-1, 3)
        return Props(
            corners=corners,
            normals=np.array([row[1] for row in self._rows]).reshape(-1, 3),
            colours=np.array([row[2] for row in self._rows], np.uint8).reshape(-1, 3),
            things=np.array([row[3] for row in self._rows], np.int64),
            sizes_m=np.ptp(corners, 1).max(-1) if len(corners) else np.zeros(0),
            centres=centres[:, :2],
            radii_m=centres[:, 2],
        )


def draw_props(
    rng: np.random.Generator, motion: RoadMotion, span: tuple[float, float], scene: str, clutter: float
) -> Props:
    """Place things along a stretch of a drive; none stands on a road.

    Args:
        rng: of the clip.
        motion: the drive.
        span: first and last way that the vehicle comes to, metres.
        scene: ``town``, ``suburb`` or ``country``.
        clutter: 0 to 1: how many trees, poles and parked cars.
    """
    builder = Builder()
    roads = _roads(motion, span)
    gaps = {"town": (13.0, 22.0), "suburb": (20.0, 40.0), "country": (60.0, 160.0)}[scene]
    more = 1.6 - clutter
    trees = {"town": 18.0, "suburb": 11.0, "country": 9.0}[scene] * more
    for side in (-1.0, 1.0):
        for way in _places(rng, span, *gaps):
            _house(rng, builder, motion, roads, way, side, scene)
        for way in _places(rng, span, 0.6 * trees, 1.6 * trees):
            _tree(rng, builder, motion, roads, way, side)
        for way in _places(rng, span, 16.0 * more, 32.0 * more):
            _pole(rng, builder, motion, roads, way, side)
        for way in _places(rng, span, 7.0, 34.0 * more):
            edge_m = RIGHT_EDGE_M + 1.1 if side < 0 else LEFT_EDGE_M - 1.1
            if scene != "country" and _clear(roads, motion.beside(np.array([way]), edge_m)[0], 4.0):
                x, y = motion.beside(np.array([way]), edge_m)[0]
                yaw = float(motion.heading(way)) + (np.pi if side > 0 else 0.0)
                car(rng, builder, x, y, yaw)
    return builder.props()


def draw_movers(
    rng: np.random.Generator, motion: RoadMotion, span: tuple[float, float], clutter: float
) -> tuple[Mover, ...]:
    """Oncoming cars; how fast they drive has nothing to do with the vehicle's own speed."""
    movers = []
    for _ in range(int(rng.integers(0, 2 + round(3 * clutter)))):
        builder = Builder()
        car(rng, builder, 0.0, 0.0, np.pi)
        way_m, speed_mps = rng.uniform(span[0], span[1] + 120.0), rng.uniform(3.0, 15.0)
        movers.append(Mover(builder.props(), float(way_m), float(speed_mps)))
    return tuple(movers)


def _colour(channels: np.ndarray) -> Colour:
    """Three channels, cut down to whole numbers."""
    red, green, blue = channels.astype(int).tolist()
    return red, green, blue


def car(rng: np.random.Generator, builder: Builder, x: float, y: float, yaw: float) -> None:
    """A car: its shadow, body, wheels, glass and roof."""
    paint = _colour(np.clip(rng.integers(40, 225) + rng.integers(-35, 36, 3), 15, 240))
    length, width = rng.uniform(3.9, 4.8), rng.uniform(1.7, 1.9)
    height, belt = rng.uniform(1.4, 1.7), rng.uniform(0.8, 0.95)
    builder.thing(x, y, length / 2)
    place = _Frame(x, y, yaw)
    shadow = (38, 38, 40)
    builder.quad(place.level(length / 2 + 0.15, width / 2 + 0.15, 0.01), np.array([0.0, 0.0, 1.0]), shadow)
    _box(builder, place, (-length / 2, length / 2), width / 2, (0.25, belt), paint)
    for axle in (-0.3 * length, 0.3 * length):
        for side in (-1.0, 1.0):
            points = place.along((axle - 0.32, axle + 0.32), side * (width / 2 + 0.01), (0.0, 0.62))
            builder.quad(points, place.turned((0.0, side, 0.0)), (30, 30, 32))
    cabin = (-0.42 * length, 0.2 * length)
    _box(builder, place, cabin, width / 2 - 0.12, (belt, height - 0.06), (52, 60, 70))
    _box(builder, place, cabin, width / 2 - 0.1, (height - 0.06, height), paint)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A place on the ground with a heading: from a thing's own metres to the world's."""

    x: float
    y: float
    yaw: float

    def turned(self, vector: tuple[float, float, float]) -> np.ndarray:
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        ahead, left, up = vector
        return np.array([cos * ahead - sin * left, sin * ahead + cos * left, up])

    def points(self, *places: tuple[float, float, float]) -> np.ndarray:
        points: np.ndarray = np.array([self.turned(place) for place in places])
        points += np.array([self.x, self.y, 0.0])
        return points

    def level(self, ahead: float, left: float, z: float) -> np.ndarray:
        return self.points((-ahead, -left, z), (ahead, -left, z), (ahead, left, z), (-ahead, left, z))

    def along(self, aheads: tuple[float, float], left: float, zs: tuple[float, float]) -> np.ndarray:
        """An upright quad that runs along the heading."""
        (first, last), (low, high) = aheads, zs
        return self.points((first, left, low), (last, left, low), (last, left, high), (first, left, high))

    def across(self, lefts: tuple[float, float], ahead: float, zs: tuple[float, float]) -> np.ndarray:
        """An upright quad that runs across the heading."""
        (first, last), (low, high) = lefts, zs
        return self.points((ahead, first, low), (ahead, last, low), (ahead, last, high), (ahead, first, high))


def _box(
    builder: Builder,
    place: _Frame,
    aheads: tuple[float, float],
    half_width: float,
    zs: tuple[float, float],
    colour: Colour,
) -> None:
    for side in (-1.0, 1.0):
        builder.quad(place.along(aheads, side * half_width, zs), place.turned((0.0, side, 0.0)), colour)
    for end, ahead in zip((-1.0, 1.0), aheads, strict=True):
        lefts = (-half_width, half_width)
        builder.quad(place.across(lefts, ahead, zs), place.turned((end, 0.0, 0.0)), colour)
    top = place.points(
        (aheads[0], -half_width, zs[1]),
        (aheads[1], -half_width, zs[1]),
        (aheads[1], half_width, zs[1]),
        (aheads[0], half_width, zs[1]),
    )
    builder.quad(top, np.array([0.0, 0.0, 1.0]), colour)


def _house(
    rng: np.random.Generator,
    builder: Builder,
    motion: RoadMotion,
    roads: np.ndarray,
    way: float,
    side: float,
    scene: str,
) -> None:
    """A box with bands of windows on all sides, cut by pillars."""
    width, depth = rng.uniform(9.0, 15.0), rng.uniform(7.0, 10.0)
    floors = int(rng.integers(2, 6) if scene == "town" else rng.integers(1, 4))
    back_m = (rng.uniform(2.8, 5.0) if scene == "town" else rng.uniform(7.0, 16.0)) + depth / 2
    left_m = LEFT_EDGE_M + back_m if side > 0 else RIGHT_EDGE_M - back_m
    x, y = motion.beside(np.array([way]), left_m)[0]
    radius = float(np.hypot(width, depth) / 2)
    if np.hypot(*(roads - (x, y)).T).min() < radius + 6.0:
        return
    wall = _colour(np.clip(rng.uniform(95, 215) + rng.uniform(-1, 1) * WARM + rng.uniform(-8, 8, 3), 60, 235))
    glass = _colour(np.clip(rng.uniform(35, 95) + rng.uniform(-8, 16, 3), 25, 120))
    builder.thing(x, y, radius)
    place = _Frame(x, y, float(motion.heading(way)))
    height, storey = 3.1 * floors + 0.6, 3.1
    long, short = (-width / 2, width / 2), (-depth / 2, depth / 2)
    sides = [
        (long, place.along, side_ * depth / 2, place.turned((0.0, side_, 0.0))) for side_ in (-1.0, 1.0)
    ] + [(short, place.across, end * width / 2, place.turned((end, 0.0, 0.0))) for end in (-1.0, 1.0)]
    for span, upright, off, normal in sides:
        builder.quad(upright(span, off, (0.0, height)), normal, wall)
    for span, upright, off, normal in sides:
        for floor in range(floors):
            low = floor * storey + 1.0
            inner = (span[0] + 0.8, span[1] - 0.8)
            builder.quad(upright(inner, off, (low, low + 1.5)), normal, glass)
        pillars = round((span[1] - span[0]) / 2.6)
        for pillar in np.linspace(span[0] + 0.8, span[1] - 0.8, pillars + 1)[1:-1]:
            builder.quad(upright((pillar - 0.45, pillar + 0.45), off, (0.9, height)), normal, wall)


def _tree(
    rng: np.random.Generator, builder: Builder, motion: RoadMotion, roads: np.ndarray, way: float, side: float
) -> None:
    off_m = rng.uniform(1.6, 9.0)
    left_m = LEFT_EDGE_M + off_m if side > 0 else RIGHT_EDGE_M - off_m
    x, y = motion.beside(np.array([way]), left_m)[0]
    if not _clear(roads, np.array([x, y]), 7.3):
        return
    height, width = rng.uniform(4.0, 9.0), rng.uniform(1.3, 2.6)
    green = np.array([rng.uniform(40, 90), rng.uniform(75, 125), rng.uniform(25, 60)])
    builder.thing(x, y, width)
    trunk = 0.12 + 0.02 * height
    builder.blob([(-trunk, 0.0), (trunk, 0.0), (trunk, 0.5 * height), (-trunk, 0.5 * height)], (74, 58, 44))
    for scale, up, tint in ((1.0, 0.0, 0.8), (0.62, 0.08, 1.1), (0.3, 0.15, 1.35)):
        middle, half = height * (0.68 + up), 0.36 * height * scale
        outline = [(0.0, -1.0), (0.85, -0.6), (0.95, 0.3), (0.1, 1.0), (-0.9, 0.45), (-0.9, -0.55)]
        points = [(right * width * scale, middle + rise * half) for right, rise in outline]
        builder.blob(points, _colour(np.clip(green * tint, 10, 235)))


def _pole(
    rng: np.random.Generator, builder: Builder, motion: RoadMotion, roads: np.ndarray, way: float, side: float
) -> None:
    off_m = rng.uniform(0.6, 1.4)
    left_m = LEFT_EDGE_M + off_m if side > 0 else RIGHT_EDGE_M - off_m
    x, y = motion.beside(np.array([way]), left_m)[0]
    if not _clear(roads, np.array([x, y]), 6.2):
        return
    builder.thing(x, y, 0.5)
    grey = (int(rng.integers(50, 190)),) * 3
    if rng.random() < 0.5:
        high, half = rng.uniform(5.0, 8.0), rng.uniform(0.08, 0.14)
        builder.blob([(-half, 0.0), (half, 0.0), (half, high), (-half, high)], grey)
        builder.blob([(-0.5, high), (0.5, high), (0.4, high + 0.25), (-0.4, high + 0.25)], (225, 222, 205))
    else:
        builder.blob([(-0.05, 0.0), (0.05, 0.0), (0.05, 2.3), (-0.05, 2.3)], grey)
        colours = ((196, 40, 36), (36, 78, 170), (226, 186, 40))
        plate = [(-0.32, 2.1), (0.32, 2.1), (0.42, 2.45), (0.25, 2.8), (-0.25, 2.8), (-0.42, 2.45)]
        builder.blob(plate, colours[rng.integers(3)])


def _places(rng: np.random.Generator, span: tuple[float, float], least: float, most: float) -> list[float]:
    """Ways along the road, ``least`` to ``most`` metres apart."""
    places, way = [], span[0] - 80.0 + rng.uniform(0.0, most)
    while way < span[1] + 110.0:
        places.append(float(way))
        way += rng.uniform(least, most)
    return places


def _roads(motion: RoadMotion, span: tuple[float, float]) -> np.ndarray:
    """Points (n, 2) in the middle of the road and of the side roads, 2 m apart."""
    middle = (LEFT_EDGE_M + RIGHT_EDGE_M) / 2
    parts = [motion.beside(np.arange(span[0] - 90.0, span[1] + 130.0, 2.0), middle)]
    for start, end in motion.turns:
        for way, steps in (
            (start, np.arange(0.0, SIDE_ROAD_M, 2.0)),
            (end, np.arange(-SIDE_ROAD_M, 0.0, 2.0)),
        ):
            yaw = float(motion.heading(way))
            place = motion.beside(np.array([way]), middle)
            parts.append(place + steps[:, np.newaxis] * np.array([np.cos(yaw), np.sin(yaw)]))
    return np.concatenate(parts)


def _clear(roads: np.ndarray, place: np.ndarray, least_m: float) -> bool:
    """Whether ``place`` keeps ``least_m`` from the middle of every road."""
    return bool(np.hypot(*(roads - place).T).min() >= least_m)


OPPOSITE_M = LANE_M
"""How far the other lane's middle lies to the left of the path."""
