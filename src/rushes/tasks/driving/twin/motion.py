"""The twin of driving, its truth: where the vehicle is at any moment, as a function, not as a table.

Two curves make a drive. The speed over time is a monotone cubic through drawn knots, so it never leaves the
range of its knots and its integral, the way driven, is exact. The curvature over the way is piecewise linear
(straights, clothoids, arcs), so the heading is exact too; the position is its integral, kept as a cubic
Hermite curve with a knot each quarter of a metre.

The road bends where the speed allows: sharp turns only where the vehicle is slow anyway. Everything else in
a scene is drawn independently of the speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator, PPoly

KNOT_M = 0.25
"""Distance of the path's knots, metres."""

ROAD_BEHIND_M, ROAD_AHEAD_M = 150.0, 250.0
"""How far the road goes on behind the first and beyond the last place of the vehicle."""

TOP_MPS, SLOW_MPS = 20.0, 7.5

TURN_RADII_M = (9.0, 12.0, 16.0, 21.0)
BEND_RADII_M = (40.0, 70.0, 100.0, 140.0)
LEVEL_SHARE = 0.75
"""Share of a bend's curvature that is left when it rises and falls over a quarter of its length each."""

LATERAL_MPS2 = 3.0
"""Acceleration to the side that no bend exceeds."""

Bend = tuple[float, float]
"""Start and end of a bend on the way, metres."""


@dataclass(frozen=True, slots=True)
class RoadPoses:
    """The vehicle at n moments, in the local world: x, y on the ground, z up.

    Attributes:
        times_s: (n,) float64 seconds.
        rotations: (n, 4) unit quaternions rig -> world, scalar last.
        positions: (n, 3) of the rig's origin (rear axle, on the ground), metres.
        velocities: (n, 3) in the world, metres a second.
        accelerations: (n, 3) in the world, metres a second squared.
        curvatures: (n,) of the path, 1/m, left positive.
        yaws: (n,) heading, radians, not wrapped.
        ways: (n,) metres driven since the clock's zero; negative before.
    """

    times_s: np.ndarray
    rotations: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    accelerations: np.ndarray
    curvatures: np.ndarray
    yaws: np.ndarray
    ways: np.ndarray


@dataclass(frozen=True, slots=True)
class RoadMotion:
    """A vehicle on a road.

    Attributes:
        start_s, end_s: the stretch of time for which the motion is known.
        speed: metres a second over time.
        way: metres since time 0, over time.
        curvature: 1/m over the way.
        heading: radians over the way.
        path: (x, y) in metres over the way.
        turns: the sharp bends: junctions.
        height_m: z of the ground in the local world.
    """

    start_s: float
    end_s: float
    speed: PchipInterpolator
    way: PPoly
    curvature: PPoly
    heading: PPoly
    path: CubicHermiteSpline
    turns: tuple[Bend, ...]
    height_m: float

    def at(self, times_s: np.ndarray) -> RoadPoses:
        """The true pose at any times within ``[start_s, end_s]``, (n,) seconds."""
        times = np.asarray(times_s, np.float64)
        ways, speeds, gains = self.way(times), self.speed(times), self.speed(times, 1)
        yaws, curvatures = self.heading(ways), self.curvature(ways)
        zeros, ones = np.zeros_like(times), np.ones_like(times)
        ahead = np.stack([np.cos(yaws), np.sin(yaws), zeros], -1)
        aside = np.stack([-np.sin(yaws), np.cos(yaws), zeros], -1)
        return RoadPoses(
            times_s=times,
            rotations=np.stack([zeros, zeros, np.sin(yaws / 2), np.cos(yaws / 2)], -1),
            positions=np.concatenate([self.path(ways), (ones * self.height_m)[:, np.newaxis]], -1),
            velocities=speeds[:, np.newaxis] * ahead,
            accelerations=gains[:, np.newaxis] * ahead + (speeds**2 * curvatures)[:, np.newaxis] * aside,
            curvatures=curvatures,
            yaws=yaws,
            ways=ways,
        )

    def beside(self, ways: np.ndarray, left_m: np.ndarray | float) -> np.ndarray:
        """Points (n, 2) that lie ``left_m`` to the left of the path at ``ways`` (n,)."""
        yaws = self.heading(ways)
        left = np.stack([-np.sin(yaws), np.cos(yaws)], -1)
        points: np.ndarray = self.path(ways) + left * np.reshape(left_m, (-1, 1))
        return points


def draw_motion(rng: np.random.Generator, start_s: float, end_s: float, wildness: float) -> RoadMotion:
    """Draw a drive.

    Args:
        rng: of the clip.
        start_s, end_s: the clock of the drive.
        wildness: 0 (few, gentle changes of speed) to 1 (many, hard ones).
    """
    speed = _speed(rng, start_s, end_s, wildness)
    way = speed.antiderivative()
    way.c[-1] -= way(0.0)
    grid_s = np.linspace(start_s, end_s, round((end_s - start_s) * 50) + 1)
    first, last = float(way(start_s)) - ROAD_BEHIND_M, float(way(end_s)) + ROAD_AHEAD_M
    curvature, turns = _curvature(rng, first, last, way(grid_s), speed(grid_s))
    heading = curvature.antiderivative()
    heading.c[-1] += rng.uniform(-np.pi, np.pi)
    return RoadMotion(
        start_s=start_s,
        end_s=end_s,
        speed=speed,
        way=way,
        curvature=curvature,
        heading=heading,
        path=_path(heading, first, last, rng.uniform(-50.0, 50.0, 2)),
        turns=turns,
        height_m=float(rng.uniform(-2.0, 2.0)),
    )


def _speed(rng: np.random.Generator, start_s: float, end_s: float, wildness: float) -> PchipInterpolator:
    """Knots 1 to 4 s apart: changes towards drawn speeds, stops with a wait, stretches of even speed."""
    gain, brake = 2.5 + 1.5 * wildness, 3.5 + 2.0 * wildness
    times, speeds = [start_s], [_wanted(rng)]
    while times[-1] < end_s:
        now = speeds[-1]
        hold_s = rng.uniform(0.8, 2.2) if rng.random() < 0.35 - 0.15 * wildness else 0.0
        if now == 0.0 or (now < SLOW_MPS and rng.random() < 0.5):
            hold_s = rng.uniform(0.8, 3.5)
        if hold_s:
            times.append(times[-1] + hold_s)
            speeds.append(now)
        wanted = _wanted(rng)
        within_s = rng.uniform(1.5, 4.5 - 1.5 * wildness)
        if wanted == 0.0:
            within_s = max(within_s, 1.5 * now / brake)
        reached = float(np.clip(wanted, now - brake * within_s / 1.5, now + gain * within_s / 1.5))
        times.append(times[-1] + within_s)
        speeds.append(reached if reached > 0.4 else 0.0)
    return PchipInterpolator(times, speeds)


def _wanted(rng: np.random.Generator) -> float:
    """A speed to drive at: standing, slow and fast are all common."""
    kind = rng.random()
    if kind < 0.12:
        return 0.0
    return float(rng.uniform(1.0, SLOW_MPS) if kind < 0.4 else rng.uniform(SLOW_MPS, TOP_MPS))


def _curvature(
    rng: np.random.Generator, first: float, last: float, ways: np.ndarray, speeds: np.ndarray
) -> tuple[PPoly, tuple[Bend, ...]]:
    """Straights and bends from ``first`` to ``last``; bends begin and end as clothoids."""
    knots, values, turns = [first], [0.0], []
    place = first + rng.uniform(5.0, 30.0)
    while place < last - 80.0:
        kind, angle = rng.random(), np.radians(rng.uniform(60.0, 100.0))
        radius = _radius(ways, speeds, place, angle, TURN_RADII_M) if kind < 0.4 else None
        if radius is not None:
            turns.append((place, place + angle * radius / LEVEL_SHARE))
        elif kind > 0.8:
            angle = np.radians(rng.uniform(5.0, 35.0))
            radius = _radius(ways, speeds, place, angle, BEND_RADII_M[rng.integers(3) :])
        if radius is None:
            place += rng.uniform(3.0, 8.0)
            continue
        length = angle * radius / LEVEL_SHARE
        top = float(rng.choice([-1.0, 1.0])) / radius
        ramp = 1.0 - LEVEL_SHARE
        for share, value in ((0.0, 0.0), (ramp, top), (1.0 - ramp, top), (1.0, 0.0)):
            knots.append(place + share * length)
            values.append(value)
        place += length + rng.uniform(6.0, 20.0)
    knots.append(max(last, knots[-1] + 1.0))
    values.append(0.0)
    x, y = np.array(knots), np.array(values)
    return PPoly(np.stack([np.diff(y) / np.diff(x), y[:-1]]), x), tuple(turns)


def _radius(
    ways: np.ndarray, speeds: np.ndarray, place: float, angle: float, radii: tuple[float, ...]
) -> float | None:
    """The least of ``radii`` with which the road can bend at ``place``, as fast as the vehicle is there."""
    for radius in radii:
        here = speeds[(ways > place - 1.0) & (ways < place + angle * radius / LEVEL_SHARE + 1.0)]
        if not here.size or here.max() ** 2 <= LATERAL_MPS2 * radius:
            return radius
    return None


def _path(heading: PPoly, first: float, last: float, origin: np.ndarray) -> CubicHermiteSpline:
    """Integrate the heading (three-point Gauss in each knot's cell); way 0 lies at ``origin``, (2,)."""
    ways = np.linspace(first, last, int(np.ceil((last - first) / KNOT_M)) + 1)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    half = np.diff(ways)[:, np.newaxis] / 2
    yaws = heading(ways[:-1, np.newaxis] + half * (1.0 + nodes))
    steps = np.stack([(np.cos(yaws) * weights * half).sum(-1), (np.sin(yaws) * weights * half).sum(-1)], -1)
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
    tangents = np.stack([np.cos(heading(ways)), np.sin(heading(ways))], -1)
    spline = CubicHermiteSpline(ways, points, tangents)
    return CubicHermiteSpline(ways, points - spline(0.0) + origin, tangents)
