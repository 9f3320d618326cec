"""How far a campaign is, read from what stands on disk while it runs or after it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rushes.campaign.folder import CampaignFolder
from rushes.campaign.manifest.trials import Campaign
from rushes.campaign.plan import PlannedRun, plan_campaign
from rushes.campaign.work import UNSEEN
from rushes.stages import lock_owner
from rushes.storage import Workspace

UNPROVEN = "(not as it was judged here: `rushes campaign report` judges it again)"
"""Said of a result that was changed, judged by an older rushes, or elsewhere."""


@dataclass(frozen=True, slots=True)
class TrialStatus:
    """How far a trial is.

    Attributes:
        phase, name, seed: which.
        state: of its result, or ``waiting``, ``running`` where there is none yet.
        done, stages: how many of its stages are done, of how many.
        value: of the campaign's metric on the validation side; None where there is none that counts.
        note: what it does now, or what it waits for.
    """

    phase: str
    name: str
    seed: int
    state: str
    done: int
    stages: int
    value: float | None
    note: str

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self)


def status_of(campaign: Campaign, workspace: Workspace) -> list[TrialStatus]:
    """All trials in order, also those that a gate may never try.

    Raises:
        RecipeError: what a recipe asks cannot be.
    """
    folder = CampaignFolder.of(workspace, campaign.name)
    plan = plan_campaign(campaign, workspace, winners=decided(campaign, folder), without=UNSEEN)
    return [_status(run, folder, workspace, campaign.manifest.metric) for run in plan.runs]


def decided(campaign: Campaign, folder: CampaignFolder) -> dict[str, str]:
    """Winners of gates, and of groups all of whose runs have ended, as far as results stand.

    Verdicts about runs that the manifest no longer has count for nothing.
    """
    found = {
        gate: run
        for gate, run in folder.winners().items()
        if gate in campaign.names.gates and run in campaign.names.runs
    }
    for phase in campaign.phases:
        if phase.gate is not None or any(name not in found for name in campaign.needs(phase)):
            continue
        results = [folder.read_result(trial) for trial in campaign.trials(phase, found)]
        for group in phase.groups:
            own = [result for result in results if result is not None and result.trial.group == group]
            names = [cell.name for cell in campaign.names.groups[group]]
            winner = campaign.best_of(own, names)
            if winner is not None and len(own) == len(names) * len(campaign.manifest.seeds):
                found[group] = winner
    return found


def _status(run: PlannedRun, folder: CampaignFolder, workspace: Workspace, metric: str) -> TrialStatus:
    trial, result = run.trial, folder.read_result(run.trial)
    finished = [stage for stage in run.stages if stage.state == "done"]
    owners = {
        stage.name: lock_owner(workspace.root / f"{stage.name}-{stage.signature}")
        for stage in run.stages
        if stage.state != "done"
    }
    now = next((f"{name}: {owner}" for name, owner in owners.items() if owner is not None), "")
    state: str
    if result is not None:
        state, note = result.state, "; ".join(result.faults[:1]) or result.error or ""
        if not folder.is_own(result):
            note = f"{UNPROVEN} {note}".rstrip()
    elif now:
        state, note = "running", now
    else:
        state = "waiting"
        note = f"depends on {', '.join(run.stand_in)}" if run.stand_in else ""
    value = None if result is None else result.value(metric)
    return TrialStatus(
        trial.phase, trial.name, trial.seed, state, len(finished), len(run.stages), value, note
    )


def table(rows: Sequence[TrialStatus]) -> str:
    """One line a trial."""
    width = max((len(row.name) for row in rows), default=0)
    lines = []
    for row in rows:
        value = "" if row.value is None else f"{row.value:.4f}"
        stages = f"{row.done}/{row.stages}"
        line = f"{row.phase:10} {row.name:{width}} s{row.seed:<4} {row.state:10} {stages:>5} {value:>7}"
        lines.append(f"{line} {row.note}".rstrip())
    return "\n".join(lines)
