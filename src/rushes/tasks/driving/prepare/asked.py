"""One window of a rig whose motion nobody knows: what a request holds, as prepare cuts it from a drive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np

from rushes.errors import AnswerError, MediaError, SourceError
from rushes.media.image import encode_jpeg
from rushes.media.limits import Limits
from rushes.media.video import frame_times
from rushes.records import Media
from rushes.runs.door.contract import Decoded, Part
from rushes.shards.member import json_member
from rushes.tasks.driving.prepare.plan import require_times
from rushes.tasks.driving.prepare.rig import Cameras, meta_of, pictures_of, signals_of
from rushes.tasks.driving.prepare.windows import Framing, Moments, align
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.sources.columns import Columns

WINDOW = "window"
"""Key of the part of a request."""

TIMES = ".times"
"""Behind the name of a camera: the field with the table of its times."""


@dataclass(frozen=True, slots=True)
class DecodeWindow:
    """See `rushes.runs.door.contract.Decode`: a video of each camera, and if there is one a table of its times.

    Without tables the videos' own clocks count, and they start together. All cameras have a table, or none has.

    Attributes:
        start_s: of the window, seconds from the first frame of the reference camera.
        preprocessing: cameras, rate and size.
    """

    start_s: float
    preprocessing: RigPreprocessing

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """See `Decode`."""
        preprocessing = self.preprocessing
        setup = preprocessing.setup
        videos = {camera: Media("video", files[camera]) for camera in setup.cameras}
        times_of = self._times(videos, files, limits)
        framing = Framing(setup.reference, preprocessing.frames, preprocessing.rate_hz)
        try:
            moments = align(times_of, framing)
        except SourceError as error:
            raise MediaError(error.message, where=files[setup.reference], cure=error.cure) from error
        window = _window(moments, framing, self.start_s)
        reference = times_of[setup.reference]
        about = {"duration_s": float(reference[-1] - reference[0]), "fps": None, "parts": 1}
        return Decoded(
            about, self._part(Cameras(videos, times_of, moments, preprocessing, limits), moments, window)
        )

    def _times(
        self, videos: Mapping[str, Media], files: Mapping[str, Path], limits: Limits
    ) -> dict[str, np.ndarray]:
        """Camera -> times of its frames, by the tables if there are any."""
        told = [camera for camera in videos if f"{camera}{TIMES}" in files]
        if told and len(told) < len(videos):
            raise AnswerError(
                f"times of {', '.join(told)} are told, and not of the other cameras, whose clocks may start elsewhere",
                cure=f"send a table of times for each camera, CAMERA{TIMES}, or for none",
            )
        times_of = {}
        for camera, video in videos.items():
            own_s = frame_times(video, limits)
            limits.check(video.path, frames=len(own_s), duration_s=float(own_s[-1] - own_s[0]))
            times_of[camera] = own_s
            if told:
                times_of[camera] = _table(files[f"{camera}{TIMES}"])
                require_times(camera, len(own_s), len(times_of[camera]), video)
        return times_of

    def _part(self, cameras: Cameras, moments: Moments, window: range) -> Iterator[Part]:
        # Read to its end before anything is said: a video that breaks off behind the window is damaged.
        shown = list(cameras.shown(list(window)))
        meta = meta_of(window, moments, self.preprocessing, shown[0].boxes)
        since_s = np.array(meta["frame_times_s"])
        members = {
            "meta.json": json_member(meta),
            "signals.npy": signals_of(since_s, shown),
            **pictures_of(shown),
        }
        yield Part(WINDOW, members)


def darkness(preprocessing: RigPreprocessing) -> Part:
    """A window in which nothing is seen, to warm up with."""
    width, height = preprocessing.picture_size
    black = encode_jpeg(np.zeros((height, width, 3), np.uint8), preprocessing.jpeg_quality)
    since_s = (np.arange(preprocessing.frames) / preprocessing.rate_hz).tolist()
    meta = {
        "layout": preprocessing.layout,
        "order": preprocessing.setup.cameras,
        "frame_times_s": since_s,
        "window_start_s": 0.0,
        "window_end_s": preprocessing.frames / preprocessing.rate_hz,
    }
    members = {"meta.json": json_member(meta)}
    for camera in preprocessing.views:
        suffix = f"_{camera}" if camera else ""
        members |= {f"frame_{place:02d}{suffix}.jpg": black for place in range(preprocessing.frames)}
    return Part(WINDOW, members)


def _table(path: Path) -> np.ndarray:
    try:
        return Columns.read(path).times_s()
    except SourceError as error:
        raise MediaError(error.message, where=path, cure=error.cure) from error


def _window(moments: Moments, framing: Framing, start_s: float) -> range:
    """Numbers of the moments of the window that starts there.

    Raises:
        AnswerError: there is no room for it, or a camera has no picture of a moment of it.
    """
    start = ceil(start_s * framing.rate_hz - 1e-6)
    window = range(start, start + framing.frames)
    if window.stop > len(moments.times_s):
        raise AnswerError(
            f"a window of {framing.frames} moments at {framing.rate_hz:g} Hz is asked about from {start_s:g} s on; "
            f"{framing.reference} has {len(moments.times_s)} of them",
            cure="send a longer recording, or an earlier start_s",
        )
    if not moments.whole[window.start : window.stop].all():
        gap = window.start + int(np.argmin(moments.whole[window.start : window.stop]))
        raise AnswerError(
            f"not every camera has a picture at {gap / framing.rate_hz:g} s, within half of its frame period",
            cure="send videos that start together, or the times of their frames, or another start_s",
        )
    return window
