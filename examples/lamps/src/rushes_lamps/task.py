"""The task `lamps`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rushes.runs.task import Task
from rushes.runs.usual import EVALUATE, PREDICT, PREPARE, REPORT, TRAIN, TWIN

if TYPE_CHECKING:
    from rushes.evaluate.figures import Figure
    from rushes_lamps.work import LampRecipe


class Lamps(Task["LampRecipe"]):
    """Which of two lamps blinks faster?"""

    name = "lamps"
    stages = (TWIN, PREPARE, replace(TRAIN, sections=("train",)), replace(PREDICT, units=False), EVALUATE, REPORT)

    @property
    def recipe(self) -> type[LampRecipe]:
        from rushes_lamps.work import LampRecipe

        return LampRecipe

    @property
    def work(self) -> Mapping[str, Any]:
        from rushes_lamps.work import WORK

        return WORK

    @property
    def figures(self) -> Mapping[str, Figure]:
        from rushes.evaluate.figures import Figure

        meaning = "share of clips whose faster lamp is named"
        return {"accuracy": Figure(title="accuracy", meaning=meaning, headline=True, compared=True)}

    def source(self, recipe: LampRecipe) -> Any:
        from rushes.runs.source import FileSource

        return FileSource("*.json")

    def audit(self, run: Any) -> Any:
        return run.scan

    def to_draw(self, recipe: LampRecipe) -> str:
        return f"{3 * recipe.twin.rooms * recipe.twin.clips} clips"
