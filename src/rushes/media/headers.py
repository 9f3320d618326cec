"""What a video or a sound says of itself in its header: for a look at a folder, in milliseconds a file.

No picture and no sample is decoded, and nothing here is believed by what reads the recordings later.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from rushes.media.audio import declared
from rushes.media.audio_files import mapped
from rushes.media.audio_kinds import SUFFIXES as SOUNDS
from rushes.media.container import AVI, declared_duration_s, open_video, video_stream
from rushes.media.limits import DEFAULT_LIMITS
from rushes.media.names import VIDEOS
from rushes.media.video import probe
from rushes.records import Media

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
    """The header of a file; of a folder of frames what their names say.

    Raises:
        MediaError: it cannot be opened as what its name says.
        OSError: the machine refuses to open it.
    """
    if path.is_dir():
        info = probe(Media("frames", path))
        return Header(info.duration_s, info.rate)
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
    with mapped(path) as data:
        seconds, rate = declared(data, path)
    return Header(seconds, Fraction(rate))
