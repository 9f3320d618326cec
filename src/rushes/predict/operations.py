"""A trained model's answers about clips: the same code for evaluate, serve and arena.

Label, start, end and next operation are answered one after the other, each by scoring what is legal there:
labels of the label set, moments not after and after the asked one. Nothing has to be parsed and nothing can
be illegal. Of a moment's distribution the median is taken, which minimises the expected error in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from rushes.contract import ANSWER_FIELDS, Preprocessing, Turn
from rushes.models.chat import Encoded
from rushes.models.pixels import patchify
from rushes.models.scoring import Continuation, median_choice
from rushes.models.vlm import Vlm, collate, to_device
from rushes.prepare.sample import Sample

Variant = Literal["model", "untrained", "no_vision", "shuffled"]
View = Callable[[np.ndarray, np.random.Generator], np.ndarray]

#: What a variant is shown instead of the clip's frames ``(T, H, W, 3)``.
VIEWS: dict[Variant, View] = {
    "model": lambda frames, rng: frames,
    "untrained": lambda frames, rng: frames,
    "no_vision": lambda frames, rng: np.zeros_like(frames),
    "shuffled": lambda frames, rng: frames[rng.permutation(len(frames))],
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of one clip, on the clip's clock.

    Attributes:
        operation: label under way at the asked moment.
        start_s, end_s: from when to when, ``start_s <= asked < end_s``.
        next: label that follows.
        confidence: probability of ``operation`` among the labels.
        probabilities, next_probabilities: ``(labels,)`` float64 each.
    """

    operation: str
    start_s: float
    end_s: float
    next: str
    confidence: float
    probabilities: np.ndarray
    next_probabilities: np.ndarray


@dataclass(frozen=True, slots=True)
class Question:
    """Frames ``(T, H, W, 3)`` uint8 with their times, and the moment asked about, on the clip's clock."""

    frames: np.ndarray
    times_s: Sequence[float]
    asked_s: float


class Answerer:
    """Answers questions with one model, following its own preprocessing contract."""

    def __init__(self, vlm: Vlm, batch_size: int = 16) -> None:
        self.vlm = vlm
        self.batch_size = batch_size
        self._chat = vlm.chat()
        contract: Preprocessing = vlm.contract
        self._labels = [self._chat.tokens(label) for label in contract.labels]
        self._moments = [self._chat.tokens(moment) for moment in contract.moments()]
        self._moments_s = np.array([float(moment) for moment in contract.moments()])
        self._fields = [self._chat.tokens(text) for _, text in ANSWER_FIELDS]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer any number of questions, ``batch_size`` at a time."""
        starts = range(0, len(questions), self.batch_size)
        batches = (questions[start : start + self.batch_size] for start in starts)
        return [answer for batch in batches for answer in self._answer(batch)]

    def _encode(self, question: Question) -> tuple[Encoded, np.ndarray, tuple[int, int, int]]:
        patches, grid = patchify(question.frames)
        turn = Turn(self.vlm.contract.ask(question.asked_s), (ANSWER_FIELDS[0][1],))
        return self._chat.encode(grid, question.times_s, [turn]), patches, grid

    @torch.inference_mode()
    def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        vlm, labels, moments_s = self.vlm, self.vlm.contract.labels, self._moments_s
        clips, patches, grids = zip(*map(self._encode, questions), strict=True)
        batch = to_device(collate(clips, patches, grids, vlm.tokenizer.pad_token_id), vlm.device)
        state = Continuation.of(vlm, batch, [len(clip.ids) for clip in clips])

        def commit(values: Sequence[Sequence[int]], chosen: np.ndarray, field: int) -> None:
            """Read each row's chosen value and the text that leads to the next one."""
            state.read([[*values[number], *self._fields[field]] for number in chosen])

        operations = state.score(self._labels)
        operation = operations.argmax(axis=1)
        commit(self._labels, operation, 1)
        asked = np.array([[float(vlm.contract.moment(question.asked_s))] for question in questions])
        # The last moment of the grid is no start and the first no end: an answer is never empty.
        start = median_choice(state.score(self._moments), (moments_s <= asked) & (moments_s < moments_s[-1]))
        commit(self._moments, start, 2)
        after = np.maximum(asked, moments_s[start][:, None])
        end = median_choice(state.score(self._moments), moments_s > np.minimum(after, moments_s[-2]))
        commit(self._moments, end, 3)
        nexts = state.score(self._labels)
        return [
            Answer(
                operation=labels[operation[row]],
                start_s=float(moments_s[start[row]]),
                end_s=float(moments_s[end[row]]),
                next=labels[nexts[row].argmax()],
                confidence=float(operations[row, operation[row]]),
                probabilities=operations[row],
                next_probabilities=nexts[row],
            )
            for row in range(len(questions))
        ]


def question(sample: Sample, variant: Variant, seed: int) -> Question:
    """What ``variant`` is shown of a sample; a shuffle depends on the seed and the sample's key."""
    rng = np.random.default_rng([seed, *sample.key.encode()])
    return Question(VIEWS[variant](sample.pixels(), rng), sample.times_s, sample.asked_s)
