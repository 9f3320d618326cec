"""A trained net before long sounds that nobody labelled: windows over all of one, a class for the middle of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.media.audio_kinds import SUFFIXES
from rushes.media.limits import Limits
from rushes.metrics.decode import running_median
from rushes.models.nets import SoundNet, load
from rushes.predict.ticks import Ticks
from rushes.runs.apply.contract import Apply
from rushes.runs.apply.gathering import EachItsTick
from rushes.runs.door.contract import Part
from rushes.shards.member import array_member, read_array
from rushes.tasks.sounds.evaluate.timeline import median_width
from rushes.tasks.sounds.predict.logits import logits_of
from rushes.tasks.sounds.predict.table import log_probabilities
from rushes.tasks.sounds.prepare.reading import ReadSound
from rushes.tasks.sounds.prepare.recording import LONGEST_S
from rushes.tasks.sounds.prepare.sample import FEATURES
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
    limits = Limits(max_duration_s=LONGEST_S)
    preload = ("rushes.tasks.sounds.prepare.reading",)

    @property
    def labels(self) -> tuple[str, ...]:
        """See `Apply.labels`."""
        return self.run.recipe.preprocessing.labels

    @property
    def signs(self) -> Mapping[str, Any]:
        """See `Apply.signs`."""
        return {"hop_s": self.cutting.hop_s}

    def recording_of(self, name: str) -> str | None:
        """See `Apply.recording_of`: a sound file is its own."""
        hidden = any(part.startswith(".") for part in name.split("/"))
        return name if name.lower().endswith(SUFFIXES) and not hidden else None

    def reader(self, step_s: float | None = None) -> ReadSound:
        """See `Apply.reader`; windows stand half a window apart, or as the recipe says, whatever is asked."""
        return ReadSound(self.net.preprocessing, self.cutting)

    def load(self) -> None:
        """See `Apply.load`."""
        self.net  # noqa: B018

    @property
    def made_up(self) -> Part:
        """See `Apply.made_up`."""
        return Part("silence", {FEATURES: array_member(np.zeros(self.net.preprocessing.shape, np.float32))})

    def answer(self, parts: Sequence[Part]) -> Sequence[NDArray[np.float64]]:
        """See `Apply.answer`: probabilities (K,) of each window."""
        features = (read_array(part.members[FEATURES]) for part in parts)
        logits = logits_of(self.net, features, self.batch_size)
        return list(np.exp(log_probabilities(logits)))

    def gather(self, about: Mapping[str, Any]) -> EachItsTick:
        """See `Apply.gather`."""
        middle_s = (self.cutting.clip_s - self.cutting.hop_s) / 2
        return EachItsTick(self.labels, self.cutting.hop_s, middle_s)

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

    @cached_property
    def cutting(self) -> Cutting:
        """Into windows, as recordings of the dataset; of a dataset of short sounds half a window apart."""
        source, preprocessing = self.run.recipe.source, self.run.recipe.preprocessing
        if isinstance(source, RecordingSource):
            return Cutting.of(source, preprocessing)
        return Cutting.of_clips(preprocessing)

    @cached_property
    def _width(self) -> int:
        return median_width(self.run.recipe.timelines, self.cutting)

    @cached_property
    def _smooths(self) -> bool:
        figures = self.reported("event_f1")
        return not figures or figures["smoothed"] > figures["model"]

    @cached_property
    def net(self) -> SoundNet:
        """The trained net, on the CPU until it is asked."""
        return load(self.run.folder(self.run.maker("weights")) / "model", SoundPreprocessing)
