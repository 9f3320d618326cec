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
from itertools import chain, groupby
from pathlib import Path

from rushes.errors import MediaError, SourceError
from rushes.recipe.sections import Side
from rushes.records import Member
from rushes.runs.source import Bring, Fault
from rushes.stages import Claim, Claims
from rushes.tasks.driving.recipe import BY_DEFAULT
from rushes.tasks.driving.sources.layout import RigLayout, Scan
from rushes.tasks.driving.sources.physical_ai_av.audit import Audit, audit
from rushes.tasks.driving.sources.physical_ai_av.chunks import Chunk
from rushes.tasks.driving.sources.physical_ai_av.claims import Archives, fates, table_claims
from rushes.tasks.driving.sources.physical_ai_av.clip import Clip
from rushes.tasks.driving.sources.physical_ai_av.layout import (
    CAMERAS,
    CLIP_INDEX,
    EGOMOTION,
    OFFLINE,
    chunks_here,
    dataset_root,
    is_table,
    read_features,
    wanted_cameras,
)
from rushes.tasks.driving.sources.physical_ai_av.splits import contradiction
from rushes.tasks.driving.sources.physical_ai_av.tables import (
    DRIVE,
    ClipRow,
    read_absences,
    read_clip_index,
    read_tags,
    require_clips,
    sides_of,
)

SKIPPED = "Skipped"


@dataclass(frozen=True, slots=True)
class PhysicalAiAv(RigLayout[Clip]):
    """PhysicalAI-AV as a source.

    Attributes:
        cameras: that a clip must have.
        chunks: that are used; None takes all that are there.
        offline: poses as computed afterwards, in place of those recorded.
        split: name of the split that gives the sides, or side -> clip ids.
    """

    cameras: tuple[str, ...]
    chunks: tuple[int, ...] | None
    offline: bool
    split: str | Mapping[Side, Sequence[str]] = BY_DEFAULT

    def scan(self, root: Path) -> Scan[Clip]:
        """See `Source.scan`; from indexes and the directories of archives.

        Raises:
            SourceError: they do not hold, or the split lists a clip that the clip index does not.
        """
        found = scan(root, self.cameras, chunks=self.chunks, offline=self.offline, split=self._named)
        if not isinstance(self.split, str):
            require_clips(found.root, chain.from_iterable(self.split.values()))
        return found

    def fingerprint(self, found: Scan[Clip]) -> str:
        """See `Source.fingerprint`; of the archives' members."""
        return fingerprint(found.root, found.recordings)

    def claims(self, found: Scan[Clip]) -> Claims:
        """See `Source.claims`."""
        archives = Archives(
            root=found.root,
            features=read_features(found.root),
            cameras=self.cameras,
            chunks=self.chunks,
            rows=read_clip_index(found.root, split=self._named),
        )
        claims = archives.claims(found.recordings, found.faults, self.fates(found))
        return (claims | table_claims(found.root, self._named)).get

    def sides(self, found: Scan[Clip]) -> dict[str, str]:
        """See `RigLayout.sides`."""
        split_of = {one.key: one.split for one in found.recordings}
        side_of = sides_of(split_of, self.split)
        return {key: side_of[key] for key in split_of if key in side_of}

    def fates(self, found: Scan[Clip]) -> dict[str, Claim]:
        """See `RigLayout.fates`."""
        return fates(found.recordings, found.faults, found.skipped, self.split)

    def holdings(self, found: Scan[Clip], *, clip_s: float, window_s: float, stride_s: float) -> Audit:
        """See `RigLayout.holdings`; of each chunk and camera."""
        return audit(
            found.root,
            self.cameras,
            chunks=self.chunks,
            split=self.split,
            offline=self.offline,
            clip_s=clip_s,
            window_s=window_s,
            stride_s=stride_s,
        )

    @property
    def _named(self) -> str:
        """Name of the split that the recordings are found with."""
        return self.split if isinstance(self.split, str) else BY_DEFAULT

    def fetch(self, bring: Bring) -> Path:
        """The tables; then, of the archives, those of the asked cameras and the motion of chunks in use."""
        root = bring(is_table)
        return bring(archives(root, self.cameras, self.chunks).__contains__)


def scan(
    root: Path,
    cameras: Sequence[str] = CAMERAS,
    *,
    chunks: Collection[int] | None = None,
    limit: int | None = None,
    offline: bool = False,
    split: str = BY_DEFAULT,
) -> Scan[Clip]:
    """Find the clips that have all of ``cameras`` and their motion.

    Args:
        root: folder with ``features.csv`` and ``clip_index.parquet``.
        cameras: that a clip must have; recordings hold these, in this order.
        chunks: to look at; if not given, those of which at least one wanted archive is here.
        limit: stop after so many recordings; what comes behind them is not planned.
        offline: take the offline motion (10 Hz, smoothed with hindsight, without velocities). If not, it is
            taken, and noted, only where there is no other.
        split: name of the split that gives the sides, see `split_file`.

    Raises:
        SourceError: ``root`` or its tables do not hold, a camera, chunk or split is unknown, or no archive is
            here.
    """
    root = dataset_root(root)
    features = read_features(root)
    wanted = wanted_cameras(features, tuple(cameras))
    rows = read_clip_index(root, chunks, split)
    notes: list[Fault] = []
    if told := contradiction(root, split):
        notes.append(Fault("", "Note", told, str(root / CLIP_INDEX), ""))
    if chunks is None:
        here = chunks_here(root, features, [*wanted, EGOMOTION, OFFLINE], {row.chunk for row in rows})
        absent = len({row.chunk for row in rows}) - len(here)
        rows = [row for row in rows if row.chunk in here]
        if absent:
            notes.append(Fault("", "Note", f"{absent} chunks of the clip index are not here", str(root), ""))
    absences = read_absences(root, [*wanted, EGOMOTION, OFFLINE])
    tags = read_tags(root, {row.clip for row in rows})
    recordings: list[Clip] = []
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
                message = "only the offline motion is there; it is taken"
                notes.append(Fault(row.clip, "Note", message, str(motion), ""))
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


def fingerprint(root: Path, recordings: Iterable[Clip]) -> str:
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
        entry = [recording.key, recording.group, recording.split, recording.chunk, recording.tags]
        whole.update(json.dumps([*entry, *map(line, recording.members())]).encode() + b"\n")
    return whole.hexdigest()


def _look_at(
    chunk: Chunk,
    row: ClipRow,
    cameras: tuple[str, ...],
    offline: bool,
    absences: Mapping[str, frozenset[str]],
    known: dict[str, str],
) -> Clip | Fault:
    """The clip as a recording, or why it is none."""
    if not row.valid:
        message = "the clip index calls it invalid"
        return Fault(row.clip, SKIPPED, message, str(chunk.root / CLIP_INDEX), "")
    try:
        footage = {camera: chunk.footage(row.clip, camera) for camera in cameras}
        motion = chunk.egomotion(row.clip, offline=offline)
        if motion is None and not offline:
            motion = chunk.egomotion(row.clip, offline=True)
    except (SourceError, MediaError) as error:
        return Fault.of(error, row.clip)
    lacking = [camera for camera, found in footage.items() if found is None]
    if motion is None:
        lacking.append(OFFLINE if offline else EGOMOTION)
    if lacking:
        reasons = [_why_absent(chunk, row.clip, name, absences) for name in lacking]
        cure = "nothing, or fetch what is missing, or ask for fewer cameras"
        return Fault(row.clip, SKIPPED, "; ".join(reasons), str(chunk.root), cure)
    return Clip(
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
