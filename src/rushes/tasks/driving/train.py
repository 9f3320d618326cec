"""Windows of a drive as training samples, and what is asked of them.

Behind every pair of frames: how has the vehicle moved since the first? A model that starts from nothing is
asked about two neighbouring frames first (``pairs``), where motion is one step, and about whole windows
afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rushes.models.chat import Encoded
from rushes.models.pixels import PAIR, Pictures
from rushes.recipe.turns import Turn
from rushes.tasks.driving.prepare.sample import Sample
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.train import collator
from rushes.train.augment import relight

TEMPOS = (0, 1, 2, 3)
"""A scene shown twice as fast is that of a vehicle twice as fast, and one picture again and again that of one
that stands: so a model cannot learn by heart how fast the vehicle was in which street."""

REPLAYED = 0.5
"""Share of whole windows that are shown at another tempo, which makes them shorter."""


class Collator(collator.Collator[RigPreprocessing, Sample]):
    """Windows to a batch: decode, change tempo and light, patch, ask whole windows, or a random pair of each."""

    def _encode(self, sample: Sample, rng: np.random.Generator) -> tuple[Encoded, Pictures]:
        moments, tempo = self._played(sample, rng)
        views = sample.pixels(*moments)
        if self.augmented:
            views = np.split(relight(np.concatenate(views), rng), len(views))
        shown = Pictures.of(views)
        times_s = [
            (sample.times_s[moment] - sample.times_s[moments[0]]) / tempo if tempo else sample.times_s[place]
            for place, moment in enumerate(moments)
        ]
        return self._chat.encode(shown.view, times_s, self._turns(sample, moments, tempo)), shown

    def _played(self, sample: Sample, rng: np.random.Generator) -> tuple[list[int], int]:
        """Which moments are shown, and how many times faster than they were taken."""
        count = len(sample.times_s)
        tempo, length = 1, PAIR if self.ask == "pairs" else count
        if self.augmented and (self.ask == "pairs" or rng.random() < REPLAYED):
            tempo = int(rng.choice(self._tempos(sample)))
            fitting = (count - 1) // max(tempo, 1) + 1
            length = min(length, fitting - fitting % PAIR)
        first = int(rng.integers(count - tempo * (length - 1)))
        return [first + tempo * number for number in range(length)], tempo

    def _tempos(self, sample: Sample) -> list[int]:
        """Tempos at which a pair fits into the window and the speed into its scale; 0 and 1 always."""
        fastest = float(sample.truth["final_speed_mps"].max())
        highest = self.vlm.preprocessing.final_speed_mps.high
        fits = [tempo for tempo in TEMPOS if tempo < len(sample.times_s) and tempo * fastest <= highest]
        return sorted({0, 1, *fits})

    def _turns(self, sample: Sample, moments: Sequence[int], tempo: int) -> list[tuple[int, Turn]]:
        """A question behind every pair, about the time since the first moment."""
        preprocessing = self.vlm.preprocessing
        ends = range(PAIR, len(moments) + 1, PAIR)
        return [
            (pair, preprocessing.turn(*preprocessing.values(sample.target(moments[:end], tempo))))
            for pair, end in enumerate(ends)
        ]
