"""A drive that has files of its own, whatever layout they are of: cameras with clocks, and a motion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rushes.errors import SourceError
from rushes.media.video import frame_times
from rushes.records import KEY, Media, Stills
from rushes.tasks.driving.sources.columns import Columns
from rushes.tasks.driving.sources.recording import RigRecording
from rushes.tasks.driving.sources.trajectory import Trajectory


class Clock(Protocol):
    """When the frames of a camera were taken."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read for it beside the pictures."""
        ...

    @property
    def offset_s(self) -> float:
        """What is added to the times that it reads."""
        ...

    def read(self) -> np.ndarray:
        """(n,) float64 seconds, strictly increasing."""
        ...


class Motion(Protocol):
    """How the vehicle moved."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read for it; the first is named in errors."""
        ...

    def read(self) -> Trajectory:
        """Its poses."""
        ...


@dataclass(frozen=True, slots=True)
class TableClock:
    """Times in a table beside the video, one a frame.

    Attributes:
        path: of the table, see `rushes.tasks.driving.sources.columns`.
        offset_s: added to them.
    """

    path: Path
    offset_s: float = 0.0

    @property
    def files(self) -> tuple[Path, ...]:
        """See `Clock.files`."""
        return (self.path,)

    def read(self) -> np.ndarray:
        """See `Clock.read`."""
        return Columns.read(self.path).times_s() + self.offset_s


@dataclass(frozen=True, slots=True)
class OwnClock:
    """Times that the video itself has, or that its files were found with.

    Attributes:
        video: the pictures.
        offset_s: when the first was taken.
        files: see `Clock.files`.
    """

    video: Media | Stills
    offset_s: float
    files: tuple[Path, ...] = ()

    def read(self) -> np.ndarray:
        """See `Clock.read`."""
        return frame_times(self.video) + self.offset_s


@dataclass(frozen=True, slots=True)
class Camera:
    """What one camera recorded, and when."""

    name: str
    video: Media | Stills
    clock: Clock

    @property
    def footage(self) -> tuple[Path, ...]:
        """The files of its pictures."""
        return self.video.files if isinstance(self.video, Stills) else (self.video.path,)


@dataclass(frozen=True, slots=True)
class Drive(RigRecording):
    """One drive.

    Attributes:
        key, group, split, tags: as of `RigRecording`.
        cameras: all that are asked for.
        motion: how the vehicle moved.
    """

    key: str
    group: str
    split: str
    cameras: tuple[Camera, ...]
    motion: Motion
    tags: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if KEY.fullmatch(self.key) is None:
            raise SourceError(f"not a key: {self.key!r}", where=self.motion.files[0])

    @property
    def origin(self) -> Mapping[str, Any]:
        """See `RigRecording.origin`; the key says it."""
        return {}

    @property
    def poses(self) -> Path:
        """See `RigRecording.poses`."""
        return self.motion.files[0]

    @property
    def nbytes(self) -> int:
        """See `RigRecording.nbytes`."""
        return sum(path.stat().st_size for camera in self.cameras for path in camera.footage)

    def tables(self) -> Iterator[Path]:
        """What is read of it beside pictures."""
        yield from self.motion.files
        for camera in self.cameras:
            yield from camera.clock.files

    def video(self, camera: str) -> Media | Stills | None:
        """See `RigRecording.video`."""
        return next((found.video for found in self.cameras if found.name == camera), None)

    def frame_times(self, camera: str) -> np.ndarray:
        """See `RigRecording.frame_times`."""
        return next(found.clock.read() for found in self.cameras if found.name == camera)

    def trajectory(self) -> Trajectory:
        """See `RigRecording.trajectory`."""
        return self.motion.read()
