"""Sounds as they were prepared: spectrograms, and the sounds themselves, read again from the recordings."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from rushes.errors import MediaError, SourceError
from rushes.evaluate.contents import Place
from rushes.evaluate.markup import data_uri, join, tag
from rushes.evaluate.pages import image
from rushes.evaluate.viewer import CELLS, Fields, Picked, Shown, Viewer, caption_of, cells, files_of
from rushes.media.audio import decode
from rushes.records import SoundRecording
from rushes.shards.read import ShardDataset
from rushes.tasks.sounds.prepare.sample import Sample, metas
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.report.spectrograms import SHOWN, picture
from rushes.tasks.sounds.sources.blocks import BYTES_PER_S, FileBlock, Sounds

READ_BYTES = 2e9
"""Of archives that are read to their end for the sounds of a page, the smallest first: a minute or two."""


class SoundViewer(Viewer):
    """Sounds.

    Args:
        blocks: where the recordings are read again.
        preprocessing: rate and length of the sounds.
        longest_s: of a sound that is decoded.
    """

    said = (
        "Spectrograms, low bands at the bottom, each from its own quietest to its loudest cell. Each plays what it was "
        "made of, at the rate and length of the preprocessing and as loud as it was recorded."
    )
    seconds_said = (
        "Seconds are those that the samples hold, at most the length of a clip each, without its silence."
    )
    least = 260

    def __init__(self, blocks: Sequence[Sounds], preprocessing: SoundPreprocessing, longest_s: float) -> None:
        self._blocks, self._preprocessing, self._longest_s = blocks, preprocessing, longest_s

    def seconds(
        self, recordings: Sequence[Mapping[str, Any]], sides: Mapping[str, ShardDataset]
    ) -> Iterator[tuple[Place, float]]:
        """Of each sound."""
        for side, samples in sides.items():
            for meta in metas(samples):
                length_s = min(meta["length_s"], self._preprocessing.clip_s)
                yield Place(side, meta["group"], meta["label"]), length_s

    def feature(self, fields: Fields) -> NDArray[np.float32]:
        """Mean dB of the cells of the spectrogram."""
        return cells(Sample.of("", fields).features.astype(np.float32), CELLS, CELLS).ravel()

    def show(self, picked: Sequence[Picked]) -> Iterator[Shown]:
        """See `Viewer.show`; every sound is read before the first is given."""
        samples = [Sample.of(one.key, one.fields) for one in picked]
        waves = self._waves({one.key for one in samples})
        for one, sample in zip(picked, samples, strict=True):
            jpeg = picture(sample.features, (float(sample.features.min()), float(sample.features.max())))
            shown = image(jpeg, f"log-mel spectrogram of {one.key}", style=f"height:{SHOWN}px")
            files, played = files_of(one) | {"spectrogram.jpg": jpeg}, waves.get(one.key)
            if played is not None:
                files["sound.wav"] = played
            yield Shown(shown, join((*caption_of(one), _player(played))), files)

    def _waves(self, wanted: set[str]) -> dict[str, bytes]:
        """The wanted sounds as WAV files, as far as they can be read again."""
        found: dict[str, bytes] = {}
        left = READ_BYTES
        for block in sorted(self._blocks, key=lambda block: block.length_s):
            if isinstance(block, FileBlock):
                block = replace(block, recordings=tuple(one for one in block.recordings if one.key in wanted))
            elif wanted <= found.keys() or (left := left - block.length_s * BYTES_PER_S) < 0:
                continue
            found |= self._of_block(block, wanted)
        return found

    def _of_block(self, block: Sounds, wanted: set[str]) -> dict[str, bytes]:
        found, rate = {}, self._preprocessing.sample_rate
        try:
            for recording, data in block:
                if not isinstance(recording, SoundRecording) or recording.key not in wanted:
                    continue
                if isinstance(data, bytes):
                    sound = decode(data, sample_rate=rate, longest_s=self._longest_s, where=recording.path)
                    found[recording.key] = wav(sound.head(self._preprocessing.samples), rate)
        except (MediaError, SourceError):
            return found  # changed since it was prepared: `rushes verify` and `rushes audit` say so
        return found


def wav(samples: NDArray[np.float32], rate: int) -> bytes:
    """A WAV file of 16 bits.

    Args:
        samples: (n,) in [-1, 1]; what is beyond is cut.
        rate: Hz.
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _player(data: bytes | None) -> Markup:
    if data is None:
        return tag(
            "span",
            "not read again: the recording is gone, changed, or in an archive too large for a page",
            class_="warn",
        )
    return tag(
        "audio",
        src=data_uri(data, "audio/wav"),
        controls="",
        preload="metadata",
        style="width:100%;height:32px",
    )
