"""From a manifest to trials: what each run is, for each seed, once it is known what it takes from others."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rushes.campaign.cells import Cell, cells_of
from rushes.campaign.checks import Names, check
from rushes.campaign.gate import Question
from rushes.campaign.manifest import Manifest, Phase
from rushes.campaign.records import Trial
from rushes.campaign.seal import Opened
from rushes.errors import RecipeError, StageError
from rushes.recipe import Recipe
from rushes.recipe_file import Document, Override, near, put, read_tree, refuse, resolve, validate

Winners = Mapping[str, str]
"""Group or gate -> name of its best run, as far as it is known."""

SELECTION_SIDE = "val"


@dataclass(frozen=True)
class Campaign:
    """A manifest that holds, with the recipe that its runs change.

    Attributes:
        path: the manifest's file.
        manifest: what it says.
        names: what its names stand for.
        document: the manifest as it was read.
        recipe_document: the recipe as it was read.
    """

    path: Path
    manifest: Manifest
    names: Names
    document: Document
    recipe_document: Document

    @property
    def name(self) -> str:
        """Of the campaign."""
        return self.manifest.campaign

    @property
    def phases(self) -> tuple[Phase, ...]:
        """In order; ``phase.gate`` is None where it has runs."""
        return self.manifest.phases

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All runs in order, each for all seeds, also those that a gate may never try."""
        return self.names.cells

    def trials(self, phase: Phase, winners: Winners) -> tuple[Trial, ...]:
        """All runs of a phase with each seed; of a gate none, see :meth:`attempts`.

        Raises:
            StageError: a winner that the phase takes something from is missing, see :meth:`needs`.
        """
        if phase.gate is not None:
            return ()
        cells = [cell for cell in self.cells if self.phases[cell.number] is phase]
        return tuple(trial for cell in cells for trial in self.seeds_of(cell.name, winners))

    def attempts(self, phase: Phase, winners: Winners) -> tuple[tuple[Trial, ...], ...]:
        """What a gate tries while it does not pass, within its budget: each attempt one run with each seed.

        Raises:
            StageError: a winner that the runs take something from is missing.
        """
        if phase.gate is None or phase.gate.otherwise is None:
            return ()
        cells = [cell for cell in self.cells if self.phases[cell.number] is phase]
        budget = phase.gate.otherwise.budget
        return tuple(self.seeds_of(cell.name, winners) for cell in cells[:budget])

    def seeds_of(self, run: str, winners: Winners) -> tuple[Trial, ...]:
        """One run with each seed.

        Raises:
            StageError: a winner that it takes something from is missing.
        """
        return tuple(self._trial(self.names.runs[run], seed, winners) for seed in self.manifest.seeds)

    def question(self, phase: Phase, winners: Winners) -> Question:
        """What a gate asks, before anything of its ``otherwise`` was tried."""
        assert phase.gate is not None, f"{phase.name} is no gate"
        gate, manifest = phase.gate, self.manifest
        return Question(
            gate=phase.name,
            metric=manifest.metric,
            margin=gate.margin,
            confidence=gate.confidence,
            lower_is_better=manifest.lower_is_better,
            seeds=manifest.seeds,
            better=self._side(gate.better, winners),
            than=self._side(gate.than, winners),
        )

    def members(self, reference: str, winners: Winners) -> tuple[str, ...]:
        """Names of the runs that a run, a group or a gate (its winner) stands for.

        Raises:
            StageError: the gate has no winner yet.
        """
        if reference in self.names.gates:
            return (self._winner(reference, winners),)
        return tuple(cell.name for cell in self.names.some(reference))

    def needs(self, phase: Phase) -> tuple[str, ...]:
        """Groups and gates whose winner must be known for the trials of a phase to be told."""
        found: dict[str, None] = {}
        for group in phase.groups.values():
            self._gather(group.take.values(), found)
        if phase.gate is not None:
            references = (*phase.gate.better, *phase.gate.than)
            found |= {reference: None for reference in references if reference in self.names.gates}
        return tuple(found)

    def awaits(self, run: str) -> tuple[str, ...]:
        """Groups and gates whose winner must be known for the recipe of a run to be told."""
        found: dict[str, None] = {}
        self._gather(self.names.runs[run].entry.take.values(), found)
        return tuple(found)

    def stand_ins(self) -> dict[str, str]:
        """The first run of each group and of each gate's better side, to plan with what is not decided."""
        stand_ins = {group: cells[0].name for group, cells in self.names.groups.items()}
        for gate, number in self.names.gates.items():
            asked = self.phases[number].gate
            assert asked is not None
            stand_ins[gate] = self.members(asked.better[0], stand_ins)[0]
        return stand_ins

    def recipe_of(self, trial: Trial) -> Recipe:
        """The recipe of a trial, measured on the validation side.

        Raises:
            RecipeError: with all faults.
        """
        return self._resolved([Override(key, value, trial.key) for key, value in trial.overrides.items()])

    def opened_recipe(self, trial: Trial, opened: Opened) -> Recipe:
        """The recipe of a trial, measured on the test side, for which it needs an opening.

        Raises:
            StageError: the opening is not for this trial.
        """
        if not opened.admits(trial):
            raise StageError(
                f"opening {opened.number} of the test side is not for {trial.key}", where=self.path
            )
        overrides = {**trial.overrides, "evaluate.split": "test"}
        return self._resolved([Override(key, value, trial.key) for key, value in overrides.items()])

    @property
    def reasons(self) -> dict[str, str]:
        """Run -> why it fell below its baseline; its own reason before that of its group."""
        given = self.manifest.reasons
        named = {cell.name: given.get(cell.name, given.get(cell.group)) for cell in self.cells}
        return {name: reason for name, reason in named.items() if reason is not None}

    def selectable(self, winners: Winners) -> dict[str, tuple[str, ...]]:
        """What is selected -> names of the runs among which; gates that were not decided are left out."""
        decided = (name for name in self.manifest.select if name not in self.names.gates or name in winners)
        return {reference: self.members(reference, winners) for reference in decided}

    def _resolved(self, overrides: Sequence[Override]) -> Recipe:
        recipe, faults = resolve(self.recipe_document, overrides)
        refuse(faults, self.recipe_document)
        assert recipe is not None
        return recipe

    def _side(self, references: Sequence[str], winners: Winners) -> tuple[str, ...]:
        """Names on one side of a gate, each once, in order."""
        names = (name for reference in references for name in self.members(reference, winners))
        return tuple(dict.fromkeys(names))

    def _gather(self, taken: Any, found: dict[str, None]) -> None:
        for text in taken:
            reference, _ = self.names.divide(text)
            cells = self.names.some(reference)
            if len(cells) != 1:
                found[reference] = None
            for cell in cells:  # whoever wins may have taken something itself
                self._gather(cell.entry.take.values(), found)

    def _winner(self, reference: str, winners: Winners) -> str:
        cells = self.names.some(reference)
        if len(cells) == 1:
            return cells[0].name
        if reference not in winners:
            raise StageError(
                f"the winner of {reference} is not known yet",
                where=self.path,
                cure="`rushes campaign run` does what it depends on first",
            )
        return winners[reference]

    def _trial(self, cell: Cell, seed: int, winners: Winners) -> Trial:
        overrides = _folded(self._overrides(cell, seed, winners))
        phase = self.phases[cell.number].name
        return Trial(cell.name, cell.group, phase, seed, overrides, cell.entry.control)

    def _overrides(self, cell: Cell, seed: int, winners: Winners) -> Iterator[Override]:
        return self._applied(cell, seed, self._taken(cell, seed, winners))

    def _applied(self, cell: Cell, seed: int, taken: Mapping[str, Any]) -> Iterator[Override]:
        """Everything that a run changes in the recipe, in the order in which it is applied."""
        manifest, number, entry = self.manifest, cell.number, cell.entry
        layers: tuple[tuple[tuple, Mapping[str, Any]], ...] = (
            (("set",), manifest.set),
            (("phases", number, "set"), manifest.phases[number].set),
            ((*cell.place, "take"), taken),
            ((*cell.place, "set"), entry.set),
        )
        for place, settings in layers:
            for key, value in settings.items():
                yield Override(key, value, self.document.where((*place, key)))
        for key, value in cell.values.items():
            yield Override(key, value, self.document.where(cell.places[key]))
        own = self.document.where(cell.place)
        yield Override("train.seed", seed, own)
        yield Override("evaluate.split", SELECTION_SIDE, own)

    def _taken(self, cell: Cell, seed: int, winners: Winners) -> dict[str, Any]:
        """Sections out of the resolved recipes of other runs of the same seed."""
        taken = {}
        for key, text in cell.entry.take.items():
            reference, section = self.names.divide(text)
            giver = self.names.runs[self._winner(reference, winners)]
            recipe = self._resolved(list(self._overrides(giver, seed, winners)))
            place = (*cell.place, "take", key)
            taken[key] = self._section(recipe.model_dump(mode="json"), section, place)
        return taken

    def _section(self, tree: Any, section: str, place: tuple) -> Any:
        for part in section.split("."):
            if not isinstance(tree, Mapping) or part not in tree:
                known = tree if isinstance(tree, Mapping) else ()
                fault = (
                    f"{self.document.where(place)}: no section {section} in the recipe; {near(part, known)}"
                )
                raise RecipeError.of([fault], self.path, self.document.what)
            tree = tree[part]
        return tree

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the recipes of its runs, taken from stand-ins where a verdict is needed."""
        found: dict[str, list[str]] = {}
        winners, recipes = self.stand_ins(), {}
        for cell in self.cells:
            seed, taken, faults = self.manifest.seeds[0], {}, []
            try:
                taken = self._taken(cell, seed, winners)
            except RecipeError as error:  # of a giver, or for a section that it does not have
                faults = [line.removeprefix("  - ") for line in error.message.splitlines()[1:]]
            recipe, more = resolve(self.recipe_document, list(self._applied(cell, seed, taken)))
            recipes[cell.name] = recipe
            for fault in dict.fromkeys([*faults, *more]):
                found.setdefault(fault, []).append(cell.name)
        texts = [f"{fault} ({_runs(names)})" for fault, names in found.items()]
        return (*texts, *self._without_control(recipes))

    def _without_control(self, recipes: Mapping[str, Recipe | None]) -> Iterator[str]:
        """Groups that learn from a teacher and are compared with nothing that does not."""
        for group, cells in self.names.groups.items():
            if not any(_distils(recipes[cell.name]) for cell in cells):
                continue
            control, place = cells[0].entry.control, cells[0].place
            honest = control is not None and not any(
                _distils(recipes[cell.name]) for cell in self.names.some(control)
            )
            if not honest:
                where = self.document.where((*place, "control"))
                plain = [name for name, recipe in recipes.items() if recipe and not _distils(recipe)]
                nets = {name: recipes[name].model for name in [*plain, cells[0].name] if recipes[name]}
                plain = [name for name in plain if nets[name] == nets.get(cells[0].name)] or plain
                hint = f"control: {plain[0]}" if plain else "a run without distil, and its name as control"
                yield (
                    f"{where}: {group} learns from a teacher, and its control is {control or 'nothing'}; "
                    f"what that gains can only be told from the same net without distil: add {hint}"
                )


def open_campaign(path: Path) -> Campaign:
    """Read a manifest and its recipe and check both, down to the recipe of every run.

    Raises:
        RecipeError: with every fault, its line, and the near name for a misspelt one.
    """
    path = Path(path)
    document = read_tree(path, "manifest")
    manifest, faults = validate(Manifest, document, document.tree)
    refuse([*document.repeated(), *faults], document)
    assert manifest is not None
    names = Names(manifest, cells_of(manifest))
    faults = [f"{document.where(place)}: {_dotted(place)}: {text}" for place, text in check(names)]
    refuse(list(dict.fromkeys(faults)), document)
    recipe_document = read_tree(path.parent / manifest.recipe.expanduser())
    refuse(recipe_document.repeated(), recipe_document)
    campaign = Campaign(path, manifest, names, document, recipe_document)
    refuse(campaign.faults, document)
    return campaign


def _folded(overrides: Iterator[Override]) -> dict[str, Any]:
    """The same settings with no key inside of another, so that their order means nothing any more.

    >>> _folded(iter([Override("a.b", 1, ""), Override("a", {"c": 2}, ""), Override("a.d", 3, "")]))
    {'a': {'c': 2, 'd': 3}}
    """
    folded: dict[str, Any] = {}
    for override in overrides:
        key, value = override.key, copy.deepcopy(override.value)
        for inner in [name for name in folded if name == key or name.startswith(f"{key}.")]:
            del folded[inner]
        outer = next((name for name in folded if key.startswith(f"{name}.")), None)
        if outer is None:
            folded[key] = value
        else:
            holder = {"": folded[outer]}
            put(holder, ["", *key[len(outer) + 1 :].split(".")], value)
            folded[outer] = holder[""]
    return folded


def _distils(recipe: Recipe | None) -> bool:
    return getattr(recipe, "distil", None) is not None


def _runs(names: Sequence[str]) -> str:
    return f"run {names[0]}" if len(names) == 1 else f"{len(names)} runs, the first {names[0]}"


def _dotted(place: Sequence[str | int]) -> str:
    return ".".join(map(str, place))
