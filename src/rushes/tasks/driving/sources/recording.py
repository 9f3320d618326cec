"""A drive as audit and prepare read it, whatever its files look like.

All times are on the drive's own clock, which may begin anywhere; a camera and the poses share it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from rushes.errors import MediaError, SourceError
from rushes.metrics.conventions import NO_EVIDENCE, Evidence
from rushes.records import Media, Member, Stills
from rushes.tasks.driving.sources.trajectory import Trajectory

T = TypeVar("T")

Video = Media | Member | Stills

LOOKED_AT = 64
"""Drives whose motion is read to tell the convention of a dataset: some 10 ms each."""


class RigRecording(ABC):
    """Synchronised cameras of a vehicle and its own motion; small, and fit to travel to another process.

    Attributes:
        key: unique in the dataset, letters, digits, ``_`` and ``-``.
        group: what a split must not cut through.
        split: side on which the source's own index puts it; empty where it does not say.
        tags: what else is known of it, such as country and hour.
    """

    __slots__ = ()

    key: str
    group: str
    split: str
    tags: tuple[tuple[str, str], ...]

    @property
    @abstractmethod
    def origin(self) -> Mapping[str, Any]:
        """Where in its dataset it lies, as samples tell it."""

    @property
    @abstractmethod
    def poses(self) -> object | None:
        """The file of its poses, for errors; None where there is none."""

    @abstractmethod
    def video(self, camera: str) -> Video | None:
        """The pictures of a camera; None where it is absent."""

    @abstractmethod
    def frame_times(self, camera: str) -> np.ndarray:
        """(n,) float64 seconds, strictly increasing, n >= 1: when the frames of a camera that is there were taken.

        Raises:
            SourceError, MediaError: they do not hold.
        """

    @abstractmethod
    def trajectory(self) -> Trajectory:
        """The vehicle's poses, where there are some.

        Raises:
            SourceError, MediaError: they do not hold.
        """

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of its videos."""

    def absent(self, cameras: Iterable[str]) -> list[str]:
        """Which of these cameras, and of its motion, it lacks."""
        lacking = [camera for camera in cameras if self.video(camera) is None]
        return lacking if self.poses is not None else [*lacking, "egomotion"]


def motion_evidence(recordings: Sequence[RigRecording]) -> Evidence:
    """What the poses of a dataset say of the convention of its rotations.

    A convention is a property of a dataset, and many drives tell it better than one: `LOOKED_AT` of them, evenly
    spread, are read. Poses that do not hold say nothing here, nor do headings that were made of the motion itself.
    """
    found = NO_EVIDENCE
    for recording in spread([one for one in recordings if one.poses is not None], LOOKED_AT):
        with suppress(SourceError, MediaError):
            trajectory = recording.trajectory()
            if trajectory.headed is None:
                found += trajectory.evidence
    return found


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, the first among them, at even distances.

    >>> spread("abcdefg", 3)
    ['a', 'c', 'e']
    """
    count = min(len(items), most)
    return [items[number * len(items) // count] for number in range(count)]
