"""Sessions of made-up work cut into real clips, and systems that answer about them as told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rushes.evaluate.scorecard import Scorecard
from rushes.media.image import encode_jpeg
from rushes.records import Clip, Media, Recording, Segment
from rushes.tasks.operations.evaluate.measure import evaluate
from rushes.tasks.operations.prepare.clips import Cutting, boundary_clips, plan_clips, windows
from rushes.tasks.operations.prepare.sample import Sample

LABELS = ("Pick", "Tape", "Press", "Label")
CUTTING = Cutting()

Answer = dict[str, Any]
Answers = Callable[[dict[str, Any], np.random.Generator], Answer]


def _recording(key: str, group: str, operations: int) -> Recording:
    """Operations in an order that branches after Pick, two to eight seconds each."""
    rng = np.random.default_rng([len(key), *key.encode()])
    segments, time_s, label = [], 1.0, "Pick"
    for _ in range(operations):
        length_s = float(rng.uniform(2.0, 8.0))
        segments.append(Segment(time_s, time_s + length_s, label))
        time_s += length_s
        follows = {"Pick": ("Tape", "Press"), "Tape": ("Label",), "Press": ("Label",), "Label": ("Pick",)}
        label = str(rng.choice(follows[label]))
    return Recording(key, group, group, "S0100", Media("video", Path("none.mp4")), tuple(segments), 0.0)


def _duration_s(recording: Recording) -> float:
    return recording.segments[-1].end_s + 2.0


def _true(clip: Clip) -> Answer:
    """A right and certain answer."""
    target = clip.target
    under_way = next((part for part in clip.segments if part.contains(clip.asked_s)), None)
    label = under_way.label if under_way else LABELS[0]
    return {
        "operation": label,
        "start_s": target.start_s if target else 0.0,
        "end_s": target.end_s if target else 5.0,
        "next": target.next if target else LABELS[0],
        "confidence": 0.97,
        "probabilities": [0.97 if name == label else 0.01 for name in LABELS],
        "failure": None,
    }


@dataclass(frozen=True)
class World:
    """Train and test sessions with all their clips.

    Attributes:
        recordings: as in recordings.json.
        train: samples of the training split.
        clips: (recording, clip) of the test split, around boundaries and windows.
    """

    recordings: list[dict[str, Any]]
    train: list[Sample]
    clips: list[tuple[Recording, Clip]]

    def table(self, **systems: Answers) -> pa.Table:
        """Predictions: each system is given the right answer, with its key, and returns its own."""
        rows = []
        for variant, answers in systems.items():
            rng = np.random.default_rng(7)
            for recording, clip in self.clips:
                if clip.kind == "window" and variant != "model":
                    continue
                target = clip.target
                row = {
                    "key": clip.key,
                    "variant": variant,
                    "split": "test",
                    "recording": recording.key,
                    "subject": recording.subject,
                    "group": recording.group,
                    "kind": clip.kind,
                    "clip_start_s": clip.start_s,
                    "clip_end_s": clip.end_s,
                    "asked_s": clip.asked_s,
                    "truth_operation": target and target.operation,
                    "truth_start_s": target and target.start_s,
                    "truth_end_s": target and target.end_s,
                    "truth_next": target and target.next,
                }
                rows.append(row | answers(_true(clip) | {"key": clip.key, "kind": clip.kind}, rng) | row)
        schema = {"failure": pa.string(), "truth_operation": pa.string(), "operation": pa.string()}
        table = pa.Table.from_pylist(rows)
        for name, kind in schema.items():
            table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
        return table

    def evaluate(self, table: pa.Table, **changes: Any) -> Scorecard:
        """The scorecard of predictions about this world."""
        settings = {
            "recordings": self.recordings,
            "train": self.train,
            "labels": LABELS,
            "split": "test",
            "clip_s": 5.0,
            "stride_s": 1.0,
            "first_clips": 30,
            "provenance": {"weights": "0123456789ab"},
        }
        return evaluate(table, **(settings | changes))


def _sample(clip: Clip) -> Sample:
    times_s = (0.1, 1.6, 3.2, 4.9)
    picture = np.full((48, 64, 3), 120, np.uint8)
    meta = {"kind": clip.kind, "source_size": [640, 360], "sampler": "motion"}
    frames = tuple(encode_jpeg(picture) for _ in times_s)
    return Sample(clip.key, meta, frames, times_s, clip.asked_s, clip.target, clip.segments, None)


def _world(test_people: Sequence[str]) -> World:
    train = [_recording(f"U010{number}_S0100", f"U010{number}", 24) for number in range(1, 5)]
    return _world_of(train, [_recording(f"{person}_S0100", person, 24) for person in test_people])


def _cut(recording: Recording, *, with_windows: bool) -> list[Clip]:
    duration_s = _duration_s(recording)
    if duration_s < CUTTING.clip_s:
        return plan_clips(recording, duration_s, CUTTING, with_windows)
    ticks = windows(recording, duration_s, CUTTING) if with_windows else ()
    return [*boundary_clips(recording, duration_s, CUTTING), *ticks]


def _world_of(train: Sequence[Recording], test: Sequence[Recording]) -> World:
    recordings = [
        {
            "key": recording.key,
            "split": split,
            "group": recording.group,
            "subject": recording.subject,
            "duration_s": _duration_s(recording),
            "segments": [[part.start_s, part.end_s, part.label] for part in recording.segments],
        }
        for split, members in (("train", train), ("test", test))
        for recording in members
    ]
    samples = [_sample(clip) for recording in train for clip in _cut(recording, with_windows=False)]
    clips = [(recording, clip) for recording in test for clip in _cut(recording, with_windows=True)]
    return World(recordings, samples, clips)


@pytest.fixture(scope="session")
def world() -> World:
    """One test person."""
    return _world(["U0108"])


def _short(key: str, seconds: float, label: str) -> Recording:
    """A recording of ``seconds + 2`` with one label."""
    segments = (Segment(0.0, seconds, label),)
    return Recording(key, key, key, "S0100", Media("video", Path("none.mp4")), segments, 0.0)


@pytest.fixture(scope="session")
def one_label_a_file() -> World:
    """Twenty files on each side, shorter than a clip, with one label each."""
    sides = [
        [_short(f"{side}{number}_S0100", 0.6 + 0.1 * number, LABELS[number % 4]) for number in range(20)]
        for side in ("U1", "U2")
    ]
    return _world_of(*sides)


@pytest.fixture(scope="session")
def six_people() -> World:
    """Six test persons."""
    return _world([f"U020{number}" for number in range(6)])


@pytest.fixture(scope="session")
def right() -> Answers:
    """Answers everything right."""
    return lambda true, rng: true


@pytest.fixture(scope="session")
def noisy() -> Callable[[float], Answers]:
    """Answers right with a given probability, in each part by itself."""

    def system(accuracy: float) -> Answers:
        def answer(true: Answer, rng: np.random.Generator) -> Answer:
            operation = true["operation"] if rng.random() < accuracy else str(rng.choice(LABELS))
            following = true["next"] if rng.random() < accuracy else str(rng.choice(LABELS))
            span = (true["start_s"], true["end_s"]) if rng.random() < accuracy else (0.0, 5.0)
            return true | {
                "operation": operation,
                "next": following,
                "start_s": span[0],
                "end_s": span[1],
                "confidence": 0.7,
                "probabilities": [0.7 if name == operation else 0.1 for name in LABELS],
            }

        return answer

    return system
