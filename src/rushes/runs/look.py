"""A look at the recordings of a run before an hour of work: the task's audit, and the account of every file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rushes.runs.checksums import SUMS
from rushes.runs.raw_files import Damage
from rushes.runs.run import Run
from rushes.runs.source import Audit, told_alike
from rushes.stages import Claim, Inventory
from rushes.stages.inventory import EXAMPLES, printable

NOTHING = "there is nothing to prepare: no recording gives a sample"


@dataclass(frozen=True, slots=True)
class Look:
    """What the recordings of a run are.

    Attributes:
        audit: by the task.
        inventory: what will become of every file below the root, as far as the audit can tell.
        damaged: files that are not what ``SHA256SUMS`` beside the recordings says.
        unlisted: files that are read and of which it says nothing.
    """

    audit: Audit
    inventory: Inventory
    damaged: tuple[Damage, ...] = ()
    unlisted: tuple[str, ...] = ()

    @property
    def fault(self) -> str:
        """In a line, why somebody has to do something before the run can be right; empty where nobody has."""
        if not any(self.audit.samples.values()):
            return NOTHING
        count = len(self.audit.faults) + len(self.damaged)
        return f"{count} {'fault' if count == 1 else 'faults'}" if count else ""

    def text(self) -> str:
        """For people; the fault comes last."""
        told = [self.audit.text(), *told_alike("fault", [one.to_json() for one in self.damaged])]
        if self.unlisted:
            such = ", ".join(map(printable, self.unlisted[:EXAMPLES]))
            told.append(
                f"note: not in {SUMS}: {len(self.unlisted):,} of the files that are read, such as {such}"
            )
        return "\n".join([*told, *self.inventory.text(), *filter(None, [self.fault])])

    def to_json(self) -> Mapping[str, Any]:
        """As the command line prints it."""
        return {
            **self.audit.to_json(),
            "damaged": [one.to_json() for one in self.damaged],
            "unlisted": list(self.unlisted),
            "inventory": self.inventory.to_json(),
            "fault": self.fault or None,
        }

    def notes(self) -> tuple[str, ...]:
        """For a plan."""
        return (self.audit.summary(), self.inventory.summary(), *filter(None, [self.fault]))


def look(run: Run[Any], tell: Callable[[int, int, str], None] | None = None) -> Look:
    """Look through the recordings of a run; nothing is decoded.

    Args:
        run: whose.
        tell: told how many files are hashed; with it all that ``SHA256SUMS`` names are.

    Raises:
        SourceError: they are no copy of their layout.
        StageError: they are still to be drawn.
    """
    audit = run.audit()
    damaged = tuple(run.files.damaged(tell)) if tell is not None else ()
    spoilt = {one.recording: Claim("faulty", f"not what {SUMS} says") for one in damaged if one.recording}
    unlisted = tuple(run.files.unlisted()) if tell is not None else ()
    return Look(audit, run.inventory.settle({**audit.outcomes, **spoilt}), damaged, unlisted)
