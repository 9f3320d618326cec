"""What a dataset of sounds has of each class on each side: from names, and from bytes only to find copies."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rushes.errors import MediaError, SourceError
from rushes.records import SoundRecording
from rushes.sources.sounds import SIDES, FileBlock, Sounds, SoundScan, require_apart
from rushes.sources.sounds_archive import ArchiveBlock

NAMED = 10
"""Copies that are named."""


@dataclass(frozen=True, slots=True)
class SoundAudit:
    """What there is.

    Attributes:
        labels: classes that are asked for, in order.
        sounds: side -> class -> how many; classes that nobody asked for stand in ``skipped``.
        groups: side -> how many.
        bytes: of the sounds.
        skipped: reason -> how many files.
        copies: sounds with the same bytes as one on another side.
        named: some of them, each beside the one that it copies.
        faults: what does not hold.
    """

    labels: tuple[str, ...]
    sounds: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, int]
    bytes: int
    skipped: Mapping[str, int]
    copies: int
    named: tuple[tuple[str, str], ...]
    faults: tuple[dict[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def summary(self) -> str:
        """One line for a plan."""
        total = sum(sum(counts.values()) for counts in self.sounds.values())
        return f"{total:,} sounds of {sum(self.groups.values())} groups, {self.bytes / 1e6:.0f} MB"

    def text(self) -> str:
        """For people: a table of classes by sides, and what is wrong."""
        width = max(len(label) for label in (*self.labels, "groups"))
        lines = [" " * width + "".join(f"{side:>9}" for side in SIDES)]
        for label in self.labels:
            counts = (self.sounds.get(side, {}).get(label, 0) for side in SIDES)
            lines.append(f"{label:{width}}" + "".join(f"{count:9,}" for count in counts))
        lines.append(f"{'groups':{width}}" + "".join(f"{self.groups.get(side, 0):9,}" for side in SIDES))
        lines.append(f"{self.bytes / 1e6:.1f} MB")
        lines += [f"{count:,} skipped: {reason}" for reason, count in self.skipped.items()]
        if self.copies:
            lines.append(f"note: {self.copies:,} sounds have the same bytes as one on another side")
            lines += [f"  {name} = {other}" for name, other in self.named]
        for fault in self.faults:
            lines += [f"fault: {fault['message']}", f"  where: {fault['where']}", f"  cure:  {fault['cure']}"]
        return "\n".join(lines)


@dataclass(slots=True)
class _Tally:
    """What is counted on the way."""

    sounds: dict[str, Counter[str]]
    groups: list[tuple[str, str, str]]
    skipped: Counter[str]
    bytes: int = 0


def audit_of(scan: SoundScan, labels: tuple[str, ...]) -> SoundAudit:
    """Count what a scan found. Archives are read once; of files only those whose size another one shares.

    Raises:
        SourceError: a group stands on two sides.
    """
    tally = _Tally({side: Counter() for side in SIDES}, [], Counter())
    faults = [fault.reason() for fault in scan.faults]
    for fault in scan.skipped:
        tally.skipped[fault.message] += fault.count
    seen: dict[str, tuple[str, str]] = {}
    copies: list[tuple[str, str]] = []
    twins = _sizes_shared(scan)
    for block in scan.blocks:
        try:
            for name, digest in _count(block, labels, twins, tally):
                side, first = seen.setdefault(digest, (block.split, name))
                if side != block.split:
                    copies.append((name, first))
        except (MediaError, SourceError) as error:
            faults.append(
                {
                    "type": type(error).__name__,
                    "message": error.message,
                    "where": error.where or str(scan.root),
                    "cure": error.cure or "",
                }
            )
    side_of = require_apart(tally.groups)
    return SoundAudit(
        labels=labels,
        sounds={side: dict(counts) for side, counts in tally.sounds.items()},
        groups=dict(Counter(side_of.values())),
        bytes=tally.bytes,
        skipped=dict(tally.skipped),
        copies=len(copies),
        named=tuple(copies[:NAMED]),
        faults=tuple(faults),
    )


def _count(
    block: Sounds, labels: tuple[str, ...], twins: frozenset[int], tally: _Tally
) -> Iterator[tuple[str, str]]:
    """Count a block; name and SHA-256 of what may be a copy."""

    def take(recording: SoundRecording, size: int) -> None:
        tally.sounds[block.split][recording.label] += 1
        tally.groups.append((recording.group, block.split, str(recording.path)))
        tally.bytes += size

    if isinstance(block, FileBlock):
        for recording in block.recordings:
            size = recording.path.stat().st_size
            take(recording, size)
            if size in twins:
                with recording.path.open("rb") as file:
                    yield str(recording.path), hashlib.file_digest(file, "sha256").hexdigest()
    elif isinstance(block, ArchiveBlock):
        for recording, name, data in block.members():
            if recording is None:
                tally.skipped["no sound of a class" if data or name else "empty"] += 1
            elif recording.label not in labels:
                tally.skipped[f"class {recording.label} is not asked for"] += 1
            else:
                take(recording, len(data))
                yield str(recording.path), hashlib.sha256(data).hexdigest()


def _sizes_shared(scan: SoundScan) -> frozenset[int]:
    """Sizes of files that more than one side has: only these can be copies."""
    sides: dict[int, set[str]] = defaultdict(set)
    for block in scan.blocks:
        if isinstance(block, FileBlock):
            for recording in block.recordings:
                sides[recording.path.stat().st_size].add(block.split)
    return frozenset(size for size, found in sides.items() if len(found) > 1)
