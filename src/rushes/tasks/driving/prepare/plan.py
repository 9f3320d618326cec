"""What a clip gives, by its clocks and poses alone: its tables are read, and no video.

An audit foresees with it what prepare then decodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rushes.errors import MediaError, SourceError
from rushes.metrics.conventions import Evidence
from rushes.records import Media
from rushes.tasks.driving.prepare.windows import Framing, Moments, Window, align, plan_windows
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.sources.recording import RigRecording, Video
from rushes.tasks.driving.sources.trajectory import refuse_other_conventions


@dataclass(frozen=True, slots=True, eq=False)
class ClipPlan:
    """What a clip gives, by its clocks and poses.

    Attributes:
        videos: camera -> its video.
        times_of: camera -> (n,) times of its frames.
        moments: of the clip.
        windows: in order of time.
        refused: windows left out, by reason, see `plan_windows`.
        evidence: of the convention of its rotations.
        sigma_mps: stated deviation of each axis of its velocities, see `Trajectory`.
        duration_s: from the first frame of the reference camera to the last.
    """

    videos: Mapping[str, Video]
    times_of: Mapping[str, np.ndarray]
    moments: Moments
    windows: list[Window]
    refused: Mapping[str, int]
    evidence: Evidence
    sigma_mps: float | None
    duration_s: float

    @property
    def why_empty(self) -> str:
        """Why there is no window; empty where there is one."""
        if self.windows:
            return ""
        most = max(self.refused, key=self.refused.__getitem__, default="")
        reasons = {
            "frames": "no window has all pictures",
            "poses": "no window has all poses",
            "heading": "too slow in every window to tell a heading",
        }
        return reasons.get(most, "shorter than a window")


def require_times(camera: str, frames: int, times: int, video: Video) -> None:
    """See to it that each frame of a camera has its time.

    Raises:
        MediaError: there are more of the one than of the other.
    """
    if frames != times:
        raise MediaError(
            f"camera {camera} has {frames} frames and {times} times of them",
            where=video.path if isinstance(video, Media) else video,
            cure="fetch or write both again: a frame without its time cannot be used",
        )


def plan_clip(recording: RigRecording, preprocessing: RigPreprocessing, stride: int) -> ClipPlan:
    """Which windows a clip gives; tables are read, and no video.

    Raises:
        MediaError, SourceError: a table that does not hold, rotations in another convention, or poses that
            contradict themselves in all windows.
    """
    cameras = preprocessing.setup.cameras
    if absent := recording.absent(cameras):
        raise SourceError(
            f"{', '.join(absent)} recorded nothing in this clip",
            where=recording.key,
            cure="choose a setup without it, or leave the clip to the quarantine",
        )
    times_of = {camera: recording.frame_times(camera) for camera in cameras}
    trajectory = recording.trajectory()
    refuse_other_conventions(trajectory.evidence, recording.poses)
    framing = Framing(preprocessing.setup.reference, preprocessing.frames, preprocessing.rate_hz, stride)
    moments = align(times_of, framing)
    windows, refused = plan_windows(moments, trajectory, framing)
    if refused["labels"] and not windows:
        raise SourceError(
            "positions and velocities contradict each other wherever there are both",
            where=recording.poses,
            cure="check the units and the clock of the poses, or leave the clip to the quarantine",
        )
    videos = {camera: video for camera in cameras if (video := recording.video(camera)) is not None}
    reference = times_of[framing.reference]
    duration_s = float(reference[-1] - reference[0])
    return ClipPlan(
        videos, times_of, moments, windows, refused, trajectory.evidence, trajectory.sigma_mps, duration_s
    )
