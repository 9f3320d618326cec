"""PhysicalAI-Autonomous-Vehicles: clips of 20 s, seven cameras and the vehicle's motion, in chunks of zips.

``scan`` turns a copy of the dataset, however partial, into recordings. Only tables and zip directories are
read; videos and poses are read where they lie, by ``rushes.media.video.decode``, `read_camera_times` and
`read_trajectory`. Every clip of the chunks looked at is accounted for: a recording, a fault (what is there
does not hold) or skipped (what is wanted is not there). Data:
https://huggingface.co/datasets/nvidia/PhysicalAI-Autonomous-Vehicles, gated, under a licence of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rushes.errors import MediaError, SourceError
from rushes.records import Member, RigRecording
from rushes.tasks.driving.sources.physical_ai_av.audit import Audit, audit
from rushes.tasks.driving.sources.physical_ai_av.chunks import Chunk
from rushes.tasks.driving.sources.physical_ai_av.layout import (
    CAMERAS,
    CLIP_INDEX,
    EGOMOTION,
    OFFLINE,
    TABLES,
    chunks_here,
    dataset_root,
    read_features,
    wanted_cameras,
)
from rushes.tasks.driving.sources.physical_ai_av.sensors import read_camera_times, read_trajectory
from rushes.tasks.driving.sources.physical_ai_av.tables import (
    DRIVE,
    ClipRow,
    assign_splits,
    read_absences,
    read_clip_index,
    read_tags,
    require_clips,
)

__all__ = [
    "CAMERAS",
    "TABLES",
    "Audit",
    "Fault",
    "Scan",
    "archives",
    "assign_splits",
    "audit",
    "dataset_root",
    "fingerprint",
    "read_camera_times",
    "read_trajectory",
    "require_clips",
    "scan",
]

SKIPPED = "Skipped"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a clip is set aside, or, among a scan's notes, what is worth knowing.

    Attributes:
        key: the clip; empty for a note on the whole dataset.
        split: side on which the clip index puts it; a clip on no side of the recipe's split concerns nobody.
        chunk: number of its chunk; None for a note on the whole dataset.
        kind: the error's name, ``SourceError`` or ``MediaError``; ``Skipped``, or ``Note``.
        message: what was expected and what was found.
        where: the file.
        cure: what to change.
    """

    key: str
    split: str
    chunk: int | None
    kind: str
    message: str
    where: str
    cure: str

    def reason(self) -> dict[str, str]:
        """The entry for a stage's quarantine."""
        return {"type": self.kind, "message": self.message, "where": self.where, "cure": self.cure}


@dataclass(frozen=True, slots=True)
class Scan:
    """What a copy of the dataset holds.

    Attributes:
        root: of the dataset.
        recordings: clips with all that was asked for, sorted by chunk and key.
        faults: clips of which something is there that does not hold, at most one fault each.
        skipped: clips that the index calls invalid, or that lack a camera or their motion.
        notes: what else is worth knowing.
    """

    root: Path
    recordings: tuple[RigRecording, ...]
    faults: tuple[Fault, ...]
    skipped: tuple[Fault, ...]
    notes: tuple[Fault, ...]

    @property
    def planned(self) -> int:
        """Clips looked at: recordings, faults and skipped together."""
        return len(self.recordings) + len(self.faults) + len(self.skipped)


def scan(
    root: Path,
    cameras: Sequence[str] = CAMERAS,
    *,
    chunks: Collection[int] | None = None,
    limit: int | None = None,
    offline: bool = False,
) -> Scan:
    """Find the clips that have all of ``cameras`` and their motion.

    Args:
        root: folder with ``features.csv`` and ``clip_index.parquet``.
        cameras: that a clip must have; recordings hold these, in this order.
        chunks: to look at; if not given, those of which at least one wanted archive is here.
        limit: stop after so many recordings; what comes behind them is not planned.
        offline: take the offline motion (10 Hz, smoothed with hindsight, without velocities). If not, it is
            taken, and noted, only where there is no other.

    Raises:
        SourceError: ``root`` or its tables do not hold, a camera or chunk is unknown, or no archive is here.
    """
    root = dataset_root(root)
    features = read_features(root)
    wanted = wanted_cameras(features, tuple(cameras))
    rows = read_clip_index(root, chunks)
    notes: list[Fault] = []
    if chunks is None:
        here = chunks_here(root, features, [*wanted, EGOMOTION, OFFLINE], {row.chunk for row in rows})
        absent = len({row.chunk for row in rows}) - len(here)
        rows = [row for row in rows if row.chunk in here]
        if absent:
            notes.append(_note(f"{absent} chunks of the clip index are not here", root))
    absences = read_absences(root, [*wanted, EGOMOTION, OFFLINE])
    tags = read_tags(root, {row.clip for row in rows})
    recordings: list[RigRecording] = []
    faults: list[Fault] = []
    for number, group in groupby(rows, key=lambda row: row.chunk):
        chunk = Chunk(root, number, features)
        for row in group:
            if limit is not None and len(recordings) >= limit:
                break
            found = _look_at(chunk, row, tuple(wanted), offline, absences, dict(tags.get(row.clip, ())))
            if isinstance(found, Fault):
                faults.append(found)
                continue
            recordings.append(found)
            motion = found.egomotion
            if not offline and motion and motion.name == chunk.egomotion_file(row.clip, offline=True):
                notes.append(_note("only the offline motion is there; it is taken", motion, row))
    return Scan(
        root=root,
        recordings=tuple(recordings),
        faults=tuple(fault for fault in faults if fault.kind != SKIPPED),
        skipped=tuple(fault for fault in faults if fault.kind == SKIPPED),
        notes=tuple(notes),
    )


def archives(
    root: Path, cameras: Sequence[str] = CAMERAS, chunks: Collection[int] | None = None
) -> frozenset[str]:
    """Paths below ``root`` of all archives that `scan` looks for, whether they are here or not.

    Args:
        root: folder with the tables (`TABLES`); nothing else has to be there.
        cameras, chunks: as of `scan`.

    Raises:
        SourceError: as `scan`, but for archives.
    """
    root = dataset_root(root)
    features = read_features(root)
    series = [*wanted_cameras(features, tuple(cameras)), EGOMOTION, OFFLINE]
    numbers = {row.chunk for row in read_clip_index(root, chunks)}
    return frozenset(features[name].archive(n) for name in series if name in features for n in numbers)


def fingerprint(root: Path, recordings: Iterable[RigRecording]) -> str:
    """SHA-256 of what the recordings hold, the same wherever ``root`` lies and whenever it was copied.

    Archives count with path and size; the members that are read with name, size and the CRC32 that the
    archive declares and that every reading checks: content is covered, and no file is read.

    Args:
        root: of the dataset (`Scan.root`), in which all archives lie.
        recordings: in any order.

    Returns:
        64 hex digits.
    """
    whole = hashlib.sha256()
    sizes: dict[Path, int] = {}

    def line(member: Member) -> list[object]:
        if member.archive not in sizes:
            sizes[member.archive] = member.archive.stat().st_size
        path = member.archive.relative_to(root).as_posix()
        return [path, sizes[member.archive], member.name, member.size, member.crc32]

    for recording in sorted(recordings, key=lambda recording: recording.key):
        read = [member for footage in recording.cameras for member in (footage.video, footage.times)]
        read += [] if recording.egomotion is None else [recording.egomotion]
        entry = [recording.key, recording.group, recording.split, recording.chunk, recording.tags]
        whole.update(json.dumps([*entry, *map(line, read)]).encode() + b"\n")
    return whole.hexdigest()


def _look_at(
    chunk: Chunk,
    row: ClipRow,
    cameras: tuple[str, ...],
    offline: bool,
    absences: Mapping[str, frozenset[str]],
    known: dict[str, str],
) -> RigRecording | Fault:
    """The clip as a recording, or why it is none."""
    if not row.valid:
        return _fault(row, SKIPPED, "the clip index calls it invalid", chunk.root / CLIP_INDEX, None)
    try:
        footage = {camera: chunk.footage(row.clip, camera) for camera in cameras}
        motion = chunk.egomotion(row.clip, offline=offline)
        if motion is None and not offline:
            motion = chunk.egomotion(row.clip, offline=True)
    except (SourceError, MediaError) as error:
        return _fault(row, type(error).__name__, error.message, error.where, error.cure)
    lacking = [camera for camera, found in footage.items() if found is None]
    if motion is None:
        lacking.append(OFFLINE if offline else EGOMOTION)
    if lacking:
        reasons = [_why_absent(chunk, row.clip, name, absences) for name in lacking]
        cure = "nothing, or fetch what is missing, or ask for fewer cameras"
        return _fault(row, SKIPPED, "; ".join(reasons), chunk.root, cure)
    return RigRecording(
        key=row.clip,
        group=known.pop(DRIVE, row.clip),
        split=row.split,
        chunk=row.chunk,
        cameras=tuple(found for found in footage.values() if found is not None),
        egomotion=motion,
        tags=tuple(known.items()),
    )


def _why_absent(chunk: Chunk, clip: str, name: str, absences: Mapping[str, frozenset[str]]) -> str:
    if clip in absences.get(name, ()):
        return f"{name} was not recorded"
    return f"{name} is not in its archive" if chunk.has(name) else f"the archive of {name} is not here"


def _fault(row: ClipRow, kind: str, message: str, where: object, cure: str | None) -> Fault:
    return Fault(row.clip, row.split, row.chunk, kind, message, str(where), cure or "")


def _note(message: str, where: object, row: ClipRow | None = None) -> Fault:
    if row is None:
        return Fault("", "", None, "Note", message, str(where), "")
    return _fault(row, "Note", message, where, None)
