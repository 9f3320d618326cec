"""A trained head's answers about clips whose frames went through the frozen encoder.

The head says at every frame what goes on and what comes next; the answer about the asked moment is read off
that as it is read off what a vision language model says. Features may come from shards, or from
`rushes.models.encoder` as they are needed: clips that overlap share those of their frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rushes.models.head import Head, infer
from rushes.predict.units import Variant, shown
from rushes.tasks.operations.predict.read_off import Answer, Track, read_off
from rushes.tasks.operations.prepare.sample import FeatureSample


@dataclass(frozen=True, slots=True, eq=False)
class FeatureQuestion:
    """Frames as the encoder sees them, and the moment asked about; all times on the clip's clock.

    Attributes:
        features: (T, width), in order of time.
        times_s: T times, rising.
        asked_s: the moment.
        clip_s: length of the clip.
    """

    features: NDArray[np.floating]
    times_s: Sequence[float]
    asked_s: float
    clip_s: float


class FeatureAnswerer:
    """Answers questions about clips with one head.

    Args:
        head: in evaluation mode; its preprocessing names the labels.
        batch_size: clips in one forward pass.
    """

    def __init__(self, head: Head, batch_size: int = 16) -> None:
        self.head, self.batch_size = head, batch_size
        self._labels = head.preprocessing.slots()[0].choices

    def answer(self, questions: Sequence[FeatureQuestion]) -> list[Answer]:
        """Answer any number of questions."""
        return [
            read_off(track, question.asked_s, self._labels, question.clip_s)
            for track, question in zip(self.tracks(questions), questions, strict=True)
        ]

    def tracks(self, questions: Sequence[FeatureQuestion]) -> list[Track]:
        """What the head says at every frame of each question."""
        said = infer(self.head, [question.features for question in questions], self.batch_size)
        return [
            Track(np.array(question.times_s), operations, nexts)
            for question, (operations, nexts) in zip(questions, said, strict=True)
        ]


def question_of_features(sample: FeatureSample, variant: Variant, seed: int) -> FeatureQuestion:
    """What ``variant`` is shown of a sample; without vision, no feature is there: all are 0."""
    (features,) = shown([sample.features], variant, seed, sample.key)
    return FeatureQuestion(features, sample.times_s, sample.asked_s, sample.clip_s)
