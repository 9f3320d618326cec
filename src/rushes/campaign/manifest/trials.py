"""From a manifest to trials: what each run is, for each seed, once it is known what it takes from others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.campaign.judging.gate import Question, best, values_of
from rushes.campaign.manifest.cells import Cell, cells_of
from rushes.campaign.manifest.checks import Names, check
from rushes.campaign.manifest.recipe_checks import check_recipes
from rushes.campaign.manifest.recipes import Recipes, Winners, folded
from rushes.campaign.manifest.schema import Manifest, Phase
from rushes.campaign.records import Result, Selection, Trial
from rushes.errors import StageError
from rushes.recipe import Recipe
from rushes.recipe_file import Override, validate
from rushes.recipe_file.document import read_tree, refuse


@dataclass(frozen=True)
class Campaign:
    """A manifest that holds, with the recipe that its runs change.

    Attributes:
        path: the manifest's file.
        manifest: what it says.
        names: what its names stand for.
        recipes: those of its runs.
    """

    path: Path
    manifest: Manifest
    names: Names
    recipes: Recipes

    @property
    def name(self) -> str:
        """Of the campaign."""
        return self.manifest.campaign

    @property
    def task(self) -> str:
        """Of all its runs."""
        return self.recipes.task

    @property
    def phases(self) -> tuple[Phase, ...]:
        """In order; ``phase.gate`` is None where it has runs."""
        return self.manifest.phases

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All runs in order, each for all seeds, also those that a gate may never try."""
        return self.names.cells

    def best_of(self, results: Iterable[Result], names: Sequence[str]) -> str | None:
        """The best of some runs on the validation side; None where none of them counts with every seed."""
        values = values_of(results, names, self.manifest.seeds, self.manifest.metric)
        return best(values, lower_is_better=self.manifest.lower_is_better)

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
            return (self.recipes.winner(reference, winners),)
        return tuple(cell.name for cell in self.names.some(reference))

    def needs(self, phase: Phase) -> tuple[str, ...]:
        """Groups and gates whose winner must be known for the trials of a phase to be told."""
        found = [name for group in phase.groups.values() for name in self._givers(group.take.values())]
        if phase.gate is not None:
            found += [name for name in (*phase.gate.better, *phase.gate.than) if name in self.names.gates]
        return tuple(dict.fromkeys(found))

    def awaits(self, run: str) -> tuple[str, ...]:
        """Groups and gates whose winner must be known for the recipe of a run to be told."""
        return tuple(dict.fromkeys(self._givers(self.names.runs[run].entry.take.values())))

    def stand_ins(self) -> dict[str, str]:
        """The first run of each group and of each gate's better side, to plan with what is not decided."""
        stand_ins = {group: cells[0].name for group, cells in self.names.groups.items()}
        for gate, number in self.names.gates.items():
            asked = self.phases[number].gate
            assert asked is not None
            stand_ins[gate] = self.members(asked.better[0], stand_ins)[0]
        return stand_ins

    def candidates(self, winners: Winners) -> dict[str, tuple[str, ...]]:
        """Group or gate -> every run that may win it; ``winners`` are those of gates that gates refer to."""
        found = {group: tuple(cell.name for cell in cells) for group, cells in self.names.groups.items()}
        for gate, number in self.names.gates.items():
            asked = self.phases[number].gate
            assert asked is not None
            tried = tuple(cell.name for cell in self.cells if cell.number == number)
            budget = 0 if asked.otherwise is None else asked.otherwise.budget
            found[gate] = (*self._side(asked.better, winners), *tried[:budget])
        return found

    def recipe_of(self, trial: Trial) -> Recipe:
        """The recipe of a trial, measured on the validation side.

        Raises:
            RecipeError: with all faults.
        """
        return self._recipe(trial, trial.overrides)

    def opened_recipe(self, trial: Trial, chosen: Sequence[Selection]) -> Recipe:
        """The recipe of a trial, measured on the test side, for which it must have been chosen.

        Raises:
            StageError: it was not.
        """
        if not any(one.admits(trial) for one in chosen):
            raise StageError(f"the test side is not opened for {trial.key}", where=self.path)
        return self._recipe(trial, {**trial.overrides, "evaluate.split": "test"})

    def _recipe(self, trial: Trial, settings: Mapping[str, Any]) -> Recipe:
        folder, asked = self.path.parent, settings.items()
        return self.recipes.resolved([Override(key, value, trial.key, folder) for key, value in asked])

    def selectable(self, winners: Winners) -> dict[str, tuple[str, ...]]:
        """What is selected -> names of the runs among which; gates that were not decided are left out."""
        decided = (name for name in self.manifest.select if name not in self.names.gates or name in winners)
        return {reference: self.members(reference, winners) for reference in decided}

    def _side(self, references: Sequence[str], winners: Winners) -> tuple[str, ...]:
        """Names on one side of a gate, each once, in order."""
        names = (name for reference in references for name in self.members(reference, winners))
        return tuple(dict.fromkeys(names))

    def _givers(self, taken: Iterable[str]) -> Iterator[str]:
        """Groups and gates that something is taken from; whoever wins may have taken something itself."""
        for text in taken:
            reference, _ = self.names.divide(text)
            cells = self.names.some(reference)
            if len(cells) != 1:
                yield reference
            for cell in cells:
                yield from self._givers(cell.entry.take.values())

    def _trial(self, cell: Cell, seed: int, winners: Winners) -> Trial:
        overrides = folded(self.recipes.overrides(cell, seed, winners))
        phase = self.phases[cell.number].name
        return Trial(cell.name, cell.group, phase, seed, overrides, cell.entry.control)


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
    campaign = Campaign(path, manifest, names, Recipes(names, document, recipe_document))
    stand_ins = campaign.stand_ins()
    refuse(list(check_recipes(campaign.recipes, stand_ins, campaign.candidates(stand_ins))), document)
    return campaign


def _dotted(place: Sequence[str | int]) -> str:
    return ".".join(map(str, place))
