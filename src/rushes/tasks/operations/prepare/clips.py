"""Which clips are cut from a session, and what is asked about each: labelled segments in, clips out.

Around every boundary between two operations three clips are cut. ``before`` begins inside the operation that
ends there and asks about its first moment; ``after`` ends inside the operation that begins and asks about its
last moment, so that what follows cannot be seen; ``across`` has the boundary near the middle and asks either.
How far the asked moment lies from the boundary is drawn log-uniformly from the recording's key: with a fixed
or an evenly drawn place a constant segment answers most questions (docs/design/question.md has the figures).

A recording that is shorter than a clip is one clip, asked about the middle of its longest operation; a longer one
whose only operation stands alone is cut along it: files with one label each are the commonest form of a labelled
video.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from rushes.records import Clip, ClipKind, Recording, Segment, Target
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import PrepareClips


@dataclass(frozen=True, slots=True)
class Cutting:
    """How clips are cut.

    Attributes:
        clip_s: length of a clip.
        step_s: grid of the moments that are asked about.
        window_s: least distance of an asked moment from a boundary.
        wide_pairs: unordered pairs of labels for which ``wide_window_s`` holds instead.
        stride_s: distance of the ticks of a timeline.
        seed: with the recording's key, the seed of all draws.
    """

    clip_s: float = 5.0
    step_s: float = 0.1
    window_s: float = 0.5
    wide_pairs: frozenset[frozenset[str]] = frozenset()
    wide_window_s: float = 1.0
    stride_s: float = 1.0
    seed: int = 0

    def margin_s(self, *labels: str) -> float:
        """Least distance of an asked moment from the boundary between two labels."""
        return self.wide_window_s if frozenset(labels) in self.wide_pairs else self.window_s


def cutting_of(preprocessing: ClipPreprocessing, asked: PrepareClips) -> Cutting:
    """How a recipe wants its clips cut."""
    return Cutting(
        clip_s=preprocessing.clip_s,
        step_s=preprocessing.time_step_s,
        window_s=asked.boundary_window_s,
        wide_pairs=frozenset(frozenset(pair) for pair in asked.wide_pairs),
        wide_window_s=asked.wide_window_s,
        stride_s=asked.window_stride_s,
    )


def followers(segments: Sequence[Segment]) -> tuple[str | None, ...]:
    """Label of the operation after each segment; None after the last."""
    return (*(segment.label for segment in segments[1:]), None)[: len(segments)]


def plan_clips(recording: Recording, duration_s: float, cutting: Cutting, with_windows: bool) -> list[Clip]:
    """All clips of a recording in the order of their starts, which is the order of the samples.

    All have the same length, so it is the order in which they end as well.
    """
    if duration_s < cutting.clip_s:
        cutting = replace(cutting, clip_s=duration_s)
        clips = [whole_clip(recording, cutting)]
    elif recording.alone:
        clips = list(clips_along(recording, duration_s, cutting))
    else:
        clips = list(boundary_clips(recording, duration_s, cutting))
    if with_windows:
        clips += windows(recording, duration_s, cutting)
    return sorted(clips, key=lambda clip: (clip.start_s, clip.key))


def why_no_clip(recording: Recording, cutting: Cutting) -> str:
    """Why `plan_clips` gives none of a recording that holds and is not cut into windows."""
    if len(recording.segments) < 2:
        return f"longer than a clip of {cutting.clip_s:g} s, and one labelled operation: nothing says what comes next"
    return (
        f"no boundary between operations leaves room for a clip of {cutting.clip_s:g} s about a moment "
        f"{cutting.window_s:g} s or more from it"
    )


def whole_clip(recording: Recording, cutting: Cutting) -> Clip:
    """All of a recording, asked about the middle of its longest operation, whether its successor is known or not.

    Args:
        recording: with at least one segment.
        cutting: clips as long as the recording.
    """
    longest = max(recording.segments, key=lambda segment: (segment.duration_s, -segment.start_s))
    low, high = max(longest.start_s, 0.0), min(longest.end_s, cutting.clip_s)
    asked_s = (low + high) / 2
    name = f"{recording.key}_t{round(asked_s * 1000):07d}_whole"
    return _ask(recording, name, "whole", 0.0, asked_s, cutting)


def clips_along(recording: Recording, duration_s: float, cutting: Cutting) -> Iterator[Clip]:
    """Clips one behind the other along the only operation of a recording, as many as fit, each asked about its middle.

    Of an operation that is shorter than a clip it is one, centred on it as far as the footage allows.

    Args:
        recording: with one segment.
        duration_s: length of the footage, at least a clip.
        cutting: length of a clip.
    """
    [segment] = recording.segments
    low, high = max(segment.start_s, 0.0), min(segment.end_s, duration_s)
    count = max(1, int((high - low) / cutting.clip_s + 1e-9))
    first_s = (low + high - count * cutting.clip_s) / 2
    for number in range(count):
        start_s = first_s + number * cutting.clip_s
        start_s = min(max(start_s, 0.0), duration_s - cutting.clip_s)
        asked_s = (max(low, start_s) + min(high, start_s + cutting.clip_s)) / 2 - start_s
        name = f"{recording.key}_t{round((start_s + asked_s) * 1000):07d}_whole"
        yield _ask(recording, name, "whole", start_s, asked_s, cutting)


def boundary_clips(recording: Recording, duration_s: float, cutting: Cutting) -> Iterator[Clip]:
    """Up to three clips for each boundary between two labelled operations.

    The asked moment is at least the margin away from both ends of its operation. A clip is left out where the
    operation is too short for that, where its successor is unknown, or where the clip would reach beyond the
    footage.

    Args:
        recording: its segments in order.
        duration_s: length of the footage.
        cutting: lengths, margins and seed.
    """
    rng = np.random.default_rng([cutting.seed, zlib.crc32(recording.key.encode())])
    segments, last_s = recording.segments, cutting.clip_s - cutting.step_s
    for index, (earlier, later) in enumerate(pairwise(segments)):
        # All draws of a boundary are made whether used or not: leaving one clip out moves no other.
        shares, coin = rng.random(3), rng.random() < 0.5
        margin_s = cutting.margin_s(earlier.label, later.label)
        # Farthest that a moment inside of each operation may be from the boundary.
        ends = segments[max(index - 1, 0) : index + 1], segments[index + 1 : index + 3]
        far_s = [cutting.margin_s(*(segment.label for segment in pair)) for pair in ends]
        before_s, after_s = earlier.duration_s - far_s[0], later.duration_s - far_s[1]
        middle_s = cutting.clip_s * (0.35 + 0.3 * shares[1])
        sides: tuple[tuple[ClipKind, bool, float], ...] = (
            ("before", True, _log_uniform(shares[0], margin_s, min(before_s, last_s))),
            ("across", coin, min(middle_s, before_s if coin else after_s)),
            ("after", False, _log_uniform(shares[2], margin_s, min(after_s, last_s))),
        )
        for kind, is_earlier, distance_s in sides:
            asked_s = 0.0 if is_earlier else last_s
            start_s = earlier.end_s - distance_s if is_earlier else later.start_s + distance_s - last_s
            if distance_s < margin_s or start_s < 0.0 or start_s + cutting.clip_s > duration_s:
                continue
            boundary_s = earlier.end_s if is_earlier else later.start_s
            name = f"{recording.key}_t{round(boundary_s * 1000):07d}_{kind}"
            clip = _ask(recording, name, kind, start_s, asked_s, cutting)
            if clip.target is not None:
                yield clip


def _log_uniform(share: float, low: float, high: float) -> float:
    """The value at ``share`` in [0, 1) of a log-uniform draw; ``high`` where there is no room."""
    return high if high <= low else float(low * (high / low) ** share)


def windows(recording: Recording, duration_s: float, cutting: Cutting) -> Iterator[Clip]:
    """One clip for each tick of a timeline, asked about the tick.

    Tick *i* stands at ``(i + 1/2) * stride_s`` for the stretch ``[i, i + 1) * stride_s``. Its clip is centred
    on it as far as the footage allows, so the first and last ticks share their clips.
    """
    for tick in range(int(duration_s / cutting.stride_s)):
        time_s = (tick + 0.5) * cutting.stride_s
        start_s = min(max(time_s - cutting.clip_s / 2, 0.0), duration_s - cutting.clip_s)
        name = f"{recording.key}_t{round(time_s * 1000):07d}_window"
        yield _ask(recording, name, "window", start_s, min(time_s - start_s, cutting.clip_s - 1e-6), cutting)


def overlapping(recording: Recording, duration_s: float, clip_s: float, step_s: float) -> Iterator[Clip]:
    """Clips of one length all over a recording, one every ``step_s``; the last one ends with it.

    Each is asked about its middle. A recording no longer than a clip is one clip.
    """
    cutting, last_s = Cutting(clip_s=min(clip_s, duration_s)), max(duration_s - clip_s, 0.0)
    count = int(last_s / step_s + 1e-9) + 1
    starts_s = [number * step_s for number in range(count)]
    if last_s - starts_s[-1] > 1e-3:
        starts_s.append(last_s)
    for start_s in starts_s:
        name = f"{recording.key}_s{round(start_s * 1000):07d}_window"
        yield _ask(recording, name, "window", start_s, cutting.clip_s / 2, cutting)


def _ask(
    recording: Recording, name: str, kind: ClipKind, start_s: float, asked_s: float, cutting: Cutting
) -> Clip:
    """A clip with its question and, where the moment is labelled and its successor known, the answer."""
    inside, target = [], None
    for segment, follower in zip(recording.segments, followers(recording.segments), strict=True):
        low, high = max(segment.start_s - start_s, 0.0), min(segment.end_s - start_s, cutting.clip_s)
        if high <= low:
            continue
        inside.append(Segment(low, high, segment.label))
        if low <= asked_s < high and (follower is not None or kind == "whole"):
            target = Target(segment.label, low, high, follower)
    return Clip(name, kind, start_s, start_s + cutting.clip_s, asked_s, target, tuple(inside))
