"""What a dataset of sounds has of each class on each side: from names, and from bytes only to find copies."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rushes.errors import MediaError, SourceError
from rushes.records import SoundRecording
from rushes.runs.copies import Copies, Holding, copies_of, sizes_on_two_sides
from rushes.runs.shares import lacking
from rushes.runs.source import told_alike
from rushes.stages import Claim, Inventory, sha256_file
from rushes.tasks.sounds.sources.archive import ArchiveBlock
from rushes.tasks.sounds.sources.blocks import FileBlock, SoundScan, claim_of
from rushes.tasks.sounds.sources.sides import SIDES, nobody_said, require_apart


@dataclass(frozen=True, slots=True)
class SoundAudit:
    """What there is.

    Attributes:
        labels: classes that are asked for, in order.
        sounds: side -> class -> how many.
        groups: side -> how many that are known.
        bytes: of the sounds.
        members: of archives; None where there are none.
        notes: in words, whatever keeps figures from meaning what they seem to.
        copies: sounds with the same bytes as one on another side.
        faults: what does not hold.
    """

    labels: tuple[str, ...]
    sounds: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, int]
    bytes: int
    members: Inventory | None
    notes: tuple[str, ...]
    copies: Copies
    faults: tuple[dict[str, str], ...]

    @property
    def samples(self) -> Mapping[str, int]:
        """See `rushes.runs.source.Audit`."""
        return {side: sum(counts.values()) for side, counts in self.sounds.items()}

    @property
    def outcomes(self) -> Mapping[str, Claim]:
        """See `rushes.runs.source.Audit`."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "labels": list(self.labels),
            "sounds": self.sounds,
            "groups": self.groups,
            "bytes": self.bytes,
            "members": None if self.members is None else self.members.to_json(),
            "notes": list(self.notes),
            "copies": asdict(self.copies),
            "faults": list(self.faults),
        }

    def summary(self) -> str:
        """One line for a plan."""
        groups = sum(self.groups.values())
        line = f"{sum(self.samples.values()):,} sounds of {groups} groups, {self.bytes / 1e6:.0f} MB"
        return "; ".join([self.copies.behind(line, "sound"), *self.notes])

    def text(self) -> str:
        """For people: a table of classes by sides, and what is wrong."""
        width = max(len(label) for label in (*self.labels, "groups"))
        lines = [" " * width + "".join(f"{side:>9}" for side in SIDES)]
        for label in self.labels:
            counts = (self.sounds.get(side, {}).get(label, 0) for side in SIDES)
            lines.append(f"{label:{width}}" + "".join(f"{count:9,}" for count in counts))
        lines.append(f"{'groups':{width}}" + "".join(f"{self.groups.get(side, 0):9,}" for side in SIDES))
        lines.append(f"{self.bytes / 1e6:.1f} MB")
        if self.members is not None:
            lines += ["in archives:", *self.members.text()]
        lines += [f"note: {note}" for note in self.notes]
        lines += self.copies.lines("sound")
        lines += told_alike("fault", self.faults)
        return "\n".join(lines)


@dataclass(slots=True)
class _Tally:
    faults: list[dict[str, str]]
    sounds: dict[str, Counter[str]] = field(default_factory=lambda: {side: Counter() for side in SIDES})
    groups: list[tuple[str, str, str]] = field(default_factory=list)
    bytes: int = 0
    members: dict[str, tuple[int, Claim]] = field(default_factory=dict)

    def look_through(self, scan: SoundScan) -> Iterator[Holding]:
        """Count all blocks and note what does not hold in them; what may be a copy."""
        twins = sizes_on_two_sides(
            (block.split, recording.path.stat().st_size)
            for block in scan.blocks
            if isinstance(block, FileBlock)
            for recording in block.recordings
        )
        for block in scan.blocks:
            try:
                if isinstance(block, FileBlock):
                    yield from self._files(block, twins)
                elif isinstance(block, ArchiveBlock):
                    yield from self._members(block)
            except (MediaError, SourceError) as error:
                self.faults.append(_fault(error, scan.root))

    def _files(self, block: FileBlock, twins: Collection[Hashable]) -> Iterator[Holding]:
        for recording in block.recordings:
            size = recording.path.stat().st_size
            self._take(recording, size)
            if size in twins:
                yield block.split, str(recording.path), sha256_file(recording.path)

    def _members(self, block: ArchiveBlock) -> Iterator[Holding]:
        for name, found, data in block.members():
            if isinstance(data, MediaError):
                self.faults.append(_fault(data, block.path))
                continue
            claim = found if isinstance(found, Claim) else claim_of(found)
            self.members[f"{block.path.name}/{name}"] = (len(data), claim)
            if isinstance(found, SoundRecording):
                self._take(found, len(data))
                yield block.split, str(found.path), hashlib.sha256(data).hexdigest()

    def _take(self, recording: SoundRecording, size: int) -> None:
        self.sounds[recording.split][recording.label] += 1
        self.groups.append((recording.group, recording.split, str(recording.path)))
        self.bytes += size


def audit_of(scan: SoundScan, labels: tuple[str, ...]) -> SoundAudit:
    """Count what a scan found. Archives are read once; of files only those whose size another one shares.

    Raises:
        SourceError: a group stands on two sides.
    """
    tally = _Tally([fault.reason() for fault in scan.faults])
    copies = copies_of(tally.look_through(scan))
    unknown = sum(not group for group, _, _ in tally.groups)
    return SoundAudit(
        labels=labels,
        sounds={side: dict(counts) for side, counts in tally.sounds.items()},
        groups=dict(Counter(require_apart(tally.groups).values())),
        bytes=tally.bytes,
        members=_inventory(tally.members) if tally.members else None,
        notes=tuple(
            filter(None, [*lacking(labels, tally.sounds, "sound"), nobody_said(unknown, len(tally.groups))])
        ),
        copies=copies,
        faults=tuple(tally.faults),
    )


def _inventory(members: Mapping[str, tuple[int, Claim]]) -> Inventory:
    sizes = ((name, size) for name, (size, _) in sorted(members.items()))
    return Inventory.of_files(sizes, lambda name: members[name][1])


def _fault(error: MediaError | SourceError, where: Path) -> dict[str, str]:
    told = {"type": type(error).__name__, "message": error.message}
    return told | {"where": str(error.where or where), "cure": error.cure or ""}
