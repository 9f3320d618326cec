"""What became of every recording of a dataset: used, empty, at fault or skipped, each with its reason.

    {"recordings": {"planned": 40, "lines": [{"fate": "empty", "reason": "...", "recordings": 2, ...}, ...]},
     "files": {"files": 61204, "bytes": ..., "lines": [...]}}

stands in the dataset's ``account.json``: the lines of both add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from rushes.stages import FATES, Account, Claim, Fate, Inventory, read_quarantine, write_json
from rushes.stages.inventory import EXAMPLES, few

ACCOUNT = "account.json"
REASONS = 3
"""Reasons that a sentence keeps."""

NO_SAMPLE, NO_SIDE = "no sample came of it", "on no side of the split"


@dataclass(frozen=True, slots=True)
class Line:
    """Recordings of one fate, for one reason; ``examples`` are the first of their keys."""

    fate: Fate
    reason: str
    recordings: int
    examples: tuple[str, ...]

    def __add__(self, other: Line) -> Line:
        examples = (*self.examples, *other.examples)[:EXAMPLES]
        return replace(self, recordings=self.recordings + other.recordings, examples=examples)

    def to_json(self) -> dict[str, Any]:
        """As files hold it."""
        told = {"fate": self.fate, "reason": self.reason, "recordings": self.recordings}
        return told | {"examples": list(self.examples)}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of each recording.

    Attributes:
        planned: how many there were.
        others: key -> what became of one that gave no sample.
        sizes: recordings behind such a key, where it is not one.
    """

    planned: int
    others: Mapping[str, Claim]
    sizes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, closed: Account, skipped: Mapping[str, str], receipts: Mapping[str, Mapping[str, Any]]
    ) -> Outcomes:
        """Of a closed account.

        Args:
            closed: the account.
            skipped: units that were left out on purpose -> why.
            receipts: of all units that are done.
        """
        others = {key: Claim("skipped", skipped[key]) for key in closed.skipped}
        for entry in read_quarantine(closed.folder):
            others[entry["unit"]] = Claim("faulty", str(entry["reason"].get("message", "")))
        for key, receipt in receipts.items():
            if not receipt["samples"] and key not in closed.blocks:
                others[key] = Claim("empty", receipt.get("empty", NO_SAMPLE))
        return cls(closed.counts["planned"], others, closed.sizes)

    def of_recordings(self, members: Mapping[str, Sequence[str]]) -> dict[str, Claim]:
        """The same by recordings: what became of a block became of all its ``members``."""
        return {
            recording: claim for key, claim in self.others.items() for recording in members.get(key, (key,))
        }

    @property
    def lines(self) -> tuple[Line, ...]:
        """One for each fate and reason, in order of fates, then the largest number first; they add up."""
        keys: dict[Claim, list[str]] = {}
        for key, claim in sorted(self.others.items()):
            keys.setdefault(claim, []).append(key)
        lines = [
            Line(
                claim.fate, claim.reason, sum(self.sizes.get(key, 1) for key in same), tuple(same[:EXAMPLES])
            )
            for claim, same in keys.items()
        ]
        used = self.planned - sum(line.recordings for line in lines)
        lines.append(Line("used", "samples", used, ()))
        ordered = sorted(lines, key=lambda line: (FATES.index(line.fate), -line.recordings, line.reason))
        return tuple(few(ordered))

    @property
    def _counted(self) -> str:
        return f"{self.planned:,} recording{'s' * (self.planned != 1)}"

    def summary(self) -> str:
        """In a line: ``40 recordings: 37 used, 2 empty (2 shorter than two frames), 1 faulty (1 cut short)``."""
        parts = []
        for fate, same in groupby(filter(attrgetter("recordings"), self.lines), key=attrgetter("fate")):
            lines = list(same)
            total = f"{sum(line.recordings for line in lines):,} {fate}"
            parts.append(total if fate == "used" else f"{total} ({reasons(lines)})")
        return f"{self._counted}: {', '.join(parts) or 'none'}"

    def text(self) -> list[str]:
        """For people: the sum, and a line for each reason."""
        lines = [
            f"{line.recordings:9,} {line.fate:8} {line.reason}"
            + (f"  such as {', '.join(line.examples)}" if line.examples else "")
            for line in self.lines
        ]
        return [self._counted, *lines]

    def to_json(self) -> dict[str, Any]:
        """As files and the command line hold it; the recordings of all lines add up to ``planned``."""
        return {"planned": self.planned, "lines": [line.to_json() for line in self.lines]}


def write_account(folder: Path, recordings: Outcomes, files: Inventory) -> None:
    """Put what became of recordings and files into the folder of their dataset."""
    write_json(folder / ACCOUNT, {"recordings": recordings.to_json(), "files": files.to_json()})


def reasons(lines: Sequence[Line]) -> str:
    """The most frequent reasons with their counts, and whether there are others."""
    told = [f"{line.recordings:,} {line.reason}" for line in lines[:REASONS]]
    return "; ".join([*told, "others"] if len(lines) > REASONS else told)
