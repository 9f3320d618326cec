"""A run: the chain of stages that a recipe asks for, each done once and never again.

    twin ─► prepare ─► train ─► predict ─► evaluate ─► report

Each stage is a function of the recipe and of the folders of the stages before it. What it depends on is in
its signature; what only says how to work (workers, logging, paths) is not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar, get_args

from rushes.contract import Contract
from rushes.engine import LOCAL, Engine
from rushes.errors import StageError
from rushes.recipe import Recipe
from rushes.stages import OpenStage, StageSpec, Status, read_json
from rushes.storage import Home, Workspace

if TYPE_CHECKING:
    from rushes.shards.read import ShardDataset

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


class Audit(Protocol):
    """What the recordings of a recipe are, for a look before an hour of work."""

    def text(self) -> str:
        """For people."""

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""

    def summary(self) -> str:
        """One line for a plan."""


Recipes = TypeVar("Recipes", bound=Recipe)
Work = Callable[["Run", OpenStage, Tell], tuple[Mapping[str, Any], Mapping[str, int]]]
"""Fills the folder of a stage; returns a summary and counts for its DONE."""


class Run(ABC, Generic[Recipes]):
    """A recipe in a workspace. Each task has its own, with what only it knows.

    Args:
        recipe: what is asked.
        workspace: folder of all stages of all runs.
        engine: where units of work run; not part of any signature.

    Raises:
        RecipeError: what the recipe asks cannot be.
    """

    #: Raised when the same input no longer gives the same dataset, or the same answers.
    prepare_version: ClassVar[int] = 1
    predict_version: ClassVar[int] = 1

    def __init__(self, recipe: Recipes, workspace: Workspace, engine: Engine = LOCAL) -> None:
        self.recipe = recipe
        self.workspace = workspace
        self.engine = engine
        self.check()

    @abstractmethod
    def check(self) -> None:
        """Refuse what can only fail later, after hours.

        Raises:
            RecipeError: with all faults.
        """

    @property
    @abstractmethod
    def contract(self) -> Contract:
        """The preprocessing contract, complete."""

    @abstractmethod
    def twin_part(self) -> Mapping[str, Any]:
        """What the twin depends on."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of recordings of one's own."""

    @abstractmethod
    def audit(self) -> Audit:
        """Look through the recordings; nothing is decoded."""

    @abstractmethod
    def headline(self) -> dict[str, Any]:
        """``metrics`` and ``baselines`` of the finished evaluation, as ``--json`` prints them."""

    @abstractmethod
    def print_metrics(self, console: Any) -> None:
        """Tables of the finished evaluation."""

    @property
    def stages(self) -> tuple[StageName, ...]:
        """The stages of this recipe in order; recordings of one's own need no twin."""
        return STAGES if self.recipe.source.root is None else STAGES[1:]

    @property
    def has_recordings(self) -> bool:
        """Whether there is anything to look through."""
        return self.recipe.source.root is not None or self.status("twin").state == "done"

    def raw(self) -> Path:
        """Folder of the recordings.

        Raises:
            StageError: the twin is to be drawn first.
        """
        if self.recipe.source.root is not None:
            return self.recipe.source.root
        if self.status("twin").state != "done":
            raise StageError(
                "there are no recordings yet: the twin is not drawn",
                where=self.folder("twin"),
                cure="run `rushes twin RECIPE`, or give source.root",
            )
        return self.bring("twin") / "raw"

    def folder(self, name: StageName) -> Path:
        """Where a stage of this run lives."""
        return self.specs[name].folder(self.workspace.root)

    def home(self, name: StageName) -> Home:
        """Where the files of a stage stand, here or remote."""
        return self.workspace.home(self.specs[name])

    def bring(self, name: StageName) -> Path:
        """Folder of a finished stage, with all that is read of it but shards."""
        return self.workspace.bring(self.specs[name])

    def samples(self, split: str) -> ShardDataset:
        """The prepared samples of a split."""
        from rushes.shards.read import ShardDataset

        return ShardDataset.open(
            self.folder("prepare"), split, opener=self.workspace.opener(self.specs["prepare"])
        )

    def status(self, name: StageName) -> Status:
        """How far a stage has come."""
        return self.workspace.status(self.specs[name])

    @cached_property
    def specs(self) -> dict[StageName, StageSpec]:
        """What each stage depends on."""
        recipe = self.recipe
        specs: dict[StageName, StageSpec] = {}

        def add(
            name: StageName, version: int, part: Mapping, *inputs: StageName, raw: str | None = None
        ) -> None:
            known = {other: specs[other].signature for other in inputs if other in specs}
            specs[name] = StageSpec(name, version, part, known, raw)

        fingerprint = None
        if recipe.source.root is None:
            add("twin", 1, {"task": recipe.task, **self.twin_part()})
        else:
            fingerprint = self.fingerprint()
        of_units = recipe.prepare.model_dump(mode="json", exclude={"workers", "timeout_s", "max_quarantine"})
        prepare = {
            "source": recipe.source.model_dump(mode="json", exclude={"root"}),
            "preprocessing": self.contract.model_dump(mode="json"),
            "prepare": of_units,
        }
        add("prepare", self.prepare_version, prepare, "twin", raw=fingerprint)
        how = recipe.train.model_dump(mode="json", exclude={"checkpoint_every", "keep", "log_every"})
        add("train", 1, {"model": recipe.model.model_dump(mode="json"), "train": how}, "prepare")
        asked = recipe.evaluate.model_dump(mode="json", include={"split", "compare"})
        add("predict", self.predict_version, asked, "prepare", "train")
        measured = recipe.evaluate.model_dump(mode="json", exclude={"compare", "batch_size"})
        add("evaluate", 1, measured, "prepare", "train", "predict")
        add("report", 1, {"name": recipe.name}, "prepare", "train", "predict", "evaluate")
        return specs

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.bring("report") / REPORT_FILE

    def metrics(self) -> dict[str, Any]:
        """The figures of the finished evaluation."""
        return read_json(self.bring("evaluate") / METRICS_FILE)
