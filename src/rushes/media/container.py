"""Opening a video: a file, or a member of an archive where it lies; of the kinds that are read, and bounded.

FFmpeg sees the one file that it is given, and of its demuxers and decoders those that are named here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from rushes.errors import MediaError, unreadable_as
from rushes.media.limits import Limits
from rushes.media.zipped import check_crc, mapped
from rushes.records import Member

CODECS = frozenset({"h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "mjpeg"})
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
    "codec_whitelist": "h264,hevc,mpeg4,vp8,vp9,libdav1d,av1,mjpeg",
}
Source = Path | Member
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
        _require_opening(source)
        with _container(f"file:{source}", source.stat().st_size, source) as container:
            yield container
    else:
        with mapped(source) as view:
            check_crc(source, view)
            with _container(_MemoryFile(view), source.size, source) as container:
                yield container


def _require_opening(path: Path) -> None:
    """Raise what the machine says if it refuses; FFmpeg tells it like damage."""
    with unreadable_as(MediaError, "cannot open the video", where=path):
        if not path.is_file():
            raise MediaError("no such video file", where=path, cure="check the path")
        path.open("rb").close()


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


def _container(file: str | _MemoryFile, size: int, where: Source) -> InputContainer:
    if size == 0:
        raise MediaError("a video of 0 bytes", where=where, cure="copy the file again")
    try:
        container: InputContainer = av.open(file, options=_OPTIONS, metadata_errors="replace")
    except MemoryError as error:
        raise starved(where) from error
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise MediaError(
            f"cannot open as mp4, mov, mkv, webm or avi: {reason_of(error)}",
            where=where,
            cure=f"copy the file again if it is cut, convert it if it is of another kind: {CONVERT}",
        ) from error
    return container


def video_stream(container: InputContainer, where: Source, limits: Limits) -> VideoStream:
    """The first stream of moving pictures, set up for one thread and bounded frames.

    Raises:
        MediaError: there is none, its codec is not read, or it declares more than ``limits`` allow.
    """
    pictures = av.stream.Disposition.attached_pic | av.stream.Disposition.still_image
    streams = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not streams:
        raise MediaError("no video stream in the file", where=where, cure="check that it is footage")
    stream = streams[0]
    context = stream.codec_context
    name = None if context is None else context.codec.canonical_name
    if name not in CODECS or not stream.time_base:
        known = ", ".join(sorted(CODECS))
        raise MediaError(f"a video codec among {known} is read, found {name}", where=where, cure=CONVERT)
    limits.check(
        where,
        pixels=context.width * context.height,
        frames=stream.frames,
        duration_s=declared_duration_s(container, stream),
    )
    context.thread_count = 1
    context.options = {"max_pixels": str(limits.max_pixels)}
    return stream


def declared_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Where the video stream ends on the container's own clock; None where that is stated nowhere.

    mp4 and avi state a duration per stream, from its start. Matroska states the end of the whole file, on a
    clock that starts at 0 wherever the stream does; with sound beside it, the picture's end stands in a tag.
    """
    if stream.duration is not None and stream.duration > 0:
        assert stream.time_base is not None, "`video_stream` refuses a stream without"
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
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
    )


def reason_of(error: BaseException) -> str:
    """What FFmpeg or Python says of an error, without numbers and paths."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
