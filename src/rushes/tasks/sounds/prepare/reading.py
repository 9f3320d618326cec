"""Sounds that nobody labelled, cut into spectrograms: for ``rushes apply``, and in the decoding process of a service.

No model is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rushes.media.audio import length_s, stream
from rushes.media.audio_files import mapped
from rushes.media.audio_windows import windows
from rushes.media.limits import Limits
from rushes.media.logmel import log_mel
from rushes.recipe.spectrogram import SpectrogramPreprocessing
from rushes.runs.door.contract import Decoded, Part
from rushes.shards.member import array_member
from rushes.tasks.sounds.prepare.sample import FEATURES
from rushes.tasks.sounds.sources.windows import Cutting, key_of


@dataclass(frozen=True, slots=True)
class ReadSound:
    """Windows over all of a sound; a `rushes.runs.door.contract.Decode`.

    Attributes:
        preprocessing: as it is stored with the weights.
        cutting: into windows.
    """

    preprocessing: SpectrogramPreprocessing
    cutting: Cutting

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """Open a sound; a part has its spectrogram alone."""
        [path] = files.values()
        with mapped(path) as data:
            whole_s = length_s(data, path)
        limits.check(path, duration_s=whole_s)
        # A head may round a length down, to just before one more window.
        about = {"duration_s": whole_s, "fps": None, "parts": len(self.cutting.starts(whole_s)) + 1}
        return Decoded(about, self._parts(path, limits))

    def _parts(self, path: Path, limits: Limits) -> Iterator[Part]:
        """A spectrogram of each window, in one linear read.

        Raises:
            MediaError: the recording cannot be read as a whole.
        """
        rate = self.preprocessing.sample_rate
        hop = round(self.cutting.hop_s * rate)
        with mapped(path) as data:
            blocks = stream(data, sample_rate=rate, longest_s=limits.max_duration_s, where=path)
            for start, wave in windows(blocks, self.preprocessing.samples, hop):
                spectrogram = log_mel(wave, self.preprocessing)
                yield Part(key_of("sound", start / rate), {FEATURES: array_member(spectrogram)})
