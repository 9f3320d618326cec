"""One run for each task."""

from __future__ import annotations

from collections.abc import Iterator

from rushes.engine import LOCAL, Engine
from rushes.recipe import Recipe, TaskName
from rushes.runs.driving.run import DrivingRun
from rushes.runs.operations.run import OperationsRun
from rushes.runs.run import Run
from rushes.runs.sounds.run import SoundsRun
from rushes.storage import Workspace

RUNS: dict[TaskName, type[Run]] = {"operations": OperationsRun, "driving": DrivingRun, "sounds": SoundsRun}


def faults_of(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """What only the task sees of a recipe, see `Run.faults`; a `rushes.recipe_file.Check`."""
    return RUNS[recipe.task].faults(recipe)


def open_run(
    recipe: Recipe, workspace: Workspace, engine: Engine = LOCAL, *, raw_fingerprint: str | None = None
) -> Run:
    """A recipe in a workspace, its units worked on by ``engine``; arguments as of `Run`.

    Raises:
        RecipeError: what the recipe asks cannot be.
    """
    return RUNS[recipe.task](recipe, workspace, engine, raw_fingerprint=raw_fingerprint)
