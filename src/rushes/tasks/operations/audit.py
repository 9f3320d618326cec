"""What the recordings of an operations recipe would give, from headers and annotation alone.

Estimates are for a plan and for a look before an hour of work: a session whose footage is shorter than its
labels, a subject without a label, a side without clips. Nothing is decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from rushes.errors import RushesError
from rushes.media.folder import list_frames
from rushes.media.limits import DEFAULT_LIMITS
from rushes.media.video import probe
from rushes.recipe.sections import Side
from rushes.records import Media, Recording
from rushes.runs.copies import Copies, copies_of, holdings
from rushes.tasks.operations.prepare.clips import Cutting
from rushes.tasks.operations.prepare.unit import TOLERANCE_S, plan_clips
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.sources.openpack.footage import check_coverage
from rushes.tasks.operations.sources.openpack.source import Scan
from rushes.tasks.operations.sources.openpack.tables import assign_splits

JPEG_BYTES_PER_PIXEL = 0.14
"""Of stored frames at quality 90, measured on the twin and on real footage."""


@dataclass(frozen=True, slots=True)
class FootageAudit:
    """What the recordings of a recipe are.

    Attributes:
        recordings: sessions that hold, by split.
        seconds: length of their footage, as declared.
        operations: labelled operations by label.
        clips: clips expected, by split.
        bytes: estimate of the shards.
        masked: operation -> (number, seconds) without a target in the label set.
        gaps: number and seconds of unlabelled stretches between operations.
        copies: recordings whose footage has the same bytes as one on another side.
        faults: sessions that do not hold.
        notes: what else is worth knowing.
        absent: subjects of the split of which there is no recording.
        skipped: recordings on no side of the split.
    """

    recordings: dict[str, int]
    seconds: float
    operations: dict[str, int]
    clips: dict[str, int]
    bytes: int
    masked: dict[str, tuple[int, float]]
    gaps: tuple[int, float]
    copies: Copies
    faults: tuple[dict[str, str], ...]
    notes: tuple[dict[str, str], ...]
    absent: tuple[str, ...]
    skipped: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {
            "copies": asdict(self.copies)
        }

    def summary(self) -> str:
        """One line for a plan."""
        clips, minutes = sum(self.clips.values()), self.seconds / 60
        line = (
            f"about {clips} clips from {minutes:.0f} minutes of footage, {self.bytes / 1e6:.0f} MB of shards"
        )
        return self.copies.behind(line, "recording")

    def text(self) -> str:
        """For people."""
        lines = [f"{count:5} sessions for {split}" for split, count in sorted(self.recordings.items())]
        lines += [f"{count:5} clips expected for {split}" for split, count in sorted(self.clips.items())]
        lines += [
            f"{self.seconds / 60:7.1f} minutes of footage, {self.bytes / 1e6:.0f} MB of shards expected"
        ]
        lines += [f"{count:5} x {label}" for label, count in sorted(self.operations.items())]
        lines += [
            f"{n:5} x {label} ({seconds:.0f} s) have no target in this label set"
            for label, (n, seconds) in sorted(self.masked.items())
        ]
        lines += [f"{self.gaps[0]:5} gaps between labels, {self.gaps[1]:.1f} s"]
        lines += self.copies.lines("recording")
        lines += [f"no recording of {subject}, which the split names" for subject in self.absent]
        lines += [f"{key} is on no side of the split: skipped" for key in self.skipped]
        for kind, entries in (("fault", self.faults), ("note", self.notes)):
            for entry in entries:
                lines += [
                    f"{kind}: {entry['message']}",
                    f"  where: {entry['where']}",
                    f"  cure:  {entry['cure']}",
                ]
        return "\n".join(lines)


class Foreseen(NamedTuple):
    """One recording before it is prepared.

    Attributes:
        duration_s: of the footage as declared; 0 where nothing is declared or it cannot be opened.
        clips: number of clips expected by kind; empty where the duration is not known.
        fault: why it would be quarantined, as far as that shows now.
    """

    duration_s: float
    clips: Counter[str]
    fault: str | None


def foresee(recording: Recording, cutting: Cutting, with_windows: bool) -> Foreseen:
    """What prepare would make of a recording; opens its file once."""
    duration_s, clips, fault = None, Counter[str](), None
    try:
        duration_s = probe(recording.media).duration_s
        if duration_s is not None:
            check_coverage(recording, duration_s, TOLERANCE_S)
            clips.update(clip.kind for clip in plan_clips(recording, duration_s, cutting, with_windows))
    except RushesError as error:
        fault = str(error)
    return Foreseen(duration_s or 0.0, clips, fault)


def audit_sessions(
    scan: Scan,
    split: str | Mapping[Side, Sequence[str]],
    preprocessing: ClipPreprocessing,
    cutting: Cutting,
    window_splits: Sequence[str],
) -> FootageAudit:
    """Read all annotation and headers, count what they would give, and list what is wrong with them."""
    assigned = assign_splits(scan.recordings, split)
    sides = assigned.side_of
    used = [recording for recording in scan.recordings if recording.key in sides]
    recordings: Counter[str] = Counter()
    clips: Counter[str] = Counter()
    operations: Counter[str] = Counter()
    faults, seconds = [fault.reason() for fault in scan.faults], 0.0
    for recording in used:
        side = sides[recording.key]
        found = foresee(recording, cutting, side in window_splits)
        recordings[side] += 1
        clips[side] += found.clips.total()
        operations.update(sorted(segment.label for segment in recording.segments))
        seconds += found.duration_s
        if found.fault is not None:
            cure = "mend the session, or leave it to the quarantine"
            faults.append({"message": found.fault, "where": recording.key, "cure": cure})
    clip_bytes = round(preprocessing.frames * prod(preprocessing.frame_size) * JPEG_BYTES_PER_PIXEL)
    return FootageAudit(
        recordings=dict(recordings),
        seconds=seconds,
        operations=dict(operations),
        clips=dict(clips),
        bytes=clips.total() * clip_bytes,
        masked={label: (tally.n, tally.seconds) for label, tally in scan.masked.items()},
        gaps=(scan.gaps.n, scan.gaps.seconds),
        copies=copies_of(holdings((sides[one.key], one.key, partial(_files, one.media)) for one in used)),
        faults=tuple(faults),
        notes=tuple(note.reason() for note in scan.notes),
        absent=assigned.absent,
        skipped=assigned.skipped,
    )


def _files(media: Media) -> list[Path]:
    """The files of a recording's footage, in order of time."""
    if media.kind == "video":
        return [media.path]
    return [file.path for file in list_frames(media.path, DEFAULT_LIMITS)]
