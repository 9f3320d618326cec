"""A look at the recordings of a run before an hour of work: the task's audit, and the account of every file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rushes.runs.run import Run
from rushes.runs.source import Audit
from rushes.stages import Inventory

NOTHING = "there is nothing to prepare: no recording gives a sample"


@dataclass(frozen=True, slots=True)
class Look:
    """What the recordings of a run are.

    Attributes:
        audit: by the task.
        inventory: what will become of every file below the root, as far as the audit can tell.
    """

    audit: Audit
    inventory: Inventory

    @property
    def fault(self) -> str:
        """In a line, why somebody has to do something before the run can be right; empty where nobody has."""
        if not any(self.audit.samples.values()):
            return NOTHING
        count = len(self.audit.faults)
        return f"{count} {'fault' if count == 1 else 'faults'}" if count else ""

    def text(self) -> str:
        """For people; the fault comes last."""
        return "\n".join([self.audit.text(), *self.inventory.text(), *filter(None, [self.fault])])

    def to_json(self) -> Mapping[str, Any]:
        """As the command line prints it."""
        return {**self.audit.to_json(), "inventory": self.inventory.to_json(), "fault": self.fault or None}

    def notes(self) -> tuple[str, ...]:
        """For a plan."""
        return (self.audit.summary(), self.inventory.summary(), *filter(None, [self.fault]))


def look(run: Run[Any]) -> Look:
    """Look through the recordings of a run; nothing is decoded.

    Raises:
        SourceError: they are no copy of their layout.
        StageError: they are still to be drawn.
    """
    audit = run.audit()
    return Look(audit, run.inventory.settle(audit.outcomes))
