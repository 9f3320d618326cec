"""In which convention the rotations of a vehicle are written, told by its own motion.

A vehicle goes where it points: while it moves, its way lies along its x axis, and its z axis points up. Rotations
that are read in another convention than they were written in break this as soon as the vehicle heads anywhere
else than along the world's axes. So each convention of `CONVENTIONS` is tried on the same motion, and the one
that is meant must not fit worse than another by far.

Side slip, a crooked sensor, ramps and banked bends are never another convention: they put the way some degrees off
under every one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from rushes.errors import MetricError
from rushes.metrics.checks import vector

CHORD_S, STEP_S, HOLE_S = 1.0, 0.25, 0.5
"""A direction of travel is a chord of one second, four a second, none across a longer hole in the poses."""

MOVING_MPS = 3.0
"""A chord is then 3 m: positions that err by .1 m turn it by 3 degrees, and a vehicle that stands has none."""

FORWARD_MPS = 8.0
"""No vehicle goes backwards faster; below it, -x is as good a direction of travel as +x."""

ENOUGH_M = 10.0
"""Less way tells nothing."""

FLOOR_DEG = 12.0
"""Nearer than this on average is no other convention: tyres slip, and sensors are mounted askew."""

TIMES_BETTER = 9.0
"""Another convention must fit this much better, a third of the angle, to be what the rotations are written in."""

UP_DEG = 20.0
"""Ramps and banked bends tilt a vehicle by less."""

HOPELESS_DEG = 60.0
"""Farther off on average, the rotations have nothing to do with the motion, whatever else fits."""

Verdict = Literal["fits", "wrong", "cannot be told"]

_UNITS = np.eye(3)
FRAMES = sorted(
    (
        np.stack(
            [sign_x * _UNITS[x], sign_y * _UNITS[y], np.cross(sign_x * _UNITS[x], sign_y * _UNITS[y])], 1
        )
        for x, y in permutations(range(3), 2)
        for sign_x, sign_y in product((1.0, -1.0), repeat=2)
    ),
    key=lambda frame: -np.trace(frame),
)
"""The 24 right-handed ways to name a vehicle's axes, (3, 3): columns x, y, z, each in forward, left, up."""

_X_FORWARD_Z_DOWN = next(
    number for number, frame in enumerate(FRAMES) if np.array_equal(np.diag(frame), [1, -1, -1])
)
_WORDS = (("forward", "backward"), ("left", "right"), ("up", "down"))
_NORTH_FIRST = np.array(
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]
)  # east, north, up of north, east, down


@dataclass(frozen=True, slots=True)
class Convention:
    """A way to write a vehicle's rotation as four numbers.

    Attributes:
        scalar_first: whether w stands before x, y, z.
        to_vehicle: whether they take the world to the vehicle.
        north_first: whether their world is north, east, down, where that of the positions is east, north, up.
        frame: which of `FRAMES` the vehicle has.
    """

    scalar_first: bool = False
    to_vehicle: bool = False
    north_first: bool = False
    frame: int = 0

    @property
    def strangeness(self) -> int:
        """How far from what is meant, by what is common: a world of north, east, down has vehicles with z down."""
        usual = _X_FORWARD_Z_DOWN if self.north_first else 0
        return self.scalar_first + self.to_vehicle + 2 * self.north_first + 2 * (self.frame != usual)

    @property
    def differences(self) -> tuple[tuple[str, str], ...]:
        """What it has that is not meant here, each with what to do about it."""
        axes = ", ".join(
            f"{name} {_WORDS[abs(axis).argmax()][int(axis.sum() < 0)]}"
            for name, axis in zip("xyz", FRAMES[self.frame].T, strict=True)
        )
        known = (
            (self.scalar_first, "quaternions w, x, y, z", "write them x, y, z, w"),
            (
                self.to_vehicle,
                "rotations from the world to the vehicle, or positions with y to the right",
                "write the inverse rotations, from the vehicle to the world; or y to the left",
            ),
            (
                self.north_first,
                "rotations in a world of north, east, down under positions in one of east, north, up",
                "turn the rotations into the world of the positions",
            ),
            (self.frame > 0, f"a vehicle with {axes}", "turn its frame to x forward, y left, z up"),
        )
        return tuple((what, cure) for has, what, cure in known if has)


CONVENTIONS = sorted(
    (
        Convention(first, inverse, north, frame)
        for first, inverse, north in product((False, True), repeat=3)
        for frame in range(len(FRAMES))
    ),
    key=lambda convention: convention.strangeness,
)
"""All 192, the likelier of those that one motion cannot tell apart first; the first is what is meant here."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """How well each convention fits a motion; what several motions say is the sum of it.

    Attributes:
        way_m: metres driven that count.
        off: (conventions, 2) metres times ``1 - cos`` of the angle of the way to forward, of up to the vertical.
    """

    way_m: float
    off: NDArray[np.float64]

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(self.way_m + other.way_m, self.off + other.off)

    @property
    def costs(self) -> NDArray[np.float64]:
        """(conventions,) mean ``1 - cos``, of up only what is beyond `UP_DEG`; 0 is a perfect fit."""
        forward, up = self.off.T / max(self.way_m, 1e-9)
        costs: NDArray[np.float64] = forward + np.maximum(up - _cost(UP_DEG), 0.0)
        return costs

    @property
    def verdict(self) -> Verdict:
        """Whether the motion is that of the convention that is meant."""
        if self.way_m < ENOUGH_M:
            return "cannot be told"
        meant, *others = self.costs
        better = meant > _cost(FLOOR_DEG) and min(others) * TIMES_BETTER < meant
        return "wrong" if better or meant > _cost(HOPELESS_DEG) else "fits"

    @property
    def likely(self) -> int | None:
        """Which of `CONVENTIONS` the motion is in, the simplest of those that fit; None where none does."""
        costs = self.costs
        fitting = np.flatnonzero(costs * TIMES_BETTER < costs[0])
        return int(fitting[0]) if len(fitting) else None

    def degrees(self, convention: int = 0) -> tuple[float, float]:
        """How far the way lies from forward, and up from the vertical, on average."""
        mean = self.off[convention] / max(self.way_m, 1e-9)
        forward, up = np.degrees(np.arccos(np.clip(1.0 - mean, -1.0, 1.0)))
        return float(forward), float(up)


NO_EVIDENCE = Evidence(0.0, np.zeros((len(CONVENTIONS), 2)))


def evidence(times_s: ArrayLike, rotations: ArrayLike, positions: ArrayLike) -> Evidence:
    """What a motion says of the convention of its rotations.

    Args:
        times_s: (n,) seconds, increasing.
        rotations: (n, 4) unit quaternions, in whatever convention.
        positions: (n, 3) metres.

    Raises:
        MetricError: shapes that do not fit.

    Ten seconds to the north at 10 m/s, heading there, written with the scalar last and first:

    >>> times = np.arange(0.0, 10.0, 0.1)
    >>> north = np.outer(times, [0.0, 10.0, 0.0])
    >>> half = 0.5**0.5
    >>> found = evidence(times, np.tile([0.0, 0.0, half, half], (100, 1)), north)
    >>> found.verdict, round(found.way_m)
    ('fits', 90)
    >>> found = evidence(times, np.tile([half, 0.0, 0.0, half], (100, 1)), north)
    >>> found.verdict, CONVENTIONS[found.likely].differences
    ('wrong', (('quaternions w, x, y, z', 'write them x, y, z, w'),))
    """
    times, turned, places = vector(times_s, "times"), np.asarray(rotations), np.asarray(positions)
    if turned.shape != (len(times), 4) or places.shape != (len(times), 3):
        raise MetricError(
            f"{len(times)} times need rotations (n, 4) and positions (n, 3), found {turned.shape}, {places.shape}"
        )
    # The rotation in the middle of a chord is that of its direction, however the vehicle turns.
    rows = np.searchsorted(times, np.arange(times[0] + CHORD_S / 2, times[-1] - CHORD_S / 2, STEP_S))
    ends = times[rows, np.newaxis] + np.array([-CHORD_S / 2, CHORD_S / 2])
    first, last = np.searchsorted(times, ends.T)
    holes = np.concatenate([[0], np.cumsum(np.diff(times) > HOLE_S)])
    whole = (ends[:, 0] >= times[0]) & (ends[:, 1] <= times[-1])
    whole &= holes[np.maximum(first, 1) - 1] == holes[np.minimum(last, len(times) - 1)]
    starts, stops = (np.stack([np.interp(end, times, axis) for axis in places.T], 1) for end in ends.T)
    chords = stops - starts
    lengths = np.linalg.norm(chords, axis=1)
    moving = whole & (lengths >= MOVING_MPS * CHORD_S)
    lengths, ways = lengths[moving], chords[moving] / lengths[moving, np.newaxis]
    off = np.zeros((len(CONVENTIONS), 2))
    if moving.any():
        weights, fast = lengths * (STEP_S / CHORD_S), lengths >= FORWARD_MPS * CHORD_S
        for number, cosines in enumerate(_cosines(turned[rows[moving]], ways)):
            along, up = cosines
            off[number] = weights @ (1.0 - np.where(fast, along, np.abs(along))), weights @ (1.0 - up)
    return Evidence(float(lengths.sum()) * STEP_S / CHORD_S, off)


def _cosines(
    rotations: NDArray[np.float64], ways: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Of each convention, (k,) cosines of ways (k, 3) to forward, and of up to the vertical."""
    seen: dict[tuple[bool, bool, bool], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for first, inverse, north in product((False, True), repeat=3):
        turned = Rotation.from_quat(np.roll(rotations, -1, axis=1) if first else rotations)
        matrices = (turned.inv() if inverse else turned).as_matrix()
        matrices = _NORTH_FIRST @ matrices if north else matrices
        seen[first, inverse, north] = np.einsum("ki,kij->jk", ways, matrices), matrices[:, 2].T
    for convention in CONVENTIONS:
        way, vertical = seen[convention.scalar_first, convention.to_vehicle, convention.north_first]
        frame = FRAMES[convention.frame]
        yield frame[0] @ way, frame[2] @ vertical


def _cost(degrees: float) -> float:
    return float(1.0 - np.cos(np.radians(degrees)))
