"""What a clip gives, by its clocks and poses alone: its tables are read, and no video.

An audit foresees with it what prepare then decodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rushes.errors import SourceError
from rushes.metrics.conventions import Evidence
from rushes.records import CameraFootage, Member, RigRecording
from rushes.tasks.driving.prepare.windows import Framing, Moments, Window, align, plan_windows
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.sources.physical_ai_av.sensors import read_camera_times, read_trajectory
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
        duration_s: from the first frame of the reference camera to the last.
    """

    videos: Mapping[str, Member]
    times_of: Mapping[str, np.ndarray]
    moments: Moments
    windows: list[Window]
    refused: Mapping[str, int]
    evidence: Evidence
    duration_s: float

    @property
    def why_empty(self) -> str:
        """Why there is no window; empty where there is one."""
        if self.windows:
            return ""
        most = max(self.refused, key=self.refused.__getitem__, default="")
        return {"frames": "no window has all pictures", "poses": "no window has all poses"}.get(
            most, "shorter than a window"
        )


def plan_clip(recording: RigRecording, preprocessing: RigPreprocessing, stride: int) -> ClipPlan:
    """Which windows a clip gives; tables are read, and no video.

    Raises:
        MediaError, SourceError: a table that does not hold, rotations in another convention, or poses that
            contradict themselves in all windows.
    """
    footage, egomotion = _read_of(recording, preprocessing.setup.cameras)
    times_of = {camera: read_camera_times(found.times) for camera, found in footage.items()}
    trajectory = read_trajectory(egomotion)
    refuse_other_conventions(trajectory.evidence, egomotion)
    framing = Framing(preprocessing.setup.reference, preprocessing.frames, preprocessing.rate_hz, stride)
    moments = align(times_of, framing)
    windows, refused = plan_windows(moments, trajectory, framing)
    if refused["labels"] and not windows:
        raise SourceError(
            "positions and velocities contradict each other wherever there are both",
            where=egomotion,
            cure="check the units and the clock of the poses, or leave the clip to the quarantine",
        )
    videos = {camera: found.video for camera, found in footage.items()}
    reference = times_of[framing.reference]
    duration_s = float(reference[-1] - reference[0])
    return ClipPlan(videos, times_of, moments, windows, refused, trajectory.evidence, duration_s)


def _read_of(recording: RigRecording, cameras: Sequence[str]) -> tuple[dict[str, CameraFootage], Member]:
    """The footage of each wanted camera, and the table of poses."""
    found = {camera: recording.camera(camera) for camera in cameras}
    footage = {camera: one for camera, one in found.items() if one is not None}
    egomotion = recording.egomotion
    absent = [camera for camera in cameras if camera not in footage]
    absent += [] if egomotion is not None else ["egomotion"]
    if absent or egomotion is None:
        raise SourceError(
            f"{', '.join(absent)} recorded nothing in this clip",
            where=recording.key,
            cure="choose a setup without it, or leave the clip to the quarantine",
        )
    return footage, egomotion
