"""Opening a video: a file, or a member of an archive where it lies; of the kinds that are read, and bounded.

FFmpeg sees the one file that it is given, and of its demuxers and decoders those that are named here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from rushes.errors import MediaError, unreadable_as
from rushes.media.extent import HEAD, require_extent
from rushes.media.geometry import Size
from rushes.media.limits import Limits
from rushes.media.zipped import check_crc, mapped
from rushes.records import Member

CODECS = frozenset({"h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "mjpeg"})
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts",
    "codec_whitelist": "h264,hevc,mpeg4,vp8,vp9,libdav1d,av1,mjpeg",
}

_BEGINS = re.compile(
    rb"....(?:ftyp|styp|moov|mdat|wide|free|skip|pnot|uuid)|\x1a\x45\xdf\xa3|RIFF....AVI |(?:....)?\x47",
    re.DOTALL,
)
"""How files begin that are meant to be of these."""

AVI, TRANSPORT_STREAM = "avi", "mpegts"
"""FFmpeg's names of the containers that need care: one without times of presentation, one without an end."""

Source = Path | Member
_AGAIN = "copy the file again"
_TAGGED_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)$", re.ASCII)
CONVERT = "ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4"


@contextmanager
def open_video(source: Source) -> Iterator[InputContainer]:
    """Open a file, or a member whose checksum was found right.

    Raises:
        MediaError: there is no such file, its bytes are damaged, or it is of a kind that is not read.
        OSError: the machine refuses to open it.
    """
    if isinstance(source, Path):
        size = source.stat().st_size if (head := _head_of(source)) else 0
        require_extent(head, size, source, _AGAIN)
        with _container(f"file:{source}", head, size, source) as container:
            yield container
    else:
        with mapped(source) as view:
            check_crc(source, view)
            head = bytes(view[:HEAD])
            require_extent(head, source.size, source, _AGAIN)
            with _container(_MemoryFile(view), head, source.size, source) as container:
                yield container


def _head_of(path: Path) -> bytes:
    """The first bytes; raises what the machine says if it refuses, which FFmpeg tells like damage."""
    with unreadable_as(MediaError, "cannot open the video", where=path):
        if not path.is_file():
            raise MediaError("no such video file", where=path, cure="check the path")
        with path.open("rb") as file:
            return file.read(HEAD)


class _MemoryFile:
    """What FFmpeg needs of a file, over bytes that lie in memory already."""

    def __init__(self, view: memoryview) -> None:
        self._view, self._position = view, 0

    def read(self, size: int) -> bytes:
        data = bytes(self._view[self._position : self._position + size])
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int) -> int:
        position = offset + (0, self._position, len(self._view))[whence]
        if position < 0:
            raise ValueError(f"a seek to byte {position}")
        self._position = position
        return position

    def tell(self) -> int:
        return self._position


def _container(file: str | _MemoryFile, head: bytes, size: int, where: Source) -> InputContainer:
    if size == 0:
        raise MediaError("a video of 0 bytes", where=where, cure="copy the file again")
    try:
        container: InputContainer = av.open(file, options=_OPTIONS, metadata_errors="replace")
    except MemoryError as error:
        raise starved(where) from error
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise MediaError(
            f"cannot open as mp4, mov, mkv, webm, avi or MPEG-TS: {reason_of(error)}",
            where=where,
            cure=f"copy the file again if it is cut, convert it if it is of another kind: {CONVERT}",
            reason="damaged" if _BEGINS.match(head) else "kind",
        ) from error
    return container


def video_stream(container: InputContainer, where: Source, limits: Limits) -> VideoStream:
    """The stream of moving pictures that a player would show, set up for one thread and bounded frames.

    Raises:
        MediaError: there is none, its codec is not read, or it declares more than ``limits`` allow.
    """
    streams = _moving_pictures(container)
    if not streams:
        raise MediaError(
            "no video stream in the file", where=where, cure="check that it is footage", reason="kind"
        )
    stream = max(streams, key=lambda stream: (_is_default(stream), prod(_declared_size(stream))))
    context = stream.codec_context
    name = None if context is None else context.codec.canonical_name
    if name not in CODECS or not stream.time_base:
        known = ", ".join(sorted(CODECS))
        raise MediaError(
            f"a video codec among {known} is read, found {name}", where=where, cure=CONVERT, reason="kind"
        )
    if stream.frames > 1 and _is_mp4(container) and not stream.duration:
        raise MediaError(
            f"the header is damaged: {stream.frames} pictures that take no time",
            where=where,
            cure="copy the file again; leave the recording out if it is damaged at its source",
        )
    limits.check(
        where,
        pixels=context.width * context.height,
        frames=declared_frames(container, stream),
        duration_s=declared_duration_s(container, stream),
    )
    context.thread_count = 1
    context.options = {"max_pixels": str(limits.max_pixels)}
    context.flags |= av.codec.context.Flags.unaligned  # or a crop at the left would be moved to whole blocks
    return stream


def _moving_pictures(container: InputContainer) -> list[VideoStream]:
    pictures = av.stream.Disposition.attached_pic | av.stream.Disposition.still_image
    return [stream for stream in container.streams.video if not stream.disposition & pictures]


def _is_default(stream: VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.default)


def _declared_size(stream: VideoStream) -> Size:
    context = stream.codec_context
    return (0, 0) if context is None else (context.width, context.height)


def container_notes(container: InputContainer, stream: VideoStream) -> tuple[str, ...]:
    """What else is worth knowing of a file whose ``stream`` is read, one sentence each."""
    notes = []
    others = [_named(other) for other in _moving_pictures(container) if other.index != stream.index]
    if others:
        notes.append(f"of several video streams {_named(stream)} is read, passed over: {', '.join(others)}")
    if not _declares_end(container, stream):
        notes.append(
            "the file declares no end of its pictures, as live recordings do: one that was cut short cannot be "
            "told from a whole one"
        )
    return tuple(notes)


def _named(stream: VideoStream) -> str:
    width, height = _declared_size(stream)
    return f"number {stream.index} ({width}x{height}{', default' if _is_default(stream) else ''})"


def _is_mp4(container: InputContainer) -> bool:
    return container.format.name.startswith("mov,")  # which stands for the whole family


def _declares_end(container: InputContainer, stream: VideoStream) -> bool:
    """Whether an end is written down; FFmpeg finds that of MPEG-TS and of fragmented mp4 by looking for it."""
    if container.format.name == TRANSPORT_STREAM:
        return False
    fragmented = _is_mp4(container) and not stream.frames
    return not fragmented and declared_end_s(container, stream) is not None


def declared_frames(container: InputContainer, stream: VideoStream) -> int | None:
    """Number of frames; None where it is not stated. What AVI states is its duration in ticks."""
    return None if container.format.name == AVI else stream.frames or None


def declared_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Where the video stream ends on the container's own clock; None where that is stated nowhere.

    mp4 and avi state a duration per stream, from its start; of MPEG-TS the last picture's time counts. Matroska
    states the end of the whole file, on a clock that starts at 0 wherever the stream does; with sound beside
    it, the picture's end stands in a tag.
    """
    # Of an AVI without its index FFmpeg makes a duration of what is there; the header's stands in `frames`.
    duration = stream.frames if container.format.name == AVI else stream.duration
    if duration is not None and duration > 0:
        assert stream.time_base is not None, "`video_stream` refuses a stream without"
        return float(((stream.start_time or 0) + duration) * stream.time_base)
    if container.format.name == AVI:
        return None
    tag = _TAGGED_DURATION.match(stream.metadata.get("DURATION", ""))
    if tag is not None:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    if len(container.streams) == 1 and container.duration is not None and container.duration > 0:
        duration_s: float = container.duration / av.time_base
        return duration_s
    return None


def declared_duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    """From the declared start to the declared end; None where they are not stated or make no sense."""
    end_s = declared_end_s(container, stream)
    start_s = declared_start_s(stream) or 0.0
    return end_s - start_s if end_s is not None and end_s > start_s else None


def declared_start_s(stream: VideoStream) -> float | None:
    """Where the video stream begins on the container's own clock; None where that is not stated."""
    if stream.start_time is None:
        return None
    assert stream.time_base is not None, "`video_stream` refuses a stream without"
    return float(stream.start_time * stream.time_base)


def starved(where: Source) -> MediaError:
    """A damaged file can ask for any amount; so can a whole one that is large, of a machine that is small."""
    return MediaError(
        "there is not enough memory to decode it",
        where=where,
        cure="take fewer prepare.workers or a larger prepare.memory_gb; if it is small, copy the file again",
        reason="memory",
    )


def reason_of(error: BaseException) -> str:
    """What FFmpeg or Python says of an error, without numbers and paths."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
