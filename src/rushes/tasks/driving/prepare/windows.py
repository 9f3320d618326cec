"""Which frames of which camera make a window: everything is joined by time, nothing by row number.

The reference camera's clock sets moments at a fixed rate. At each moment it gives its nearest frame, and that
frame's own time is the sample's; every other camera gives the frame nearest to that time. A camera that is
more than half a frame period away has no picture of the moment, and a window that lacks a picture or a pose
is left out and counted. Nothing is repeated, blackened or extrapolated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rushes.errors import SourceError
from rushes.tasks.driving.sources.trajectory import Motion, Trajectory, motion

MAX_CLIP_S = 12 * 3600.0
"""A table of timestamps that spans more is damaged: clips of datasets last 20 s, a drive lasts hours."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How windows are cut.

    Attributes:
        reference: the camera whose clock sets the moments.
        frames: moments of a window.
        rate_hz: moments per second.
        stride: moments from the start of one window to the start of the next.
    """

    reference: str
    frames: int = 16
    rate_hz: float = 10.0
    stride: int = 8


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The moments of a clip and the frame of each camera that shows them.

    Attributes:
        times_s: (m,) time of the reference camera's frame, clip's clock, rising.
        numbers: camera -> (m,) number of its frame, from 0 in presentation order.
        offsets_s: camera -> (m,) its frame's time less ``times_s``.
        whole: (m,) whether every camera has a picture of the moment.
    """

    times_s: np.ndarray
    numbers: Mapping[str, np.ndarray]
    offsets_s: Mapping[str, np.ndarray]
    whole: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A window that every camera and the poses cover.

    Attributes:
        moments: numbers of its moments, of the clip's.
        times_s: (frames,) time of each on the clip's clock.
        motion: how the vehicle has moved since the first of them.
    """

    moments: range
    times_s: np.ndarray
    motion: Motion


def nearest(times_s: np.ndarray, wanted_s: np.ndarray) -> np.ndarray:
    """Number of the time nearest to each wanted one; the earlier of two equally near.

    >>> nearest(np.array([0.0, 1.0, 2.0]), np.array([-5.0, 0.5, 0.6, 9.0])).tolist()
    [0, 0, 1, 2]
    """
    after = np.clip(np.searchsorted(times_s, wanted_s), 1, max(len(times_s) - 1, 1))
    before = after - 1
    if len(times_s) == 1:
        return np.zeros(len(wanted_s), np.int64)
    return np.where(wanted_s - times_s[before] <= times_s[after] - wanted_s, before, after)


def half_period_s(times_s: np.ndarray) -> float:
    """Half of a camera's usual distance of two frames; 0 for a single frame."""
    return float(np.median(np.diff(times_s))) / 2 if len(times_s) > 1 else 0.0


def align(times_of: Mapping[str, np.ndarray], framing: Framing) -> Moments:
    """The moments of a clip, from its first reference frame to its last.

    Args:
        times_of: camera -> (n,) times of its frames, clip's clock, strictly rising.
        framing: reference camera and rate.

    Raises:
        SourceError: the reference spans more than `MAX_CLIP_S`.
    """
    reference = times_of[framing.reference]
    span_s = float(reference[-1] - reference[0])
    if span_s > MAX_CLIP_S:
        raise SourceError(
            f"{framing.reference} spans {span_s:.0f} s, a clip at most {MAX_CLIP_S:g} s",
            where="its table of timestamps",
            cure="look at the clip's timestamp table: one wrong time is enough",
        )
    count = int(span_s * framing.rate_hz + 1e-6) + 1
    wanted_s = reference[0] + np.arange(count) / framing.rate_hz
    chosen = nearest(reference, wanted_s)
    times_s = reference[chosen]
    # A hole in the reference itself shows as a frame that is far from its moment, or that serves twice.
    # Moments fall anywhere between frames, and frames jitter: only far beyond half a period is a hole.
    whole = np.abs(times_s - wanted_s) <= 1.5 * half_period_s(reference) + 1e-9
    whole &= np.diff(chosen, prepend=-1) > 0
    numbers, offsets_s = {framing.reference: chosen}, {framing.reference: np.zeros(count)}
    for camera, own_s in times_of.items():
        if camera == framing.reference:
            continue
        numbers[camera] = nearest(own_s, times_s)
        offsets_s[camera] = own_s[numbers[camera]] - times_s
        whole &= np.abs(offsets_s[camera]) <= half_period_s(own_s) + 1e-9
    return Moments(times_s, numbers, offsets_s, whole)


def plan_windows(
    moments: Moments, trajectory: Trajectory, framing: Framing
) -> tuple[list[Window], Counter[str]]:
    """All windows in order of time, and how many are left out for which reason.

    The reasons: ``frames`` (a camera lacks a picture), ``poses`` (there are none at these times), ``heading`` (the
    vehicle is too slow for its places to tell where it points), ``labels`` (the poses contradict themselves, see
    `rushes.tasks.driving.sources.trajectory.motion`).
    """
    windows: list[Window] = []
    refused: Counter[str] = Counter()
    for start in range(0, len(moments.times_s) - framing.frames + 1, framing.stride):
        chosen = range(start, start + framing.frames)
        if not moments.whole[chosen.start : chosen.stop].all():
            refused["frames"] += 1
            continue
        times_s = moments.times_s[chosen.start : chosen.stop]
        reason = "poses"
        try:
            poses = trajectory.at(times_s)
            if not trajectory.knows_heading(times_s):
                refused["heading"] += 1
                continue
            reason = "labels"
            windows.append(Window(chosen, times_s, motion(poses)))
        except SourceError:
            refused[reason] += 1
    return windows, refused
