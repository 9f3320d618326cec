"""The task `catalog`: from a table of products with pictures to a search by picture and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rushes.recipe.sections import TINY
from rushes.runs.stage import Cost, Stage
from rushes.runs.task import Task
from rushes.runs.usual import EVALUATE, LOOK, PREPARE, REPORT, TRAIN, TWIN, samples

if TYPE_CHECKING:
    from rushes.models.base import Base
    from rushes.runs.run import Run
    from rushes.runs.source import Audit, Source
    from rushes.tasks.catalog.recipe import CatalogRecipe


def _is_tiny(recipe: CatalogRecipe) -> bool:
    return recipe.model.name == TINY


class Catalog(Task["CatalogRecipe"]):
    """Which product is it that these words, or this picture, mean?"""

    name = "catalog"
    stages = (
        replace(TWIN, cost=Cost(amount=samples, assumed_s=0.02)),
        replace(
            PREPARE,
            purpose="Group near-duplicates, deal out sides, write pictures and captions as shards.",
            sections=("source", "probe", "preprocessing", "prepare"),
            cost=Cost(amount=samples, assumed_s=0.01),
        ),
        LOOK,
        Stage(
            name="pretrain",
            purpose="Pretrain the tiny model on drawn pictures of another domain, once for all runs.",
            makes="weights",
            asked=_is_tiny,
            reads=("model/*",),
            shared=True,
            cost=Cost(assumed_s=60.0),
        ),
        replace(TRAIN, inputs=("prepare", "pretrain")),
        Stage(
            name="embed",
            purpose="Turn pictures and words of all products into vectors, before and after training.",
            makes="answers",
            sections=("evaluate",),
            inputs=("prepare", "pretrain", "train"),
            reads=("vectors.parquet", "queries.parquet"),
            cost=Cost(amount=samples, of_model=True),
        ),
        replace(EVALUATE, inputs=("prepare", "train", "embed")),
        replace(REPORT, inputs=("prepare", "train", "embed", "evaluate")),
    )

    def source(self, recipe: CatalogRecipe) -> Source[Any]:
        """See `Task.source`."""
        raise NotImplementedError

    def audit(self, run: Run[CatalogRecipe]) -> Audit:
        """See `Task.audit`."""
        raise NotImplementedError

    def base(self, recipe: CatalogRecipe) -> Base | None:
        """See `Task.base`."""
        raise NotImplementedError

    def to_draw(self, recipe: CatalogRecipe) -> str:
        """See `Task.to_draw`."""
        raise NotImplementedError

    def costs(self, run: Run[CatalogRecipe]) -> Mapping[str, float]:
        """See `Task.costs`."""
        return {}
