"""The manifest: one YAML file that says everything about one campaign.

    campaign: sleep
    recipe: recipe.yaml
    seeds: [0, 1, 2]
    metric: f1_macro
    phases:
      - name: base
        runs:
          teacher: {set: {model.net: crnn}}
          student: {set: {model.net: tinycnn}}
      - name: gate
        gate: {better: [teacher], than: [student], margin: 0.03}
      - name: distilled
        after: gate
        runs:
          pupil:
            take: {distil.teacher.model: gate.model, distil.teacher.train: gate.train}
            grid: {distil.temperature: [3, 5]}
            control: student
    select: [teacher, student, pupil]

What it says as a whole, names that lead nowhere and the like, is checked in `checks`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from rushes.recipe.sections import Count, Section

MAX_TRIALS = 10_000
WORTH = 0.01

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
"""Of what becomes a file or a folder."""

Key = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.\w+)*$", max_length=200)]
"""A dotted key of the recipe."""

Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9]", max_length=200)]
"""The name of a run, a group or a gate."""

Settings = dict[Key, Any]
Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class Group(Section):
    """One run, or with ``grid`` or ``cells`` several that differ in a few keys.

    What is said later goes before what is said earlier: ``set`` of the campaign, ``set`` of the phase,
    ``take``, ``set`` of the group, its cell, the seed.

    Attributes:
        take: key of the recipe -> ``<run, group or gate>.<section>``: that section of the recipe of the same
            seed; of a group the best run on validation, of a gate the run that passed it.
        set: key of the recipe -> value.
        grid: key -> values; a run for each combination.
        cells: settings of one run each, in place of ``grid``.
        control: run or group that its runs are compared with; null compares with the task's trivial baseline.
    """

    take: dict[Key, Reference] = Field(default={})
    set: Settings = Field(default={})
    grid: dict[Key, Values] = Field(default={})
    cells: tuple[Annotated[Settings, Field(min_length=1)], ...] = ()
    control: Reference | None = None

    @property
    def size(self) -> int:
        """Runs of one seed."""
        return len(self.cells) or math.prod(len(values) for values in self.grid.values())

    @model_validator(mode="after")
    def _one_way_to_several(self) -> Group:
        if self.grid and self.cells:
            raise ValueError("grid and cells both say which runs there are: leave one out")
        if self.size > MAX_TRIALS:
            raise ValueError(f"{self.size} runs; a campaign has at most {MAX_TRIALS}")
        return self


class Otherwise(Section):
    """What is tried while a gate does not pass: its runs join the better side, one after the other.

    Attributes:
        budget: runs, all seeds of one together, after which the gate failed for good.
        runs: groups of them, in order.
    """

    budget: Count
    runs: Annotated[dict[Name, Group], Field(min_length=1)]


class Gate(Section):
    """A question that must be answered with yes before what comes after it may begin.

    Attributes:
        better: runs or groups; the best of them by the mean over seeds stands for this side.
        than: runs or groups of the other side.
        margin: by which the mean must be better, in units of the metric.
        confidence: at which the paired difference must also lie above zero; null asks for the margin alone.
        otherwise: what is tried while it does not pass.
    """

    better: Annotated[tuple[Reference, ...], Field(min_length=1)]
    than: Annotated[tuple[Reference, ...], Field(min_length=1)]
    margin: Annotated[float, Field(ge=0.0)] = 0.0
    confidence: Annotated[float, Field(ge=0.5, lt=1.0)] | None = None
    otherwise: Otherwise | None = None


class Phase(Section):
    """A part of the campaign: runs, or a gate.

    Attributes:
        name: of the phase; of a gate also the name of its winner.
        after: an earlier phase that must have ended, or passed if it is a gate, for this one to begin.
        set: key of the recipe -> value, for all of its runs.
        runs: name -> run or group.
        gate: the question.
    """

    name: Name
    after: Name | None = None
    set: Settings = Field(default={})
    runs: dict[Name, Group] = Field(default={})
    gate: Gate | None = None

    @model_validator(mode="after")
    def _runs_or_gate(self) -> Phase:
        if bool(self.runs) == (self.gate is not None):
            raise ValueError("a phase has runs or a gate; write one of them")
        return self

    @property
    def groups(self) -> dict[str, Group]:
        """Its groups, also those that a gate may never try."""
        if self.gate is None:
            return self.runs
        return {} if self.gate.otherwise is None else self.gate.otherwise.runs


class Manifest(Section):
    """A whole campaign.

    Attributes:
        campaign: its name, and that of its folder.
        recipe: file of the recipe that its runs change, relative to the manifest.
        seeds: every run is done with each.
        metric: by which runs are compared, on the validation side.
        lower_is_better: of the metric.
        worth: by how much a run must be better than the best trivial system in order to count, as a share of
            that system's figure; 0 asks for better at all.
        set: key of the recipe -> value, for all runs.
        phases: in order.
        select: runs, groups or gates; the best run of each on the validation side is opened on the test side.
        reasons: run or group -> why it fell below its baseline.
    """

    campaign: Name
    recipe: Path
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1)] = (0,)
    metric: Annotated[str, Field(min_length=1)]
    lower_is_better: bool = False
    worth: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = WORTH
    set: Settings = Field(default={})
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    select: tuple[Reference, ...] = ()
    reasons: dict[Reference, Annotated[str, Field(min_length=1)]] = Field(default={})

    @model_validator(mode="after")
    def _bounded(self) -> Manifest:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds: each once, found {', '.join(map(str, self.seeds))}")
        groups = [group for phase in self.phases for group in phase.groups.values()]
        trials = len(self.seeds) * sum(group.size for group in groups)
        if trials > MAX_TRIALS:
            raise ValueError(f"{trials} runs; a campaign has at most {MAX_TRIALS}")
        return self
