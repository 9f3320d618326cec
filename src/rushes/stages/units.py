"""Receipts, quarantine and the account of a stage's units."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.errors import QuarantineError, StageError
from rushes.records import KEY
from rushes.stages.files import read_json, write_json
from rushes.stages.spec import named_signature


def write_receipt(folder: Path, unit: str, receipt: Mapping[str, Any]) -> None:
    """Prove that ``unit`` is finished; its files must stand already. Ends an earlier quarantine of the unit.

    Args:
        folder: the stage's folder.
        unit: key of the unit.
        receipt: counts, checksums: whatever proves the unit, as JSON.
    """
    write_json(_unit_path(folder, "units", unit), _signed(folder, unit) | {"receipt": receipt})
    _unit_path(folder, "quarantine", unit).unlink(missing_ok=True)


def read_receipt(folder: Path, unit: str) -> dict[str, Any] | None:
    """The receipt of ``unit``, or None where it is missing, torn, or of another unit or signature."""
    entry = _read_signed(folder, "units", unit)
    receipt = None if entry is None else entry.get("receipt")
    return receipt if isinstance(receipt, dict) else None


def quarantine(folder: Path, unit: str, reason: Mapping[str, Any]) -> None:
    """Set ``unit`` aside as bad input; it has no receipt after this.

    One file a unit: written atomically, so a crash leaves no half line, and under the unit's name, so a unit
    stands there once however often it is tried. :meth:`OpenStage.finish` merges them into quarantine.jsonl.

    Args:
        folder: the stage's folder.
        unit: key of the unit.
        reason: why, e.g. ``{"type", "message", "where", "cure"}``.
    """
    _unit_path(folder, "units", unit).unlink(missing_ok=True)
    write_json(_unit_path(folder, "quarantine", unit), _signed(folder, unit) | {"reason": reason})


def read_quarantine(folder: Path) -> list[dict[str, Any]]:
    """Entries ``{"unit", "signature", "reason"}`` of all units in quarantine, sorted by unit."""
    units = sorted(path.stem for path in Path(folder).glob("quarantine/*.json"))
    entries = ((unit, _read_signed(folder, "quarantine", unit)) for unit in units)
    return [entry for unit, entry in entries if entry is not None and read_receipt(folder, unit) is None]


def _unit_path(folder: Path, kind: str, unit: str) -> Path:
    if KEY.fullmatch(unit) is None:
        raise StageError(f"not a unit's key: {unit!r}", where=folder, cure="use letters, digits, _ and -")
    return Path(folder) / kind / f"{unit}.json"


def _signed(folder: Path, unit: str) -> dict[str, Any]:
    return {"unit": unit, "signature": named_signature(folder)}


def _read_signed(folder: Path, kind: str, unit: str) -> dict[str, Any] | None:
    try:
        entry = read_json(_unit_path(folder, kind, unit))
    except StageError:
        return None
    fits = isinstance(entry, dict) and entry.items() >= _signed(folder, unit).items()
    return entry if fits else None


@dataclass(frozen=True, slots=True)
class Account:
    """Where every planned unit stands: done, in quarantine, skipped on purpose, or pending."""

    folder: Path
    planned: tuple[str, ...]
    done: frozenset[str]
    quarantined: frozenset[str]
    skipped: frozenset[str]

    @property
    def pending(self) -> tuple[str, ...]:
        """Units still to do, in the order of the plan."""
        settled = self.done | self.quarantined | self.skipped
        return tuple(unit for unit in self.planned if unit not in settled)

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of units: planned = done + quarantined + skipped once the account is closed."""
        return {
            "planned": len(self.planned),
            "done": len(self.done),
            "quarantined": len(self.quarantined),
            "skipped": len(self.skipped),
        }

    def close(self, max_quarantine: float) -> Account:
        """Check that every unit is accounted for and that few enough are bad; returns itself.

        Args:
            max_quarantine: share of the planned units, less the skipped, that may be in quarantine, 0 to 1.

        Raises:
            StageError: a unit is pending, or the folder holds a unit that was not planned.
            QuarantineError: more are in quarantine than ``max_quarantine``.
        """
        if self.pending:
            raise StageError(
                f"{len(self.pending)} of {len(self.planned)} units are neither done, quarantined nor "
                f"skipped: {', '.join(self.pending[:5])}",
                where=self.folder,
                cure="run the stage again: it resumes with them",
            )
        if strangers := sorted((self.done | self.quarantined) - set(self.planned)):
            raise StageError(
                f"units that nobody planned: {', '.join(strangers[:5])}",
                where=self.folder,
                cure="take their files out of units/ and quarantine/ of this folder, and run again",
            )
        tried = len(self.planned) - len(self.skipped)
        if len(self.quarantined) > max_quarantine * tried:
            raise QuarantineError(
                f"{len(self.quarantined)} of {tried} units are in quarantine, "
                f"at most {max_quarantine:.1%} may be",
                where=self.folder / "quarantine",
                cure="read the reasons there; raise max_quarantine, or repair the inputs and take their "
                "files out of that folder to have them tried again",
            )
        assert len(self.planned) == len(self.done) + len(self.quarantined) + len(self.skipped)
        return self


def account(folder: Path, planned: Sequence[str], skipped: Collection[str] = ()) -> Account:
    """Read the receipts and the quarantine of ``folder`` into an :class:`Account`.

    Args:
        folder: the stage's folder.
        planned: keys of all units, without repetition.
        skipped: units of the plan that are left out on purpose; one that has a receipt counts as done.

    Raises:
        StageError: a unit is planned twice, or skipped without being planned.
    """
    if len(set(planned)) != len(planned) or not set(skipped) <= set(planned):
        raise StageError("a unit is planned twice, or skipped without being planned", where=folder)
    receipts = {path.stem for path in Path(folder).glob("units/*.json")}
    done = frozenset(unit for unit in receipts if read_receipt(folder, unit) is not None)
    quarantined = frozenset(entry["unit"] for entry in read_quarantine(folder))
    return Account(Path(folder), tuple(planned), done, quarantined, frozenset(skipped) - done - quarantined)
