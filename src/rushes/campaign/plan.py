"""What a campaign would do: every run, what of it is shared or done, and how long the rest may take.

Nothing is done, no net is built. A run whose recipe depends on a verdict is planned with a stand-in, the
first candidate, and marked. Training is counted to its last epoch; patience may end it before.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rushes.campaign.manifest.recipes import Winners
from rushes.campaign.manifest.trials import Campaign
from rushes.campaign.records import Trial
from rushes.campaign.work import open_known
from rushes.runs.costs import Estimate, Rates, duration, read_rates
from rushes.runs.run import Run
from rushes.runs.stage import StageName
from rushes.stages import StageSpec, read_done
from rushes.storage import RemoteWorkspace, Workspace
from rushes.tasks import TASKS

if TYPE_CHECKING:
    from rich.console import Console

State = Literal["done", "partial", "new", "shared"]
"""``shared``: an earlier run of the plan does it."""

NOT_TO_DO: tuple[State, ...] = ("shared", "done")


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage of one run.

    Attributes:
        name: of the stage.
        signature: of it.
        state: whether this run would do it.
        cost: of doing it; none where it is done or shared.
        of_recordings: whether all workers do it together.
    """

    name: StageName
    signature: str
    state: State
    cost: Estimate
    of_recordings: bool = False


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run with one seed.

    Attributes:
        trial: which.
        attempt: of a gate that may pass without it: its number, from 1; None for a run that is always done.
        stand_in: groups and gates whose winner its recipe depends on and was guessed.
        stages: in order.
    """

    trial: Trial
    attempt: int | None
    stand_in: tuple[str, ...]
    stages: tuple[PlannedStage, ...]

    @property
    def seconds(self) -> float:
        """Of all stages that it would do, as far as known."""
        return sum(stage.cost.seconds or 0.0 for stage in self.stages)


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """Every run of a campaign.

    Attributes:
        campaign: its name.
        workers: processes.
        runs: in order; attempts of a gate stand where the gate does.
        asked: what the manifest says of them all: how they are compared, gates, what is selected, reasons.
    """

    campaign: str
    workers: int
    runs: tuple[PlannedRun, ...]
    asked: Mapping[str, Any]

    def seconds(self, workers: int = 1, *, worst: bool = False) -> float:
        """Length of the campaign; at ``worst`` with everything that gates may try."""
        runs = [run for run in self.runs if worst or run.attempt is None]
        return sum(_length(part, workers) for part in _in_turn(runs))

    @property
    def unknown(self) -> int:
        """Stages to do whose length nothing tells."""
        costs = (stage.cost for run in self.runs for stage in run.stages if stage.state not in NOT_TO_DO)
        return sum(cost.seconds is None for cost in costs)

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        always = sum(run.attempt is None for run in self.runs)
        return {
            "campaign": self.campaign,
            "runs": always,
            "runs_with_tuning": len(self.runs),
            "workers": self.workers,
            "seconds": round(self.seconds(), 1),
            "seconds_with_tuning": round(self.seconds(worst=True), 1),
            "seconds_in_parallel": round(self.seconds(self.workers), 1),
            "seconds_in_parallel_with_tuning": round(self.seconds(self.workers, worst=True), 1),
            "stages_of_unknown_length": self.unknown,
            "asked": self.asked,
            "trials": [_run_json(run) for run in self.runs],
        }

    def print(self, console: Console) -> None:
        """A table, a run a line, and what it comes to."""
        from rich.table import Table

        table = Table("phase", box=None, pad_edge=False)
        table.add_column("run", no_wrap=True)
        for column in ("seed", "to do", "shared", "done", "about"):
            table.add_column(column, justify="right", no_wrap=True)
        for run in self.runs:
            phase = run.trial.phase if run.attempt is None else f"{run.trial.phase}, try {run.attempt}"
            name = f"{run.trial.name} ~" if run.stand_in else run.trial.name
            states = [stage.state for stage in run.stages]
            counts = [sum(state not in NOT_TO_DO for state in states), *map(states.count, NOT_TO_DO)]
            unknown = any(s.state not in NOT_TO_DO and s.cost.seconds is None for s in run.stages)
            about = "-" if not counts[0] else "unknown" if unknown else duration(run.seconds)
            table.add_row(phase, name, str(run.trial.seed), *(str(count or "-") for count in counts), about)
        console.print(table)
        for line in self.lines():
            console.print(line, highlight=False)

    def lines(self) -> Iterator[str]:
        """What the plan comes to, and what the manifest asks of its runs."""
        for name, gate in self.asked["gates"].items():
            surely = "" if gate["confidence"] is None else f", at {gate['confidence']:.0%}"
            yield (
                f"gate {name}: {' or '.join(gate['better'])} better than {' or '.join(gate['than'])} by "
                f"{gate['margin']:g} {self.asked['metric']}{surely}"
            )
        yield f"opened on the test side: {', '.join(self.asked['select']) or 'nothing'}"
        always, worst = sum(run.attempt is None for run in self.runs), len(self.runs)
        yield from self._total(f"{always} runs", worst=False)
        if worst > always:
            yield from self._total(f"{worst} runs with everything that gates may try", worst=True)
        guessed = sorted({name for run in self.runs for name in run.stand_in})
        if guessed:
            yield (
                f"~ depends on what wins {', '.join(guessed)}: planned with the first candidate in its place"
            )
        bases = {stage.cost.basis for run in self.runs for stage in run.stages} - {""}
        if "assumed" in bases:
            yield "lengths of stages of which none is finished here are assumed, not measured"
        if self.unknown:
            yield f"{self.unknown} stages are of unknown length, and not counted"

    def _total(self, what: str, *, worst: bool) -> Iterator[str]:
        about = "at least" if self.unknown else "about"
        text = f"{what}: {about} {duration(self.seconds(worst=worst))} one after the other"
        if self.workers > 1:
            length = duration(self.seconds(self.workers, worst=worst))
            text += f", {length} with {self.workers} workers"
        yield text


def plan_campaign(
    campaign: Campaign,
    workspace: Workspace,
    *,
    workers: int = 1,
    winners: Winners | None = None,
    without: Collection[StageName] = (),
) -> CampaignPlan:
    """Every run of a campaign, and how long it may take.

    Args:
        winners: of groups and gates, as far as they are decided.
        without: stages that are not done.

    Raises:
        RecipeError: what a recipe asks cannot be.
    """
    decided = dict(winners or {})
    known = {**campaign.stand_ins(), **decided}
    opened = _Opened(workspace, read_rates(workspace.root, TASKS[campaign.task]))
    runs: list[PlannedRun] = []
    for phase in campaign.phases:
        tries = campaign.attempts(phase, known)
        rows: list[tuple[Trial, int | None]] = [(trial, None) for trial in campaign.trials(phase, known)]
        rows += [(trial, number) for number, trials in enumerate(tries, start=1) for trial in trials]
        for trial, attempt in rows:
            guessed = tuple(name for name in campaign.awaits(trial.name) if name not in decided)
            stages = opened.stages(campaign, trial, without)
            runs.append(PlannedRun(trial, attempt, guessed, stages))
    return CampaignPlan(campaign.name, workers, tuple(runs), _asked(campaign))


def _asked(campaign: Campaign) -> dict[str, Any]:
    """What a manifest says besides its runs."""
    told = campaign.manifest.model_dump(mode="json", include={"metric", "lower_is_better", "worth"})
    gates = {phase.name: phase.gate for phase in campaign.phases if phase.gate is not None}
    return told | {
        "gates": {
            name: gate.model_dump(mode="json", exclude={"otherwise"})
            | {"budget": 0 if gate.otherwise is None else gate.otherwise.budget}
            for name, gate in gates.items()
        },
        "select": list(campaign.manifest.select),
        "reasons": dict(campaign.manifest.reasons),
    }


class _Opened:
    """What is known of a workspace while a plan is made."""

    def __init__(self, workspace: Workspace, rates: Rates) -> None:
        self.workspace = workspace
        self.rates = rates
        self.fingerprints: dict[str, str | None] = {}
        self.seen: set[str] = set()

    def stages(
        self, campaign: Campaign, trial: Trial, without: Collection[StageName]
    ) -> tuple[PlannedStage, ...]:
        run = open_known(campaign.recipe_of(trial), self.workspace, self.fingerprints)
        return tuple(self.stage(run, name) for name in run.stages if name not in without)

    def stage(self, run: Run[Any], name: StageName) -> PlannedStage:
        spec = run.specs[name]
        folder = f"{spec.name}-{spec.signature}"
        state = self.state(spec)
        if folder in self.seen and state != "done":
            state = "shared"
        self.seen.add(folder)
        cost = Estimate(0.0, "") if state in NOT_TO_DO else self.rates.of(run, name)
        return PlannedStage(name, spec.signature, state, cost, run.stages[name].of_recordings)

    def state(self, spec: StageSpec) -> State:
        """How far a stage has come; why it has not is asked by nobody here, and takes long to tell."""
        folder = spec.folder(self.workspace.root)
        if not isinstance(self.workspace, RemoteWorkspace):
            done = read_done(folder) is not None
            return "done" if done else "partial" if folder.is_dir() else "new"
        state = self.workspace.status(spec).state
        return "new" if state == "absent" else state


def _in_turn(runs: Iterable[PlannedRun]) -> list[list[PlannedRun]]:
    """Runs that may go on side by side: those of a phase, and of one attempt."""
    parts: dict[tuple[str, int | None], list[PlannedRun]] = {}
    for run in runs:
        parts.setdefault((run.trial.phase, run.attempt), []).append(run)
    return list(parts.values())


def _length(runs: Sequence[PlannedRun], workers: int) -> float:
    """Seconds for runs that go forward together, stage by stage."""
    by_stage: dict[tuple[StageName, bool], list[float]] = {}
    for run in runs:
        for stage in run.stages:
            by_stage.setdefault((stage.name, stage.of_recordings), []).append(stage.cost.seconds or 0.0)
    return sum(
        sum(seconds) / workers if of_recordings else _side_by_side(seconds, workers)
        for (_, of_recordings), seconds in by_stage.items()
    )


def _side_by_side(seconds: Iterable[float], workers: int) -> float:
    """When the last of several stages ends, each taken up by the first worker that is free."""
    free = [0.0] * workers
    for length in seconds:
        heapq.heapreplace(free, free[0] + length)
    return max(free)


def _run_json(run: PlannedRun) -> dict[str, Any]:
    trial = run.trial
    stages: list[Mapping[str, Any]] = [
        {
            "name": stage.name,
            "signature": stage.signature,
            "state": stage.state,
            "seconds": None if stage.cost.seconds is None else round(stage.cost.seconds, 2),
            "basis": stage.cost.basis,
        }
        for stage in run.stages
    ]
    return {
        "name": trial.name,
        "group": trial.group,
        "phase": trial.phase,
        "seed": trial.seed,
        "attempt": run.attempt,
        "stand_in": list(run.stand_in),
        "seconds": round(run.seconds, 1),
        "stages": stages,
    }
