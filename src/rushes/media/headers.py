"""What videos and sounds say of themselves in their headers: for a look at a folder, in milliseconds a file.

No picture and no sample is decoded, and nothing here is believed by what reads the recordings later.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av

from rushes.errors import MediaError, unreadable_as
from rushes.media.audio import OPTIONS
from rushes.media.audio_kinds import HEAD, kind_of
from rushes.media.audio_kinds import SUFFIXES as SOUNDS
from rushes.media.container import AVI, declared_duration_s, open_video, reason_of, video_stream
from rushes.media.limits import DEFAULT_LIMITS

VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".3gp")
"""What the name of a video ends with."""

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".heic")
"""What the name of a picture ends with."""

UNSTEADY = 0.01
"""A header whose mean rate differs by this share from the rate of its clock declares a rate that varies."""

MediaKind = Literal["video", "sound", "picture"]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file declares.

    Attributes:
        duration_s: None where it is not declared.
        rate: mean frames a second of a video, samples a second of a sound; None where it is not declared.
        steady: whether a video declares one frame rate for all of it.
        size: (width, height) of a video as it is stored.
    """

    duration_s: float | None
    rate: Fraction | None
    steady: bool = True
    size: tuple[int, int] | None = None


def media_kind(name: str) -> MediaKind | None:
    """What a file is by its name; None for anything else.

    >>> media_kind("day 1/cam.MP4"), media_kind("night.flac"), media_kind("labels.csv")
    ('video', 'sound', None)
    """
    name = name.lower()
    if name.endswith(VIDEOS):
        return "video"
    if name.endswith(SOUNDS):
        return "sound"
    return "picture" if name.endswith(PICTURES) else None


def read_header(path: Path, kind: Literal["video", "sound"]) -> Header:
    """The header of a file.

    Raises:
        MediaError: it cannot be opened as what its name says.
        OSError: the machine refuses to open it.
    """
    return _video(path) if kind == "video" else _sound(path)


def _video(path: Path) -> Header:
    with open_video(path) as container:
        stream = video_stream(container, path, DEFAULT_LIMITS)
        context = stream.codec_context
        mean, base = stream.average_rate, stream.base_rate
        return Header(
            declared_duration_s(container, stream),
            None if container.format.name == AVI else mean,
            steady=not mean or not base or abs(mean - base) <= UNSTEADY * mean,
            size=(context.width, context.height),
        )


def _sound(path: Path) -> Header:
    with unreadable_as(MediaError, "cannot open the sound", where=path), path.open("rb") as file:
        kind = kind_of(file.read(HEAD))
    if kind is None:
        raise MediaError("its first bytes are of no kind of sound that is read", where=path)
    try:
        with av.open(
            f"file:{path}", format=kind.demuxer, options=OPTIONS, metadata_errors="replace"
        ) as container:
            stream = container.streams.best("audio")
            if stream is None:
                raise MediaError("there is no sound in it", where=path)
            declared = stream.duration and stream.time_base and float(stream.duration * stream.time_base)
            rate = Fraction(stream.codec_context.sample_rate)
            return Header(declared or (container.duration or 0) / av.time_base or None, rate or None)
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise MediaError(f"cannot open as {kind.name}: {reason_of(error)}", where=path) from error
