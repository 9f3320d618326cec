"""Systems that people compare by what they find: the vectors of one side, asked by words and by pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rushes.predict.nearest import Gallery
from rushes.predict.vectors import Of, System, Vectors
from rushes.runs.contest import Contender, Question

TEXT, VIEW, SELF = "text", "view", "picture"
"""What a question asks by: an item's words, a further picture of it, or, where there is none, its own picture."""


class VectorContender(Contender):
    """A system whose vectors are known.

    Args:
        vectors: of the items.
        side: whose items are asked about, and found.
        system: whose vectors.
        of: by which of them an item is found.
        pictures: reads the JPEG of an item, and with a number that of a view.
        signature: of the stage that made the vectors.
    """

    def __init__(
        self,
        vectors: Vectors,
        side: str,
        system: System,
        of: Of,
        pictures: Callable[[str, int | None], bytes],
        signature: str,
    ) -> None:
        self.name = system
        self._vectors, self._side, self._of = vectors, side, of
        self._system: System = system
        self._pictures = pictures
        self._signature = signature

    def questions(self) -> Sequence[Question]:
        """By words and by view of each item of the side; an item without views is asked for by its own picture."""
        return [question for question, _ in self._asked.values()]

    def ranked(self, question: Question, k: int) -> tuple[str, ...]:
        """See `Contender.ranked`; an item is not found by its own picture."""
        query = self._asked[question.key][1].astype(np.float32)[None]
        allowed = self._gallery.keys != question.picture
        rows = self._gallery.nearest(query, k, allowed=allowed).rows[0]
        return tuple(self._gallery.keys[rows].tolist())

    def picture(self, key: str) -> bytes:
        """See `Contender.picture`; of a view where the key of a question's picture names one."""
        item, _, number = key.partition(f":{VIEW}")
        return self._pictures(item, int(number) if number else None)

    def signature(self) -> str:
        """See `Contender.signature`."""
        return f"{self._signature}/{self._system}/{self._of}"

    @cached_property
    def _rows(self) -> NDArray[np.intp]:
        return np.flatnonzero(self._vectors.sides == self._side)

    @cached_property
    def _gallery(self) -> Gallery:
        vectors = self._vectors
        return Gallery(vectors.keys[self._rows], vectors.items(self._system, self._of)[self._rows])

    @cached_property
    def _asked(self) -> dict[str, tuple[Question, NDArray[np.float16]]]:
        """Key -> question with its vector, item by item."""
        vectors, views = self._vectors, self._vectors.queries(VIEW)
        pictures, texts = vectors.picture(self._system), vectors.text(self._system)
        views_of: dict[str, list[NDArray[np.float16]]] = {}
        for item, vector in zip(
            views.ids, views.vectors[self._system] if len(views.ids) else (), strict=True
        ):
            views_of.setdefault(item, []).append(vector)
        asked = {}
        for row in self._rows:
            item, words = vectors.keys[row], vectors.texts[row]
            seen = {f"{item}:{VIEW}{number}": vector for number, vector in enumerate(views_of.get(item, ()))}
            stratum, cluster = vectors.labels[row], vectors.groups[row] or item
            if words:
                key = f"{item}:{TEXT}"
                asked[key] = Question(key, words, None, stratum, cluster), texts[row]
            for place, vector in (seen or {item: pictures[row]}).items():
                key = place if seen else f"{item}:{SELF}"
                asked[key] = Question(key, "", place, stratum, cluster), vector
        return asked
