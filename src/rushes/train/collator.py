"""Samples to a batch for a vision language model: each one encoded by its task, with its own randomness."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from rushes.models.chat import Encoded
from rushes.models.pixels import Pictures
from rushes.models.vlm import Vlm, collate
from rushes.recipe.preprocessing import FramePreprocessing


class Keyed(Protocol):
    """A sample."""

    @property
    def key(self) -> str:
        """Unique in the dataset."""
        ...


P = TypeVar("P", bound=FramePreprocessing)
S = TypeVar("S", bound=Keyed)


class Collator(ABC, Generic[P, S]):
    """Samples to a batch.

    Args:
        vlm: whose tokens and preprocessing.
        ask: what a phase of training asks.
        augmented: whether pictures are changed at random.
    """

    def __init__(self, vlm: Vlm[P], ask: str, *, augmented: bool) -> None:
        self.vlm = vlm
        self.ask = ask
        self.augmented = augmented
        self._chat = vlm.chat()  # one for all samples: it remembers the tokens of every piece of text

    def __call__(self, samples: Sequence[S], rngs: Sequence[np.random.Generator]) -> dict[str, Any]:
        """Join samples, each with its own randomness."""
        made = [self._encode(sample, rng) for sample, rng in zip(samples, rngs, strict=True)]
        encoded, pictures = zip(*made, strict=True)
        batch = collate(encoded, pictures, self.vlm.tokenizer.pad_token_id)
        return {**batch, "keys": [sample.key for sample in samples]}

    @abstractmethod
    def _encode(self, sample: S, rng: np.random.Generator) -> tuple[Encoded, Pictures]:
        """What is asked of a sample with the answers, and its pictures."""
