"""When each frame of a video is shown: the container's integer timestamps, and seconds from the first one."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from rushes.errors import MediaError
from rushes.media.container import AVI, CONVERT, TRANSPORT_STREAM, Source

LONGEST_STEP_S = 10.0
"""From one frame to the next where a clock may begin anew; more is a new beginning, as FFmpeg takes it too."""


def stamped_frames(container: InputContainer, stream: VideoStream, where: Source) -> Iterator[VideoFrame]:
    """Decoded frames in order of presentation, with the container's timestamps.

    AVI has none of presentation: it counts pictures as they are stored, and what FFmpeg derives from that is
    wrong where they are stored in another order than shown. Each is one picture, so the k-th that is shown
    has the k-th of their times.

    Raises:
        MediaError: the container misses a part of the pictures' data, or counts pictures that do not come.
    """
    counted: deque[int] | None = deque() if container.format.name == AVI else None
    for packet in container.demux(stream):
        if packet.is_corrupt:  # MPEG-TS numbers its parts; a decoder passes over a picture of which none came
            raise MediaError(
                "a part of the video is lost, or it was joined of several: its packets are not numbered in a row",
                where=where,
                cure=f"copy the file again; if this is all there is, convert it: {CONVERT}",
            )
        if counted is not None and packet.dts is not None:
            counted.append(packet.dts)
        for frame in packet.decode():
            if counted is not None:
                frame.pts = counted.popleft() if counted else None
            yield frame
    if counted:
        raise MediaError(
            f"{len(counted)} of the pictures that the file counts never came, so the times of the others are not "
            "known",
            where=where,
            cure=CONVERT,
        )


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
