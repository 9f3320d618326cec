"""A run: the chain of stages that a recipe asks for, each done once and never again.

    pictures  twin ─► prepare ─► train ─► predict ─► evaluate ─► report
    sounds    twin ─► features ─► [teacher ─► logits] ─► train ─► predict ─► evaluate ─► export ─► report

Each stage is a function of the recipe and of the folders of the stages before it. What it depends on is in
its signature; what only says how to work (workers, logging, paths) is not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from rushes.contract import Contract
from rushes.engine import LOCAL, Engine
from rushes.errors import RecipeError, StageError
from rushes.recipe import Recipe
from rushes.recipe.sections import Order
from rushes.stages import OpenStage, StageSpec, Status, read_done, read_json
from rushes.storage import Home, Workspace

if TYPE_CHECKING:
    from rushes.shards.read import ShardDataset

StageName = Literal[
    "twin",
    "prepare",
    "features",
    "teacher",
    "logits",
    "train",
    "predict",
    "evaluate",
    "export",
    "report",
]
REPORT_FILE, METRICS_FILE = "report.html", "metrics.json"
RECORDINGS = "recordings"  # folder of a workspace for those that were brought from elsewhere

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


Bring = Callable[[Callable[[str], bool]], Path]
"""Brings the files whose names fit; returns the folder with all that were brought so far."""

Recipes = TypeVar("Recipes", bound=Recipe)
Work = Callable[["Run", OpenStage, Tell], tuple[Mapping[str, Any], Mapping[str, int]]]
"""Fills the folder of a stage; returns a summary and counts for its DONE."""


class Run(ABC, Generic[Recipes]):
    """A recipe in a workspace. Each task has its own, with what only it knows.

    Args:
        recipe: what is asked.
        workspace: folder of all stages of all runs.
        engine: where units of work run; not part of any signature.
        raw_fingerprint: of the recordings where it is known already; runs of one campaign share it.

    Attributes:
        dataset: the stage whose folder holds the shards.

    Raises:
        RecipeError: what the recipe asks cannot be.
    """

    dataset: ClassVar[StageName] = "prepare"

    def __init__(
        self,
        recipe: Recipes,
        workspace: Workspace,
        engine: Engine = LOCAL,
        *,
        raw_fingerprint: str | None = None,
    ) -> None:
        self.recipe = recipe
        self.workspace = workspace
        self.engine = engine
        self._raw_fingerprint = raw_fingerprint
        if faults := [f"{key}: {what}" for key, what in self.faults(recipe)]:
            raise RecipeError.of(faults, recipe.name)

    @classmethod
    @abstractmethod
    def faults(cls, recipe: Recipes) -> Iterator[tuple[str, str]]:
        """What can only fail later, after hours: the dotted key of each fault, and what is wrong there."""

    @property
    @abstractmethod
    def contract(self) -> Contract:
        """The preprocessing contract, complete."""

    @abstractmethod
    def twin_part(self) -> Mapping[str, Any]:
        """What the twin depends on."""

    @abstractmethod
    def to_draw(self) -> str:
        """How much the twin will be, in a line."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of recordings of one's own."""

    @abstractmethod
    def audit(self) -> Audit:
        """Look through the recordings; nothing is decoded."""

    def notes(self, name: StageName) -> tuple[str, ...]:
        """Estimated sizes and memory of a stage that is still to do, for a plan."""
        if name == "twin":
            return (self.to_draw(),)
        if name != self.dataset:
            return ()
        return (self.audit().summary() if self.has_recordings else "sizes are known when the twin is drawn",)

    @abstractmethod
    def headline(self) -> dict[str, Any]:
        """``metrics`` and ``baselines`` of the finished evaluation, as ``--json`` prints them."""

    @abstractmethod
    def print_metrics(self, console: Any) -> None:
        """Tables of the finished evaluation."""

    @classmethod
    @abstractmethod
    def figures(cls) -> Mapping[str, bool]:
        """The figures of a side by which runs can be compared, in order -> whether lower is better."""

    @abstractmethod
    def systems(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        """The same figures of the model and of all other systems, of the finished evaluation."""

    @abstractmethod
    def weights_sha256(self) -> str:
        """Hash of the weights that stand in the folder of the finished training."""

    @cached_property
    def raw_fingerprint(self) -> str | None:
        """Hash of recordings of one's own; None where they are drawn."""
        if self.recipe.source.root is None:
            return None
        return self._raw_fingerprint or self.fingerprint()

    @property
    def stages(self) -> tuple[StageName, ...]:
        """The stages of this recipe in order; recordings of one's own need no twin."""
        return tuple(self.specs)

    @property
    def has_recordings(self) -> bool:
        """Whether there is anything to look through."""
        return self.recipe.source.root is not None or self.status("twin").state == "done"

    def raw(self) -> Path:
        """Folder of the recordings.

        Raises:
            StageError: the twin is to be drawn first.
            StorageError: recordings that lie elsewhere cannot be brought.
        """
        if isinstance(self.recipe.source.root, str):
            return self._brought
        if self.recipe.source.root is not None:
            return self.recipe.source.root
        if self.status("twin").state != "done":
            raise StageError(
                "there are no recordings yet: the twin is not drawn",
                where=self.folder("twin"),
                cure="run `rushes twin RECIPE`, or give source.root",
            )
        return self.bring("twin") / "raw"

    @cached_property
    def _brought(self) -> Path:
        """Recordings that lie elsewhere, as they were when this run first looked."""
        from rushes.storage.recordings import bring_recordings

        return self.fetch(
            partial(bring_recordings, self.recipe.source.root, self.workspace.root / RECORDINGS)
        )

    def fetch(self, bring: Bring) -> Path:
        """Bring what this run reads of recordings that lie elsewhere: all, unless the task knows better."""
        return bring(lambda name: True)

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
            self.folder(self.dataset), split, opener=self.workspace.opener(self.specs[self.dataset])
        )

    def training_samples(self, order: Order) -> ShardDataset:
        """The prepared samples of the training side, to be read in this order again and again.

        Raises:
            StorageError: a bounded cache is too small for that order.
        """
        from rushes.train.batches import require_room

        samples = self.samples("train")
        require_room(samples, order, self.workspace.cache_bytes)
        return samples

    def status(self, name: StageName) -> Status:
        """How far a stage has come."""
        return self.workspace.status(self.specs[name])

    @property
    @abstractmethod
    def specs(self) -> Mapping[StageName, StageSpec]:
        """The stages in order, and what each depends on."""

    def provenance(self) -> dict[str, Any]:
        """What the figures of the run belong to: data, weights, and the stages that they rest on."""
        from rushes.shards.manifest import load_manifest

        measured = self.specs["evaluate"]
        return {
            "signatures": {name: self.specs[name].signature for name in (*measured.inputs, measured.name)},
            "dataset": load_manifest(self.folder(self.dataset)).checksum,
            "weights": (read_done(self.folder("train")) or {})["summary"]["weights"],
            "seed": self.recipe.train.seed,
        }

    @property
    def report(self) -> Path:
        """The HTML report.

        Raises:
            StageError: it was taken away since.
        """
        path = self.bring("report") / REPORT_FILE
        if not path.is_file():
            raise StageError("the report is missing", where=path, cure="run `rushes verify RECIPE --repair`")
        return path

    def metrics(self) -> dict[str, Any]:
        """The figures of the finished evaluation."""
        return read_json(self.bring("evaluate") / METRICS_FILE)
