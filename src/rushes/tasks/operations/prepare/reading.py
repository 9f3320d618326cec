"""Footage that nobody labelled, cut into samples: for ``rushes apply``, and in the decoding process of a service.

Frames are chosen, scaled and written by the code that prepares datasets (`Footage`). No model is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from rushes.errors import AnswerError
from rushes.media.image import encode_jpeg
from rushes.media.limits import Limits
from rushes.media.video import frame_times, probe
from rushes.prepare.ring import RAW_BYTES
from rushes.records import Clip, Media, Recording
from rushes.runs.door.contract import Decoded, Part
from rushes.shards.member import json_member
from rushes.tasks.operations.prepare.clips import Cutting, overlapping, windows
from rushes.tasks.operations.prepare.sample import target_member
from rushes.tasks.operations.prepare.unit import TOLERANCE_S, Footage, footage_duration, require_as_planned
from rushes.tasks.operations.preprocessing import ClipPreprocessing

SERVED_RAW_BYTES = 96_000_000
"""Decoded frames that the decoding process of a service keeps as they are: it may hold little memory."""


@dataclass(frozen=True, slots=True)
class ReadWindows:
    """Windows all over a recording; a `rushes.runs.door.contract.Decode`.

    Attributes:
        preprocessing: as it is stored with the weights.
        cutting: length of a window, and of the ticks that are asked about.
        step_s: from the start of a window to that of the next; None centres one on each tick, as timelines are
            measured.
    """

    preprocessing: ClipPreprocessing
    cutting: Cutting
    step_s: float | None = None

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """Open a video, or a folder of frames; ``tick_s`` and ``step_s`` are told beside what `Decoded` wants."""
        [path] = files.values()
        recording = nameless(path)
        duration_s = footage_duration(recording.media, limits)
        tick_s = min(self.cutting.stride_s, duration_s)
        if self.step_s is None:
            cutting = replace(
                self.cutting, clip_s=min(self.preprocessing.clip_s, duration_s), stride_s=tick_s
            )
            clips = list(windows(recording, duration_s, cutting))
        else:
            clips = list(overlapping(recording, duration_s, self.preprocessing.clip_s, self.step_s))
        about = {
            "duration_s": duration_s,
            "fps": str(rate_of(recording.media, duration_s, limits)),
            "parts": len(clips),
            "tick_s": tick_s,
            "step_s": self.step_s,
        }
        raw_bytes = RAW_BYTES if self.step_s is None else SERVED_RAW_BYTES
        footage = Footage(self.preprocessing, limits, raw_bytes)
        return Decoded(about, self._parts(footage, recording, clips, duration_s))

    def _parts(
        self, footage: Footage, recording: Recording, clips: list[Clip], duration_s: float
    ) -> Iterator[Part]:
        count, by_halves = 0, self.step_s is not None
        for clip, fields in footage.cut(recording, clips, by_halves=by_halves):
            count += 1
            yield Part(clip.key, fields)
        require_as_planned(recording, clips, duration_s, footage.duration_s, count)


def nameless(path: Path) -> Recording:
    """A recording of which nothing is known but where it lies."""
    media = Media("frames" if path.is_dir() else "video", path)
    return Recording("recording", "", "", "", media, (), 0.0)


def rate_of(media: Media, duration_s: float, limits: Limits) -> Fraction:
    """Frames a second as declared, or as counted where nothing is declared."""
    declared = probe(media, limits).rate
    if declared is not None:
        return declared
    return (len(frame_times(media, limits)) / Fraction(repr(duration_s))).limit_denominator(1001)


@dataclass(frozen=True, slots=True)
class ReadClip:
    """A clip, alone or out of a longer recording; a `rushes.runs.door.contract.Decode`.

    Attributes:
        preprocessing: as it is stored with the weights.
        start_s: where the clip lies in the file; None is its start, and the file is no longer than a clip.
        asked_s: the moment asked about, on the clip's clock; None where nobody says.
    """

    preprocessing: ClipPreprocessing
    start_s: float | None = None
    asked_s: float | None = None

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """Open a video; ``clip_s`` is told beside what `Decoded` wants."""
        [path] = files.values()
        recording = nameless(path)
        duration_s = footage_duration(recording.media, limits)
        clip = self._clip(duration_s)
        about = {
            "duration_s": duration_s,
            "fps": str(rate_of(recording.media, duration_s, limits)),
            "parts": 1,
            "clip_s": round(clip.end_s - clip.start_s, 6),
        }
        return Decoded(about, self._part(recording, clip, duration_s, limits))

    def _clip(self, duration_s: float) -> Clip:
        """Where it lies.

        Raises:
            AnswerError: not within the file, or nobody says where in a longer one.
        """
        clip_s = min(self.preprocessing.clip_s, duration_s)
        if self.start_s is None and duration_s > clip_s + TOLERANCE_S:
            raise AnswerError(
                f"a clip has {clip_s:g} s, the file {duration_s:.3f} s",
                cure="say where in it the clip begins (start_s), or send the file to /analyze",
            )
        start_s = self.start_s or 0.0
        if not 0.0 <= start_s <= duration_s - clip_s + 1e-6:
            raise AnswerError(
                f"a clip of {clip_s:g} s from {start_s:g} s on does not lie in a file of {duration_s:.3f} s",
                cure=f"take start_s from 0 to {duration_s - clip_s:.3f}",
            )
        asked_s = clip_s / 2 if self.asked_s is None else self.asked_s
        if not 0.0 <= asked_s < clip_s:
            raise AnswerError(
                f"the moment {asked_s:g} s does not lie in a clip of {clip_s:g} s",
                cure=f"count asked_s from the start of the clip: 0 to less than {clip_s:g}",
            )
        return Clip("clip", "whole", start_s, start_s + clip_s, asked_s, None)

    def _part(self, recording: Recording, clip: Clip, duration_s: float, limits: Limits) -> Iterator[Part]:
        """The one sample; what lies behind the clip's end is not read."""
        footage = Footage(self.preprocessing, limits, SERVED_RAW_BYTES)
        found = [Part(clip.key, fields) for _, fields in islice(footage.cut(recording, [clip]), 1)]
        if not found:
            raise AnswerError(
                f"fewer than {self.preprocessing.frames} frames in the clip of {clip.end_s - clip.start_s:g} s",
                cure=f"send one with at least {self.preprocessing.frames} frames: longer, or at a higher rate",
            )
        yield from found


def grey_clip(preprocessing: ClipPreprocessing) -> Part:
    """A sample that shows nothing."""
    width, height = preprocessing.frame_size
    grey = encode_jpeg(np.full((height, width, 3), 128, np.uint8))
    times_s = np.linspace(0.0, preprocessing.clip_s, preprocessing.frames, endpoint=False)
    clip = Clip("grey", "window", 0.0, preprocessing.clip_s, preprocessing.clip_s / 2, None)
    meta = {
        "clip_start_s": clip.start_s,
        "clip_end_s": clip.end_s,
        "asked_s": clip.asked_s,
        "frame_times_s": times_s.tolist(),
    }
    frames = {f"frame_{number:02d}.jpg": grey for number in range(preprocessing.frames)}
    return Part(
        clip.key, {"meta.json": json_member(meta), "target.json": target_member(clip, None), **frames}
    )
