"""Windows of a drive as training samples, and what is asked of them.

Behind every pair of frames: how has the vehicle moved since the first? A model that starts from nothing is
asked about two neighbouring frames first (``pairs``), where motion is one step, and about whole windows
afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rushes.contract import Turn
from rushes.models.chat import Encoded
from rushes.models.pixels import PAIR, Pictures
from rushes.models.vlm import Vlm, collate
from rushes.prepare.driving.sample import Sample
from rushes.recipe.driving import AskOfWindows
from rushes.train.augment import relight


class Collator:
    """Windows to a batch: decode, change the light, patch, ask.

    Args:
        vlm: whose tokens and contract.
        ask: whole windows, or one random pair of neighbouring frames of each.
        augmented: whether the light is changed at random.
    """

    def __init__(self, vlm: Vlm, ask: AskOfWindows, *, augmented: bool) -> None:
        self.vlm = vlm
        self.ask = ask
        self.augmented = augmented
        self._chat = vlm.chat()

    def __call__(self, samples: Sequence[Sample], rngs: Sequence[np.random.Generator]) -> dict:
        """Join samples, each with its own randomness."""
        made = [self._encode(sample, rng) for sample, rng in zip(samples, rngs, strict=True)]
        windows, pictures = zip(*made, strict=True)
        batch = collate(windows, pictures, self.vlm.tokenizer.pad_token_id)
        return {**batch, "keys": [sample.key for sample in samples]}

    def _encode(self, sample: Sample, rng: np.random.Generator) -> tuple[Encoded, Pictures]:
        first, count = 0, len(sample.times_s)
        if self.ask == "pairs":
            first, count = int(rng.integers(count - 1)), PAIR
        moments = range(first, first + count)
        views = sample.pixels(*moments)
        if self.augmented:
            views = np.split(relight(np.concatenate(views), rng), len(views))
        shown = Pictures.of(views)
        times_s = [sample.times_s[moment] - sample.times_s[first] for moment in moments]
        return self._chat.encode(shown.view, times_s, self._turns(sample, moments)), shown

    def _turns(self, sample: Sample, moments: range) -> list[tuple[int, Turn]]:
        """A question behind every pair, about the time since the first moment."""
        contract = self.vlm.contract
        return [
            (pair, contract.turn(*contract.values(sample.target(moment, since=moments[0]))))
            for pair, moment in enumerate(moments[PAIR - 1 :: PAIR])
        ]
