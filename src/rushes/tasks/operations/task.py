"""The task `operations`: footage of people at work, from sessions to a measured model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rushes.runs.usual import EVALUATE, PREDICT, PREPARE, REPORT, TRAIN, TWIN
from rushes.runs.vlm_task import TAUGHT, VlmTask

if TYPE_CHECKING:
    from rushes.runs.apply.contract import Apply
    from rushes.runs.run import Run
    from rushes.runs.source import Audit
    from rushes.tasks.operations.recipe import OperationsRecipe
    from rushes.tasks.operations.sources.openpack.source import OpenPack

BOX_S = 45.0
"""How long somebody in the twin takes to pack a box."""

BYTES_PER_S: Mapping[str, float] = {"video": 28e3, "frames": 1.8e6}
"""Of the twin's footage, as measured: H.264 at 640x480 and 25 Hz, JPEG frames at 1280x720 and 15 Hz."""


class Operations(VlmTask["OperationsRecipe"]):
    """Which operation is this, when does it begin and end, and what comes next?"""

    name = "operations"
    stages = (
        replace(TWIN, signs=lambda recipe: {"media": recipe.source.media}),
        replace(PREPARE, version=2),
        replace(TRAIN, cost=TAUGHT),
        replace(PREDICT, units=True),
        replace(EVALUATE, version=2),
        REPORT,
    )

    def resolve(self, recipe: OperationsRecipe) -> OperationsRecipe:
        """The recipe with the labels of the label set filled in."""
        from rushes.tasks.operations.sources.openpack.tables import load_label_set

        labels = load_label_set(recipe.source.labels)
        filled = {"labels": labels.labels, "label_set": f"{labels.name}-{labels.version}"}
        return recipe.model_copy(update={"preprocessing": recipe.preprocessing.model_copy(update=filled)})

    def faults(self, recipe: OperationsRecipe) -> Iterator[tuple[str, str]]:
        """Splits that cannot be, and labels that the label set does not have."""
        from rushes.tasks.operations.check import pair_faults, split_faults

        yield from split_faults(recipe)
        yield from pair_faults(recipe)

    def source(self, recipe: OperationsRecipe) -> OpenPack:
        """See `Task.source`."""
        from rushes.tasks.operations.sources.openpack.source import OpenPack
        from rushes.tasks.operations.sources.openpack.tables import load_label_set

        return OpenPack(load_label_set(recipe.source.labels), recipe.source.media)

    def audit(self, run: Run[OperationsRecipe]) -> Audit:
        """Read all annotation and headers, and count what they would give."""
        from rushes.tasks.operations.audit import audit_sessions
        from rushes.tasks.operations.prepare.clips import cutting_of

        recipe = run.recipe
        return audit_sessions(
            run.scan,
            recipe.source.split,
            recipe.preprocessing,
            cutting_of(recipe.preprocessing, recipe.prepare),
            recipe.prepare.window_splits,
            ("train", recipe.evaluate.split),
        )

    def apply(self, run: Run[OperationsRecipe]) -> Apply[OperationsRecipe]:
        """See `Task.apply`."""
        from rushes.tasks.operations.apply import ApplyToFootage

        return ApplyToFootage(run)

    def to_draw(self, recipe: OperationsRecipe) -> str:
        """Sessions, their length and the room that they take."""
        asked, form = recipe.twin, recipe.source.media
        sessions = asked.subjects * asked.sessions
        seconds = sessions * asked.boxes * BOX_S
        size = seconds * BYTES_PER_S[form]
        return f"about {seconds / 60:.0f} minutes of footage in {sessions} sessions, {size / 1e6:,.0f} MB"
