"""A run as it travels to another process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rushes.recipe import Recipe
from rushes.runs.run import Run
from rushes.runs.task import Task
from rushes.storage import Workspace


@dataclass(frozen=True, slots=True)
class RunJob:
    """What makes a run again, here or elsewhere.

    Attributes:
        task, recipe, workspace, raw_fingerprint: as of `Run`.
    """

    task: Task[Any]
    recipe: Recipe
    workspace: Workspace
    raw_fingerprint: str | None

    @classmethod
    def of(cls, run: Run[Any]) -> RunJob:
        """The job of a run."""
        return cls(run.task, run.recipe, run.workspace, run.raw_fingerprint)

    def run(self) -> Run[Any]:
        """The run, opened again; its units are worked on in this process."""
        prepare = self.recipe.prepare.model_copy(update={"workers": 0})
        recipe = self.recipe.model_copy(update={"prepare": prepare})
        return Run(self.task, recipe, self.workspace, raw_fingerprint=self.raw_fingerprint)
