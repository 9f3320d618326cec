"""A run of the operations task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from rushes.contract import ClipContract
from rushes.recipe import OperationsRecipe
from rushes.runs.operations.check import pair_faults, split_faults
from rushes.runs.run import Audit
from rushes.runs.vlm_run import VlmRun
from rushes.sources.openpack_tables import load_label_set

BOX_S = 45.0
"""How long somebody in the twin takes to pack a box."""

BYTES_PER_S: Mapping[str, float] = {"video": 28e3, "frames": 1.8e6}
"""Of the twin's footage, as measured: H.264 at 640x480 and 25 Hz, JPEG frames at 1280x720 and 15 Hz."""


class OperationsRun(VlmRun[OperationsRecipe]):
    """Footage of people at work, from sessions to a measured model."""

    predict_version: ClassVar[int] = 2
    report_version: ClassVar[int] = 2

    @classmethod
    def faults(cls, recipe: OperationsRecipe) -> Iterator[tuple[str, str]]:
        """Splits that cannot be, and labels that the label set does not have."""
        yield from split_faults(recipe)
        yield from pair_faults(recipe)

    @cached_property
    def contract(self) -> ClipContract:
        """The preprocessing contract with the labels of the label set filled in."""
        labels = load_label_set(self.recipe.source.labels)
        resolved = {"labels": labels.labels, "label_set": f"{labels.name}-{labels.version}"}
        return self.recipe.preprocessing.model_copy(update=resolved)

    @cached_property
    def scan(self) -> Any:
        """The recordings, read from their annotation."""
        from rushes.sources.openpack import scan

        source = self.recipe.source
        return scan(self.raw(), load_label_set(source.labels), source.media)

    @cached_property
    def cutting(self) -> Any:
        """How clips are cut."""
        from rushes.prepare.operations.clips import Cutting

        asked, contract = self.recipe.prepare, self.contract
        return Cutting(
            clip_s=contract.clip_s,
            step_s=contract.time_step_s,
            window_s=asked.boundary_window_s,
            wide_pairs=frozenset(frozenset(pair) for pair in asked.wide_pairs),
            wide_window_s=asked.wide_window_s,
            stride_s=asked.window_stride_s,
        )

    def twin_part(self) -> Mapping[str, Any]:
        """The twin is drawn in one form of footage."""
        return {"twin": self.recipe.twin.model_dump(mode="json"), "media": self.recipe.source.media}

    def to_draw(self) -> str:
        """Sessions, their length and the room that they take."""
        asked, form = self.recipe.twin, self.recipe.source.media
        sessions = asked.subjects * asked.sessions
        seconds = sessions * asked.boxes * BOX_S
        size = seconds * BYTES_PER_S[form]
        return f"about {seconds / 60:.0f} minutes of footage in {sessions} sessions, {size / 1e6:,.0f} MB"

    def fingerprint(self) -> str:
        """Of annotation and footage."""
        from rushes.sources.openpack import fingerprint

        return fingerprint(self.scan.root, self.scan.recordings)

    def audit(self) -> Audit:
        """Read all annotation and headers, and count what they would give."""
        from rushes.runs.operations.audit import audit_sessions

        return audit_sessions(
            self.scan,
            self.recipe.source.split,
            self.contract,
            self.cutting,
            self.recipe.prepare.window_splits,
        )

    def headline(self) -> dict[str, Any]:
        """OCA, tIoU@0.5 and AA@1, and those of the baselines."""
        from rushes.evaluate.operations.tables import headline

        return headline(self.metrics())

    def print_metrics(self, console: Any) -> None:
        """The model among its baselines, on clips and on whole sessions."""
        from rushes.evaluate.operations.tables import print_metrics

        print_metrics(self.metrics(), console)

    @classmethod
    def figures(cls) -> Mapping[str, bool]:
        """Those of clips; figures of the timeline have no trivial systems beside them."""
        from rushes.evaluate.operations.names import COMPARED, LOWER_IS_BETTER

        others = ("macro_f1", "boundary_error_s", "allowed", "transition_distance", "ece", "failure_rate")
        return {name: name in LOWER_IS_BETTER for name in (*COMPARED, *others)}
