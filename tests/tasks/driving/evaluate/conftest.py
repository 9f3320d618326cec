"""Made-up drives, cut into windows, and systems that answer about them as told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rushes.evaluate.scorecard import Scorecard
from rushes.media.image import encode_jpeg
from rushes.metrics.egomotion import TARGETS
from rushes.tasks.driving.evaluate.measure import evaluate
from rushes.tasks.driving.predict.table import SCHEMA
from rushes.tasks.driving.prepare.sample import Sample

SPAN_S, STEP_S, RATE_HZ = 1.5, 0.8, 10
CAMERAS = ("front_wide", "front_tele", "rear_left", "rear_right")

Row = dict[str, Any]
Answers = Callable[[Row, np.random.Generator], Row]


def drive(rng: np.random.Generator, clip_s: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """Speed (m/s) and yaw (degrees) every 0.1 s of a clip: stops, a turn, changes of speed."""
    times = np.arange(0.0, clip_s, 1 / RATE_HZ)
    knots = np.maximum(rng.uniform(-4.0, 24.0, 6), 0.0)
    speed = np.interp(times, np.linspace(0.0, clip_s, 6), knots)
    rates = np.where(rng.random(6) < 0.5, 0.0, rng.uniform(-14.0, 14.0, 6))
    rate = np.interp(times, np.linspace(0.0, clip_s, 6), rates)
    return speed, np.cumsum(np.where(speed > 0.5, rate, 0.0)) / RATE_HZ


def windows(recording: str, rng: np.random.Generator) -> Iterator[Row]:
    """Windows of a clip with their true targets."""
    speed, yaw = drive(rng)
    frames = round(SPAN_S * RATE_HZ) + 1
    tags = json.dumps({"country": str(rng.choice(["DE", "US"])), "hour": int(rng.integers(6, 21))})
    for first in range(0, len(speed) - frames, round(STEP_S * RATE_HZ)):
        seen, turned = speed[first : first + frames], yaw[first : first + frames]
        steps = (seen[1:] + seen[:-1]) / 2 / RATE_HZ
        heading = np.radians((turned[1:] + turned[:-1]) / 2)
        start_s = -0.014 + first / RATE_HZ
        yield {
            "key": f"{recording}_w{first:04d}",
            "split": "val",
            "recording": recording,
            "group": recording,
            "window_start_s": start_s,
            "window_end_s": start_s + SPAN_S,
            "speed_at_start_mps": float(seen[0]),
            "tags": tags,
            "truth_mean_speed_mps": float(seen.mean()),
            "truth_final_speed_mps": float(seen[-1]),
            "truth_displacement_m": float(
                np.hypot((steps * np.cos(heading)).sum(), (steps * np.sin(heading)).sum())
            ),
            "truth_yaw_deg": float(turned[-1] - turned[0]),
        }


def failed(reason: str) -> Row:
    """No answer."""
    nothing = {f"{name}{end}": None for name in TARGETS for end in ("", "_low", "_high")}
    return nothing | {"reasoning": None, "failure": reason}


def noisy_answer(row: Row, rng: np.random.Generator, *, noise: float, failing: float = 0.0) -> Row:
    """The truth with noise of ``noise`` m/s, m and degrees; 90 % intervals that know of it."""
    if rng.random() < failing:
        return failed("no number in mean_speed_mps")
    answer: Row = {"reasoning": "The vehicle is driving at town speed, keeping its speed.", "failure": None}
    for name in TARGETS:
        value = row[f"truth_{name}"] + rng.normal(0.0, noise)
        answer |= {name: value, f"{name}_low": value - 1.645 * noise, f"{name}_high": value + 1.645 * noise}
    return answer


@dataclass(frozen=True)
class World:
    """Windows of eight clips to answer about, and the targets of others to learn from."""

    rows: tuple[Row, ...]
    train: tuple[Row, ...]

    def table(self, seed: int = 0, **systems: Answers) -> pa.Table:
        """Predictions of the named variants."""
        rng = np.random.default_rng(seed)
        rows = [
            row | {"variant": name} | answers(row, rng)
            for name, answers in systems.items()
            for row in self.rows
        ]
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    def evaluate(self, table: pa.Table, **changes: Any) -> Scorecard:
        """Measure ``table``."""
        asked = {"split": "val", "span_s": SPAN_S, "provenance": {"weights": "w"}} | changes
        return evaluate(table, self.train, **asked)

    def sample(self, key: str, *, layout: str = "tiled") -> Sample:
        """A window's sample with grey noise for pictures."""
        rng = np.random.default_rng([*key.encode()])
        times = [frame / RATE_HZ for frame in range(16)]
        cameras = {
            name: {
                "dt_s": [0.0] * 16 if place == 0 else rng.uniform(-0.016, 0.016, 16).tolist(),
                "place": [place // 2, place % 2],
            }
            for place, name in enumerate(CAMERAS)
        }
        meta = {"layout": layout, "order": CAMERAS, "frame_times_s": times, "cameras": cameras}
        truth = dict.fromkeys((*TARGETS, "forward_m", "left_m", "path_m"), times)
        views = [f"_{name}" for name in CAMERAS] if layout == "separate" else [""]
        picture = encode_jpeg(rng.integers(60, 200, (28, 56, 3), dtype=np.uint8), 60)
        fields = {f"frame_{place:02d}{view}.jpg": picture for place in range(16) for view in views}
        texts = {"meta.json": json.dumps(meta).encode(), "target.json": json.dumps(truth).encode()}
        return Sample.of(key, fields | texts)


def world_of(clips: int, seed: int = 0) -> World:
    rng = np.random.default_rng(seed)
    rows = [row for clip in range(clips) for row in windows(f"clip{clip:02d}", rng)]
    train = [row for clip in range(20) for row in windows(f"train{clip:02d}", rng)]
    return World(tuple(rows), tuple({name: row[f"truth_{name}"] for name in TARGETS} for row in train))


@pytest.fixture(scope="session")
def world() -> World:
    return world_of(8)


@pytest.fixture(scope="session")
def noisy() -> Callable[..., Answers]:
    return lambda noise, failing=0.0: partial(noisy_answer, noise=noise, failing=failing)
