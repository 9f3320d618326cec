"""Decoding as doors decode, without a task: a video becomes small pictures, a sound blocks; it imports no model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rushes.media import audio
from rushes.media.audio_files import mapped
from rushes.media.limits import Limits
from rushes.media.video import decode, probe
from rushes.records import Media
from rushes.runs.door.contract import Decoded, Part

SIDE = 64
RATE = 16_000
MOST = 200_000
"""Parts, of which a header may not be asked."""


@dataclass(frozen=True, slots=True)
class Look:
    """Each ``every``-th frame as a JPEG."""

    every: int = 1

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """Open a video."""
        media = Media("video", files["file"])
        info = probe(media, limits)
        return Decoded(
            {"duration_s": info.duration_s, "fps": None, "parts": MOST}, self._parts(media, limits)
        )

    def _parts(self, media: Media, limits: Limits) -> Iterator[Part]:
        for number, frame in enumerate(decode(media, limits)):
            if number % self.every == 0:
                yield Part(str(number), {"frame.jpg": frame.jpeg((SIDE, SIDE), 85)})


@dataclass(frozen=True, slots=True)
class Listen:
    """A sound at one rate, block by block."""

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """Open a sound."""
        return Decoded({"duration_s": None, "fps": None, "parts": MOST}, self._parts(files["file"], limits))

    def _parts(self, path: Path, limits: Limits) -> Iterator[Part]:
        with mapped(path) as data:
            blocks = audio.stream(data, sample_rate=RATE, longest_s=limits.max_duration_s, where=path)
            for number, block in enumerate(blocks):
                yield Part(str(number), {"wave.f32": block.tobytes()})
