"""A trained model before footage that nobody labelled: windows as a timeline has them, an answer for each tick.

Windows are cut, frames chosen and questions asked by the code that prepares and predicts, so the answers about
a recording of a dataset are those that its timeline was measured on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.annotations.mark import About
from rushes.media.video import probe
from rushes.metrics.decode import smooth
from rushes.metrics.grammar import Grammar, fit_grammar
from rushes.models.stored import PREPROCESSING_FILE, description
from rushes.predict.ticks import Ticks
from rushes.prepare.stage import RECORDINGS
from rushes.records import Media, Recording
from rushes.runs.apply.contract import Apply
from rushes.runs.run import RunJob
from rushes.runs.vlm_work import Panel
from rushes.stages import read_json
from rushes.tasks.operations.evaluate.timeline import train_ticks
from rushes.tasks.operations.prepare.clips import cutting_of, windows
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.prepare.unit import Footage, footage_duration, require_as_planned
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import OperationsRecipe
from rushes.tasks.operations.sources.table.names import recording_of

TOLD = "F1@50 in the report {model:.1f} as they come, {smoothed:.1f} smoothed"


class ApplyToFootage(Apply[OperationsRecipe]):
    """See `Apply`: which operation is under way, tick after tick, smoothed by the order of work."""

    player = "video"

    @property
    def labels(self) -> tuple[str, ...]:
        """See `Apply.labels`."""
        return self.run.recipe.preprocessing.labels

    @property
    def signs(self) -> Mapping[str, Any]:
        """See `Apply.signs`."""
        return {"stride_s": self.run.recipe.prepare.window_stride_s}

    def recording_of(self, name: str) -> str | None:
        """See `Apply.recording_of`: videos, and folders of frames."""
        return recording_of(name)

    def ticks(self, recording: Path) -> tuple[Ticks, About]:
        """See `Apply.ticks`."""
        media = Media("frames" if recording.is_dir() else "video", recording)
        duration_s, rate = footage_duration(media), probe(media).rate
        stride_s = min(self.run.recipe.prepare.window_stride_s, duration_s)
        probabilities = np.full((int(duration_s / stride_s), len(self.labels)), np.nan)
        footage = Footage(self._preprocessing)
        for samples in _batches(self._samples(footage, media, duration_s, stride_s), self._batch_size):
            for sample, row in zip(samples, self._probabilities(samples), strict=True):
                time_s = sample.meta["clip_start_s"] + sample.asked_s
                probabilities[int(time_s // stride_s)] = row
        length_s = Fraction(repr(duration_s))
        fps = rate or (footage.count / length_s).limit_denominator(1001)
        return Ticks.of(stride_s, self.labels, probabilities), About(duration_s=length_s, fps=fps)

    @property
    def remark(self) -> str:
        """See `Apply.remark`."""
        return self._smoothing[1]

    def shown(self, ticks: Ticks) -> Ticks:
        """See `Apply.shown`: the report's labels, smoothed or not, whichever found more segments there."""
        grammar = self._smoothing[0]
        if grammar is None:
            return ticks
        nothing = np.full(len(self.labels), 1 / len(self.labels))
        rows = np.where(ticks.asked[:, None], ticks.probabilities, nothing)
        return ticks.saying([str(label) for label in smooth(grammar, rows, self._prior)])

    def _samples(
        self, footage: Footage, media: Media, duration_s: float, stride_s: float
    ) -> Iterator[Sample]:
        """The windows of a recording, in one linear read."""
        cutting = replace(
            cutting_of(self._preprocessing, self.run.recipe.prepare),
            clip_s=min(self._preprocessing.clip_s, duration_s),
            stride_s=stride_s,
        )
        sees = self._panel.family.sees()
        recording, count = Recording("recording", "", "", "", media, (), 0.0), 0
        clips = list(windows(recording, duration_s, cutting))
        for clip, fields in footage.cut(recording, clips):
            count += 1
            yield self._panel.questions.sample_of(clip.key, sees(clip.key, fields))
        require_as_planned(recording, clips, duration_s, footage.duration_s, count)

    def _probabilities(self, samples: Sequence[Sample]) -> list[NDArray[np.float64]]:
        """(K,) of each sample."""
        seed = self.run.recipe.train.seed
        asked = [self._panel.questions.question(sample, "model", seed) for sample in samples]
        return [answer.probabilities for answer in self._panel.trained.answer(asked)]

    @property
    def _batch_size(self) -> int:
        return self.run.recipe.evaluate.batch_size

    @cached_property
    def _panel(self) -> Panel:
        return Panel(RunJob.of(self.run))

    @cached_property
    def _preprocessing(self) -> ClipPreprocessing:
        """As it is stored with the weights."""
        folder = self.run.folder(self.run.maker("weights"))
        return description(folder / "model" / PREPROCESSING_FILE, ClipPreprocessing)

    @cached_property
    def _smoothing(self) -> tuple[Grammar | None, str]:
        """The order of work, None where labels stay as they are; and why."""
        run, stride_s = self.run, self.run.recipe.prepare.window_stride_s
        recordings = read_json(run.folder(run.dataset) / RECORDINGS)
        sequences = [
            sequence
            for row in recordings
            if row["split"] == "train" and (sequence := train_ticks(row, stride_s))
        ]
        if not any(len(set(sequence)) > 1 for sequence in sequences):
            return None, "as they come: no training recording has two operations, which would show an order"
        figures = self.reported("f1_50")
        told = TOLD.format(**figures) if figures else ""
        if figures and figures["smoothed"] <= figures["model"]:
            return None, f"as they come: {told}"
        smoothed = "smoothed by the order of the training sessions"
        return fit_grammar(sequences, self.labels), f"{smoothed}: {told}" if told else smoothed

    @cached_property
    def _prior(self) -> NDArray[np.float64]:
        """Shares of the labels among the training clips, as where the report's timelines are smoothed."""
        labels = list(self.run.samples("train").labels())
        counts = np.array([labels.count(label) for label in self.labels]) + 1.0
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares


def _batches(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    samples = iter(samples)
    while batch := list(islice(samples, size)):
        yield batch
