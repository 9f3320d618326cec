"""What a run would do: read, estimated, nothing done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rushes.runs.costs import NO_COST, duration, read_rates
from rushes.runs.look import Look, look
from rushes.runs.run import Run
from rushes.runs.stage import StageName


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One stage of a plan: ``done`` is skipped, ``partial`` resumed, ``absent`` run.

    Attributes:
        seconds: estimated length of what is to do; None where nothing tells it, and of what is done.
    """

    name: StageName
    signature: str
    state: str
    folder: str
    reason: str
    notes: tuple[str, ...]
    seconds: float | None

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every stage of a run.

    Attributes:
        rows: in order.
        fault: why the run cannot be right, see `Look.fault`; empty where nothing is known against it.
    """

    rows: tuple[PlanRow, ...]
    fault: str

    @property
    def seconds(self) -> float:
        """Of all stages to do whose length something tells."""
        return sum(row.seconds or 0.0 for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        stages = [row.to_json() for row in self.rows]
        return {"stages": stages, "seconds": round(self.seconds, 1), "fault": self.fault or None}

    def text(self) -> str:
        """For people: each stage with its notes, then what it comes to."""
        lines = []
        for row in self.rows:
            lines.append(f"{row.name:9} {row.signature}  {row.state:8} {row.reason}")
            lines += [f"{'':9} {note}" for note in row.notes]
        todo = [row for row in self.rows if row.state != "done"]
        if unknown := [row.name for row in todo if row.seconds is None]:
            lines.append(f"no estimate of the time of {', '.join(unknown)}: none is finished here")
        if self.seconds:
            lines.append(f"{'the rest' if unknown else 'all'} about {duration(self.seconds)}, an estimate")
        if self.fault:
            lines.append(f"{self.fault}; `rushes audit RECIPE` tells more")
        return "\n".join(lines)


def plan_run(run: Run[Any]) -> Plan:
    """Every stage of a run: whether it would run, why, and what it would take."""
    rates, seen = read_rates(run.workspace.root, run.task), None
    if run.status(run.dataset).state != "done" and run.has_recordings:
        seen = look(run)
    expected = None if seen is None else seen.audit.samples
    rows = []
    for name in run.stages:
        status = run.status(name)
        notes: tuple[str, ...] = ()
        cost = NO_COST
        if status.state != "done":
            cost = rates.of(run, name, expected)
            notes = (*_notes(run, name, seen), *([cost.text()] if cost.seconds is not None else []))
        signature = run.specs[name].signature
        rows.append(
            PlanRow(name, signature, status.state, str(status.folder), status.reason, notes, cost.seconds)
        )
    return Plan(tuple(rows), "" if seen is None else seen.fault)


def _notes(run: Run[Any], name: StageName, seen: Look | None) -> tuple[str, ...]:
    if name != run.dataset:
        return run.notes(name)
    return ("sizes are known when the twin is drawn",) if seen is None else seen.notes()
