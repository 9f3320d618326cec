"""A finished run that checks look at, and copies of it that they may spoil."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rushes.recipe_file import Schemas, load_recipe
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.runs.task import Task
from rushes.storage import open_workspace


@dataclass(frozen=True, slots=True)
class Finished:
    """A recipe of a task, all of whose stages are done.

    Attributes:
        task: of the recipe; registered, so that other processes know it as well.
        recipe: its file.
        overrides: of its keys.
        workspace: folder of its stages.
    """

    task: Task[Any]
    recipe: Path
    overrides: tuple[str, ...]
    workspace: Path

    def run(self, *more: str) -> Run[Any]:
        """The run, opened anew, with further overrides."""
        known: Schemas = {self.task.name: self.task}
        recipe = load_recipe(self.recipe, (*self.overrides, *more), known)
        return Run(self.task, recipe, open_workspace(str(self.workspace)))

    def copy(self, folder: Path, *stages: str) -> Finished:
        """The same in another workspace, with all of its stages or only some."""
        run = self.run()
        for name in stages or run.stages:
            shutil.copytree(run.folder(name), folder / run.folder(name).name)
        return replace(self, workspace=folder)

    def elsewhere(self, folder: Path) -> Finished:
        """The same recipe in an empty workspace."""
        return replace(self, workspace=folder)

    def begin(self) -> subprocess.Popen[str]:
        """``rushes run`` in a process of its own."""
        overrides = [part for override in self.overrides for part in ("--set", override)]
        command = ["run", str(self.recipe), "--workspace", str(self.workspace), "--json", *overrides]
        return subprocess.Popen(
            [sys.executable, "-m", "rushes.cli", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def finish(task: Task[Any], recipe: Path, workspace: Path, overrides: Sequence[str] = ()) -> Finished:
    """Do every stage of a recipe in this process.

    Args:
        task: of the recipe.
        recipe: its file; take the smallest twin that shows anything.
        workspace: an empty folder.
        overrides: ``section.key=value`` texts.

    Raises:
        RushesError: a stage cannot be done.
    """
    finished = Finished(task, recipe, tuple(overrides), workspace)
    run = finished.run()
    for name in run.stages:
        do(run, name, silent)
    return finished


def silent(name: str, done: float, total: float, note: str) -> None:
    """Tell nobody how far a stage is."""
