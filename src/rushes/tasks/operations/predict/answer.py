"""A trained model's answers about clips: the same code for evaluate, serve and arena.

Behind every pair of frames the model is asked which operation this is and what comes next; both are scored
among the labels of the label set. Nothing has to be parsed and nothing can be illegal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rushes.models.vlm import Vlm
from rushes.predict import answerer
from rushes.predict.units import Variant, shown
from rushes.tasks.operations.predict.read_off import Answer, Track, read_off
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.preprocessing import ClipPreprocessing


@dataclass(frozen=True, slots=True)
class Question(answerer.Question):
    """Frames of one view, and the moment asked about, on the clip's clock.

    Attributes:
        asked_s: the moment.
        clip_s: length of the clip.
    """

    asked_s: float
    clip_s: float


class Answerer(answerer.Answerer[ClipPreprocessing, Question, Answer]):
    """Answers questions about clips with one model."""

    def __init__(self, vlm: Vlm[ClipPreprocessing], batch_size: int = 16) -> None:
        super().__init__(vlm, batch_size)
        self._labels = [self._chat.tokens(label) for label in vlm.preprocessing.labels]
        self._next = self._chat.tokens(vlm.preprocessing.slots()[1].before)

    @torch.inference_mode()
    def tracks(self, questions: Sequence[Question]) -> list[Track]:
        """What the model says behind every pair of frames of each question, ``batch_size`` at a time."""
        return [track for batch in self._batches(questions) for track in self._track(batch)]

    def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        return [
            read_off(track, question.asked_s, self.vlm.preprocessing.labels, question.clip_s)
            for track, question in zip(self._track(questions), questions, strict=True)
        ]

    def _track(self, questions: Sequence[Question]) -> list[Track]:
        """What the model says behind every pair of frames of each question."""
        prompts, state = self._shown(questions)
        # Clips of a batch may have different numbers of pairs: the last is asked again to fill up.
        count = max(len(prompt.ends) for prompt in prompts)
        pairs = [(prompt, min(pair, len(prompt.ends) - 1)) for prompt in prompts for pair in range(count)]
        ways = state.branch(count, [prompt.ends[pair] for prompt, pair in pairs])
        after = [prompt.after(pair) + np.arange(len(self._asking)) for prompt, pair in pairs]
        ways.read([self._asking] * len(pairs), after)
        operations = ways.score(self._labels)
        ways.read([[*self._labels[label], *self._next] for label in operations.argmax(axis=1)])
        nexts = ways.score(self._labels)
        return [
            Track(
                np.array(prompt.times_s),
                operations[row * count : row * count + len(prompt.ends)],
                nexts[row * count : row * count + len(prompt.ends)],
            )
            for row, prompt in enumerate(prompts)
        ]


def question(sample: Sample, variant: Variant, seed: int) -> Question:
    """What ``variant`` is shown of a sample; a shuffle depends on the seed and the sample's key."""
    views = shown([sample.pixels()], variant, seed, sample.key)
    return Question(views, sample.times_s, sample.asked_s, sample.clip_s)
