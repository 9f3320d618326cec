"""The task `catalog`: from a table of products with pictures to a search by picture and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def _made_of(recipe: CatalogRecipe) -> Mapping[str, Any]:
    """What the model is made of that neither its checkpoint nor the recipe tells; a `Stage.signs`."""
    from rushes.recipe.clip import made_of

    return made_of(recipe.model)


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
            signs=_made_of,
            reads=("model/*",),
            shared=True,
            cost=Cost(assumed_s=60.0),
        ),
        replace(TRAIN, inputs=("prepare", "pretrain"), signs=_made_of),
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
        """See `Task.base`; ``tiny`` and ``locked`` are signed by what they are made of."""
        from rushes.models.base import Base
        from rushes.recipe.clip import LOCKED

        model = recipe.model
        return None if model.name in (TINY, LOCKED) else Base(model.name, model.revision)

    def faults(self, recipe: CatalogRecipe) -> Iterator[tuple[str, str]]:
        """See `Task.faults`: packages that are missing, pictures of a size that the model does not take."""
        from rushes.runs.clip_plan import faults

        yield from faults(recipe.model, recipe.preprocessing.size)

    def notes(self, run: Run[CatalogRecipe], stage: Stage) -> tuple[str, ...]:
        """See `Task.notes`; of training, how much learns and the memory that it takes."""
        if stage.name != "train":
            return super().notes(run, stage)
        from rushes.runs.clip_plan import notes

        recipe = run.recipe
        return tuple(notes(recipe.model, recipe.preprocessing.size, recipe.train.micro_batch))

    def to_draw(self, recipe: CatalogRecipe) -> str:
        """See `Task.to_draw`."""
        raise NotImplementedError

    def costs(self, run: Run[CatalogRecipe]) -> Mapping[str, float]:
        """See `Task.costs`."""
        return {}
