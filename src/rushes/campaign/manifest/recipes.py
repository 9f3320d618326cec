"""What a run changes in the recipe: what the manifest sets, and what it takes from runs that won."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rushes.campaign.manifest.cells import Cell, Place
from rushes.campaign.manifest.checks import Names
from rushes.errors import RecipeError, StageError
from rushes.recipe import Recipe
from rushes.recipe_file import Override, near, put, resolve
from rushes.recipe_file.document import Document, refuse
from rushes.tasks import TASKS

Winners = Mapping[str, str]
"""Group or gate -> name of its best run, as far as it is known."""

SELECTION_SIDE = "val"


@dataclass(frozen=True)
class Recipes:
    """The recipes of all runs of a campaign.

    Attributes:
        names: what the names of the manifest stand for.
        document: the manifest as it was read.
        recipe_document: the recipe that all runs change, as it was read.
    """

    names: Names
    document: Document
    recipe_document: Document

    @property
    def task(self) -> str:
        """Of every run: no run changes it."""
        task: str = self.recipe_document.tree.get("task", next(iter(TASKS)))
        return task

    def resolved(self, overrides: Sequence[Override]) -> Recipe:
        """The recipe with these changes.

        Raises:
            RecipeError: with all faults.
        """
        recipe, faults = resolve(self.recipe_document, overrides, TASKS)
        refuse(faults, self.recipe_document)
        assert recipe is not None
        return recipe

    def winner(self, reference: str, winners: Winners) -> str:
        """Name of the run that a run, a group or a gate stands for.

        Raises:
            StageError: it is not known yet.
        """
        cells = self.names.some(reference)
        if len(cells) == 1:
            return cells[0].name
        if reference not in winners:
            raise StageError(
                f"the winner of {reference} is not known yet",
                where=self.document.path,
                cure="`rushes campaign run` does what it depends on first",
            )
        return winners[reference]

    def overrides(self, cell: Cell, seed: int, winners: Winners) -> Iterator[Override]:
        """Everything that a run changes in the recipe, in the order in which it is applied.

        Raises:
            StageError: a winner that it takes something from is missing.
            RecipeError: of a giver, or for a section that it does not have.
        """
        return self.applied(cell, seed, self.taken(cell, seed, winners))

    def applied(self, cell: Cell, seed: int, taken: Mapping[str, Any]) -> Iterator[Override]:
        """As :meth:`overrides`, with what it takes already known."""
        manifest, number, entry = self.names.manifest, cell.number, cell.entry
        folder = self.document.path.parent
        layers: tuple[tuple[tuple[str | int, ...], Mapping[str, Any]], ...] = (
            (("set",), manifest.set),
            (("phases", number, "set"), manifest.phases[number].set),
            ((*cell.place, "take"), taken),
            ((*cell.place, "set"), entry.set),
        )
        for place, settings in layers:
            for key, value in settings.items():
                yield Override(key, value, self.document.where((*place, key)), folder)
        for key, value in cell.values.items():
            yield Override(key, value, self.document.where(cell.places[key]), folder)
        own = self.document.where(cell.place)
        yield Override("train.seed", seed, own)
        yield Override("evaluate.split", SELECTION_SIDE, own)

    def taken(self, cell: Cell, seed: int, winners: Winners) -> dict[str, Any]:
        """Sections out of the resolved recipes of other runs of the same seed."""
        taken = {}
        for key, text in cell.entry.take.items():
            reference, section = self.names.divide(text)
            giver = self.names.runs[self.winner(reference, winners)]
            recipe = self.resolved(list(self.overrides(giver, seed, winners)))
            place = (*cell.place, "take", key)
            taken[key] = self._section(recipe.model_dump(mode="json"), section, place)
        return taken

    def _section(self, tree: Any, section: str, place: Place) -> Any:
        for part in section.split("."):
            if not isinstance(tree, Mapping) or part not in tree:
                known = tree if isinstance(tree, Mapping) else ()
                fault = (
                    f"{self.document.where(place)}: no section {section} in the recipe; {near(part, known)}"
                )
                raise RecipeError.of([fault], self.document.path, self.document.what)
            tree = tree[part]
        return tree


def folded(overrides: Iterable[Override]) -> dict[str, Any]:
    """The same settings with no key inside of another, so that their order means nothing any more.

    >>> folded(iter([Override("a.b", 1, ""), Override("a", {"c": 2}, ""), Override("a.d", 3, "")]))
    {'a': {'c': 2, 'd': 3}}
    """
    found: dict[str, Any] = {}
    for override in overrides:
        key, value = override.key, copy.deepcopy(override.value)
        for inner in [name for name in found if name == key or name.startswith(f"{key}.")]:
            del found[inner]
        outer = next((name for name in found if key.startswith(f"{name}.")), None)
        if outer is None:
            found[key] = value
        else:
            holder = {"": found[outer]}
            put(holder, ["", *key[len(outer) + 1 :].split(".")], value)
            found[outer] = holder[""]
    return found
