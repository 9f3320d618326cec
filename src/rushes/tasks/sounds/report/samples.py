"""Sounds as they were prepared: spectrograms, and the sounds themselves, read again from the recordings."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
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
from rushes.media.audio import decode, stream
from rushes.media.audio_files import mapped
from rushes.media.audio_windows import windows
from rushes.records import SoundRecording
from rushes.shards.read import ShardDataset
from rushes.tasks.sounds.prepare.recording import LONGEST_S
from rushes.tasks.sounds.prepare.sample import META, Sample, metas
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.recipe import RecordingSource, SoundsRecipe
from rushes.tasks.sounds.report.spectrograms import SHOWN, picture
from rushes.tasks.sounds.sources.blocks import BYTES_PER_S, FileBlock, Sounds, SoundScan
from rushes.tasks.sounds.sources.recordings import LongRecording, RecordingScan
from rushes.tasks.sounds.sources.windows import Cutting

READ_BYTES = 2e9
"""Of archives that are read to their end for the sounds of a page, the smallest first: a minute or two."""


READ_S = 40 * 3600.0
"""Of long recordings that are decoded for their windows, the shortest first: some minutes."""


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
        waves = self._waves(picked)
        for one, sample in zip(picked, samples, strict=True):
            jpeg = picture(sample.features, (float(sample.features.min()), float(sample.features.max())))
            shown = image(jpeg, f"log-mel spectrogram of {one.key}", style=f"height:{SHOWN}px")
            files, played = files_of(one) | {"spectrogram.jpg": jpeg}, waves.get(one.key)
            if played is not None:
                files["sound.wav"] = played
            yield Shown(shown, join((*caption_of(one), _player(played))), files)

    def _waves(self, picked: Sequence[Picked]) -> dict[str, bytes]:
        """The sounds as WAV files by their keys, as far as they can be read again."""
        wanted = {one.key for one in picked}
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


class WindowViewer(SoundViewer):
    """Windows of long recordings.

    Args:
        recordings: where the windows are read again.
        hop_s: from the start of a window to that of the next.
        preprocessing: rate and length of the windows.
    """

    seconds_said = (
        "Seconds are those of the recordings, by label; what is not labelled has no label. Windows overlap, so "
        "samples do not follow from seconds."
    )

    def __init__(
        self, recordings: Sequence[LongRecording], hop_s: float, preprocessing: SoundPreprocessing
    ) -> None:
        super().__init__((), preprocessing, LONGEST_S)
        self._recordings, self._hop_s = recordings, hop_s

    def seconds(
        self, recordings: Sequence[Mapping[str, Any]], sides: Mapping[str, ShardDataset]
    ) -> Iterator[tuple[Place, float]]:
        """Of each label, and of what lies between."""
        return Viewer.seconds(self, recordings, sides)

    def _waves(self, picked: Sequence[Picked]) -> dict[str, bytes]:
        wanted: dict[str, dict[float, str]] = {}
        for one in picked:
            meta = json.loads(bytes(one.fields[META]))
            wanted.setdefault(meta["recording"], {})[meta["start_s"]] = one.key
        found: dict[str, bytes] = {}
        left_s = READ_S
        for recording in sorted(self._recordings, key=lambda one: one.length_s):
            starts = wanted.get(recording.key, {})
            left_s -= max(starts, default=0.0)
            if starts and left_s > 0:
                found |= self._of_recording(recording, starts)
        return found

    def _of_recording(self, recording: LongRecording, starts: Mapping[float, str]) -> dict[str, bytes]:
        """The windows that start there, read up to the last of them."""
        found, rate = {}, self._preprocessing.sample_rate
        with suppress(MediaError), mapped(recording.path) as data:
            blocks = stream(data, sample_rate=rate, longest_s=LONGEST_S, where=recording.path)
            for start, wave in windows(blocks, self._preprocessing.samples, round(self._hop_s * rate)):
                if start / rate in starts:
                    found[starts[start / rate]] = wav(wave, rate)
                if len(found) == len(starts):
                    break
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


def viewer_of(scan: SoundScan | RecordingScan, recipe: SoundsRecipe) -> SoundViewer:
    """The viewer of what a scan found."""
    if isinstance(scan, RecordingScan):
        assert isinstance(recipe.source, RecordingSource), "a scan is of the recipe's own source"
        hop_s = Cutting.of(recipe.source, recipe.preprocessing).hop_s
        return WindowViewer(scan.recordings, hop_s, recipe.preprocessing)
    return SoundViewer(scan.blocks, recipe.preprocessing, recipe.prepare.longest_s)
