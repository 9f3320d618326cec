"""A run: the stages that a recipe asks for, each done once and never again.

    pictures  twin ─► prepare ─► train ─► predict ─► evaluate ─► report

Each stage is a function of the recipe and of the folders of the stages before it. What it depends on is in
its signature; what only says how to work (workers, logging, paths) is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal

from rushes.engine import LOCAL, Engine
from rushes.errors import ModelError, RecipeError, StageError
from rushes.recipe_file import near
from rushes.runs.checksums import SUMS
from rushes.runs.raw_files import RawFiles
from rushes.runs.source import Audit, Source
from rushes.runs.stage import METRICS_FILE, REPORT_FILE, Makes, Stage, StageName
from rushes.runs.task import R, Task
from rushes.stages import Inventory, RememberedHashes, StageSpec, Status, read_done, read_json
from rushes.storage import Home, Workspace

if TYPE_CHECKING:
    from rushes.evaluate.scorecard import Scorecard
    from rushes.models.base import Base, Origin
    from rushes.recipe import Recipe
    from rushes.recipe.sections import Order
    from rushes.shards.read import ShardDataset

NEIGHBOURS = 8  # names that are told where one is missing
RECORDINGS = "recordings"  # folder of a workspace for those that were brought from elsewhere


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


class Run(Generic[R]):
    """A recipe of a task in a workspace.

    Args:
        task: of the recipe.
        recipe: what is asked.
        workspace: folder of all stages of all runs.
        engine: where units of work run; not part of any signature.
        aim: the last stage, for one that is apart; before it only those that lead to it.
        raw_fingerprint: of the recordings where it is known already; runs of one campaign share it.
        base_identity: of the weights that training starts from, likewise.

    Attributes:
        recipe: resolved, see `Task.resolve`.
        stages: name -> stage, those that this recipe has, in order.

    Raises:
        RecipeError: what the recipe asks cannot be.
    """

    def __init__(
        self,
        task: Task[R],
        recipe: R,
        workspace: Workspace,
        engine: Engine = LOCAL,
        *,
        aim: StageName | None = None,
        raw_fingerprint: str | None = None,
        base_identity: str | None = None,
    ) -> None:
        if faults := [f"{key}: {what}" for key, what in task.faults(recipe)]:
            raise RecipeError.of(faults, recipe.name)
        self.task = task
        self.recipe = task.resolve(recipe)
        self.workspace = workspace
        self.engine = engine
        asked = tuple(stage for stage in task.stages if stage.asked(recipe))
        lead = _leading_to(aim, asked) if aim else {stage.name for stage in asked if not stage.apart}
        self.stages: Mapping[StageName, Stage] = {stage.name: stage for stage in asked if stage.name in lead}
        self._raw_fingerprint = raw_fingerprint
        self._base_identity = base_identity

    @cached_property
    def specs(self) -> Mapping[StageName, StageSpec]:
        """What each stage depends on, in order."""
        specs: dict[StageName, StageSpec] = {}
        for name, stage in self.stages.items():
            inputs = {needed: specs[needed].signature for needed in stage.inputs if needed in specs}
            signed, fingerprint = stage.signed(self.recipe), self._fingerprint(stage)
            specs[name] = StageSpec(stage.kind, stage.version, signed, inputs, fingerprint, self.recipe.name)
        return specs

    def towards(self, name: StageName) -> Run[R]:
        """The run that ends with a stage that is apart; its other stages are this run's."""
        return Run(
            self.task,
            self.recipe,
            self.workspace,
            self.engine,
            aim=name,
            raw_fingerprint=self._raw_fingerprint,
            base_identity=self._base_identity,
        )

    def _fingerprint(self, stage: Stage) -> str | None:
        """Of the content that a stage reads and no other stage made."""
        if stage.makes == "dataset":
            return self.raw_fingerprint
        if stage.makes == "weights" and self.base is not None:
            return self.base_identity or f"{self.base.name}, not downloaded yet"
        return None

    def maker(self, what: Makes) -> StageName:
        """Name of the last stage of this run that makes ``what``."""
        return next(name for name in reversed(list(self.stages)) if self.stages[name].makes == what)

    def makers(self, *whats: Makes) -> list[StageName]:
        """Names of the last stages of this run that make these, in this order; of what no stage makes there is none."""
        made = {stage.makes for stage in self.stages.values()}
        return [self.maker(what) for what in whats if what in made]

    @property
    def dataset(self) -> StageName:
        """The stage whose folder holds the shards."""
        return self.maker("dataset")

    @cached_property
    def source(self) -> Source[Any]:
        """Reader of the recordings."""
        return self.task.source(self.recipe).remembering(self.workspace.root)

    @cached_property
    def scan(self) -> Any:
        """The recordings, see `Source.scan`."""
        return self.source.scan(self.raw())

    @cached_property
    def files(self) -> RawFiles:
        """The files below the root of the recordings."""
        listing = None
        if isinstance(self.recipe.source.root, str):
            from rushes.storage.recordings import listing_of

            listing = listing_of(self.raw())
        claims = self.source.claims(self.scan)
        return RawFiles.of(self.raw(), self.scan.root, claims, listing)

    @cached_property
    def inventory(self) -> Inventory:
        """What becomes of every file below the root of the recordings."""
        return self.files.inventory()

    def audit(self) -> Audit:
        """What the task sees of the recordings, see `rushes.runs.look.look`; nothing is decoded."""
        return self.task.audit(self)

    def notes(self, name: StageName) -> tuple[str, ...]:
        """Estimated sizes and memory of a stage that is still to do, for a plan."""
        return self.task.notes(self, self.stages[name])

    @cached_property
    def raw_fingerprint(self) -> str | None:
        """Hash of the recordings below ``source.root``; None where they are drawn."""
        if self.recipe.source.root is None:
            return None
        return self._raw_fingerprint or self.source.fingerprint(self.scan)

    @cached_property
    def base(self) -> Base | None:
        """The weights that training starts from; None where the recipe says all of them."""
        return self.task.base(self.recipe)

    @cached_property
    def base_identity(self) -> str | None:
        """What these weights are known by, see `Base.identity`; hashes of large files are remembered."""
        if self._base_identity is not None or self.base is None:
            return self._base_identity
        return self.base.identity(RememberedHashes(self.workspace.root / "hashes.json"))

    def bring_base(self) -> None:
        """Bring the weights that training starts from to this machine, after which their identity is known.

        Raises:
            ModelError: they cannot be downloaded.
        """
        if self.base is not None and self.base_identity is None:
            self.base.bring()
            for outdated in ("base_identity", "specs"):
                vars(self).pop(outdated, None)

    def require_base(self, origin: Origin | None) -> None:
        """Refuse loaded weights that are not those which the signatures name.

        Args:
            origin: of what was loaded; None of what was built from nothing.

        Raises:
            ModelError: they are others.
        """
        if self.base is not None and origin is not None and origin.identity != self.base_identity:
            raise ModelError(
                f"the base is not what this run was planned with: {self.base_identity}; it is {origin.identity}",
                where=self.base.name,
                cure="run again: it becomes a run of its own; if not, delete hashes.json in the workspace first",
            )

    @property
    def has_recordings(self) -> bool:
        """Whether there is anything to look through."""
        return self.recipe.source.root is not None or self.status(self.maker("recordings")).state == "done"

    def raw(self) -> Path:
        """Folder of the recordings.

        Raises:
            RecipeError: there is nothing at ``source.root``.
            StageError: the twin is to be drawn first.
            StorageError: recordings that lie elsewhere cannot be brought.
        """
        root = self.recipe.source.root
        if isinstance(root, str):
            return self._brought
        if root is not None:
            require_there(root)
            return root
        twin = self.maker("recordings")
        if self.status(twin).state != "done":
            raise StageError(
                "there are no recordings yet: the twin is not drawn",
                where=self.folder(twin),
                cure=f"run `rushes {twin} RECIPE`, or give source.root",
            )
        return self.bring(twin) / "raw"

    @cached_property
    def _brought(self) -> Path:
        """Recordings that lie elsewhere, as they were when this run first looked."""
        from rushes.storage.recordings import bring_recordings

        url = self.recipe.source.root
        assert isinstance(url, str)
        cache = self.workspace.root / RECORDINGS
        return self.source.fetch(
            lambda is_read: bring_recordings(url, cache, lambda name: name == SUMS or is_read(name))
        )

    def folder(self, name: StageName) -> Path:
        """Where a stage of this run lives."""
        return self.specs[name].folder(self.workspace.root)

    def home(self, name: StageName) -> Home:
        """Where the files of a stage stand, here or remote."""
        return self.workspace.home(self.specs[name])

    def bring(self, name: StageName) -> Path:
        """Folder of a finished stage, with all that is read of it but shards."""
        return self.workspace.bring(self.specs[name])

    def samples(self, split: str, made_as: Makes = "dataset") -> ShardDataset:
        """The prepared samples of a split; one that is not what was written is refused when it is read.

        Args:
            split: the side.
            made_as: ``features`` for the samples with features in place of their pictures.
        """
        from rushes.shards.read import ShardDataset

        name = self.maker(made_as)
        opener = self.workspace.opener(self.specs[name])
        return ShardDataset.open(self.folder(name), split, check=True, opener=opener)

    def training_samples(self, order: Order, made_as: Makes = "dataset") -> ShardDataset:
        """The prepared samples of the training side, to be read in this order again and again.

        Raises:
            StorageError: a bounded cache is too small for that order.
        """
        from rushes.train.batches import require_room

        samples = self.samples("train", made_as)
        require_room(samples, order, self.workspace.cache_bytes)
        return samples

    def status(self, name: StageName) -> Status:
        """How far a stage has come."""
        return self.workspace.status(self.specs[name])

    def provenance(self) -> dict[str, Any]:
        """What the figures of the run belong to: data, weights, and the stages that they rest on."""
        from rushes.shards.manifest import load_manifest

        evaluate, train = self.maker("figures"), self.maker("weights")
        measured = self.specs[evaluate]
        return {
            "signatures": {name: self.specs[name].signature for name in (*measured.inputs, evaluate)},
            "dataset": load_manifest(self.folder(self.dataset)).checksum,
            "weights": (read_done(self.folder(train)) or {})["summary"]["weights"],
            "seed": self.recipe.train.seed,
        }

    def account(self) -> Mapping[str, Any] | None:
        """What became of every recording and file, see `rushes.prepare.outcomes`; None where nobody wrote it.

        Raises:
            StageError: it was changed or taken away since it was written.
        """
        from rushes.prepare.outcomes import ACCOUNT
        from rushes.runs.proof import require_whole

        require_whole(self, self.dataset, (ACCOUNT,))
        path = self.folder(self.dataset) / ACCOUNT  # of a dataset of an older rushes there is none
        return read_json(path) if path.is_file() else None

    @property
    def report(self) -> Path:
        """The HTML report.

        Raises:
            StageError: it was taken away since.
        """
        path = self.bring(self.maker("page")) / REPORT_FILE
        if not path.is_file():
            raise StageError("the report is missing", where=path, cure="run `rushes verify RECIPE --repair`")
        return path

    def scorecard(self) -> Scorecard:
        """The figures of the finished evaluation.

        Raises:
            StageError: they are missing, torn, changed since they were written, or of an older rushes.
        """
        from rushes.evaluate.scorecard import read_scorecard
        from rushes.runs.proof import require_whole

        name = self.maker("figures")
        card = read_scorecard(self.bring(name) / METRICS_FILE)
        require_whole(self, name, self.stages[name].read)
        return card


def _leading_to(aim: StageName, stages: Sequence[Stage]) -> set[StageName]:
    """Names of a stage and of all that it rests on."""
    names = {aim}
    for stage in reversed(stages):
        if stage.name in names:
            names.update(stage.inputs)
    return names


def require_there(root: Path) -> None:
    """Refuse a ``source.root`` at which there is nothing.

    Raises:
        RecipeError: says which path was tried, and what is there instead.
    """
    if root.exists():
        return
    place = root.absolute()
    above = next(one for one in place.parents if one.exists())
    missing = place.relative_to(above).parts[0]
    beside = (
        sorted(one.name for one in above.iterdir() if not one.name.startswith(".")) if above.is_dir() else []
    )
    raise RecipeError(
        f"source.root does not exist: there is no {missing} in {above}; {near(missing, beside[:NEIGHBOURS])}",
        where=place,
        cure="correct source.root; a relative one begins at the recipe's folder, of --set at the shell's",
    )


@dataclass(frozen=True, slots=True)
class RunJob:
    """A run as it travels: what makes it again, here or in another process.

    Attributes:
        task, recipe, workspace, raw_fingerprint, base_identity: as of `Run`.
    """

    task: Task[Any]
    recipe: Recipe
    workspace: Workspace
    raw_fingerprint: str | None
    base_identity: str | None

    @classmethod
    def of(cls, run: Run[Any]) -> RunJob:
        """The job of a run."""
        return cls(run.task, run.recipe, run.workspace, run.raw_fingerprint, run.base_identity)

    def run(self) -> Run[Any]:
        """The run, opened again; its units are worked on in this process."""
        prepare = self.recipe.prepare.model_copy(update={"workers": 0})
        recipe = self.recipe.model_copy(update={"prepare": prepare})
        return Run(
            self.task,
            recipe,
            self.workspace,
            raw_fingerprint=self.raw_fingerprint,
            base_identity=self.base_identity,
        )
