"""The tasks: those of rushes, and those that other packages register by the entry point `rushes.tasks`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.errors import RushesError

if TYPE_CHECKING:
    from rushes.engine import Engine
    from rushes.recipe import Recipe
    from rushes.runs.run import Run
    from rushes.runs.task import Task
    from rushes.storage import Workspace

GROUP = "rushes.tasks"
OURS = {
    "operations": "rushes.tasks.operations.task:Operations",
    "driving": "rushes.tasks.driving.task:Driving",
    "sounds": "rushes.tasks.sounds.task:Sounds",
    "catalog": "rushes.tasks.catalog.task:Catalog",
}


class _Tasks(Mapping[str, "Task[Any]"]):
    """Name -> task; one is imported when it is first asked for. Those that cannot be imported are passed over."""

    def __getitem__(self, name: str) -> Task[Any]:
        return _load(_places()[name])

    def __iter__(self) -> Iterator[str]:
        broken = broken_tasks()
        return (name for name in _places() if name not in broken)

    def __len__(self) -> int:
        return len(_places()) - len(broken_tasks())


TASKS: Mapping[str, Task[Any]] = _Tasks()


@cache
def _places() -> Mapping[str, EntryPoint]:
    """Name -> where the task is; a package that takes a built-in name is ignored."""
    ours = {name: EntryPoint(name, place, GROUP) for name, place in OURS.items()}
    return ours | {place.name: place for place in entry_points(group=GROUP) if place.name not in ours}


@cache
def _load(place: EntryPoint) -> Task[Any]:
    try:
        kind: type[Task[Any]] = place.load()
        return kind()
    except Exception as error:  # whatever the code of a stranger raises
        if place.dist is None:
            raise  # a task of ours, whose faults are no package's
        raise RushesError(
            f"the task {place.name} cannot be loaded: {type(error).__name__}: {error}",
            where=f"{place.value}, registered by the package {place.dist.name}",
            cure=f"install that package again, or: pip uninstall {place.dist.name}",
        ) from error


@cache
def broken_tasks() -> Mapping[str, RushesError]:
    """Tasks that a package registers and that cannot be loaded, each with the reason."""
    found = {}
    for name, place in _places().items():
        try:
            _load(place)
        except RushesError as error:
            found[name] = error
    return found


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe of any task, see `rushes.recipe_file.load_recipe`.

    Raises:
        RecipeError: with every fault.
    """
    from rushes import recipe_file

    return recipe_file.load_recipe(path, overrides, TASKS)


def open_run(
    recipe: Recipe,
    workspace: Workspace,
    engine: Engine | None = None,
    *,
    raw_fingerprint: str | None = None,
) -> Run[Any]:
    """A recipe in a workspace, its units worked on by ``engine``; arguments as of `Run`.

    Raises:
        RecipeError: what the recipe asks cannot be.
    """
    from rushes.engine import LOCAL
    from rushes.runs.run import Run

    return Run(TASKS[recipe.task], recipe, workspace, engine or LOCAL, raw_fingerprint=raw_fingerprint)
