"""A recording as a folder tree of JPEG frames whose names carry their time, as OpenPack has them.

``2022/03/29/14/25/20220329_142511_030.jpg`` was taken at 14:25:11.030, Japanese time without a zone; the last
group is *milliseconds* (three digits). Frames are 66 or 67 ms apart and some are missing: the names are the
only clock.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from math import prod
from pathlib import Path

from av.video.reformatter import VideoReformatter

from rushes.errors import MediaError, unreadable_as
from rushes.media.frame import JpegFrame
from rushes.media.geometry import Geometry
from rushes.media.image import jpeg_orientation, jpeg_size
from rushes.media.limits import Limits
from rushes.media.names import TIMED

JST = timezone(timedelta(hours=9))
_EPOCH = datetime(1970, 1, 1, tzinfo=JST.utc)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class StampedFile:
    """A frame's file and its wall-clock time in whole milliseconds since 1970, UTC."""

    unix_ms: int
    path: Path


def frame_unix_ms(path: Path) -> int:
    """The time in a frame's name, milliseconds since 1970, UTC.

    >>> frame_unix_ms(Path("20220329_142522_000.jpg"))
    1648531522000

    Raises:
        MediaError: the name is not ``%Y%m%d_%H%M%S_%f`` with three digits of milliseconds.
    """
    match = TIMED.fullmatch(path.name)
    try:
        taken = datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S") if match else None
    except ValueError:
        taken = None
    if match is None or taken is None:
        raise MediaError(
            f"a frame is named YYYYmmdd_HHMMSS_mmm.jpg by its time, found {path.name}",
            where=path,
            cure="rename or remove the file; of numbered frames make a video: ffmpeg -framerate 25 -i %06d.jpg OUT.mp4",
        )
    return (taken.replace(tzinfo=JST) - _EPOCH) // _MILLISECOND + int(match[3])


def list_frames(root: Path, limits: Limits) -> list[StampedFile]:
    """All ``.jpg`` below ``root`` in order of time; hidden files and other kinds of files are passed over.

    Raises:
        MediaError: no frame, an unreadable name, two frames of one time, or more than the limits allow.
    """
    if not root.is_dir():
        raise MediaError("no such folder of frames", where=root, cure="check the path")
    files: list[StampedFile] = []
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        files += [StampedFile(frame_unix_ms(path), path) for path in _frames(folder, names)]
        for path in _frames(folder, folders):
            raise MediaError("a folder in the place of a frame", where=path, cure="copy the frames again")
        limits.check(root, frames=len(files))
    if not files:
        raise MediaError("a folder of frames without a single .jpg", where=root, cure="check the path")
    files.sort(key=lambda file: (file.unix_ms, file.path))
    for earlier, later in pairwise(files):
        if earlier.unix_ms == later.unix_ms:
            raise MediaError(
                f"two frames of the same time: {earlier.path.name} and {later.path}",
                where=earlier.path,
                cure="remove one of them",
            )
    limits.check(root, duration_s=(files[-1].unix_ms - files[0].unix_ms) / 1000)
    return files


def _frames(folder: str, names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        if name.lower().endswith((".jpg", ".jpeg")) and not name.startswith("."):
            yield Path(folder, name)


def read_file(path: Path, limits: Limits) -> bytes:
    """The bytes of a picture.

    Raises:
        MediaError: it cannot be read, or is larger than any picture within the limits.
        OSError: the machine refuses to read it.
    """
    with unreadable_as(MediaError, "cannot read a frame", where=path), path.open("rb") as opened:
        data = opened.read(3 * limits.max_pixels + 1)
    if len(data) > 3 * limits.max_pixels:
        raise MediaError("a file larger than its largest possible picture", where=path)
    return data


def frame_geometry(data: bytes, path: Path, limits: Limits) -> Geometry:
    """How a JPEG is to be shown, nothing decoded yet.

    Raises:
        MediaError: not a JPEG, or larger than the limits allow.
    """
    size = jpeg_size(data, path)
    limits.check(path, pixels=prod(size))
    return Geometry(size, orientation=jpeg_orientation(data))


def decode_folder(root: Path, limits: Limits) -> Iterator[JpegFrame]:
    """The frames below ``root`` in order of time; zero is the first.

    Raises:
        MediaError: as ``list_frames``, ``read_file`` and ``frame_geometry``; also where a frame's size differs from
            the first's.
    """
    files = list_frames(root, limits)
    scaler = VideoReformatter()
    first_size, decoded_bytes = None, 0
    for file in files:
        data = read_file(file.path, limits)
        geometry = frame_geometry(data, file.path, limits)
        size = geometry.displayed
        first_size = first_size or size
        if size != first_size:
            raise MediaError(
                f"all frames of a recording have one size; it began with {first_size[0]}x{first_size[1]}, "
                f"found {size[0]}x{size[1]}",
                where=file.path,
            )
        decoded_bytes += prod(size) * 3 // 2
        limits.check(root, decoded_bytes=decoded_bytes)
        yield JpegFrame(data, (file.unix_ms - files[0].unix_ms) / 1000, geometry, scaler, file.path)


def _unreadable(error: OSError) -> None:
    with unreadable_as(MediaError, "cannot list a folder of frames", where=error.filename):
        raise error
