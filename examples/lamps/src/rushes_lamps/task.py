"""The task `lamps`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rushes.runs.task import Task
from rushes.runs.usual import EVALUATE, LOOK, PREDICT, PREPARE, REPORT, TRAIN, TWIN


class Lamps(Task[Any]):
    """Which of two lamps blinks faster?"""

    name = "lamps"
    stages = (TWIN, PREPARE, LOOK, replace(TRAIN, sections=("train",)), PREDICT, EVALUATE, REPORT)

    @property
    def recipe(self) -> Any:  # noqa: D102 - see Task
        from rushes_lamps.work import LampRecipe

        return LampRecipe

    @property
    def work(self) -> Mapping[str, Any]:  # noqa: D102
        from rushes_lamps.work import WORK

        return WORK

    @property
    def figures(self) -> Mapping[str, Any]:  # noqa: D102
        from rushes.evaluate.figures import Figure

        meaning = "share of clips whose faster lamp is named"
        return {"accuracy": Figure(title="accuracy", meaning=meaning, headline=True, compared=True)}

    def source(self, recipe: Any) -> Any:  # noqa: D102
        from rushes.runs.source import FileSource

        return FileSource("*.json")

    def audit(self, run: Any) -> Any:  # noqa: D102
        return run.scan

    def to_draw(self, recipe: Any) -> str:  # noqa: D102
        return f"{3 * recipe.twin.rooms * recipe.twin.clips} clips"
