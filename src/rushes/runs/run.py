"""A run: the chain of stages that a recipe asks for, each done once and never again.

    twin ─► prepare ─► train ─► predict ─► evaluate ─► report

Each stage is a function of the recipe and of the folders of the stages before it. What it depends on is in
its signature; what only says how to work (workers, logging, paths) is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from rushes.errors import StageError
from rushes.recipe import Recipe
from rushes.runs.check import check_recipe
from rushes.sources.openpack_tables import load_label_set
from rushes.stages import StageSpec, Status, read_json, status

StageName = Literal["twin", "prepare", "train", "predict", "evaluate", "report"]
STAGES: tuple[StageName, ...] = get_args(StageName)
REPORT_FILE, METRICS_FILE = "report.html", "metrics.json"

Tell = Callable[[StageName, float, float, str], None]
"""Told the stage, how much is done, of how much, and a few words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one stage; ``seconds`` is the time it took now, nearly none if it was done."""

    name: StageName
    signature: str
    state: Literal["done", "ran"]
    folder: Path
    seconds: float
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "name": self.name,
            "signature": self.signature,
            "state": self.state,
            "folder": str(self.folder),
            "seconds": round(self.seconds, 3),
        }


class Run:
    """A recipe in a workspace.

    Args:
        recipe: what is asked.
        workspace: folder of all stages of all runs.

    Raises:
        RecipeError: what the recipe asks cannot be, see `check_recipe`.
    """

    def __init__(self, recipe: Recipe, workspace: Path) -> None:
        check_recipe(recipe)
        self.recipe = recipe
        self.workspace = workspace

    @property
    def stages(self) -> tuple[StageName, ...]:
        """The stages of this recipe in order; recordings of one's own need no twin."""
        return STAGES if self.recipe.source.root is None else STAGES[1:]

    def folder(self, name: StageName) -> Path:
        """Where a stage of this run lives."""
        return self.specs[name].folder(self.workspace)

    def status(self, name: StageName) -> Status:
        """How far a stage has come."""
        return status(self.specs[name], self.workspace)

    @cached_property
    def contract(self) -> Any:
        """The preprocessing contract with the labels of the label set filled in."""
        labels = load_label_set(self.recipe.source.labels)
        resolved = {"labels": labels.labels, "label_set": f"{labels.name}-{labels.version}"}
        return self.recipe.preprocessing.model_copy(update=resolved)

    @cached_property
    def scan(self) -> Any:
        """The recordings of one's own, read from their annotation."""
        from rushes.sources.openpack import scan

        source = self.recipe.source
        if source.root is None and self.status("twin").state != "done":
            raise StageError(
                "there are no recordings yet: the twin is not drawn",
                where=self.folder("twin"),
                cure="run `rushes twin RECIPE`, or give source.root",
            )
        root = source.root if source.root is not None else self.folder("twin") / "raw"
        return scan(root, load_label_set(source.labels), source.media)

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

    @cached_property
    def specs(self) -> dict[StageName, StageSpec]:
        """What each stage depends on."""
        recipe = self.recipe
        source = recipe.source.model_dump(mode="json", exclude={"root"})
        specs: dict[StageName, StageSpec] = {}

        def add(
            name: StageName, version: int, part: Mapping, *inputs: StageName, raw: str | None = None
        ) -> None:
            known = {other: specs[other].signature for other in inputs if other in specs}
            specs[name] = StageSpec(name, version, part, known, raw)

        fingerprint = None
        if recipe.source.root is None:
            twin = recipe.twin.model_dump(mode="json")
            add("twin", 1, {"task": recipe.task, "twin": twin, "media": recipe.source.media})
        else:
            from rushes.sources.openpack import fingerprint as content

            fingerprint = content(self.scan.root, self.scan.recordings)
        of_units = recipe.prepare.model_dump(mode="json", exclude={"workers", "timeout_s", "max_quarantine"})
        contract = self.contract.model_dump(mode="json")
        prepare = {"source": source, "preprocessing": contract, "prepare": of_units}
        add("prepare", 1, prepare, "twin", raw=fingerprint)
        how = recipe.train.model_dump(mode="json", exclude={"checkpoint_every", "keep", "log_every"})
        add("train", 1, {"model": recipe.model.model_dump(mode="json"), "train": how}, "prepare")
        asked = recipe.evaluate.model_dump(mode="json", include={"split", "compare"})
        add("predict", 2, asked, "prepare", "train")
        measured = recipe.evaluate.model_dump(mode="json", include={"split", "contract_clips", "resamples"})
        add("evaluate", 1, measured, "prepare", "train", "predict")
        add("report", 1, {"name": recipe.name}, "prepare", "train", "predict", "evaluate")
        return specs

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder("report") / REPORT_FILE

    def metrics(self) -> dict[str, Any]:
        """The figures of the finished evaluation."""
        return read_json(self.folder("evaluate") / METRICS_FILE)
