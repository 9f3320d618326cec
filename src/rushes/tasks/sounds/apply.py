"""A trained net before long sounds that nobody labelled: windows over all of one, a class for the middle of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.annotations.mark import About
from rushes.media.audio import length_s, stream
from rushes.media.audio_files import mapped
from rushes.media.audio_kinds import SUFFIXES
from rushes.media.audio_windows import windows
from rushes.media.logmel import log_mel
from rushes.metrics.decode import running_median
from rushes.models.nets import SoundNet, load
from rushes.predict.ticks import Ticks
from rushes.runs.apply.contract import Apply
from rushes.tasks.sounds.evaluate.timeline import median_width
from rushes.tasks.sounds.predict.logits import logits_of
from rushes.tasks.sounds.predict.table import log_probabilities
from rushes.tasks.sounds.prepare.recording import LONGEST_S
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.recipe import RecordingSource, SoundsRecipe
from rushes.tasks.sounds.sources.windows import Cutting

TOLD = "event F1 in the report {model:.3f} as they come, {smoothed:.3f} smoothed"


class ApplyToSounds(Apply[SoundsRecipe]):
    """See `Apply`: what is heard, one answer a hop, as whole recordings are measured.

    A window's answer stands for the hop in its middle. A net that was trained on short sounds of a class each
    is asked about windows of their length, half a window apart.
    """

    player = "audio"

    @property
    def labels(self) -> tuple[str, ...]:
        """See `Apply.labels`."""
        return self.run.recipe.preprocessing.labels

    @property
    def signs(self) -> Mapping[str, Any]:
        """See `Apply.signs`."""
        return {"hop_s": self._cutting.hop_s}

    def recording_of(self, name: str) -> str | None:
        """See `Apply.recording_of`: a sound file is its own."""
        hidden = any(part.startswith(".") for part in name.split("/"))
        return name if name.lower().endswith(SUFFIXES) and not hidden else None

    def ticks(self, recording: Path) -> tuple[Ticks, About]:
        """See `Apply.ticks`."""
        with mapped(recording) as data:
            whole_s = length_s(data, recording)
        logits = logits_of(self._net, self._features(recording), self.run.recipe.evaluate.batch_size)
        cutting = self._cutting
        middle_s = (cutting.clip_s - cutting.hop_s) / 2
        ticks = Ticks.of(cutting.hop_s, self.labels, np.exp(log_probabilities(logits)), middle_s)
        return ticks, About(duration_s=Fraction(repr(whole_s)))

    @property
    def remark(self) -> str:
        """See `Apply.remark`."""
        smoothed = f"smoothed by a running median of {self._width} windows"
        figures = self.reported("event_f1")
        if not figures:
            return smoothed
        return f"{smoothed if self._smooths else 'as they come'}: {TOLD.format(**figures)}"

    def shown(self, ticks: Ticks) -> Ticks:
        """See `Apply.shown`: the report's labels, smoothed or not, whichever found events better there."""
        if not self._smooths:
            return ticks
        smoothed = running_median(ticks.probabilities, self._width)
        return ticks.saying([self.labels[place] for place in smoothed.argmax(axis=1).tolist()])

    def _features(self, recording: Path) -> Iterator[NDArray[np.floating]]:
        """A spectrogram of each window, in one linear read.

        Raises:
            MediaError: the recording cannot be read as a whole.
        """
        preprocessing = self._net.preprocessing
        hop = round(self._cutting.hop_s * preprocessing.sample_rate)
        with mapped(recording) as data:
            blocks = stream(data, sample_rate=preprocessing.sample_rate, longest_s=LONGEST_S, where=recording)
            for _, wave in windows(blocks, preprocessing.samples, hop):
                yield log_mel(wave, preprocessing)

    @cached_property
    def _cutting(self) -> Cutting:
        """Into windows, as recordings of the dataset; of a dataset of short sounds half a window apart."""
        source, preprocessing = self.run.recipe.source, self.run.recipe.preprocessing
        if isinstance(source, RecordingSource):
            return Cutting.of(source, preprocessing)
        return Cutting.of_clips(preprocessing)

    @cached_property
    def _width(self) -> int:
        return median_width(self.run.recipe.timelines, self._cutting)

    @cached_property
    def _smooths(self) -> bool:
        figures = self.reported("event_f1")
        return not figures or figures["smoothed"] > figures["model"]

    @cached_property
    def _net(self) -> SoundNet:
        return load(self.run.folder(self.run.maker("weights")) / "model", SoundPreprocessing)
