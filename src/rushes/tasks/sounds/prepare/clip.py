"""A short sound as the net hears it, for a dataset as for a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rushes.media.audio import CUT, decode
from rushes.media.audio_files import mapped
from rushes.media.audio_frames import Data
from rushes.media.limits import Limits
from rushes.media.logmel import log_mel
from rushes.recipe.spectrogram import SpectrogramPreprocessing
from rushes.runs.door.contract import Decoded, Part
from rushes.shards.member import array_member
from rushes.tasks.sounds.prepare.sample import FEATURES

CLIP = "clip"
"""Key of the one part of a request."""

ANALYZE = "ask /analyze, which takes long recordings; or cut it: ffmpeg -ss START -t SECONDS -i IN OUT.wav"


def clip_of(
    data: Data, preprocessing: SpectrogramPreprocessing, longest_s: float, where: object, if_longer: str = CUT
) -> tuple[NDArray[np.floating], float]:
    """The spectrogram (mels, frames) of the first ``preprocessing.clip_s`` of a sound, and its whole length.

    Args:
        data: the whole file.
        preprocessing: length, rate, bands.
        longest_s: of a sound whose beginning may stand for it.
        where: its name in errors.
        if_longer: what to do with a longer one.

    Raises:
        MediaError: see `rushes.media.audio.decode`.
    """
    sound = decode(
        data,
        sample_rate=preprocessing.sample_rate,
        longest_s=longest_s,
        where=where,
        if_longer=if_longer,
    )
    return log_mel(sound.head(preprocessing.samples), preprocessing), sound.length_s


@dataclass(frozen=True, slots=True)
class DecodeClip:
    """See `rushes.runs.door.contract.Decode`: a sound of one class.

    Attributes:
        preprocessing: of the net.
        longest_s: of a sound whose beginning may stand for it.
    """

    preprocessing: SpectrogramPreprocessing
    longest_s: float

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """See `Decode`."""
        [path] = files.values()
        longest_s = min(self.longest_s, limits.max_duration_s)
        with mapped(path) as data:
            features, length_s = clip_of(data, self.preprocessing, longest_s, path, ANALYZE)
        about = {"duration_s": length_s, "fps": None, "parts": 1}
        return Decoded(about, iter([Part(CLIP, {FEATURES: array_member(features)})]))
