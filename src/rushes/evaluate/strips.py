"""Questions with their answers in pictures: some drawn at random, the worst, and where training changed most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from rushes.evaluate.pages import Found, Strip, image
from rushes.evaluate.retrieval import Asked
from rushes.evaluate.searched import Searched
from rushes.media.image import decode_jpeg_scaled, encode_jpeg
from rushes.metrics.sharing import KIN
from rushes.predict.nearest import Gallery
from rushes.predict.vectors import SYSTEMS, System
from rushes.prepare.pair import Pair
from rushes.shards.read import ShardDataset

SEED = 0
"""Of the questions that are drawn at random."""

DRAWN, TELLING, VIEWS = 8, 6, 6
"""Strips of each kind."""

TOP = 8
"""Answers of a strip."""

THUMB = 128
"""Pixels that a picture of the page has at least in width and height, if it ever had them."""


LOOKS: Mapping[float, Literal["", "kin", "right"]] = {0.0: "", KIN: "kin", 1.0: "right"}
"""Gain of an answer -> how it looks."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of items by their keys, small enough for a page.

    Attributes:
        sides: samples of every side.
    """

    sides: Sequence[ShardDataset]

    @cached_property
    def _place(self) -> Mapping[str, tuple[ShardDataset, int]]:
        return {key: (side, number) for side in self.sides for number, key in enumerate(side.keys())}

    def pair(self, key: str) -> Pair:
        """An item as it was prepared.

        Raises:
            ShardError: it cannot be read.
        """
        side, number = self._place[key]
        return Pair.of(key, side.sample(number))

    def picture(self, key: str) -> Markup:
        """Of an item."""
        pair = self.pair(key)
        return thumb(pair.picture, pair.words.title)


def thumb(data: bytes, title: str) -> Markup:
    """A picture at about `THUMB` pixels.

    Raises:
        MediaError: no JPEG.
    """
    return image(encode_jpeg(decode_jpeg_scaled(data, (THUMB, THUMB), title), 85), title)


def strips_of(searched: Searched, pictures: Pictures) -> Iterator[Strip]:
    """Words that are looked for among pictures, and some of the views, where there are any.

    Raises:
        ShardError, MediaError: an item that cannot be read.
    """
    asked = searched.text_to_picture()
    texts = {system: searched.vectors.text(system)[searched.side] for system in SYSTEMS}
    for heading, numbers in chosen(asked):
        for number, answers, said in _answers(searched, asked, texts, numbers, pictures):
            yield Strip(str(searched.vectors.texts[searched.side[number]]), said, answers, heading)
    queries = searched.vectors.queries("view")
    if len(queries.ids):
        views, heading = searched.views(), f"Views, drawn at random with seed {SEED}"
        for number, answers, said in _answers(
            searched, views, queries.vectors, _drawn(views, VIEWS), pictures
        ):
            key = queries.ids[number]
            turn = int((queries.ids[:number] == key).sum())
            yield Strip(thumb(pictures.pair(key).views[turn], "a view"), said, answers, heading)


def chosen(asked: Asked) -> Iterator[tuple[str, list[int]]]:
    """Headings with numbers of questions, at most one of a family under each.

    Nothing was gained or lost where the model ranks as the one before training does.
    """
    yield f"Drawn at random with seed {SEED}", _drawn(asked, DRAWN)
    model, base = (asked.ranked[system] for system in SYSTEMS)
    yield "Worst of the model", _apart(asked, np.argsort(-model.first_rank, kind="stable"), TELLING)
    gain = model.reciprocal_rank - base.reciprocal_rank
    for heading, sign in (("Most gained by training", 1.0), ("Most lost by training", -1.0)):
        order = np.argsort(-sign * gain, kind="stable")
        if found := _apart(asked, order[sign * gain[order] > 0], TELLING):
            yield heading, found


def _drawn(asked: Asked, count: int) -> list[int]:
    return _apart(asked, np.random.default_rng(SEED).permutation(len(asked.scored)), count)


def _apart(asked: Asked, places: Iterable[int], count: int) -> list[int]:
    """Numbers of the first questions of different families, by their places among those that are scored."""
    taken: dict[int, int] = {}
    for number in asked.scored[np.asarray(places, np.int64)].tolist():
        taken.setdefault(int(asked.family[number]), number)
        if len(taken) == count:
            break
    return list(taken.values())


def _answers(
    searched: Searched,
    asked: Asked,
    vectors: Mapping[System, NDArray[np.float16]],
    numbers: Sequence[int],
    pictures: Pictures,
) -> Iterator[tuple[int, dict[str, list[Found]], str]]:
    """Each question with what the systems found, the one before training first, and where the first right one is."""
    keys, relevant = searched.vectors.keys[searched.gallery], asked.ranked["model"].relevant
    places = np.searchsorted(asked.scored, numbers)
    rows, ranks = {}, {}
    for system in ("base", "model"):
        gallery = Gallery(keys, searched.vectors.picture(system)[searched.gallery])
        rows[system] = gallery.nearest(vectors[system][numbers].astype(np.float32), TOP).rows
        ranks[system] = asked.ranked[system].first_rank[places]
    for place, number in enumerate(numbers):
        own = relevant.query == number
        gains = dict(zip(relevant.item[own].tolist(), relevant.gain[own].tolist(), strict=True))
        answers = {
            system: [
                Found(
                    pictures.picture(keys[row]),
                    pictures.pair(keys[row]).words.title,
                    LOOKS[gains.get(row, 0.0)],
                )
                for row in found[place].tolist()
            ]
            for system, found in rows.items()
        }
        told = ", ".join(f"{system} {of[place]:g}" for system, of in ranks.items())
        yield number, answers, f"first right one at place: {told}"
