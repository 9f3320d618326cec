"""How the products of a finished run are found, and what of it people compare."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

import numpy as np

from rushes.errors import QuestionError
from rushes.predict.vectors import SYSTEMS, Vectors, read_vectors
from rushes.prepare.pair import Pair
from rushes.runs.contest import Contender
from rushes.runs.run import Run
from rushes.runs.search import Among
from rushes.runs.vector_contest import VectorContender
from rushes.runs.vector_search import Shop, VectorSearch
from rushes.tasks.catalog.predict import model_of
from rushes.tasks.catalog.recipe import CatalogRecipe

SHOP = ("train", "val", "test")
"""Sides whose products are found; those of the probe belong to another shop."""

STAGE = "embed"


def search_of(run: Run[CatalogRecipe], among: Among) -> VectorSearch:
    """See `Task.search`."""
    vectors = read_vectors(run.bring(STAGE))  # not hashed again, which takes longer than to search them
    recipe = run.recipe
    name = f"{STAGE}-{run.specs[STAGE].signature}-{among.system}-{among.of}.faiss"
    shop = Shop(
        vectors=vectors,
        sides=SHOP,
        encoder=partial(model_of, run, among.system),
        pictures=_Pictures(run, vectors),
        index=run.workspace.root / "indexes" / name,
        first=tuple(filter(None, (recipe.source.columns.label, *recipe.preprocessing.captions.attributes))),
    )
    return VectorSearch(shop, among)


def contenders_of(run: Run[CatalogRecipe]) -> Mapping[str, Contender]:
    """See `Task.contenders`; as figures do, they find products by their pictures, on the side that is reported."""
    vectors = read_vectors(run.bring(STAGE))
    pictures, signature = _Pictures(run, vectors), run.specs[STAGE].signature
    side = run.recipe.evaluate.split
    return {
        system: VectorContender(vectors, side, system, "picture", pictures, signature) for system in SYSTEMS
    }


class _Pictures:
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
            QuestionError: there is no such product.
        """
        rows = np.flatnonzero(self._vectors.keys == key)
        if not len(rows):
            raise QuestionError(f"no product {key!r}", cure="keys stand in the column id of vectors.parquet")
        sides = self._vectors.sides
        side = sides[rows[0]]
        number = int(rows[0] - np.flatnonzero(sides == side)[0])
        pair = Pair.of(key, self._samples(side).sample(number))
        return pair.picture if view is None else pair.views[view]
