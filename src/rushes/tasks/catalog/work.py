"""What each stage of a catalog run does.

Imports stand inside of the functions, so that asking for one stage loads no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, REPORT_FILE, Made, StageName, Tell, Work
from rushes.stages import OpenStage, read_json
from rushes.tasks.catalog.recipe import CatalogRecipe

if TYPE_CHECKING:
    from rushes.shards.read import ShardDataset


def _twin(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.runs.drawing import draw_units
    from rushes.tasks.catalog.twin.writer import units, write_unit

    settings = run.recipe.twin
    return draw_units(run, stage, tell, units(settings), partial(write_unit, settings=settings))


def _prepare(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.tasks.catalog.prepare.stage import prepare_products

    return prepare_products(run, stage, tell)


def _look(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.runs.preview import preview

    return preview(run, stage, tell)


def _pretrain(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.tasks.catalog.train import pretrain

    return pretrain(run, stage, tell)


def _train(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.tasks.catalog.train import teach

    return teach(run, stage, tell)


def _embed(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.tasks.catalog.predict import embed

    return embed(run, stage, tell)


def _evaluate(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.evaluate.searched import colours_of
    from rushes.predict.vectors import read_vectors
    from rushes.tasks.catalog.evaluate.measure import evaluate, shop_of

    vectors = read_vectors(run.bring("embed"))
    shop = shop_of(vectors, run.recipe.evaluate)
    tell("evaluate", 0, 1, "figures")
    looked_at = _searched(run) if "view" in vectors.kinds else ()
    colours = {key: each for samples in looked_at for key, each in colours_of(samples).items()}
    card = evaluate(shop, colours, provenance=run.provenance())
    card.write(stage.folder / METRICS_FILE)
    tell("evaluate", 1, 1, "figures")
    return {"questions": card.all.n}, {"products": len(shop.side)}


def _report(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.evaluate.strips import Pictures, strips_of
    from rushes.predict.vectors import read_vectors
    from rushes.prepare.leakage import LEAKAGE
    from rushes.runs.proof import require_whole
    from rushes.runs.usual_work import head_of
    from rushes.tasks.catalog.evaluate.measure import shop_of
    from rushes.tasks.catalog.report.page import write_report
    from rushes.train.events import read_events

    tell("report", 0, 1, "drawing")
    require_whole(run, "train", ("events.jsonl",))
    require_whole(run, "prepare", (LEAKAGE,))
    shop = shop_of(read_vectors(run.bring("embed")), run.recipe.evaluate)
    strips = list(strips_of(shop, Pictures(_searched(run))))
    write_report(
        stage.folder / REPORT_FILE,
        head_of(run, f"{run.recipe.model.name}, {run.recipe.model.scenario}"),
        run.scorecard(),
        strips=strips,
        leakage=read_json(run.folder("prepare") / LEAKAGE),
        events=read_events(run.folder("train") / "events.jsonl"),
        preprocessing=run.recipe.preprocessing.model_dump(mode="json"),
    )
    tell("report", 1, 1, "drawing")
    return {"file": REPORT_FILE}, {"strips": len(strips)}


def _searched(run: Run[CatalogRecipe]) -> list[ShardDataset]:
    """The sides whose products are searched for figures."""
    asked = run.recipe.evaluate
    sides = (asked.split,) if asked.gallery == "side" else ("train", "val", "test")
    return [run.samples(side) for side in sides]


WORK: Mapping[StageName, Work] = {
    "twin": _twin,
    "prepare": _prepare,
    "look": _look,
    "pretrain": _pretrain,
    "train": _train,
    "embed": _embed,
    "evaluate": _evaluate,
    "report": _report,
}
