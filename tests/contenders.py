"""Two systems to compare, with pictures drawn from their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rushes.media.image import encode_jpeg
from rushes.runs.contest import Contender, Question

ITEMS = tuple(f"item-{number:03d}" for number in range(60))
STRATA = ("chairs", "lamps", "tables")


def questions(count: int, *, clusters: int = 0, pictures: bool = False) -> tuple[Question, ...]:
    """Questions with words, or every second one with a picture."""
    return tuple(
        Question(
            key=f"question-{number}",
            text="" if pictures and number % 2 else f"a thing of kind {number}",
            picture=ITEMS[number % len(ITEMS)] if pictures and number % 2 else None,
            stratum=STRATA[number % 3],
            cluster=f"family-{number % (clusters or count)}",
        )
        for number in range(count)
    )


class Drawn(Contender):
    """Answers that follow from its name and the question alone."""

    def __init__(
        self, name: str, asked: Sequence[Question], fixed: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.name, self._asked, self._fixed = name, tuple(asked), fixed or {}

    def questions(self) -> Sequence[Question]:
        return self._asked

    def ranked(self, question: Question, k: int) -> tuple[str, ...]:
        if question.key in self._fixed:
            return tuple(self._fixed[question.key][:k])
        rng = np.random.default_rng([*self.name.encode(), *question.key.encode()])
        return tuple(ITEMS[place] for place in rng.choice(len(ITEMS), k, replace=False))

    def picture(self, key: str) -> bytes:
        rng = np.random.default_rng(list(key.encode()))
        small = rng.integers(0, 256, (4, 4, 3), np.uint8)
        return encode_jpeg(small.repeat(40, 0).repeat(40, 1))

    def signature(self) -> str:
        return f"signature of {self.name}"
