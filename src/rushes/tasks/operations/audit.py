"""What the recordings of an operations recipe would give, from headers and annotation alone.

Estimates are for a plan and for a look before an hour of work: a session whose footage is shorter than its
labels, a subject without a label, a side without clips. Nothing is decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from rushes.errors import RushesError, SourceError
from rushes.media.folder import list_frames
from rushes.media.limits import DEFAULT_LIMITS
from rushes.media.video import probe
from rushes.prepare.outcomes import Outcomes
from rushes.records import Media, Recording
from rushes.runs.copies import Copies, copies_of, holdings
from rushes.runs.labelled.sides import Sides
from rushes.runs.shares import lacking, nobody_said
from rushes.runs.source import Fault, told_alike
from rushes.stages import Claim
from rushes.tasks.operations.prepare.clips import Cutting, plan_clips, why_no_clip
from rushes.tasks.operations.prepare.unit import TOLERANCE_S
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.sources.sessions import Scan, check_coverage

JPEG_BYTES_PER_PIXEL = 0.14
"""Of stored frames at quality 90, measured on the twin and on real footage."""


@dataclass(frozen=True, slots=True)
class FootageAudit:
    """What the recordings of a recipe are.

    Attributes:
        recordings: sessions that hold, by split.
        seconds: length of their footage, as declared.
        operations: labelled operations by label.
        clips: clips expected, by split; one of each session whose footage declares no length.
        bytes: estimate of the shards.
        masked: operation -> (number, seconds) without a target in the label set.
        gaps: number and seconds of unlabelled stretches between operations.
        copies: recordings whose footage has the same bytes as one on another side.
        foreseen: what would become of each recording.
        faults: sessions on a side that do not hold, and sides without a clip.
        notes: what else is worth knowing.
        absent: subjects of the split of whom nothing is there.
        remarks: labels that a side lacks, and that nobody said who is in recordings; a plan tells them, too.
    """

    recordings: dict[str, int]
    seconds: float
    operations: dict[str, int]
    clips: dict[str, int]
    bytes: int
    masked: dict[str, tuple[int, float]]
    gaps: tuple[int, float]
    copies: Copies
    foreseen: Outcomes
    faults: tuple[dict[str, str], ...]
    notes: tuple[dict[str, str], ...]
    absent: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def samples(self) -> Mapping[str, int]:
        """See `rushes.runs.source.Audit`."""
        return self.clips

    @property
    def outcomes(self) -> Mapping[str, Claim]:
        """See `rushes.runs.source.Audit`."""
        return self.foreseen.others

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {
            "copies": asdict(self.copies),
            "foreseen": self.foreseen.to_json(),
        }

    def summary(self) -> str:
        """One line for a plan."""
        line = (
            f"about {sum(self.clips.values()):,} clips from {self.seconds / 60:.0f} minutes of footage, "
            f"{self.bytes / 1e6:.0f} MB of shards; {self.foreseen.summary()}"
        )
        return "; ".join([self.copies.behind(line, "recording"), *self.remarks])

    def text(self) -> str:
        """For people."""
        lines = [
            f"{count:5} session{'s' * (count != 1)} for {split}"
            for split, count in sorted(self.recordings.items())
        ]
        lines += [
            f"{count:5} clip{'s' * (count != 1)} expected for {split}"
            for split, count in sorted(self.clips.items())
        ]
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
        lines += [f"note: {remark}" for remark in self.remarks]
        lines += self.foreseen.text()
        for kind, entries in (("note", self.notes), ("fault", self.faults)):
            lines += told_alike(kind, entries)
        return "\n".join(lines)


class Foreseen(NamedTuple):
    """One recording before it is prepared.

    Attributes:
        duration_s: of the footage as declared; 0 where nothing is declared or it cannot be opened.
        clips: number of clips expected by kind; None where the length is not known.
        fault: why it would be quarantined, as far as that shows now.
        empty: why there would be no clip, likewise.
        notes: what else is worth knowing of its file, see `rushes.media.video.MediaInfo`.
    """

    duration_s: float
    clips: Counter[str] | None
    fault: RushesError | None = None
    empty: str = ""
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Claim | None:
        """Why it would give no sample; None where it may give some."""
        if self.fault is not None:
            return Claim("faulty", self.fault.message)
        return Claim("empty", self.empty) if self.empty else None


def foresee(recording: Recording, cutting: Cutting, with_windows: bool) -> Foreseen:
    """What prepare would make of a recording; opens its file once."""
    try:
        found = probe(recording.media)
    except RushesError as error:
        return Foreseen(0.0, Counter(), error)
    duration_s = found.duration_s
    if duration_s is None:
        return Foreseen(0.0, None, notes=found.notes)
    try:
        check_coverage(recording, duration_s, TOLERANCE_S)
    except RushesError as error:
        return Foreseen(duration_s, Counter(), error, notes=found.notes)
    clips = plan_clips(recording, duration_s, cutting, with_windows)
    empty = "" if clips else why_no_clip(recording, cutting)
    return Foreseen(duration_s, Counter(clip.kind for clip in clips), empty=empty, notes=found.notes)


def audit_sessions(
    scan: Scan,
    sides: Sides,
    preprocessing: ClipPreprocessing,
    cutting: Cutting,
    window_splits: Sequence[str],
    needed: Sequence[str] = (),
) -> FootageAudit:
    """Read all annotation and headers, count what they would give, and list what is wrong with them.

    Args:
        scan: of the recordings.
        sides: who stands on which side.
        preprocessing, cutting, window_splits: how clips are cut.
        needed: sides that must not come out empty.
    """
    side_of = sides.side_of
    others = {key: Claim("skipped", reason) for key, reason in sides.skipped.items()}
    recordings: Counter[str] = Counter()
    clips: Counter[str] = Counter()
    operations: dict[str, Counter[str]] = {side: Counter() for side in side_of.values()}
    faults: list[dict[str, str]] = []
    notes, seconds = [note.reason() for note in scan.notes], 0.0
    for fault in scan.faults:
        (notes if fault.key in sides.skipped else faults).append(fault.reason())
        others.setdefault(fault.key, Claim("faulty", fault.message))
    used = [recording for recording in scan.recordings if recording.key in side_of]
    for recording in used:
        side = side_of[recording.key]
        found = foresee(recording, cutting, side in window_splits)
        recordings[side] += 1
        clips[side] += 1 if found.clips is None else found.clips.total()
        operations[side].update(segment.label for segment in recording.segments)
        seconds += found.duration_s
        notes += [
            Fault(recording.key, "Note", note, str(recording.media.path), "").reason() for note in found.notes
        ]
        if (outcome := found.outcome) is not None:
            others[recording.key] = outcome
        if found.fault is not None:
            faults.append(Fault.of(found.fault, recording.key).reason())
    faults += [_no_clip(side, scan.root, sides.cure) for side in needed if not clips[side]]
    clip_bytes = round(preprocessing.frames * prod(preprocessing.frame_size) * JPEG_BYTES_PER_PIXEL)
    return FootageAudit(
        recordings=dict(recordings),
        seconds=seconds,
        operations=dict(sorted(sum(operations.values(), Counter()).items())),
        clips=dict(clips),
        bytes=clips.total() * clip_bytes,
        masked={label: (tally.n, tally.seconds) for label, tally in scan.masked.items()},
        gaps=(scan.gaps.n, scan.gaps.seconds),
        copies=copies_of(holdings((side_of[one.key], one.key, partial(_files, one.media)) for one in used)),
        foreseen=Outcomes(len(side_of.keys() | others.keys()), others),
        faults=tuple(faults),
        notes=tuple(notes),
        absent=sides.absent,
        remarks=tuple(_remarks(used, operations, preprocessing.labels)),
    )


def _remarks(
    recordings: Sequence[Recording], operations: Mapping[str, Mapping[str, int]], labels: Sequence[str]
) -> Iterator[str]:
    there = set().union(*operations.values())
    yield from lacking([label for label in labels if label in there], operations, "recording")
    unknown = sum(recording.group == recording.key for recording in recordings)
    cure = "name groups by source.groups"
    if said := nobody_said(unknown, len(recordings), "recording", "person", cure):
        yield said


def _no_clip(side: str, root: Path, cure: str) -> dict[str, str]:
    fault = SourceError(f"side {side} of the split would have no clip", where=root, cure=cure)
    return Fault.of(fault, "").reason()


def _files(media: Media) -> list[Path]:
    """The files of a recording's footage, in order of time."""
    if media.kind == "video":
        return [media.path]
    return [file.path for file in list_frames(media.path, DEFAULT_LIMITS)]
