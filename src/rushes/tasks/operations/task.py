"""The task `operations`: footage of people at work, from sessions to a measured model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rushes.errors import RecipeError
from rushes.runs.stage import Cost
from rushes.runs.usual import EVALUATE, FEATURES, LOOK, PREDICT, PREPARE, REPORT, TRAIN, TWIN, head_signs
from rushes.runs.vlm_task import TAUGHT, VlmTask

if TYPE_CHECKING:
    from rushes.runs.apply.contract import Apply
    from rushes.runs.run import Run
    from rushes.runs.source import Audit
    from rushes.tasks.operations.recipe import OperationsRecipe
    from rushes.tasks.operations.report.samples import ClipViewer
    from rushes.tasks.operations.sources.sessions import SessionSource

BOX_S = 45.0
"""How long somebody in the twin takes to pack a box."""

BYTES_PER_S: Mapping[str, float] = {"video": 28e3, "frames": 1.8e6}
"""Of the twin's footage, as measured: H.264 at 640x480 and 25 Hz, JPEG frames at 1280x720 and 15 Hz."""


FLOW = 5.0
"""How many times as long a clip takes where the sampler looks at optical flow: 3.7 to 5.5 at 640x480."""


def _cut(part: Mapping[str, Any], clips: Mapping[str, int], dataset: Mapping[str, Any]) -> float:
    """All clips of the dataset, by the work that their frames take; a `rushes.runs.stage.Amount`."""
    return sum(clips.values()) * (FLOW if part["preprocessing"]["sampler"] == "flow" else 1.0)


class Operations(VlmTask["OperationsRecipe"]):
    """Which operation is this, when does it begin and end, and what comes next?"""

    name = "operations"
    stages = (
        replace(TWIN, signs=lambda recipe: {"media": recipe.drawn.media}),
        replace(PREPARE, version=2, cost=Cost(amount=_cut, assumed_s=PREPARE.cost.assumed_s)),
        LOOK,
        FEATURES,
        replace(TRAIN, inputs=("prepare", "features"), signs=head_signs, cost=TAUGHT),
        replace(PREDICT, inputs=("prepare", "features", "train"), units=True),
        replace(EVALUATE, version=2),
        REPORT,
    )

    def resolve(self, recipe: OperationsRecipe) -> OperationsRecipe:
        """The recipe with its labels filled in: of a label set, or those that the annotation of a table has."""
        from rushes.tasks.operations.check import pair_faults
        from rushes.tasks.operations.sources.kinds import with_labels

        source, labels, label_set = with_labels(recipe.source)
        if faults := [f"{key}: {what}" for key, what in pair_faults(recipe.prepare.wide_pairs, labels)]:
            raise RecipeError.of(faults, recipe.name)
        filled = {"labels": labels, "label_set": label_set}
        preprocessing = recipe.preprocessing.model_copy(update=filled)
        return recipe.model_copy(update={"source": source, "preprocessing": preprocessing})

    def faults(self, recipe: OperationsRecipe) -> Iterator[tuple[str, str]]:
        """Splits that cannot be, and labels that are not there."""
        from rushes.tasks.operations.check import faults

        yield from super().faults(recipe)
        yield from faults(recipe)

    def source(self, recipe: OperationsRecipe) -> SessionSource[Any]:
        """See `Task.source`."""
        from rushes.tasks.operations.sources.kinds import source_of

        return source_of(recipe.source)

    def audit(self, run: Run[OperationsRecipe]) -> Audit:
        """Read all annotation and headers, and count what they would give."""
        from rushes.tasks.operations.audit import audit_sessions
        from rushes.tasks.operations.prepare.clips import cutting_of

        recipe = run.recipe
        return audit_sessions(
            run.scan,
            self.source(recipe).sides(run.scan),
            recipe.preprocessing,
            cutting_of(recipe.preprocessing, recipe.prepare),
            recipe.prepare.window_splits,
            ("train", recipe.evaluate.split),
        )

    def viewer(self, run: Run[OperationsRecipe]) -> ClipViewer:
        """The chosen frames of clips on their signals."""
        from rushes.tasks.operations.report.samples import ClipViewer

        return ClipViewer(run.recipe.preprocessing.labels)

    def apply(self, run: Run[OperationsRecipe]) -> Apply[OperationsRecipe]:
        """See `Task.apply`."""
        from rushes.tasks.operations.apply import ApplyToFootage

        return ApplyToFootage(run)

    def to_draw(self, recipe: OperationsRecipe) -> str:
        """Sessions, their length and the room that they take."""
        asked, form = recipe.twin, recipe.drawn.media
        sessions = asked.subjects * asked.sessions
        seconds = sessions * asked.boxes * BOX_S
        size = seconds * BYTES_PER_S[form]
        return f"about {seconds / 60:.0f} minutes of footage in {sessions} sessions, {size / 1e6:,.0f} MB"
