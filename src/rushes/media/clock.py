"""When each frame of a video is shown, and whether all of them are there.

The container's integer timestamps count, seconds are taken from the first frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from rushes.errors import MediaError
from rushes.media.container import (
    AVI,
    CONVERT,
    TRANSPORT_STREAM,
    Source,
    declared_end_s,
    declared_start_s,
)

LONGEST_STEP_S = 10.0
"""From one frame to the next where a clock may begin anew; more is a new beginning, as FFmpeg takes it too."""

TOLERANCE_S, TOLERANCE_FRAMES = 0.1, 3
"""The declared start and end may be off by the longer of the two, as muxers round; more is a loss."""

UNEVEN = 1.5
"""From a step of an AVI to one that is longer by a pause; less is the rounding of its ticks."""

_ONE_EACH = frozenset({"h264", "hevc", "av1", "vp9", "mjpeg"})
"""Codecs of which every packet shows a picture; others store packets that show none."""


def stamped_frames(container: InputContainer, stream: VideoStream, where: Source) -> Iterator[VideoFrame]:
    """Decoded frames in order of presentation, with the container's timestamps.

    AVI has none of presentation: it counts pictures as they are stored, and what FFmpeg derives from that is
    wrong where they are stored in another order than shown. Each is one picture, so the k-th that is shown
    has the k-th of their times; but where there are pauses too, before which of them is not known.

    Raises:
        MediaError: a part of the pictures' data is missing, a picture went in of which no frame came out, or
            what AVI counts does not tell the times.
    """
    in_order, numbered = (container.format.name == name for name in (AVI, TRANSPORT_STREAM))
    one_each = in_order or stream.codec_context.codec.canonical_name in _ONE_EACH
    waiting: dict[int, None] = {}  # timestamps of pictures that went in, in their order
    first = last = None
    steps: set[int] = set()  # from one picture that went in to the next
    reordered = False
    for packet in container.demux(stream):
        if numbered and packet.is_corrupt:  # a decoder does not miss a picture of which nothing came
            raise MediaError(
                "a part of the video is lost, or it was joined of several: its packets are not numbered in a row",
                where=where,
                cure=f"copy the file again; if this is all there is, convert it: {CONVERT}",
            )
        stamp = packet.dts if in_order else packet.pts
        if stamp is not None and not packet.is_discard:
            waiting[stamp] = None
            if last is not None:
                steps.add(stamp - last)
            last = stamp
        for frame in packet.decode():
            if in_order:
                frame.pts, frame.duration = next(iter(waiting), None), min(steps, default=1)
                reordered |= frame.pict_type == PictureType.B
            if frame.pts is not None:
                waiting.pop(frame.pts, None)
                first = frame.pts if first is None else first
            one_each &= in_order or not frame.interlaced_frame  # whose two fields may be two packets
            yield frame
    pauses = max(steps, default=0) > UNEVEN * min(steps, default=0)
    if in_order and pauses and reordered:
        raise MediaError(
            "an AVI with pauses whose pictures are stored in another order than shown: it does not tell which of them "
            "come before a pause",
            where=where,
            cure="take the file that it was made from, or leave the recording out",
        )
    lost = sum(first is not None and stamp > first for stamp in waiting)
    if one_each and lost:
        raise MediaError(
            f"{lost} of the pictures in the file gave no frame{', so times are not known' if in_order else ''}",
            where=where,
            cure=f"copy the file again; if this is all there is, convert it: {CONVERT}",
        )


def packet_stamps(container: InputContainer, stream: VideoStream) -> list[int] | None:
    """Timestamps of all pictures in order of presentation, by their packets; None where only decoding tells them."""
    if container.format.name == AVI or stream.codec_context.codec.canonical_name not in _ONE_EACH:
        return None
    packets = (packet for packet in container.demux(stream) if packet.size and not packet.is_discard)
    stamps = [packet.pts for packet in packets]
    known = sorted({stamp for stamp in stamps if stamp is not None})
    return known if known and len(known) == len(stamps) else None


class Clock:
    """The time of each frame in turn.

    Args:
        container: whether its clock may begin anew within the file.
        stream: on whose time base the frames are stamped.
        where: named in errors.

    Attributes:
        count: frames so far.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, where: Source) -> None:
        assert stream.time_base is not None, "`video_stream` refuses a stream without"
        self.count = 0
        self._ticks, self._per_second = stream.time_base.numerator, stream.time_base.denominator
        restarts = container.format.name == TRANSPORT_STREAM
        self._longest_step_s, self._where = LONGEST_STEP_S if restarts else math.inf, where
        self._first = self._last = self._end = 0  # in ticks

    @property
    def span_s(self) -> tuple[float, float]:
        """Start of the first and end of the last frame on the container's clock."""
        return self._seconds(self._first), self._seconds(self._end)

    def advance(self, frame: VideoFrame) -> float:
        """Seconds from the first frame to this one, the next in order of presentation.

        Raises:
            MediaError: it has no time, or one that cannot follow.
        """
        pts, step = frame.pts, 0
        if pts is None:
            raise MediaError(f"frame {self.count} has no timestamp", where=self._where, cure=CONVERT)
        if self.count == 0:
            self._first = pts
        else:
            step = pts - self._last
            if step <= 0 or self._seconds(step) > self._longest_step_s:
                raise self._misstep(pts, step)
        self._last, self._end = pts, pts + (frame.duration or step)
        self.count += 1
        return self._seconds(pts - self._first)  # integers until this one rounding

    def _seconds(self, ticks: int) -> float:
        return ticks * self._ticks / self._per_second

    def _misstep(self, pts: int, step: int) -> MediaError:
        if step <= 0:
            return MediaError(
                f"times must increase: frame {self.count} has timestamp {pts}, the one before it has "
                f"{self._last} (units of {self._ticks}/{self._per_second} s)",
                where=self._where,
                cure=CONVERT,
            )
        return MediaError(
            f"the clock jumps by {self._seconds(step):.1f} s before frame {self.count}: two recordings in one "
            "file, or a part is lost",
            where=self._where,
            cure=f"cut it there; if no time passed between the two, convert it: {CONVERT}",
        )


def require_whole(container: InputContainer, stream: VideoStream, clock: Clock, where: Source) -> None:
    """Refuse a stream of which the beginning (its clock would be shifted) or the end was lost, or that has more.

    AVI declares how many pictures it counts, and one that is lost shifts all times behind it: no tolerance
    there. The duration of an mp4 is that of its order of decoding, so the last frame may well end later.

    Args:
        clock: of all its frames.
        where: named in the error.
    """
    begins_s, ends_s = clock.span_s
    period_s = (ends_s - begins_s) / clock.count
    allowed_s = max(TOLERANCE_S, TOLERANCE_FRAMES * period_s)
    start_s, end_s = declared_start_s(stream), declared_end_s(container, stream)
    if start_s is not None and begins_s > start_s + allowed_s:
        raise MediaError(
            f"the first {begins_s - start_s:.3f} s cannot be decoded, so its clock has no zero",
            where=where,
            cure=f"copy the file again; if it was cut before a key frame, convert it: {CONVERT}",
        )
    counted = container.format.name == AVI
    missing_s = 0.0 if end_s is None else end_s - ends_s
    if (abs(missing_s) > period_s / 2) if counted else (missing_s > allowed_s):
        raise MediaError(
            f"{'cut short' if missing_s > 0 else 'too long'}: the file declares an end at "
            f"{end_s:.3f} s, decoded to {ends_s:.3f} s ({clock.count} frames)",
            where=where,
            cure=f"copy the file again; if this is all there is, convert it: {CONVERT}",
        )
