"""Read a recording once, linearly: a video or a folder of frames, frame after frame with exact times.

    for frame in decode(media):
        frame.time_s, frame.luma((160, 120)), frame.jpeg((336, 336), quality=90)

A video is a file, or a member of a zip archive, which is decoded where it lies after its checksum was found
right. It is decoded by FFmpeg inside PyAV on one thread, in presentation order, and shown as a player shows
it. Its clock is the container's: integer timestamps, made seconds by one division, zero at the first frame.
Nothing that a header merely declares (a count of frames, a frame rate) is used to size or to time anything; a
file that decodes shorter than it declares is an error, not a short recording.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from rushes.errors import MediaError
from rushes.media.clock import Clock, packet_stamps, require_whole, stamped_frames
from rushes.media.container import (
    AVI,
    CONVERT,
    Source,
    container_notes,
    declared_duration_s,
    declared_frames,
    open_video,
    reason_of,
    starved,
    video_stream,
)
from rushes.media.folder import decode_folder, frame_geometry, list_frames, read_file
from rushes.media.frame import CompactFrame, DecodedFrame, Frame, held_bytes
from rushes.media.geometry import Geometry, declared_geometry
from rushes.media.limits import BEGINNINGS, DEFAULT_LIMITS, Limits
from rushes.media.stills import decode_stills
from rushes.records import Media, Member, Stills

__all__ = ["CompactFrame", "Frame", "Limits", "MediaInfo", "decode", "frame_times", "probe"]

INTERLACED = (
    "its pictures are interlaced and read as they are stored, combed where things move; to deinterlace them: "
    "ffmpeg -i IN -vf bwdif=mode=send_frame -c:v libx264 OUT.mp4"
)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a recording declares about itself. Good for plans and progress bars; ``decode`` trusts none of it.

    Attributes:
        duration_s: from the first frame to the end of the last; None where not declared.
        frame_count: None where not declared; exact for a folder.
        rate: mean frames per second as a fraction; None where not declared.
        notes: what else is worth knowing, one sentence each: which of several streams is read, say.
    """

    duration_s: float | None
    frame_count: int | None
    rate: Fraction | None
    notes: tuple[str, ...] = ()


def decode(media: Media | Member | Stills, limits: Limits = DEFAULT_LIMITS) -> Iterator[Frame]:
    """Frames in presentation order with strictly increasing times, the first at 0.

    One pass, no seek, memory of a few frames. Frames may be kept by the caller; see ``Frame.nbytes`` and
    ``Frame.compact``.

    Args:
        media: a folder of frames, a video file, a video that lies in an archive, or pictures with their times.
        limits: what it may cost at most.

    Raises:
        MediaError: not a readable recording, damaged, cut short, a clock that stands still or runs backwards,
            beyond ``limits``; during iteration, after as many good frames as there were.
        OSError: the machine refuses to open it.
    """
    if isinstance(media, Member):
        return _decode_video(media, limits)
    if isinstance(media, Stills):
        return decode_stills(media, limits)
    return decode_folder(media.path, limits) if media.kind == "frames" else _decode_video(media.path, limits)


def probe(media: Media | Member, limits: Limits = DEFAULT_LIMITS) -> MediaInfo:
    """What the recording declares; of a video the first frame is decoded, of a folder the first header read.

    Raises:
        MediaError: as ``decode``, as far as it shows this early.
    """
    if isinstance(media, Member):
        return _probe_video(media, limits)
    return _probe_folder(media.path, limits) if media.kind == "frames" else _probe_video(media.path, limits)


def frame_times(media: Media | Member | Stills, limits: Limits = DEFAULT_LIMITS) -> NDArray[np.float64]:
    """When each frame of a recording is shown, as ``decode`` gives it, (n,) seconds from the first.

    Most videos tell it by their packets, which are read and not decoded; others are decoded.

    Raises:
        MediaError: as ``decode``, as far as it shows here.
    """
    if isinstance(media, Media) and media.kind == "frames":
        files = list_frames(media.path, limits)
        return np.array([file.unix_ms - files[0].unix_ms for file in files]) / 1000
    if isinstance(media, Stills):
        return np.array(media.times_s) - media.times_s[0]
    times_s = _packet_times(media if isinstance(media, Member) else media.path, limits)
    return np.array([frame.time_s for frame in decode(media, limits)]) if times_s is None else times_s


def _packet_times(source: Source, limits: Limits) -> NDArray[np.float64] | None:
    with open_video(source) as container:
        stream = video_stream(container, source, limits)
        try:
            stamps = packet_stamps(container, stream)
        except (av.FFmpegError, ValueError, OverflowError) as error:
            raise _damaged(source, 0, reason_of(error)) from error
        if stamps is None or stream.time_base is None:
            return None
        ticks = np.array(stamps, np.int64) - stamps[0]
        times_s: NDArray[np.float64] = ticks * stream.time_base.numerator / stream.time_base.denominator
        return times_s


def _probe_folder(root: Path, limits: Limits) -> MediaInfo:
    files = list_frames(root, limits)
    frame_geometry(read_file(files[0].path, limits), files[0].path, limits)
    periods = [later.unix_ms - earlier.unix_ms for earlier, later in pairwise(files)]
    duration_s = rate = None
    if periods:
        span_ms = files[-1].unix_ms - files[0].unix_ms
        rate = Fraction(1000 * len(periods), span_ms)
        duration_s = (span_ms + statistics.median(periods)) / 1000
    return MediaInfo(duration_s, len(files), rate)


def _probe_video(source: Source, limits: Limits) -> MediaInfo:
    with open_video(source) as container:
        stream = video_stream(container, source, limits)
        frame = next(_raw_frames(container, stream, source, limits))
        _geometry(frame, stream, source)
        notes = container_notes(container, stream)
        if frame.interlaced_frame:
            notes += (INTERLACED,)
        return MediaInfo(
            declared_duration_s(container, stream),
            declared_frames(container, stream),
            None if container.format.name == AVI else stream.average_rate,
            notes,
        )


def _decode_video(source: Source, limits: Limits) -> Iterator[Frame]:
    with open_video(source) as container:
        stream = video_stream(container, source, limits)
        clock = Clock(container, stream, source)
        geometry, nbytes = None, 0
        scaler = VideoReformatter()
        for frame in _raw_frames(container, stream, source, limits):
            if geometry is None:
                # Frames of one size and format, as they are here, take the same memory.
                geometry, nbytes = _geometry(frame, stream, source), held_bytes(frame)
            time_s = clock.advance(frame)
            if time_s > limits.max_duration_s:
                limits.check(source, duration_s=time_s)
            if clock.count in BEGINNINGS and not declared_frames(container, stream):
                limits.check_beginning(source, clock.count, time_s, declared_duration_s(container, stream))
            yield DecodedFrame(frame, time_s, geometry, scaler, nbytes)
        require_whole(container, stream, clock, source)


def _geometry(frame: VideoFrame, stream: VideoStream, where: Source) -> Geometry:
    """How the first ``frame`` of a stream, and by it all of them, are to be shown."""
    found = frame.side_data.get("DISPLAYMATRIX")
    matrix = bytes(found) if isinstance(found, SideData) else None
    return declared_geometry((frame.width, frame.height), stream.sample_aspect_ratio, matrix, where)


def _raw_frames(
    container: InputContainer, stream: VideoStream, where: Source, limits: Limits
) -> Iterator[VideoFrame]:
    """Decoded frames, at least one, all of one size, format and rotation, none damaged, within ``limits``."""
    frames = stamped_frames(container, stream, where)
    count = frame_bytes = rotation = 0
    shape = None
    while True:
        try:
            frame = next(frames, None)
        except MemoryError as error:
            raise starved(where) from error
        except (av.FFmpegError, ValueError, OverflowError) as error:
            raise _damaged(where, count, reason_of(error)) from error
        if frame is None:
            break
        if frame.is_corrupt:
            raise _damaged(where, count, "the decoder marks the frame as corrupt")
        rotation = frame.rotation or rotation  # H.264 may say it once for many frames
        found = (frame.width, frame.height, frame.format.name, rotation)
        if found != shape:
            if shape is not None:
                raise MediaError(f"frame {count} changes from {shape} to {found}", where=where, cure=CONVERT)
            shape = found
            limits.check(where, pixels=frame.width * frame.height)
            frame_bytes = held_bytes(frame)
        count += 1
        if count > limits.max_frames or count * frame_bytes > limits.max_decoded_bytes:
            limits.check(where, frames=count, decoded_bytes=count * frame_bytes)
        yield frame
    if count == 0:
        raise _damaged(where, 0, "no frame came out of it")


def _damaged(where: Source, count: int, reason: str) -> MediaError:
    return MediaError(
        f"the video breaks off after {count} whole frames: {reason}",
        where=where,
        cure="copy the file again; leave the recording out if it is damaged at its source",
    )
