"""Search by vectors: words or a picture become a vector, and the items of the nearest ones are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rushes.errors import QuestionError
from rushes.media.picture import letterbox_white, read_picture
from rushes.models.dual_encoder import DualEncoder
from rushes.predict.approximate import DEPTH, Approximate, approximate
from rushes.predict.nearest import Gallery
from rushes.predict.vectors import Vectors
from rushes.recipe_file import near
from rushes.runs.search import Among, Hit, Search

BESIDE = ("side", "group", "label")
"""Columns that can be asked for like metadata."""

FREQUENT = 5
"""Values of a field that are named where one is not found."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What is searched.

    Attributes:
        vectors: of its items.
        sides: whose items are found.
        encoder: loads the model that a system is.
        pictures: reads the JPEG of an item.
        index: file of the approximate index, which is built when it is first asked for.
        first: metadata that people are told first.
    """

    vectors: Vectors
    sides: tuple[str, ...]
    encoder: Callable[[], DualEncoder]
    pictures: Callable[[str], bytes]
    index: Path
    first: tuple[str, ...] = ()


class VectorSearch(Search):
    """See `Search`. What is costly, the weights among it, is read when it is first needed, and once.

    Args:
        shop: what is searched.
        among: which of its vectors, and how.
    """

    def __init__(self, shop: Shop, among: Among) -> None:
        self._shop = shop
        self._among = among

    @cached_property
    def _encoder(self) -> DualEncoder:
        return self._shop.encoder()

    @cached_property
    def _rows(self) -> NDArray[np.intp]:
        """Rows (M,) of the items of the sides that are searched."""
        return np.flatnonzero(np.isin(self._shop.vectors.sides.astype(str), self._shop.sides))

    @cached_property
    def _gallery(self) -> Gallery:
        """The items of `_rows`."""
        shop, among = self._shop.vectors, self._among
        return Gallery(shop.keys[self._rows], shop.items(among.system, among.of)[self._rows])

    @cached_property
    def index(self) -> Approximate:
        """The approximate index, built where it is not stored yet.

        Raises:
            AnswerError: it misses too much, or FAISS is not installed.
        """
        texts = self._shop.vectors.text(self._among.system)
        return approximate(self._shop.index, self._gallery, texts)

    def find(
        self,
        text: str | None,
        picture: bytes | None,
        k: int,
        *,
        where: Mapping[str, str] | None = None,
        weight: float = 0.5,
    ) -> Sequence[Hit]:
        """See `Search.find`."""
        if not text and picture is None:
            raise QuestionError("nothing is asked", cure='give words, as "grey oak sideboard", or a picture')
        having = [self._having(name, value) for name, value in (where or {}).items()]
        query = self._query(text, picture, weight)
        allowed = np.logical_and.reduce(having) if having else None
        if (
            self._among.approximate and allowed is None
        ):  # with a filter, exact search has little left to look at
            allowed = self.index.candidates(query, k)
        found = self._gallery.nearest(query[None], k, allowed=allowed)
        rows, scores = found.rows[0], found.scores[0].tolist()
        told = zip(self._gallery.keys[rows], scores, self._told(self._rows[rows].tolist()), strict=True)
        return [Hit(key, rank, score, fields) for rank, (key, score, fields) in enumerate(told, 1)]

    def picture(self, key: str) -> bytes:
        """See `Search.picture`."""
        return self._shop.pictures(key)

    @property
    def said(self) -> str:
        """See `Search.said`; of an index that answered, what it finds."""
        if "index" not in vars(self):
            return ""
        index = self.index
        return (
            f"approximate: {index.recall:.3f} of the exact best {DEPTH} are found, in {index.probes:,} of "
            f"{index.cells:,} cells"
        )

    def _query(self, text: str | None, picture: bytes | None, weight: float) -> NDArray[np.float32]:
        """Unit vector (D,) of what is asked."""
        square = None
        if picture is not None:  # before the weights are loaded: it may be none
            square = read_picture(picture, "the picture that is asked")
        parts = []
        if text:
            share = weight if square is not None else 1.0
            parts.append(share * self._encoder.embed_texts([text])[0])
        if square is not None:
            share = 1.0 - weight if text else 1.0
            fitted = letterbox_white(square, self._encoder.size)
            parts.append(share * self._encoder.embed_pictures(fitted[None])[0])
        mixed: NDArray[np.float32] = np.sum(parts, axis=0, dtype=np.float32)
        return mixed / max(float(np.linalg.norm(mixed)), 1e-12)

    def _having(self, name: str, value: str) -> NDArray[np.bool_]:
        """Items (M,) of `_rows` whose field has a value, upper and lower case alike."""
        if name not in self._names:
            lines = (f"{one}: {self._frequent(one)}" for one in self._names)
            raise QuestionError(
                "\n  ".join((f"no item has a field {name!r}; {near(name, self._names)}", *lines)),
                cure="write --where FIELD=VALUE with one of these",
            )
        values = np.array([(one or "").casefold() for one in self._column(name)])
        having: NDArray[np.bool_] = values == value.casefold()
        if not having.any():
            raise QuestionError(
                f"no item has {name} {value!r}; frequent values are {self._frequent(name)}",
                cure=f"write --where {name}=VALUE with one of these",
            )
        return having

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._shop.vectors.field_names, *BESIDE)))

    def _column(self, name: str) -> NDArray[np.object_]:
        """A field of the items (M,) of `_rows`."""
        vectors = self._shop.vectors
        beside = {"side": vectors.sides, "group": vectors.groups, "label": vectors.labels}
        column = vectors.field(name) if name in vectors.field_names else beside[name]
        return column[self._rows]

    def _frequent(self, name: str) -> str:
        counts = Counter(value for value in self._column(name) if value)
        first = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:FREQUENT]
        more = ", ..." if len(counts) > FREQUENT else ""
        return ", ".join(f"{value} ({count:,})" for value, count in first) + more or "none"

    def _told(self, rows: Sequence[int]) -> Iterator[Mapping[str, str]]:
        """Title and metadata of some items."""
        vectors, known = self._shop.vectors, self._shop.vectors.field_names
        names = dict.fromkeys((*(name for name in self._shop.first if name in known), *known))
        columns = {"title": vectors.titles, **{name: vectors.field(name) for name in names}}
        for row in rows:
            yield {name: column[row] for name, column in columns.items() if column[row]}
