"""What a task must be. `rushes.testing.check_task` holds an implementation against this contract.

A task is a class with the names and stages of its work; what is costly to import stands inside of methods, so
that ``rushes --help`` can list the verbs of every task. A package of its own registers one by an entry point::

    [project.entry-points."rushes.tasks"]
    lamps = "rushes_lamps.task:Lamps"
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from rushes.errors import RecipeError

if TYPE_CHECKING:
    from rushes.evaluate.figures import Figure
    from rushes.evaluate.viewer import Viewer
    from rushes.label.row import Row
    from rushes.metrics.estimate import Estimate
    from rushes.models.base import Base
    from rushes.predict.remote import Engine
    from rushes.recipe import Recipe
    from rushes.recipe.sections import Precision
    from rushes.runs.admission.values import Fault
    from rushes.runs.apply.contract import Apply
    from rushes.runs.begin.found import Found
    from rushes.runs.begin.proposal import Proposal
    from rushes.runs.contest import Contender
    from rushes.runs.door.contract import Door, Verb
    from rushes.runs.exported import Exported
    from rushes.runs.run import Run
    from rushes.runs.search import Among, Search
    from rushes.runs.source import Audit, Source
    from rushes.runs.stage import Stage, Work

R = TypeVar("R", bound="Recipe")

Compare = Callable[["Run[Any]", "Run[Any]", float], "Estimate"]
"""Two runs, confidence -> difference of a figure over the samples that both answered, with its interval."""


class Imported(Protocol):
    """An earlier system's leaderboard, and what is wrong with it."""

    @property
    def findings(self) -> Sequence[object]:
        """Whatever a campaign would not admit."""
        ...

    def text(self) -> str:
        """For people."""
        ...

    def to_json(self) -> Mapping[str, Any]:
        """As the command line prints it."""
        ...


class Task(ABC, Generic[R]):
    """What is learnt, and everything that only it knows.

    Attributes:
        name: as recipes write it.
        stages: in order; the last ones make the figures and the page.
        columns: what a column of the task's own table can say, for ``rushes init --column``.
    """

    name: ClassVar[str]
    stages: ClassVar[tuple[Stage, ...]]
    columns: ClassVar[tuple[str, ...]] = ()

    @property
    def package(self) -> str:
        """Of the module that the task stands in."""
        return type(self).__module__.rpartition(".")[0]

    def room(self, name: str) -> ModuleType:
        """A module beside the one that the task stands in, imported when it is first asked for."""
        return import_module(f"{self.package}.{name}")

    @property
    def demo(self) -> str | None:
        """A recipe of the twin that runs on a small machine; ``twin/demo.yaml`` beside the task, None without it."""
        file = files(self.package) / "twin" / "demo.yaml"
        return file.read_text("utf-8") if file.is_file() else None

    @property
    def recipe(self) -> type[R]:
        """What can be asked for; ``RECIPE`` of ``recipe.py`` beside the task unless it says otherwise."""
        recipe: type[R] = self.room("recipe").RECIPE
        return recipe

    @property
    def work(self) -> Mapping[str, Work]:
        """Name of each stage -> what it does; ``WORK`` of ``work.py``, likewise."""
        work: Mapping[str, Work] = self.room("work").WORK
        return work

    @property
    def figures(self) -> Mapping[str, Figure]:
        """Every figure of a side by which runs can be compared, in the order of tables.

        ``FIGURES`` of ``evaluate/names.py``, likewise.
        """
        figures: Mapping[str, Figure] = self.room("evaluate.names").FIGURES
        return figures

    @abstractmethod
    def source(self, recipe: R) -> Source[Any]:
        """The layout that a recipe names."""

    @abstractmethod
    def audit(self, run: Run[R]) -> Audit:
        """What the recordings of a run give, what they lack and what is wrong with them.

        Not the source's, since what recordings give depends on how the task cuts them. Nothing is decoded.
        """

    @abstractmethod
    def to_draw(self, recipe: R) -> str:
        """How much the twin will be, in a line."""

    def resolve(self, recipe: R) -> R:
        """The recipe with everything filled in that follows from its own keys."""
        return recipe

    def faults(self, recipe: R) -> Iterator[tuple[str, str]]:
        """What can only fail later, after hours: the dotted key of each fault, and what is wrong there."""
        yield from ()

    def base(self, recipe: R) -> Base | None:
        """The weights that training starts from; None where a recipe says all of them."""
        return None

    def learns(self, recipe: R) -> bool:
        """Whether training changes any weight; a model that is measured as it came leaves no log of losses."""
        return True

    def notes(self, run: Run[R], stage: Stage) -> tuple[str, ...]:
        """Sizes and memory of a stage that is still to do, for a plan; of a dataset the audit tells them."""
        if stage.makes == "recordings":
            return (self.to_draw(run.recipe),)
        return ()

    def viewer(self, run: Run[R]) -> Viewer:
        """How its samples are shown by ``rushes look``; as the pictures that they hold unless it says otherwise."""
        from rushes.evaluate.viewer import Viewer

        return Viewer()

    def apply(self, run: Run[R]) -> Apply[R]:
        """How the trained model of a run labels recordings that nobody labelled; nothing is loaded yet.

        Raises:
            RecipeError: its answers are no labels over time.
        """
        raise RecipeError(
            f"the task {self.name} gives no labels over time, so nothing can be written beside a recording",
            cure="measure it with `rushes evaluate RECIPE`; apply takes tasks whose answers are segments",
        )

    def search(self, run: Run[R], among: Among | None = None) -> Search:
        """How the items of a finished run are found; no weights are loaded yet.

        Args:
            run: the run.
            among: what is searched; None is the pictures of the trained model, exactly.

        Raises:
            RecipeError: there is nothing to find.
            StageError: the run is not finished.
        """
        raise RecipeError(
            f"the task {self.name} has no items that could be found",
            cure="search takes tasks whose model turns pictures and words into vectors",
        )

    def doors(self, run: Run[R], engine: Engine | None = None) -> Mapping[Verb, Door]:
        """The ways in which the trained model of a run can be asked; no weights are loaded yet.

        ``doors_of`` of ``doors.py`` beside the task; a task without that room has none.

        Args:
            run: the run.
            engine: another server that answers with an export of the model; None answers in this process.

        Raises:
            RecipeError: it cannot be asked at all, or not by way of another server.
        """
        if find_spec(f"{self.package}.doors") is None:
            raise RecipeError(
                f"the task {self.name} has no door, so nobody outside can ask its model",
                cure="serve takes tasks that name their doors, see docs/extend",
            )
        doors: Mapping[Verb, Door] = self.room("doors").doors_of(run, engine)
        return doors

    def export(
        self,
        run: Run[R],
        folder: Path,
        precision: Precision | None = None,
        tell: Callable[[int, int, str], None] = lambda done, total, what: None,
    ) -> Exported:
        """Write the trained model of a run as a checkpoint that other engines load, and prove it.

        Args:
            run: the run.
            folder: new; whole or not at all.
            precision: of the weights; without it as they were trained.
            tell: how far it is: done, total, what.

        Raises:
            RecipeError: it is no such model.
            StageError: it is not trained.
            ModelError: what was written does not answer as the model of the run does.
        """
        raise RecipeError(
            f"the task {self.name} trains no model that other engines load",
            where=run.folder(run.maker("weights")),
            cure="its files are there, as they are",
        )

    def contenders(self, run: Run[R]) -> Mapping[str, Contender]:
        """Systems of a finished run that people can compare, by name; the trained one first.

        Raises:
            RecipeError: its answers are no ranked lists.
        """
        raise RecipeError(
            f"the task {self.name} answers with no ranked lists, so there is nothing to compare side by side",
            cure="arena takes tasks whose answers are found items",
        )

    def rows(self, run: Run[R]) -> Iterable[Row]:
        """Items that a language model can label, in a fixed order; pictures are read when they are asked for.

        Raises:
            RecipeError: its recordings are not labelled so.
        """
        raise RecipeError(
            f"the recordings of the task {self.name} cannot be labelled by a language model",
            cure="label takes tasks whose recordings are pictures with a title",
        )

    def propose(self, found: Found) -> Proposal | None:
        """A recipe for a folder that somebody has; None where this task takes nothing of it.

        ``propose`` of ``propose.py`` beside the task; a task without that room proposes nothing.

        Raises:
            RecipeError: the folder is for this task, and something is missing that only a person can say.
        """
        if find_spec(f"{self.package}.propose") is None:
            return None
        proposal: Proposal | None = self.room("propose").propose(found)
        return proposal

    # --- campaigns ----------------------------------------------------------------------------------------

    @property
    def compare(self) -> Mapping[str, Compare]:
        """Figure -> test over samples, by which a gate may tell two runs of a single seed apart."""
        return {}

    def measured(self, run: Run[R]) -> Iterable[tuple[str, str]]:
        """Key and truth of every row that figures of a finished run rest on: runs are compared on the same rows.

        Unless the task says otherwise, all samples of the side with their labels.
        """
        samples = run.samples(run.recipe.evaluate.split)
        return zip(samples.keys(), (label or "" for label in samples.labels()), strict=True)

    def admission(self, run: Run[R]) -> Iterator[Fault]:
        """What only this task can check of a finished run's values."""
        yield from ()

    def costs(self, run: Run[R]) -> Mapping[str, float]:
        """What the model of a finished run takes, by the names of leaderboard columns."""
        return {}

    @property
    def read_earlier(self) -> Callable[[Path, str | None], Imported] | None:
        """Reader of the leaderboard of an earlier system: its file, and the run that was called the best."""
        return None

    def drawn(self, recipe: R) -> Mapping[str, int] | None:
        """Samples on each side of a twin that is to be drawn, as far as that can be told."""
        return None
