"""Labels of folders of drives against the archives that they were made of, and of a receiver's fixes against truth.

    python benchmarks/rig.py [--quick] [--json]      # 15 s of CPU: 12 drawn clips, 5 simulated drives of 300 s

Every speed, turn and place is compared with the drive's own function of time. The receiver gives a fix a second with
1.5 m of white noise an axis; a turn is that within 1.5 s, measured above 5 m/s, where a heading
means something, and told without a bar from 1 m/s on, where labels begin.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from report import Figure, at_most, emit
from rig_twin import as_rig, city, degrees_of, write_fixes

from rushes.metrics.geodesy import earth_centred, east_north_up
from rushes.tasks.driving.prepare.plan import plan_clip
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import RigSource
from rushes.tasks.driving.sources import layout_of
from rushes.tasks.driving.sources.rig.gps import GpsTrack
from rushes.tasks.driving.twin.script import DrivingSettings, units
from rushes.tasks.driving.twin.writer import assemble, remove_parts, write_unit

CAMERAS = ("camera_front_wide_120fov", "camera_rear_left_70fov")
DRIVE_S = 300.0
ROWS = 15
"""Poses of a trajectory, ten a second, in the span of a window."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer clips and drives")
    parser.add_argument("--json", action="store_true", help="a list of figures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = [*_archives(Path(folder), 4 if asked.quick else 12)]
        figures += _receiver(Path(folder), 2 if asked.quick else 5)
    figures += _projection()
    emit(figures, asked.json)


def _archives(folder: Path, clips: int) -> Iterator[Figure]:
    """The greatest difference of any label between the twin's archives and the same drives as folders."""
    settings = DrivingSettings(
        train=clips - 2, val=1, test=1, clip_s=6.0, cameras=CAMERAS, size=(64, 36), fps=30, missing_share=0.0
    )
    root, mine = folder / "archives", folder / "drives"
    for unit in units(settings):
        write_unit(root, unit, settings)
    assemble(root, settings)
    remove_parts(root)
    archived = sorted(as_rig(root, mine, CAMERAS), key=lambda clip: clip.key)
    source = layout_of(RigSource(root=mine, frame="enu", split="index"), CAMERAS)
    drives = source.scan(mine).recordings
    preprocessing = RigPreprocessing(
        setup={"name": "pair", "reference": CAMERAS[0], "rows": [list(CAMERAS)]}, tile_size=(56, 56)
    )
    worst, windows, answers = 0.0, 0, 0
    for clip, drive in zip(archived, drives, strict=True):
        plans = [plan_clip(one, preprocessing, 8) for one in (clip, drive)]
        for ours, theirs in zip(*(plan.windows for plan in plans), strict=True):
            windows += 1
            for name in type(ours.motion).__dataclass_fields__:
                ends = [getattr(window.motion, name) for window in (ours, theirs)]
                worst = max(worst, float(np.abs(ends[0] - ends[1]).max()))
            answers += _answers(preprocessing, ours.motion) != _answers(preprocessing, theirs.motion)
    yield at_most(f"labels of {windows} windows, folders against archives: m, m/s, degrees", worst, 1e-3)
    yield at_most("answers that differ", answers, 0)


def _answers(preprocessing: RigPreprocessing, motion: object) -> tuple[str, ...]:
    names = ("mean_speed_mps", "final_speed_mps", "displacement_m", "yaw_deg")
    last = {name: float(getattr(motion, name)[-1]) for name in names}
    return preprocessing.values(last | {"start_speed_mps": float(motion.final_speed_mps[0])})


def _receiver(folder: Path, drives: int) -> Iterator[Figure]:
    """Errors over several drives through a city, of a fix a second."""
    parts = [_drive(folder, seed, own_speed=False) for seed in range(drives)]
    speeds, fast, slow, places = (
        np.concatenate(part) for part in zip(*[one[:4] for one in parts], strict=True)
    )
    yield at_most(f"speed RMS, m/s, {drives} drives of {DRIVE_S:g} s", _rms(speeds), 0.6)
    yield at_most("turn within 1.5 s RMS above 5 m/s, degrees", _rms(fast), 1.7)
    yield Figure("the same from 1 m/s on", _rms(slow))
    yield Figure("displacement within 1.5 s RMS, m", _rms(places))
    yield Figure("standard deviation of the speed as stated, m/s", float(np.mean([one[4] for one in parts])))
    yield at_most("poses with a heading below 1 m/s", sum(one[5] for one in parts), 0)
    told = [_drive(folder, seed, own_speed=True)[0] for seed in range(drives)]
    yield Figure("speed RMS where the receiver tells its own to .1 m/s, m/s", _rms(np.concatenate(told)))


def _drive(
    folder: Path, seed: int, own_speed: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float, int]:
    """Errors of speed, of turns above 5 and from 1 m/s on, of displacement; what is stated; headings of the slow."""
    truth, path = city(seed, DRIVE_S), folder / "gps.csv"
    write_fixes(path, truth, seed=seed, speed=own_speed)
    found = GpsTrack(path, 1.5, 1.0).read()
    times_s, speeds = found.times_s, np.linalg.norm(found.velocities[:, :2], axis=1)
    assert found.headed is not None
    assert found.sigma_mps is not None
    turned = _turns(2 * np.arctan2(found.rotations[:, 2], found.rotations[:, 3]))
    off = np.degrees(_wrapped(turned - _turns(truth.headings(times_s))))
    lowest = np.lib.stride_tricks.sliding_window_view(speeds, ROWS + 1).min(axis=1)
    headed = np.lib.stride_tricks.sliding_window_view(found.headed, ROWS + 1).all(axis=1)
    slow = int((found.headed & (speeds < 1.0)).sum())
    places = _chords(found.positions[:, :2]) - _chords(truth.path(times_s))
    return speeds - truth.speed(times_s), off[lowest > 5.0], off[headed], places, found.sigma_mps, slow


def _projection() -> Iterator[Figure]:
    """East, north, up within 20 km, against places that Newton's steps put on the ellipsoid."""
    rng = np.random.default_rng(0)
    metres = np.concatenate([np.zeros((1, 2)), rng.uniform(-14_000, 14_000, (500, 2))])
    degrees = degrees_of(metres)
    seen = east_north_up(*degrees.T, np.zeros(len(degrees)))
    yield at_most(
        "east, north of 500 places within 20 km, m", float(np.abs(seen[:, :2] - metres).max()), 1e-3
    )
    centred = earth_centred(*degrees.T, np.zeros(len(degrees)))
    apart = np.linalg.norm(centred - centred[0], axis=1) - np.linalg.norm(seen, axis=1)
    yield at_most("distances seen from there against those in the Earth, m", float(np.abs(apart).max()), 1e-3)


def _turns(headings: np.ndarray) -> np.ndarray:
    return headings[ROWS:] - headings[:-ROWS]


def _chords(places: np.ndarray) -> np.ndarray:
    return np.linalg.norm(places[ROWS:] - places[:-ROWS], axis=1)


def _wrapped(angles: np.ndarray) -> np.ndarray:
    return (angles + np.pi) % (2 * np.pi) - np.pi


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt((errors**2).mean()))


if __name__ == "__main__":
    main()
