"""Blocks of WAV files in memory, each sound another one."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rushes.records import SoundRecording
from rushes.tasks.sounds.prepare.unit import Job
from rushes.tasks.sounds.preprocessing import SoundPreprocessing

LABELS = ("quiet", "breathe", "snore")
CUT = b"RIFF\x24\x00\x00\x00WAVEfmt "


def wav(values: np.ndarray, rate: int = 16_000) -> bytes:
    """A mono WAV file of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((np.clip(values, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def sound(number: int, seconds: float, rate: int = 16_000) -> np.ndarray:
    """A tone in noise, float64 (n,)."""
    rng = np.random.default_rng(number)
    count = round(seconds * rate)
    tone = np.sin(2 * np.pi * rng.uniform(100, 4000) / rate * np.arange(count))
    return 0.3 * tone + rng.normal(0, 0.01, count)


@dataclass(frozen=True)
class Block:
    """Sounds in memory; ``bad`` ones are cut short, as if their copy had been."""

    key: str
    split: str
    count: int
    bad: tuple[int, ...] = ()
    first: int = 0

    @property
    def length_s(self) -> float:
        return float(self.count)

    def __iter__(self) -> Iterator[tuple[SoundRecording, bytes]]:
        for number in range(self.first, self.first + self.count):
            key = f"{self.split}-{number}"
            path = Path(f"{key}.wav")
            recording = SoundRecording(key, f"g{number % 4}", self.split, LABELS[number % 3], path)
            yield recording, CUT if number in self.bad else wav(sound(number, 0.6 + 0.1 * (number % 9)))


@pytest.fixture
def preprocessing() -> SoundPreprocessing:
    return SoundPreprocessing(clip_s=1.0, labels=LABELS)


@pytest.fixture
def make_job(preprocessing: SoundPreprocessing, tmp_path: Path) -> Callable[..., Job]:
    def make(
        block: Block,
        preprocessing: SoundPreprocessing = preprocessing,
        longest_s: float = 3.0,
        shard_bytes: int = 50_000_000,
    ) -> Job:
        return Job(block, preprocessing, longest_s, tmp_path / "dataset", shard_bytes)

    return make


@pytest.fixture(scope="session")
def make_block() -> type[Block]:
    return Block
