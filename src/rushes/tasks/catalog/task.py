"""The task `catalog`: from a table of products with pictures to a search by picture and words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.runs.stage import Cost, Stage, is_drawn
from rushes.runs.task import Compare, Task
from rushes.runs.usual import EVALUATE, LOOK, PREPARE, REPORT, TRAIN, TWIN, samples
from rushes.stages import sha256_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rushes.evaluate.searched import Searched
    from rushes.evaluate.viewer import Viewer
    from rushes.label.row import Row
    from rushes.metrics.estimate import Estimate
    from rushes.models.base import Base
    from rushes.runs.admission.values import Fault
    from rushes.runs.contest import Contender
    from rushes.runs.run import Run
    from rushes.runs.search import Among, Search
    from rushes.tasks.catalog.audit import CatalogAudit
    from rushes.tasks.catalog.recipe import CatalogRecipe
    from rushes.tasks.catalog.sources.item import Item
    from rushes.tasks.catalog.sources.products import Products


BYTES_PER_PIXEL = 0.35
"""Of the twin's pictures, as measured."""


def _files(recipe: CatalogRecipe) -> Mapping[str, Path]:
    """Key -> the file whose content counts, wherever it lies."""
    named = {"source.attributes": recipe.source.attributes, "source.sides": recipe.source.sides}
    if recipe.probe is not None:
        named["probe.attributes"] = recipe.probe.attributes
    return {key: file for key, file in named.items() if file is not None}


def _contents(recipe: CatalogRecipe) -> Mapping[str, str]:
    return {key: sha256_file(file) for key, file in _files(recipe).items()}


def _picture(item: Item, read: Callable[[bytes, object], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return read(item.picture.read(), item.where)


def _made_of(recipe: CatalogRecipe) -> Mapping[str, Any]:
    """What the model is made of that neither its checkpoint nor the recipe tells; a `Stage.signs`."""
    from rushes.recipe.clip import made_of

    return made_of(recipe.model)


def _pretrained_on(recipe: CatalogRecipe) -> Mapping[str, Any]:
    """Pictures of the other domain, as large as those of the shop, and how they are taught; a `Stage.signs`."""
    from rushes.recipe.contrastive import PRETRAINING

    return {
        **_made_of(recipe),
        "size": recipe.preprocessing.size,
        "jpeg_quality": recipe.preprocessing.jpeg_quality,
        "pairs": recipe.model.drawn_pairs,
        "train": PRETRAINING.model_dump(mode="json"),
    }


def _shown(part: Mapping[str, Any], samples: Mapping[str, int], dataset: Mapping[str, Any]) -> float | None:
    """Pairs that are shown in all epochs; a `rushes.runs.stage.Amount`."""
    if part["model"]["scenario"] == "zero_shot" or "train" not in samples:
        return None
    return float(part["train"]["epochs"] * samples["train"])


class Catalog(Task["CatalogRecipe"]):
    """Which product is it that these words, or this picture, mean?"""

    name = "catalog"
    columns = ("id", "name", "picture", "views", "label", "group", "side", "style", "color", "material")
    stages = (
        replace(TWIN, cost=Cost(amount=samples, assumed_s=0.02)),
        replace(
            PREPARE,
            purpose="Group near-duplicates, deal out sides, write pictures and captions as shards.",
            sections=("source", "probe", "preprocessing", "prepare"),
            signs=_contents,
            cost=Cost(amount=samples, assumed_s=0.01),
        ),
        LOOK,
        Stage(
            name="pretrain",
            purpose="Pretrain the tiny model on drawn pictures of another domain, once for all runs.",
            makes="weights",
            asked=lambda recipe: bool(recipe.model.is_tiny),
            signs=_pretrained_on,
            reads=("model/*",),
            shared=True,
            cost=Cost(assumed_s=60.0),
        ),
        replace(
            TRAIN,
            inputs=("prepare", "pretrain"),
            signs=_made_of,
            cost=Cost(amount=_shown, of_model=True),
        ),
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

    def source(self, recipe: CatalogRecipe) -> Products:
        """See `Task.source`."""
        from rushes.tasks.catalog.sources.products import Products

        return Products(recipe.source, recipe.probe, drawn=is_drawn(recipe))

    def audit(self, run: Run[CatalogRecipe]) -> CatalogAudit:
        """See `Task.audit`."""
        from rushes.tasks.catalog.audit import audit_of

        return audit_of(run.scan, run.recipe)

    def faults(self, recipe: CatalogRecipe) -> Iterator[tuple[str, str]]:
        """See `Task.faults`: files that are not there, packages that are missing, pictures too small for the model."""
        from rushes.runs.clip_plan import faults

        yield from faults(recipe.model, recipe.preprocessing.size)
        if recipe.probe is not None and is_drawn(recipe):
            yield "probe", "the drawn shop has a second domain of its own: leave it out, or give source.root"
        elif recipe.probe is not None and not isinstance(recipe.probe.root, Path):
            yield "probe.root", "give a folder of this machine"
        for key, file in _files(recipe).items():
            if not file.is_file():
                yield key, f"there is no file {file}"

    def rows(self, run: Run[CatalogRecipe]) -> Iterator[Row]:
        """See `Task.rows`; the products of the shop, in order of their keys."""
        from rushes.label.row import Row
        from rushes.media.picture import read_picture

        for item in run.scan.items:
            yield Row(item.key, item.title, item.where, partial(_picture, item, read_picture))

    def search(self, run: Run[CatalogRecipe], among: Among | None = None) -> Search:
        """See `Task.search`."""
        from rushes.runs.search import Among, require_vectors

        require_vectors(run, "embed", "search")
        from rushes.tasks.catalog.search import search_of

        return search_of(run, among or Among())

    def contenders(self, run: Run[CatalogRecipe]) -> Mapping[str, Contender]:
        """See `Task.contenders`: the trained model, and the one that training began from."""
        from rushes.runs.search import require_vectors

        require_vectors(run, "embed", "arena")
        from rushes.tasks.catalog.search import contenders_of

        return contenders_of(run)

    def viewer(self, run: Run[CatalogRecipe]) -> Viewer:
        """See `Task.viewer`."""
        from rushes.evaluate.pair_viewer import PairViewer

        return PairViewer()

    def base(self, recipe: CatalogRecipe) -> Base | None:
        """See `Task.base`; ``tiny`` and ``locked`` are signed by what they are made of."""
        from rushes.models.base import Base
        from rushes.recipe.clip import LOCKED

        model = recipe.model
        return None if model.is_tiny or model.name == LOCKED else Base(model.name, model.revision)

    def learns(self, recipe: CatalogRecipe) -> bool:
        """See `Task.learns`."""
        return recipe.model.scenario != "zero_shot"

    def notes(self, run: Run[CatalogRecipe], stage: Stage) -> tuple[str, ...]:
        """See `Task.notes`; of training, how much learns and the memory that it takes."""
        if stage.name != "train":
            return super().notes(run, stage)
        from rushes.runs.clip_plan import notes

        recipe, train = run.recipe, run.recipe.train
        if not self.learns(recipe) or run.status(run.dataset).state != "done":
            return tuple(notes(recipe.model, recipe.preprocessing.size, train.micro_batch))
        pairs = len(run.samples("train"))
        told = notes(recipe.model, recipe.preprocessing.size, train.fitted(pairs).micro_batch)
        return (*filter(None, [train.whole_side(pairs)]), *told)

    def to_draw(self, recipe: CatalogRecipe) -> str:
        """See `Task.to_draw`."""
        from rushes.tasks.catalog.twin.shop import VIEWS
        from rushes.tasks.catalog.twin.writer import count

        twin = recipe.twin
        products = count(twin)
        size = (products * (1 + VIEWS) + twin.other) * twin.picture_px**2 * BYTES_PER_PIXEL
        return (
            f"{products:,} products of {twin.products:,} families and {twin.other:,} other things, "
            f"about {size / 1e6:,.0f} MB"
        )

    def drawn(self, recipe: CatalogRecipe) -> Mapping[str, int] | None:
        """About as many on each side as the shares say, and the things of the other domain."""
        from rushes.tasks.catalog.twin.writer import count

        if not is_drawn(recipe):
            return None
        products = count(recipe.twin)
        dealt = {side: round(share * products) for side, share in recipe.source.shares.of_sides.items()}
        return dealt | {"probe": recipe.twin.other}

    @property
    def compare(self) -> Mapping[str, Compare]:
        """See `Task.compare`: words to pictures, over the same questions."""
        return {name: partial(_compare, name) for name, figure in self.figures.items() if figure.compared}

    def measured(self, run: Run[CatalogRecipe]) -> list[tuple[str, str]]:
        """Products of the side, and what makes another one a right answer for them."""
        return _shop(run).truth()

    def admission(self, run: Run[CatalogRecipe]) -> Iterator[Fault]:
        """Vectors follow from the weights, and not every question gets the same answer."""
        from rushes.tasks.catalog.admission import check_search

        yield from check_search(run)

    def costs(self, run: Run[CatalogRecipe]) -> Mapping[str, float]:
        """How many weights learnt, those of the loss apart; nothing where none did."""
        from rushes.models.clip import count_learnt

        if not self.learns(run.recipe):
            return {}
        return {"parameters": count_learnt(run.folder("train") / "model")}


def _shop(run: Run[CatalogRecipe]) -> Searched:
    from rushes.predict.vectors import read_vectors
    from rushes.tasks.catalog.evaluate.measure import shop_of

    return shop_of(read_vectors(run.bring("embed")), run.recipe.evaluate)


def _compare(
    figure: str, ours: Run[CatalogRecipe], theirs: Run[CatalogRecipe], confidence: float
) -> Estimate:
    from rushes.tasks.catalog.evaluate.measure import compare

    return compare(_shop(ours), _shop(theirs), figure, confidence)
