"""A clip of the dataset: members of its archives, found once and read in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushes.errors import SourceError
from rushes.records import KEY, Member
from rushes.tasks.driving.sources.physical_ai_av.sensors import read_camera_times, read_trajectory
from rushes.tasks.driving.sources.recording import RigRecording
from rushes.tasks.driving.sources.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class CameraFootage:
    """What one camera of a rig recorded.

    Attributes:
        camera: its name, e.g. ``camera_front_wide_120fov``.
        video: the video.
        times: the table of its frames' timestamps.
    """

    camera: str
    video: Member
    times: Member


@dataclass(frozen=True, slots=True)
class Clip(RigRecording):
    """One clip of a vehicle. Its clock may begin before zero.

    Attributes:
        key: the clip's id.
        group: what a split must not cut through.
        split: side on which the source's own index puts it.
        chunk: number of the archive series it lies in.
        cameras: the cameras that are there, by name; an absent camera is absent here.
        egomotion: the table of poses; None where the sensor is absent.
        tags: what else is known of it, such as country and hour.
    """

    key: str
    group: str
    split: str
    chunk: int
    cameras: tuple[CameraFootage, ...]
    egomotion: Member | None
    tags: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if KEY.fullmatch(self.key) is None:
            raise SourceError(f"not a key: {self.key!r}", where=f"chunk {self.chunk}")

    @property
    def origin(self) -> Mapping[str, Any]:
        """See `RigRecording.origin`."""
        return {"chunk": self.chunk}

    @property
    def poses(self) -> Member | None:
        """See `RigRecording.poses`."""
        return self.egomotion

    @property
    def nbytes(self) -> int:
        """See `RigRecording.nbytes`."""
        return sum(footage.video.size for footage in self.cameras)

    def members(self) -> Iterator[Member]:
        """All that is read of it."""
        for footage in self.cameras:
            yield from (footage.video, footage.times)
        if self.egomotion is not None:
            yield self.egomotion

    def camera(self, name: str) -> CameraFootage | None:
        """The footage of a camera; None where it is absent."""
        return next((footage for footage in self.cameras if footage.camera == name), None)

    def video(self, camera: str) -> Member | None:
        """See `RigRecording.video`."""
        footage = self.camera(camera)
        return None if footage is None else footage.video

    def frame_times(self, camera: str) -> np.ndarray:
        """See `RigRecording.frame_times`."""
        footage = self.camera(camera)
        assert footage is not None, "asked only of cameras that are there"
        return read_camera_times(footage.times)

    def trajectory(self) -> Trajectory:
        """See `RigRecording.trajectory`."""
        assert self.egomotion is not None, "asked only where there are poses"
        return read_trajectory(self.egomotion)
