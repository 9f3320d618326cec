"""What a copy of the dataset has, chunk by chunk and camera by camera, before an hour is spent on it.

Tables and zip directories are read, and nothing else: no video is opened.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from rushes.errors import MediaError, SourceError
from rushes.recipe.sections import Side
from rushes.runs.copies import Copies, Holding, copies_of
from rushes.tasks.driving.recipe import BY_DEFAULT
from rushes.tasks.driving.sources.physical_ai_av.chunks import Chunk
from rushes.tasks.driving.sources.physical_ai_av.layout import (
    CAMERAS,
    EGOMOTION,
    OFFLINE,
    VIDEO,
    chunks_here,
    dataset_root,
    read_features,
    wanted_cameras,
)
from rushes.tasks.driving.sources.physical_ai_av.tables import ClipRow, read_clip_index, sides_of

ArchiveState = Literal["here", "absent", "unreadable"]


@dataclass(frozen=True, slots=True)
class FeatureAudit:
    """One camera, or the motion, of one chunk.

    Attributes:
        feature: its name.
        archive: path below the root.
        state: of the archive.
        message: why it is unreadable.
        complete: valid clips of the index that have it: a video with its timestamps, or a table of poses.
        torn: valid clips with a video or timestamps, but not both.
        missing: valid clips that have nothing of it.
        not_indexed: members of clips that the index does not put into this chunk.
        foreign: members that are no file of this feature, such as another camera's.
        samples: windows in the complete clips, estimated.
        bytes: of the complete clips' members.
    """

    feature: str
    archive: str
    state: ArchiveState
    message: str
    complete: int
    torn: int
    missing: int
    not_indexed: int
    foreign: int
    samples: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ChunkAudit:
    """One chunk.

    Attributes:
        chunk: its number.
        clips: that the index calls valid.
        invalid: clips that it does not.
        usable: valid clips with all cameras and their motion.
        samples: windows in the usable clips, estimated.
        bytes: of the usable clips' members.
        features: the cameras asked for, then the motion.
    """

    chunk: int
    clips: int
    invalid: int
    usable: int
    samples: int
    bytes: int
    features: tuple[FeatureAudit, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """A copy of the dataset.

    Attributes:
        root: of the dataset.
        cameras: asked for.
        absent: chunks of the index of which nothing is here.
        windows: samples that a whole clip is estimated to give.
        chunks: those that were looked at.
        copies: videos of valid clips with the same bytes as one on another side, by size and CRC32.
    """

    root: Path
    cameras: tuple[str, ...]
    absent: int
    windows: int
    chunks: tuple[ChunkAudit, ...]
    copies: Copies

    def to_json(self) -> dict[str, Any]:
        """All of it, and the sums over the chunks, as JSON knows it."""
        sums = {
            name: sum(getattr(chunk, name) for chunk in self.chunks)
            for name in ("clips", "invalid", "usable", "samples", "bytes")
        }
        return {**asdict(self), "root": str(self.root), "cameras": list(self.cameras), "total": sums}

    def summary(self) -> str:
        """What to expect, in one line."""
        total = self.to_json()["total"]
        line = (
            f"about {total['samples']} windows from {total['usable']} of {total['clips']} valid clips, "
            f"{total['bytes'] / 1e6:.0f} MB to read"
        )
        return self.copies.behind(line, "video")

    def text(self) -> str:
        """A table: a line for each chunk and feature, and the sum."""
        head = ("chunk", "feature", "complete", "torn", "missing", "orphaned", "samples", "GB", "")
        lines = [
            (
                str(chunk.chunk),
                f.feature,
                str(f.complete),
                str(f.torn),
                str(f.missing),
                str(f.not_indexed + f.foreign),
                str(f.samples),
                f"{f.bytes / 1e9:.2f}",
                "" if f.state == "here" else f"{f.state}: {f.message}".removesuffix(": "),
            )
            for chunk in self.chunks
            for f in chunk.features
        ]
        total = self.to_json()["total"]
        widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
        table = [
            "  ".join(
                cell.ljust(width) if index in (1, 8) else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in (head, *lines)
        ]
        return "\n".join(
            [
                *table,
                f"{total['usable']} of {total['clips']} valid clips in {len(self.chunks)} chunks have all "
                f"{len(self.cameras)} cameras and their motion: about {total['samples']} samples, "
                f"{total['bytes'] / 1e9:.2f} GB; {total['invalid']} clips are invalid, {self.absent} chunks "
                "of the index are not here",
                *self.copies.lines("video"),
            ]
        )


def windows_per_clip(clip_s: float = 20.0, window_s: float = 1.5, stride_s: float = 0.8) -> int:
    """Windows that fit into a clip.

    >>> windows_per_clip()
    24
    """
    return max(0, math.floor((clip_s - window_s) / stride_s + 1e-9) + 1)


def audit(
    root: Path,
    cameras: Sequence[str] = CAMERAS,
    *,
    chunks: Collection[int] | None = None,
    split: str | Mapping[Side, Collection[str]] = BY_DEFAULT,
    offline: bool = False,
    clip_s: float = 20.0,
    window_s: float = 1.5,
    stride_s: float = 0.8,
) -> Audit:
    """Count what is complete, torn, missing and orphaned, for every chunk and camera.

    Args:
        root: folder with ``features.csv`` and ``clip_index.parquet``.
        cameras: of the setup.
        chunks: to look at; if not given, those of which at least one wanted archive is here.
        split: which sides there are, as of `assign_splits`.
        offline: as for ``scan``.
        clip_s, window_s, stride_s: length of a clip, of a window from first to last frame, and its step.

    Raises:
        SourceError: as ``scan``. A damaged archive is counted, not raised.
    """
    root = dataset_root(root)
    features = read_features(root)
    wanted = wanted_cameras(features, tuple(cameras))
    rows = read_clip_index(root, chunks, split if isinstance(split, str) else BY_DEFAULT)
    numbers = {row.chunk for row in rows}
    here = numbers
    if chunks is None:
        here = chunks_here(root, features, [*wanted, EGOMOTION, OFFLINE], numbers)
    windows = windows_per_clip(clip_s, window_s, stride_s)
    side_of = sides_of({row.clip: row.split for row in rows}, split)
    audited: list[ChunkAudit] = []
    videos: list[Holding] = []
    for number, group in groupby((row for row in rows if row.chunk in here), key=lambda row: row.chunk):
        chunk, of_chunk = Chunk(root, number, features), tuple(group)
        audited.append(_audit_chunk(chunk, of_chunk, tuple(wanted), offline, windows))
        videos += _videos(chunk, of_chunk, tuple(wanted), side_of)
    return Audit(root, tuple(wanted), len(numbers) - len(here), windows, tuple(audited), copies_of(videos))


def _audit_chunk(
    chunk: Chunk, rows: tuple[ClipRow, ...], cameras: tuple[str, ...], offline: bool, windows: int
) -> ChunkAudit:
    clips = [row.clip for row in rows if row.valid]
    indexed = {row.clip for row in rows}
    sizes = {camera: _camera_sizes(chunk, camera, clips) for camera in cameras}
    sizes[EGOMOTION] = _motion_sizes(chunk, clips, offline)
    usable = [clip for clip in clips if all(found.get(clip) for found in sizes.values())]
    return ChunkAudit(
        chunk=chunk.number,
        clips=len(clips),
        invalid=len(rows) - len(clips),
        usable=len(usable),
        samples=windows * len(usable),
        bytes=sum(found[clip] or 0 for found in sizes.values() for clip in usable),
        features=tuple(
            _audit_feature(chunk, name, sizes[name], indexed, len(clips), windows) for name in sizes
        ),
    )


def _audit_feature(
    chunk: Chunk,
    name: str,
    sizes: Mapping[str, int | None],
    indexed: Collection[str],
    clips: int,
    windows: int,
) -> FeatureAudit:
    state: ArchiveState = "here" if chunk.has(name) else "absent"
    message, found = "", {}
    try:
        found = chunk.members(name) or {}
    except MediaError as error:
        state, message = "unreadable", error.message
    strangers = [member for member in found if member.partition(".")[0] not in indexed]
    complete = [size for size in sizes.values() if size is not None]
    return FeatureAudit(
        feature=name,
        archive=chunk.features[name].archive(chunk.number),
        state=state,
        message=message,
        complete=len(complete),
        torn=len(sizes) - len(complete),
        missing=clips - len(sizes),
        not_indexed=len(strangers),
        foreign=len(found) - len(strangers) - _own(chunk, name, indexed, found),
        samples=windows * len(complete),
        bytes=sum(complete),
    )


def _videos(
    chunk: Chunk, rows: Iterable[ClipRow], cameras: Iterable[str], side_of: Mapping[str, str]
) -> Iterator[Holding]:
    """The videos of valid clips that stand on a side, by the size and CRC32 that their archive declares."""
    for camera in cameras:
        with suppress(MediaError):  # a damaged archive is counted elsewhere
            found = chunk.members(camera) or {}
            names = {row.clip: chunk.features[camera].file(row.clip, VIDEO) for row in rows if row.valid}
            for clip, name in names.items():
                if clip in side_of and name in found:
                    yield side_of[clip], name, (found[name].size, found[name].crc32)


def _camera_sizes(chunk: Chunk, camera: str, clips: Iterable[str]) -> dict[str, int | None]:
    """Clip -> bytes of video and timestamps; None where one of them is missing, absent where both are."""
    sizes: dict[str, int | None] = {}
    for clip in clips:
        try:
            footage = chunk.footage(clip, camera)
        except SourceError:
            sizes[clip] = None
            continue
        except MediaError:
            return {}
        if footage is not None:
            sizes[clip] = footage.video.size + footage.times.size
    return sizes


def _motion_sizes(chunk: Chunk, clips: Iterable[str], offline: bool) -> dict[str, int | None]:
    """Clip -> bytes of the table of poses that ``scan`` would take."""
    try:
        found = {clip: chunk.egomotion(clip, offline=offline) for clip in clips}
        if not offline:
            found = {c: m if m is not None else chunk.egomotion(c, offline=True) for c, m in found.items()}
    except MediaError:
        return {}
    return {clip: member.size for clip, member in found.items() if member is not None}


def _own(chunk: Chunk, name: str, indexed: Iterable[str], found: Collection[str]) -> int:
    """Members that are a file of this feature, of a clip of this chunk."""
    feature = chunk.features[name]
    names = {feature.file(clip, what) for clip in indexed for what in feature.files}
    if name == EGOMOTION:
        names |= {
            chunk.egomotion_file(clip, offline=offline) for clip in indexed for offline in (True, False)
        }
    return len(names & set(found))
