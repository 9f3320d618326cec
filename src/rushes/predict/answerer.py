"""A model that answers questions about pictures, following its own preprocessing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch

from rushes.models.chat import Prompt
from rushes.models.pair_features import PairFeatures
from rushes.models.pixels import Pictures, grid_of_views
from rushes.models.scoring import Continuation
from rushes.models.vlm import Vlm, collate, to_device
from rushes.recipe.preprocessing import FramePreprocessing

P = TypeVar("P", bound=FramePreprocessing)
Q = TypeVar("Q", bound="Question")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Question:
    """Frames ``(T, H, W, 3)`` uint8 of each view with their times on the sample's clock."""

    views: Sequence[np.ndarray]
    times_s: Sequence[float]


class Answerer(ABC, Generic[P, Q, A]):
    """Answers questions with one model.

    Args:
        vlm: the model; its preprocessing says how it is asked.
        batch_size: questions that are answered together.

    Attributes:
        pairs: pairs of frames that are not encoded again, as windows that overlap hold them; None encodes each
            window by itself, so that nothing in an answer depends on what was asked before, not even its last bit.
    """

    def __init__(self, vlm: Vlm[P], batch_size: int = 16) -> None:
        self.vlm = vlm
        self.pairs: PairFeatures | None = None
        self.batch_size = batch_size
        self._chat = vlm.chat()
        self._asking, _ = self._chat.turn(vlm.preprocessing.asking())

    @torch.inference_mode()
    def answer(self, questions: Sequence[Q]) -> list[A]:
        """Answer any number of questions, ``batch_size`` at a time."""
        return [answer for batch in self._batches(questions) for answer in self._answer(batch)]

    def _batches(self, questions: Sequence[Q]) -> Iterator[Sequence[Q]]:
        """Questions, ``batch_size`` at a time."""
        for start in range(0, len(questions), self.batch_size):
            yield questions[start : start + self.batch_size]

    @abstractmethod
    def _answer(self, questions: Sequence[Q]) -> list[A]:
        """Answer questions together."""

    def _shown(self, questions: Sequence[Q]) -> tuple[list[Prompt], Continuation]:
        """What each question shows, as it is written, and the model behind it, ready to be asked."""
        known, pictures = None, []
        if self.pairs is None:
            pictures = [Pictures.of(question.views) for question in questions]
        else:
            known = self.pairs.of([question.views for question in questions])
        prompts = [
            self._chat.prompt(grid_of_views(question.views), question.times_s) for question in questions
        ]
        written = [prompt.encoded() for prompt in prompts]
        batch = to_device(collate(written, pictures, self.vlm.tokenizer.pad_token_id), self.vlm.device)
        return prompts, Continuation.of(self.vlm, batch, [len(one.ids) for one in written], known)
