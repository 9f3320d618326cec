"""How the products of a finished run are found, and what people compare of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from rushes.errors import AnswerError
from rushes.predict.vectors import SYSTEMS, Vectors, read_vectors
from rushes.prepare.pair import Pair
from rushes.runs.do import require_done
from rushes.runs.run import Run
from rushes.runs.search import Among, Search
from rushes.runs.vector_contest import VectorContender
from rushes.runs.vector_search import Shop, VectorSearch
from rushes.tasks.catalog.recipe import CatalogRecipe

SIDES = ("train", "val", "test")
"""The shop's; products of the probe are of another one."""


class Pictures:
    """The pictures of a run's products, as they were prepared.

    Args:
        run: the run.
        vectors: its products, on each side in the order of the shards.
    """

    def __init__(self, run: Run[CatalogRecipe], vectors: Vectors) -> None:
        self._vectors = vectors
        self._samples = cache(run.samples)

    def __call__(self, key: str, view: int | None = None) -> bytes:
        """The JPEG of a product, or of one of its views.

        Raises:
            AnswerError: there is no such product.
        """
        rows = np.flatnonzero(self._vectors.keys == key)
        if not len(rows):
            raise AnswerError(f"no product {key!r}", cure="keys stand in the column id of vectors.parquet")
        sides = self._vectors.sides
        side = sides[rows[0]]
        number = int(rows[0] - np.flatnonzero(sides == side)[0])
        pair = Pair.of(key, self._samples(side).sample(number))
        return pair.picture if view is None else pair.views[view]
