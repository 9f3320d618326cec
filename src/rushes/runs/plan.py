"""What a run would do: read, estimated, nothing done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rushes.runs.run import Run
from rushes.runs.stage import StageName


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One stage of a plan: ``done`` is skipped, ``partial`` resumed, ``absent`` run."""

    name: StageName
    signature: str
    state: str
    folder: str
    reason: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self)


def plan_run(run: Run[Any]) -> list[PlanRow]:
    """Every stage of a run: whether it would run, why, and what it would take."""
    rows = []
    for name in run.stages:
        status = run.status(name)
        notes = () if status.state == "done" else run.notes(name)
        rows.append(
            PlanRow(name, run.specs[name].signature, status.state, str(status.folder), status.reason, notes)
        )
    return rows
