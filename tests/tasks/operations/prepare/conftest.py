"""Footage whose frames carry their own number, and jobs and stages on it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rushes.media.image import decode_jpeg
from rushes.records import Media, Recording, Segment
from rushes.tasks.operations.prepare.unit import Job
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import PrepareClips

WIDTH, HEIGHT, RATE = 224, 168, 10
LABELS = ("Pick", "Tape", "Press", "Label")
BITS, CELL = 10, 16

MakeRecording = Callable[..., Recording]
ReadNumber = Callable[[bytes], int]


def _picture(number: int, seed: int) -> np.ndarray:
    """Grey noise that changes by fits and starts; the number in black and white cells on top of it."""
    rng = np.random.default_rng([seed, number // 7])
    grey = np.kron(rng.integers(90, 150, (HEIGHT // 8, WIDTH // 8)), np.ones((8, 8))).astype(np.uint8)
    for bit in range(BITS):
        grey[:CELL, bit * CELL : (bit + 1) * CELL] = 235 if number >> bit & 1 else 20
    return grey


def _write_video(path: Path, frames: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE, options={"preset": "veryfast", "crf": "20", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(_picture(number, seed), "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _segments(seconds: float) -> tuple[Segment, ...]:
    """Operations of 4.1 s, with a second that nobody labelled after every third."""
    segments, start_s = [], 0.5
    while start_s + 4.1 <= seconds:
        segments.append(Segment(start_s, start_s + 4.1, LABELS[len(segments) % len(LABELS)]))
        start_s += 4.1 if len(segments) % 3 else 5.1
    return tuple(segments)


@pytest.fixture(scope="session")
def make_recording(tmp_path_factory: pytest.TempPathFactory) -> MakeRecording:
    """A recording of ``seconds`` at 10 frames per second; the file is made once a session."""
    folder = tmp_path_factory.mktemp("footage")

    def make(key: str = "U0101_S0100", seconds: float = 30.0) -> Recording:
        path = folder / f"{key}-{seconds:g}.mp4"
        subject, session = key.split("_")
        if not path.exists():
            _write_video(path, round(seconds * RATE), seed=int(subject[1:]))
        return Recording(key, subject, subject, session, Media("video", path), _segments(seconds), 0.0)

    return make


@pytest.fixture(scope="session")
def read_number() -> ReadNumber:
    """The number that a stored frame carries."""

    def read(jpeg: bytes) -> int:
        grey = decode_jpeg(jpeg).mean(axis=2)
        scale = grey.shape[1] / WIDTH
        top = (grey.shape[0] - HEIGHT * scale) / 2
        row = round(top + CELL * scale / 2)
        return sum((grey[row, round((bit + 0.5) * CELL * scale)] > 128) << bit for bit in range(BITS))

    return read


@pytest.fixture
def preprocessing() -> ClipPreprocessing:
    return ClipPreprocessing(
        labels=LABELS, label_set="test", frame_size=(224, 224), signal_size=(56, 42), frames=6
    )


@pytest.fixture
def make_job(preprocessing: ClipPreprocessing, tmp_path: Path) -> Callable[..., Job]:
    def make(
        recording: Recording,
        preprocessing: ClipPreprocessing = preprocessing,
        *,
        split: str = "test",
        folder: Path = tmp_path / "dataset",
        **changed: object,
    ) -> Job:
        asked = PrepareClips().model_copy(update={"shard_bytes": 50_000_000, **changed})
        return Job(recording, split, folder, preprocessing, asked)

    return make
