"""A trained model's answers about clips: the same code for evaluate, serve and arena.

The operation is scored at the asked moment and at every other one, among the labels of the label set. The
segment is the stretch around the asked moment that most likely carries its label throughout; the next
operation is scored behind that answer. Nothing has to be parsed and nothing can be illegal.

Why the segment is not generated as two numbers: a model that knows what goes on at each moment knows the
boundaries too, while numbers have to be learnt on top (docs/design/segments.md has the figures).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from rushes.contract import ANSWER_FIELDS, Turn
from rushes.models.chat import after_prompt
from rushes.models.pixels import patchify
from rushes.models.scoring import Continuation, stretch
from rushes.models.vlm import Vlm, collate, to_device
from rushes.prepare.sample import Sample

TRACK_STEP_S = 0.2  # between the moments at which the operation is scored
CERTAIN = 6.0  # log-odds beyond which evidence no longer counts: about 1 in 400

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
        self._labels = [self._chat.tokens(label) for label in vlm.contract.labels]
        clip_s = vlm.contract.clip_s
        self._track_s = np.arange(TRACK_STEP_S / 2, clip_s, TRACK_STEP_S)  # (M,)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer any number of questions, ``batch_size`` at a time."""
        starts = range(0, len(questions), self.batch_size)
        batches = (questions[start : start + self.batch_size] for start in starts)
        return [answer for batch in batches for answer in self._answer(batch)]

    @torch.inference_mode()
    def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        labels, clip_s = self.vlm.contract.labels, self.vlm.contract.clip_s
        state, after = self._look(questions)
        asked = [int(np.abs(self._track_s - question.asked_s).argmin()) for question in questions]
        # The asked moment takes the place of the nearest one: next to it, it would count twice.
        moments_s = np.tile(self._track_s, (len(questions), 1))
        moments_s[np.arange(len(questions)), asked] = [question.asked_s for question in questions]
        tracks = self._track(state, after, moments_s)  # (B, M, labels)
        operations = np.stack([track[place] for track, place in zip(tracks, asked, strict=True)])
        operation = operations.argmax(axis=1)
        segments = [
            _segment(own_s, track[:, label], place, clip_s)
            for own_s, track, label, place in zip(moments_s, tracks, operation, asked, strict=True)
        ]
        nexts = self._next(state, after, questions, operation, segments)
        return [
            Answer(
                operation=labels[operation[row]],
                start_s=segments[row][0],
                end_s=segments[row][1],
                next=labels[nexts[row].argmax()],
                confidence=float(operations[row, operation[row]]),
                probabilities=operations[row],
                next_probabilities=nexts[row],
            )
            for row in range(len(questions))
        ]

    def _look(self, questions: Sequence[Question]) -> tuple[Continuation, list[float]]:
        """Read the pictures of each question; also the position behind each prompt."""
        patches, grids = zip(*(patchify(question.frames) for question in questions), strict=True)
        clips = [
            self._chat.encode(grid, question.times_s, [])
            for grid, question in zip(grids, questions, strict=True)
        ]
        batch = to_device(collate(clips, patches, grids, self.vlm.tokenizer.pad_token_id), self.vlm.device)
        state = Continuation.of(self.vlm, batch, [len(clip.ids) for clip in clips])
        return state, [after_prompt(clip.positions) for clip in clips]

    def _track(self, state: Continuation, after: Sequence[float], moments_s: np.ndarray) -> np.ndarray:
        """Probability of each label at each of the moments ``(B, M)``: ``(B, M, labels)``."""
        count = moments_s.shape[1]
        asking = (ANSWER_FIELDS[0][1],)
        turns = [
            self._chat.turn(Turn(self.vlm.contract.ask(moment_s), asking), behind)
            for own_s, behind in zip(moments_s, after, strict=True)
            for moment_s in own_s
        ]
        ways = state.branch(count)
        ways.read([ids for ids, _, _ in turns], [positions for _, positions, _ in turns])
        return ways.score(self._labels).reshape(len(after), count, -1)

    def _next(
        self,
        state: Continuation,
        after: Sequence[float],
        questions: Sequence[Question],
        operation: np.ndarray,
        segments: Sequence[tuple[float, float]],
    ) -> np.ndarray:
        """Probability of each label as the next operation, behind the rest of the answer: ``(B, labels)``."""
        contract = self.vlm.contract
        rows = []
        for question, label, (start_s, end_s), behind in zip(
            questions, operation, segments, after, strict=True
        ):
            known = (contract.labels[label], contract.moment(start_s), contract.moment(end_s))
            texts = [text for _, text in ANSWER_FIELDS]
            parts = [part for pair in zip(texts, known, strict=False) for part in pair]
            turn = Turn(contract.ask(question.asked_s), (*parts, texts[-1]))
            rows.append(self._chat.turn(turn, behind))
        state.read([ids for ids, _, _ in rows], [positions for _, positions, _ in rows])
        return state.score(self._labels)


def _segment(
    moments_s: np.ndarray, probability: np.ndarray, asked: int, clip_s: float
) -> tuple[float, float]:
    """The segment of a label, given its probability at moments in order; cut half-way between two moments."""
    odds = np.log(probability + 1e-12) - np.log1p(1e-12 - probability)
    first, last = stretch(np.clip(odds, -CERTAIN, CERTAIN), asked)
    start_s = 0.0 if first == 0 else (moments_s[first - 1] + moments_s[first]) / 2
    end_s = clip_s if last == len(moments_s) - 1 else (moments_s[last] + moments_s[last + 1]) / 2
    return round(float(start_s), 6), round(float(end_s), 6)  # microseconds, without the dust of floats


def question(sample: Sample, variant: Variant, seed: int) -> Question:
    """What ``variant`` is shown of a sample; a shuffle depends on the seed and the sample's key."""
    rng = np.random.default_rng([seed, *sample.key.encode()])
    return Question(VIEWS[variant](sample.pixels(), rng), sample.times_s, sample.asked_s)
