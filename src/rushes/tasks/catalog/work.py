"""What each stage of a catalog run does.

Imports stand inside of the functions, so that asking for one stage loads no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from rushes.runs.run import Run
from rushes.runs.stage import Made, StageName, Tell, Work
from rushes.runs.usual_work import report
from rushes.stages import OpenStage
from rushes.tasks.catalog.recipe import CatalogRecipe


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
    raise NotImplementedError


def _evaluate(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    raise NotImplementedError


WORK: Mapping[StageName, Work] = {
    "twin": _twin,
    "prepare": _prepare,
    "look": _look,
    "pretrain": _pretrain,
    "train": _train,
    "embed": _embed,
    "evaluate": _evaluate,
    "report": report,
}
