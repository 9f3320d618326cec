"""OpenPack's footage, by its names: which frames there are, when it starts, how long it is, what it holds.

Nothing is decoded here; `rushes.media` does that.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rushes.errors import MAY_READ, SourceError, StageError
from rushes.media.folder import frame_unix_ms
from rushes.records import Media, MediaKind, Recording
from rushes.stages import read_json
from rushes.tasks.operations.sources.openpack.layout import (
    frame_name,
    frames_dir,
    operations_csv,
    parse_time,
    video_file,
    video_sidecar,
)
from rushes.tasks.operations.sources.pictures import digest, footage_digest, frames_of

FRAME_S = 1 / 15
"""Nominal time from frame to frame; the names show 66 and 67 ms."""

_PLAIN_NAME = re.compile(r"[0-9]{8}_[0-9]{4}[0-5][0-9]_[0-9]{3}\.jpg")


@dataclass(frozen=True, slots=True)
class Footage:
    """The pictures of a session, as far as names and sidecar tell.

    Attributes:
        media: where they lie.
        origin_us: when the first frame was taken, microseconds since 1970 (UTC).
        duration_s: from the first frame until the last one has been shown; None for a video, whose length
            is known only after decoding it.
        longest_hole_s: longest time from one frame to the next; 0 for a video, where it is not known.
    """

    media: Media
    origin_us: int
    duration_s: float | None = None
    longest_hole_s: float = 0.0


def find_footage(root: Path, subject: str, session: str, kind: MediaKind) -> Footage:
    """The pictures of a session, without decoding one.

    Raises:
        SourceError: there are none of that kind, or no telling when they start.
        MediaError: a folder without frames, with a name that is no time, or with one time twice.
    """
    folder, video = frames_dir(root, subject, session), video_file(root, subject, session)
    there = {"frames": folder.is_dir(), "video": video.is_file()}
    path = folder if kind == "frames" else video
    if not there[kind]:
        other: MediaKind = "video" if kind == "frames" else "frames"
        cure = f"fetch {path}, or remove the annotation"
        raise SourceError(
            f"an annotation without its {kind}" + (f", though there are {other}" if there[other] else ""),
            where=path,
            cure=f"read {other} instead (media: {other})" if there[other] else cure,
        )
    if not os.access(path, os.R_OK):
        raise SourceError(f"the {kind} of a session may not be read", where=path, cure=MAY_READ)
    if kind == "video":
        return Footage(Media(kind, path), read_video_start(video_sidecar(root, subject, session)))
    times_ms = read_frame_times(path)
    return Footage(
        Media(kind, path),
        origin_us=times_ms[0] * 1000,
        duration_s=(times_ms[-1] - times_ms[0]) / 1000 + FRAME_S,
        longest_hole_s=max((later - time for time, later in pairwise(times_ms)), default=0) / 1000,
    )


def read_frame_times(folder: Path) -> list[int]:
    """When the frames of a tree of JPEGs were taken, by their names.

    The same times as `rushes.media.folder.list_frames` gives, at an eighth of its cost: frames of one minute
    share the part of their names that takes long to read. A dataset has about 900,000 frames.

    Returns:
        Milliseconds since 1970 (UTC), strictly rising, at least one.

    Raises:
        SourceError: no frame, or two of one time.
        MediaError: a name that is not a time.
    """
    minutes: dict[str, int] = {}
    times_ms: list[int] = []
    for name, _ in frames_of(folder):
        base = name.rpartition("/")[2]
        if _PLAIN_NAME.fullmatch(base) is None:
            times_ms.append(frame_unix_ms(folder / name))
            continue
        minute = base[:13]
        if minute not in minutes:
            minutes[minute] = frame_unix_ms(folder / name.replace(base, f"{minute}00_000.jpg"))
        times_ms.append(minutes[minute] + int(base[13:15]) * 1000 + int(base[16:19]))
    if not times_ms:
        raise SourceError("a folder of frames without a frame", where=folder, cure="fetch the frames again")
    times_ms.sort()
    for time_ms, later_ms in pairwise(times_ms):
        if time_ms == later_ms:
            raise SourceError(
                f"two frames of one time, {frame_name(time_ms).name}",
                where=folder,
                cure=f"keep the one at {frame_name(time_ms).as_posix()}",
            )
    return times_ms


def read_video_start(sidecar: Path) -> int:
    """When the first frame of a video was taken, microseconds since 1970 (UTC).

    Raises:
        SourceError: the sidecar is missing, torn, or its ``start`` is no time with a zone.
    """
    cure = 'write {"start": "2022-03-29T14:25:11.030+09:00"}, the time of the first frame'
    if not sidecar.is_file():
        raise SourceError("a video without its sidecar: when it starts is unknown", where=sidecar, cure=cure)
    try:
        content = read_json(sidecar)
    except (StageError, PermissionError) as error:
        reason = error.message if isinstance(error, StageError) else error.strerror
        raise SourceError(
            f"the sidecar of a video cannot be read: {reason}",
            where=sidecar,
            cure=cure if isinstance(error, StageError) else MAY_READ,
        ) from error
    start = content.get("start") if isinstance(content, dict) else None
    if not isinstance(start, str):
        raise SourceError("the sidecar of a video says no start", where=sidecar, cure=cure)
    try:
        return parse_time(start)
    except SourceError as error:
        raise SourceError(f"start: {error.message}", where=sidecar, cure=error.cure) from error


def fingerprint(root: Path, recordings: Iterable[Recording]) -> str:
    """SHA-256 of what the recordings hold, the same wherever ``root`` lies and whenever it was copied.

    Annotations and sidecars count with every byte, a video with its size, first and last 64 kB, a folder of
    frames with the names and sizes of its frames: seconds for a million frames, not the hours of reading.

    Args:
        root: the folder of the subjects (`Scan.root`), in which all recordings lie.
        recordings: in any order.

    Returns:
        64 hex digits.
    """
    whole = hashlib.sha256()
    for recording in sorted(recordings, key=lambda recording: recording.key):
        subject, session = recording.subject, recording.session
        parts = [recording.key, digest(operations_csv(root, subject, session).read_bytes())]
        if recording.media.kind == "video":
            parts += [digest(video_sidecar(root, subject, session).read_bytes())]
        parts += [recording.media.path.relative_to(root).as_posix(), footage_digest(recording.media)]
        whole.update(("\n".join(parts) + "\n").encode())
    return whole.hexdigest()
