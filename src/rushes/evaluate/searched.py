"""Items as vectors, and all the ways in which they are asked for: what is right, and what every system answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.retrieval import Asked
from rushes.evaluate.search_figures import (
    COLOUR,
    OTHER_PICTURE,
    OTHER_TEXT,
    PICTURE,
    POPULAR,
    PROBE,
    RANDOM,
    TEXT,
    UNTRAINED,
    VIEW,
)
from rushes.media.colours import colours
from rushes.media.image import decode_jpeg
from rushes.metrics.retrieval import Ranked, Relevant, rank_alike, rank_vectors
from rushes.metrics.sharing import Names, families, plain_words, right_items
from rushes.predict.vectors import SYSTEMS, Queries, System, Vectors
from rushes.prepare.pair import Pair
from rushes.shards.read import ShardDataset
from rushes.stages import canonical_json

Kind = Literal["text", "picture"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Colours = Mapping[str, NDArray[np.float16]]
"""Key of an item -> `rushes.media.colours.colours` of its picture, then of its views in order, (1 + views, 64)."""


def colours_of(samples: ShardDataset) -> Colours:
    """Colours of all pictures of a side.

    Raises:
        ShardError, MediaError: a sample that cannot be read.
    """
    found = {}
    for number, key in enumerate(samples.keys()):
        pair = Pair.of(key, samples.sample(number))
        found[key] = np.stack([colours(decode_jpeg(each, key)) for each in (pair.picture, *pair.views)])
    return found


@dataclass(frozen=True, eq=False)
class Searched:
    """The items of a run, and the questions about those of one side.

    Attributes:
        vectors: of all items.
        ks: depths of figures.
        split: side that is asked about.
        everywhere: whether items of all sides are searched, not those of the side alone.
        languages: in which titles are asked.
    """

    vectors: Vectors
    ks: tuple[int, ...]
    _: KW_ONLY
    split: str
    everywhere: bool = False
    languages: tuple[str, ...] = ()

    @cached_property
    def side(self) -> NDArray[np.int64]:
        """Numbers of the items that are asked for."""
        return np.flatnonzero(self.vectors.sides == self.split)

    @cached_property
    def gallery(self) -> NDArray[np.int64]:
        """Numbers of the items that are searched."""
        return np.flatnonzero(self.vectors.sides != PROBE) if self.everywhere else self.side

    @cached_property
    def words(self) -> Names:
        """What is typed for each item, as far as it matters."""
        return plain_words(self.vectors.texts)

    def truth(self) -> list[tuple[str, str]]:
        """Key of every item of the side, and what makes another one a right answer for it."""
        columns = (self.vectors.keys, self.vectors.groups, self.words)
        rows = zip(*(column[self.side].tolist() for column in columns), strict=True)
        among = len(self.gallery)
        return [(key, canonical_json([group, text, among])) for key, group, text in rows]

    def text_to_picture(self) -> Asked:
        """Words of every item of the side."""
        return self._two_way(TEXT, "text", "picture", self.side, self.gallery, self._untrained)

    def views(self, colours: Colours | None = None) -> Asked:
        """Further pictures of items of the side, in the order of ``queries.parquet``.

        Who asks with a picture has said no words, so equal ones make nothing right.
        """
        unsaid = np.full(len(self.vectors), "", object)
        return self._further(VIEW, self.vectors.queries("view"), unsaid, colours)

    def every(self, colours: Colours) -> Iterator[Asked]:
        """All kinds of questions that there are, text to picture first.

        Args:
            colours: of the items that are searched; looked at where there are views.

        Raises:
            MetricError: a language in which no item has a title.
        """
        yield self.text_to_picture()
        yield self._two_way(PICTURE, "picture", "text", self.side, self.gallery, self._untrained)
        if "view" in self.vectors.kinds:
            yield self.views(colours)
        for language in self.languages:
            asked = self.vectors.queries(f"language:{language}")
            if not len(asked.ids):
                raise MetricError(
                    f"evaluate.languages has {language}, and no item of side {self.split} has a title in it",
                    cure="name its column under source.columns.languages, or leave it out",
                )
            yield self._further(f"{language} to picture", asked, self._words_in(asked))
        if len(probe := np.flatnonzero(self.vectors.sides == PROBE)):
            yield self._two_way(OTHER_TEXT, "text", "picture", probe, probe)
            yield self._two_way(OTHER_PICTURE, "picture", "text", probe, probe)

    @cached_property
    def _row(self) -> Mapping[str, int]:
        """Number of each item by its key."""
        return {key: number for number, key in enumerate(self.vectors.keys.tolist())}

    def _vectors(self, kind: Kind, system: System) -> NDArray[np.float16]:
        return self.vectors.text(system) if kind == "text" else self.vectors.picture(system)

    @cached_property
    def _untrained(self) -> Mapping[Kind, NDArray[np.float16]]:
        """Vectors of the side by random weights; none where these were not asked about the whole gallery."""
        found: dict[Kind, NDArray[np.float16]] = {}
        for kind in KINDS:
            asked = self.vectors.queries(f"{UNTRAINED}:{kind}")
            row = {key: number for number, key in enumerate(asked.ids.tolist())}
            if self.everywhere or not row:
                return {}
            found[kind] = asked.vectors["model"][[row[key] for key in self.vectors.keys[self.side].tolist()]]
        return found

    def _two_way(
        self,
        name: str,
        ask: Kind,
        find: Kind,
        of: NDArray[np.int64],
        among: NDArray[np.int64],
        untrained: Mapping[Kind, NDArray[np.float16]] | None = None,
    ) -> Asked:
        """The items ``of`` by their words or pictures, looked for ``among`` pictures or words."""
        relevant = self._right(of, among, self.words)
        ranked: dict[str, Ranked] = {
            system: rank_vectors(self._vectors(ask, system)[of], self._vectors(find, system)[among], relevant)
            for system in SYSTEMS
        }
        if untrained:
            ranked[UNTRAINED] = rank_vectors(untrained[ask], untrained[find], relevant)
        return self._asked(name, of, ranked | self._blind(among, relevant), self.words)

    def _further(self, name: str, asked: Queries, words: Names, colours: Colours | None = None) -> Asked:
        """Questions of ``queries.parquet``, all about items of the side, looked for among pictures."""
        of, among = np.array([self._row[key] for key in asked.ids.tolist()], np.int64), self.gallery
        relevant = self._right(of, among, words)
        ranked: dict[str, Ranked] = {
            system: rank_vectors(vectors, self.vectors.picture(system)[among], relevant)
            for system, vectors in asked.vectors.items()
        }
        if colours is not None:
            ranked[COLOUR] = rank_vectors(*self._looks(of, among, colours), relevant)
        return self._asked(name, of, ranked | self._blind(among, relevant), words)

    def _looks(
        self, of: NDArray[np.int64], among: NDArray[np.int64], colours: Colours
    ) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """Colours of the views that are asked with, those of an item in their order, and of pictures."""
        turns: Counter[str] = Counter()
        views = []
        for key in self.vectors.keys[of].tolist():
            turns[key] += 1
            views.append(colours[key][turns[key]])
        return np.stack(views), np.stack([colours[key][0] for key in self.vectors.keys[among].tolist()])

    def _blind(self, among: NDArray[np.int64], relevant: Relevant) -> dict[str, Ranked]:
        """Systems that look at no question: any order, and items of frequent classes first, each in any order."""
        labels = self.vectors.labels
        counts = Counter(labels[self.vectors.sides == "train"].tolist())
        often = np.array([counts[label] if label else 0 for label in labels[among].tolist()])
        found = {RANDOM: rank_alike(np.zeros(len(among)), relevant)}
        return found | ({POPULAR: rank_alike(often, relevant)} if often.any() else {})

    def _words_in(self, asked: Queries) -> Names:
        """Words of another language for each item, empty where it has none."""
        words = dict(zip(asked.ids.tolist(), plain_words(asked.texts).tolist(), strict=True))
        return np.array([words.get(key, "") for key in self.vectors.keys.tolist()], object)

    def _right(self, of: NDArray[np.int64], among: NDArray[np.int64], words: Names) -> Relevant:
        """The item itself and those of equal words; with half the gain those of its group."""
        return right_items(of, among, self.vectors.keys, words, kin=self.vectors.groups)

    def _asked(self, name: str, of: NDArray[np.int64], ranked: Mapping[str, Ranked], words: Names) -> Asked:
        family = families(self.vectors.groups, words)
        return Asked(name, self.ks, ranked, family[of], self.vectors.labels[of])
