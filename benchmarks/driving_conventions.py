"""Whether the motion itself tells in which convention its rotations are written, and never accuses a right one.

    python benchmarks/driving_conventions.py [--quick] [--json]

Draws trajectories of a vehicle with what makes its way differ from its heading (side slip, reversing, ramps, banked
bends, positions that jitter, a crooked sensor) and those of the twin, and writes their rotations in every one of 96
conventions: scalar last or first, to the world or to the vehicle, and 24 frames of the vehicle. Headings of the world
are free, or begin with 0 as in a local world. *False refusals* are those of the right convention, *caught* the share
of the 95 wrong ones that are refused, clip by clip and over datasets of several clips. Takes four minutes of a core,
with --quick half a minute.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from report import Figure, at_least, at_most, emit
from scipy.integrate import cumulative_simpson
from scipy.spatial.transform import Rotation

from rushes.metrics.conventions import NO_EVIDENCE, Evidence, evidence
from rushes.tasks.driving.twin.script import DrivingSettings, egomotion_timestamps, truth, units
from rushes.tasks.driving.twin.writer import egomotion_rows

Array = NDArray[np.float64]
Random = np.random.Generator
RATE_HZ, LENGTH_S = 100.0, 20.0
HARMLESS_DEG = 2.0  # straight ahead, some conventions are the same numbers
FRAMES = sorted(Rotation.create_group("O").as_matrix().round() + 0.0, key=np.trace, reverse=True)
"""The 24 ways to name the axes of a vehicle; the first is x forward, y left, z up."""


@dataclass(frozen=True)
class Motion:
    """A drawn trajectory: n poses.

    Attributes:
        times_s: (n,) seconds.
        rotations: (n, 4) x, y, z, w, vehicle to world.
        positions: (n, 3) metres.
    """

    times_s: Array
    rotations: Array
    positions: Array

    def written(
        self, scalar_first: bool = False, to_vehicle: bool = False, frame: Array = FRAMES[0]
    ) -> Evidence:
        """What it says when its rotations are written in another convention."""
        turned = Rotation.from_quat(self.rotations) * Rotation.from_matrix(frame)
        numbers = (turned.inv() if to_vehicle else turned).as_quat()
        return evidence(self.times_s, np.roll(numbers, int(scalar_first), 1), self.positions)

    def turned(self, yaw: float) -> Motion:
        """In a world turned by ``yaw`` radians."""
        by = Rotation.from_rotvec([0.0, 0.0, yaw])
        return Motion(
            self.times_s, (by * Rotation.from_quat(self.rotations)).as_quat(), by.apply(self.positions)
        )


def drawn(
    speed: Array,
    turn: Array,
    *,
    slip: Array | float = 0.0,
    pitch: Array | float = 0.0,
    roll: Array | float = 0.0,
    ahead_m: float = 0.0,
    jitter_m: float = 0.0,
    crooked: tuple[float, float, float] = (0.0, 0.0, 0.0),
    rng: Random | None = None,
) -> Motion:
    """A drive at `RATE_HZ` from its speed and turn.

    Args:
        speed: (n,) metres a second along the way, negative backwards.
        turn: (n,) radians a second of the heading, left positive.
        slip: of the way against the heading, radians.
        pitch, roll: radians, nose up and left side up; the way climbs with the pitch.
        ahead_m: place of the positions in front of the rear axle.
        jitter_m: standard deviation of white noise of the positions.
        crooked: turn of the sensor in the vehicle, degrees about z, y, x.
        rng: of the jitter.
    """
    n = len(speed)
    times = np.arange(n) / RATE_HZ
    yaw = cumulative_simpson(turn, x=times, initial=0.0)
    climb = np.broadcast_to(pitch, n)
    way = Rotation.from_euler("ZY", np.stack([yaw + slip, -climb], 1)).apply([1.0, 0.0, 0.0])
    positions = cumulative_simpson(speed[:, np.newaxis] * way, x=times, axis=0, initial=0.0)
    body = Rotation.from_euler("ZYX", np.stack([yaw, -climb, np.broadcast_to(roll, n)], 1))
    positions = positions + body.apply([ahead_m, 0.0, 0.0])
    if rng is not None:
        positions = positions + rng.normal(0.0, jitter_m, positions.shape)
    sensor = Rotation.from_euler("ZYX", crooked, degrees=True)
    return Motion(times, (body * sensor).as_quat(), positions)


def steady(value: float, length_s: float = LENGTH_S) -> Array:
    """The same all the time."""
    return np.full(round(length_s * RATE_HZ), value)


def waves(rng: Random, size: float, length_s: float = LENGTH_S) -> Array:
    """A smooth change to both sides."""
    times = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    period, phase = rng.uniform(4.0, 10.0), rng.uniform(0.0, 2 * np.pi)
    wave: Array = size * np.sin(2 * np.pi * times / period + phase)
    return wave


def pulse(start_s: float, stop_s: float, size: float, length_s: float = LENGTH_S) -> Array:
    """``size`` between two moments, with soft edges."""
    times = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    edges: Array = size * (np.tanh((times - start_s) / 0.3) - np.tanh((times - stop_s) / 0.3)) / 2
    return edges


def _three_point(rng: Random) -> Motion:
    speed = pulse(1, 5, 3.5) + pulse(7, 11, -3.5) + pulse(13, 20, 5.0)
    return drawn(speed, pulse(1, 5, 0.4) + pulse(7, 11, 0.35) + pulse(13, 15, 0.2))


def _spin(rng: Random) -> Motion:
    """The vehicle turns once about itself while it slides on."""
    turn = pulse(8, 11, 2 * np.pi / 3)
    yaw = cumulative_simpson(turn, dx=1 / RATE_HZ, initial=0.0)
    return drawn(steady(12.0) - pulse(8, 20, 8.0), turn, slip=-yaw)


RIGHT: Mapping[str, Callable[[Random], Motion]] = {
    "straight on": lambda rng: drawn(steady(rng.uniform(5, 30)), steady(0.0)),
    "bends": lambda rng: drawn(steady(rng.uniform(6, 14)), waves(rng, rng.uniform(0.15, 0.4))),
    "lane changes at 30 m/s": lambda rng: drawn(steady(30.0), waves(rng, 0.03)),
    "a roundabout, twice": lambda rng: drawn(
        steady(7.0), pulse(3, 3 + 4 * np.pi * 12 / 7, 7 / 12, 28.0)[:2000]
    ),
    "a u-turn": lambda rng: drawn(steady(4.0), pulse(5, 5 + np.pi * 5.5 / 4, 4 / 5.5)),
    "standing": lambda rng: drawn(steady(0.0), steady(0.0)),
    "standing, positions jitter by .3 m": lambda rng: drawn(steady(0.0), steady(0.0), jitter_m=0.3, rng=rng),
    "a crawl, positions jitter by .3 m": lambda rng: drawn(
        steady(1.5), waves(rng, 0.2), jitter_m=0.3, rng=rng
    ),
    "slow, positions jitter by .2 m": lambda rng: drawn(steady(4.0), waves(rng, 0.2), jitter_m=0.2, rng=rng),
    "stop and go": lambda rng: drawn(np.abs(waves(rng, 6.0)), waves(rng, 0.1)),
    "reversing": lambda rng: drawn(steady(-rng.uniform(1, 6)), waves(rng, 0.2)),
    "a turn in three moves": _three_point,
    "ice: 30 degrees of slip for 5 s": lambda rng: drawn(
        steady(10.0), waves(rng, 0.15), slip=pulse(6, 11, 0.52)
    ),
    "a drift: 40 degrees for half the time": lambda rng: drawn(
        steady(14.0), waves(rng, 0.3), slip=pulse(5, 15, 0.7)
    ),
    "crab steering: 10 degrees throughout": lambda rng: drawn(steady(6.0), waves(rng, 0.1), slip=0.1745),
    "a spin": _spin,
    "a ramp of 15 degrees": lambda rng: drawn(steady(4.0), waves(rng, 0.3), pitch=pulse(5, 15, 0.262)),
    "a car park's helix": lambda rng: drawn(steady(4.0), steady(0.5), pitch=0.1),
    "banked by 30 degrees": lambda rng: drawn(steady(30.0), pulse(5, 15, 0.3), roll=pulse(5, 15, 0.52)),
    "positions at the front bumper": lambda rng: drawn(steady(5.0), waves(rng, 0.6), ahead_m=3.6),
    "a sensor crooked by 4 degrees": lambda rng: drawn(
        steady(12.0), waves(rng, 0.2), crooked=(4.0, -3.0, 3.0)
    ),
}
"""Trajectories whose rotations are right, by what makes them hard."""


def conventions() -> Iterator[dict[str, object]]:
    """All 96; the right one first."""
    for frame, first, inverse in product(FRAMES, (False, True), (False, True)):
        yield {"scalar_first": first, "to_vehicle": inverse, "frame": frame}


def twin_motions(clips: int) -> list[Motion]:
    """The poses of the twin's clips."""
    settings = DrivingSettings(train=clips, val=0, test=0, without_egomotion=0, invalid=0)
    found = []
    for unit in units(settings):
        rows = egomotion_rows(truth(settings, unit.key), egomotion_timestamps(settings, unit.key))
        columns = [
            np.stack([rows[name] for name in names], 1)
            for names in (("qx", "qy", "qz", "qw"), ("x", "y", "z"))
        ]
        found.append(Motion(rows["timestamp"] / 1e6, *columns))
    return found


def local(motion: Motion) -> Motion:
    """In a world whose x axis is the first heading."""
    return motion.turned(-float(Rotation.from_quat(motion.rotations[0]).as_euler("ZYX")[0]))


def misread(motion: Motion, scalar_first: bool, to_vehicle: bool, frame: Array) -> float:
    """By how many degrees at most the rotations differ from the right ones when nobody notices the convention."""
    right = Rotation.from_quat(motion.rotations[::20])
    written = right * Rotation.from_matrix(frame)
    numbers = np.roll((written.inv() if to_vehicle else written).as_quat(), int(scalar_first), 1)
    return float(np.degrees((Rotation.from_quat(numbers) * right.inv()).magnitude().max()))


def caught(motions: list[Motion], clips: tuple[int, ...]) -> dict[int, list[bool]]:
    """Clips of a dataset -> whether each in each convention that makes labels wrong is refused."""
    found: dict[int, list[bool]] = {count: [] for count in clips}
    for convention in list(conventions())[1:]:
        told = [(motion.written(**convention), misread(motion, **convention)) for motion in motions]
        for count, at in ((size, at) for size in clips for at in range(0, len(told) - size + 1, size)):
            of_set = told[at : at + count]
            if max(degrees for _, degrees in of_set) > HARMLESS_DEG:
                found[count].append(sum((one for one, _ in of_set), NO_EVIDENCE).verdict == "wrong")
    return found


def measure(quick: bool) -> Iterator[Figure]:
    """All figures."""
    rng, draws = np.random.default_rng(0), 3 if quick else 20
    refused, told = 0, 0
    for name, draw in RIGHT.items():
        found = [
            draw(rng).turned(rng.uniform(-np.pi, np.pi) if of % 2 else 0.0).written() for of in range(draws)
        ]
        refused += sum(one.verdict == "wrong" for one in found)
        told += sum(one.verdict == "fits" for one in found)
        if any(one.way_m for one in found):
            yield Figure(f"{name}: way off +x at worst, degrees", max(one.degrees()[0] for one in found))
    yield at_most(f"drawn right motions refused, of {draws * len(RIGHT)}", refused, 0)
    yield Figure("of these proven right", told)
    twin = twin_motions(8 if quick else 32)
    begun = time.process_time()
    verdicts = [motion.written().verdict for motion in twin]
    yield Figure("CPU time of a clip, ms", 1e3 * (time.process_time() - begun) / len(twin))
    yield at_most(f"clips of the twin refused, of {len(twin)}", verdicts.count("wrong"), 0)
    for world, motions in (("any heading", twin), ("first heading 0", [local(motion) for motion in twin])):
        single, sets = caught(motions, (1, 8)).values()
        yield at_least(
            f"wrong conventions caught in a clip of the twin, {world}", float(np.mean(single)), 0.99
        )
        yield at_least(f"wrong conventions caught in 8 clips of the twin, {world}", float(np.mean(sets)), 1.0)
        yield Figure(f"tried in 8 clips, {world}", len(sets))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer motions")
    options = parser.parse_args()
    emit(measure(options.quick), options.json)


if __name__ == "__main__":
    main()
