"""A trained model's answers about windows of a drive: the same code for evaluate, serve and arena.

Behind the last pair of frames the model is asked how the vehicle has moved. Each value of the answer is
scored among all that its scale has, so every number comes with a distribution: the answer is its median,
which is best for absolute errors, with the interval that holds 90 %. Nothing has to be parsed and nothing can
be illegal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rushes.models.scoring import Continuation
from rushes.predict import answerer
from rushes.predict.answerer import Question
from rushes.predict.units import Variant, shown
from rushes.recipe.turns import Slot
from rushes.tasks.driving.prepare.sample import Seen
from rushes.tasks.driving.preprocessing import QUANTITIES, RigPreprocessing, Scale

LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its uncertainty: median, and the ends of the interval that holds 90 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of one window, in m/s, m and degrees to the left.

    Attributes:
        quantities: of the whole window.
        reasoning: the words before them; None where the preprocessing has none.
    """

    quantities: Mapping[str, Quantity]
    reasoning: str | None


class Answerer(answerer.Answerer[RigPreprocessing, Question, Answer]):
    """Answers questions about windows with one model."""

    def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        prompts, state = self._shown(questions)
        behind = [prompt.after(len(prompt.ends) - 1) for prompt in prompts]
        state.read([self._asking] * len(prompts), [place + np.arange(len(self._asking)) for place in behind])
        preprocessing = self.vlm.preprocessing
        slots = preprocessing.slots()
        said: list[list[Quantity | str]] = [[] for _ in questions]
        for number, slot in enumerate(slots):
            values = self._values(state, slot, preprocessing)
            for row, value in zip(said, values, strict=True):
                row.append(value)
            if number + 1 < len(slots):
                before = slots[number + 1].before
                state.read([self._tokens(slot, value, preprocessing, before) for value in values])
        return [_answer(slots, row) for row in said]

    def _values(
        self, state: Continuation, slot: Slot, preprocessing: RigPreprocessing
    ) -> list[Quantity | str]:
        """The value of one slot for each question."""
        scores = state.score([self._chat.tokens(choice) for choice in slot.choices])
        if slot.name in QUANTITIES:
            return [read_off(row, preprocessing.scale(slot.name)) for row in scores]
        return [slot.choices[choice] for choice in scores.argmax(axis=1)]

    def _tokens(
        self, slot: Slot, value: Quantity | str, preprocessing: RigPreprocessing, before: str
    ) -> list[int]:
        """The tokens of a value and of the text up to the next."""
        text = value if isinstance(value, str) else preprocessing.scale(slot.name).text(value.value)
        return [*self._chat.tokens(text), *self._chat.tokens(before)]


def read_off(probabilities: np.ndarray, scale: Scale) -> Quantity:
    """Median and 90 % interval of a distribution over the values of a scale.

    Each value stands for the stretch of one step around it, evenly; ends of the scale are not crossed.

    >>> read_off(np.array([0.0, 0.5, 0.5, 0.0]), Scale(low=0, high=3, step=1)).value
    1.5
    """
    values = np.array(scale.values)
    edges = np.concatenate([values - scale.step / 2, values[-1:] + scale.step / 2])
    cumulative = np.concatenate([[0.0], np.cumsum(probabilities)])
    low, middle, high = np.clip(np.interp(LEVELS, cumulative, edges), scale.low, scale.high)
    return Quantity(float(middle), float(low), float(high))


def _answer(slots: Sequence[Slot], said: Sequence[Quantity | str]) -> Answer:
    quantities = {
        slot.name: value for slot, value in zip(slots, said, strict=True) if isinstance(value, Quantity)
    }
    words = [value for value in said if isinstance(value, str)]
    return Answer(quantities, ", ".join(words) if words else None)


def question(sample: Seen, variant: Variant, seed: int) -> Question:
    """What ``variant`` is shown of a sample."""
    return Question(shown(sample.pixels(), variant, seed, sample.key), sample.times_s)
