"""Receipts, quarantine and the account of a stage's units."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
        receipt: counts, checksums: whatever proves the unit, as JSON. That of a block of inputs, each too
            small for a unit of its own, counts the good ones as ``samples`` and gives the others as ``bad``:
            key -> reason. Those are in quarantine by that alone, and leave it with the receipt.
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
    """All bad inputs, sorted by key.

    Returns:
        Entries ``{"unit", "signature", "reason"}`` of units in quarantine, and of the bad inputs inside of
        blocks that are done; these say in which ``block``.
    """
    entries = list(_units_in_quarantine(folder))
    for block, receipt in _receipts(folder):
        for key, reason in receipt.get("bad", {}).items():
            entries.append(_signed(folder, key) | {"block": block, "reason": reason})
    return sorted(entries, key=lambda entry: entry["unit"])


def _units_in_quarantine(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(Path(folder).glob("quarantine/*.json")):
        entry = _read_signed(folder, "quarantine", path.stem)
        if entry is not None and read_receipt(folder, path.stem) is None:
            yield entry


def _receipts(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(Path(folder).glob("units/*.json")):
        if (receipt := read_receipt(folder, path.stem)) is not None:
            yield path.stem, receipt


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
    """Where every planned unit stands: done, in quarantine, skipped on purpose, or pending.

    Attributes:
        folder: of the stage.
        planned: keys of all units.
        done, quarantined, skipped: those that are settled.
        sizes: inputs behind a unit, where it is a block of them and their number is known; 1 otherwise.
        blocks: inputs of each block that is done: good and bad.
    """

    folder: Path
    planned: tuple[str, ...]
    done: frozenset[str]
    quarantined: frozenset[str]
    skipped: frozenset[str]
    sizes: Mapping[str, int] = field(default_factory=dict)
    blocks: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def pending(self) -> tuple[str, ...]:
        """Units still to do, in the order of the plan."""
        settled = self.done | self.quarantined | self.skipped
        return tuple(unit for unit in self.planned if unit not in settled)

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of inputs: planned = done + quarantined + skipped once the account is closed.

        A unit is one input, unless it is a block: then what is in it counts.
        """
        good = sum(good for good, _ in self.blocks.values())
        done = self._inputs(self.done - self.blocks.keys()) + good
        quarantined = self._inputs(self.quarantined) + sum(bad for _, bad in self.blocks.values())
        skipped = self._inputs(self.skipped)
        return {
            "planned": done + quarantined + skipped + self._inputs(self.pending),
            "done": done,
            "quarantined": quarantined,
            "skipped": skipped,
        }

    def close(self, max_quarantine: float, units: Collection[str] = ()) -> Account:
        """Check that every input is accounted for and that few enough are bad; returns itself.

        Args:
            max_quarantine: share of the planned inputs, less the skipped, that may be in quarantine, 0 to 1.
            units: no larger share of these may be either, so that an archive with a whole side in it does not
                pass for one bad input.

        Raises:
            StageError: a unit is pending, the folder holds a unit that was not planned, or a block has
                settled another number of inputs than it has.
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
        for block, settled in sorted(self.blocks.items()):
            if sum(settled) != self.sizes.get(block, sum(settled)):
                raise StageError(
                    f"block {block} has {self.sizes[block]} inputs, and {sum(settled)} are settled",
                    where=self.folder,
                    cure="take its file out of units/ of this folder, and run again",
                )
        counts = self.counts
        tried = counts["planned"] - counts["skipped"]
        self._require_few(counts["quarantined"], tried, max_quarantine, "inputs" if self.blocks else "units")
        self._require_few(len(self.quarantined & set(units)), len(units), max_quarantine, "units")
        assert len(self.planned) == len(self.done) + len(self.quarantined) + len(self.skipped)
        return self

    def _inputs(self, units: Collection[str]) -> int:
        return sum(self.sizes.get(unit, 1) for unit in units)

    def _require_few(self, bad: int, tried: int, max_quarantine: float, noun: str) -> None:
        if bad > max_quarantine * tried:
            raise QuarantineError(
                f"{bad} of {tried} {noun} are in quarantine, at most {max_quarantine:.1%} may be: "
                + "; ".join(_first_reasons(self.folder)),
                where=self.folder / "quarantine",
                cure="all reasons stand there"
                + (f" and under `bad` in {self.folder / 'units'}" if self.blocks else "")
                + "; repair these inputs and run again, or raise prepare.max_quarantine",
            )


def _first_reasons(folder: Path, most: int = 3) -> Iterator[str]:
    """The most frequent reasons in quarantine, each with its number and an example, and how many more there are."""
    units: dict[str, list[str]] = {}
    for entry in read_quarantine(folder):
        units.setdefault(str(entry["reason"].get("message", entry["reason"])), []).append(entry["unit"])
    ordered = sorted(units.items(), key=lambda one: -len(one[1]))
    for message, keys in ordered[:most]:
        yield f"{len(keys)} x {message} ({keys[0]}{', ...' if len(keys) > 1 else ''})"
    if len(ordered) > most:
        yield f"{len(ordered) - most} more reasons"


def account(
    folder: Path,
    planned: Sequence[str],
    skipped: Collection[str] = (),
    sizes: Mapping[str, int] | None = None,
) -> Account:
    """Read the receipts and the quarantine of ``folder`` into an :class:`Account`.

    Args:
        folder: the stage's folder.
        planned: keys of all units, without repetition.
        skipped: units of the plan that are left out on purpose; one that has a receipt counts as done.
        sizes: inputs behind a unit where it is not one.

    Raises:
        StageError: a unit is planned twice, or skipped without being planned.
    """
    if len(set(planned)) != len(planned) or not set(skipped) <= set(planned):
        raise StageError("a unit is planned twice, or skipped without being planned", where=folder)
    receipts = dict(_receipts(folder))
    quarantined = frozenset(entry["unit"] for entry in _units_in_quarantine(folder))
    return Account(
        Path(folder),
        tuple(planned),
        frozenset(receipts),
        quarantined,
        frozenset(skipped) - receipts.keys() - quarantined,
        sizes or {},
        {
            key: (receipt["samples"], len(receipt["bad"]))
            for key, receipt in receipts.items()
            if "bad" in receipt
        },
    )
