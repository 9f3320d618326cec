"""nuScenes: scenes of 20 s with six cameras at 12 Hz, described by JSON tables that are joined by tokens.

    <root>/{samples,sweeps}/CAM_FRONT/*.jpg ...      key frames, and the frames between them
    <root>/<version>/{scene,log,sample,sample_data,sensor,calibrated_sensor,ego_pose}.json

A scene is a drive, and a log, the ride that it was cut from, its group. Poses are those of the frames of the cameras
that are asked for: one each, planar (z is 0), from the vehicle (x forward, rear axle) to the map. Their velocities are
the derivative of the places. Written after ``docs/schema_nuscenes.md`` of the development kit and checked on files made
after it; no file of the dataset was at hand. Data: https://www.nuscenes.org (CC BY-NC-SA 4.0).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rushes.errors import SourceError
from rushes.records import Stills
from rushes.runs.source import Bring, Fault
from rushes.stages import Claim, Claims
from rushes.tasks.driving.recipe import NuScenesSource
from rushes.tasks.driving.sources.drive import Camera, Drive, OwnClock
from rushes.tasks.driving.sources.files import FileLayout, skipped
from rushes.tasks.driving.sources.layout import Scan
from rushes.tasks.driving.sources.nuscenes.tables import EgoPoses, Tables

FOOTAGE = ("samples", "sweeps")


@dataclass(frozen=True, slots=True)
class NuScenes(FileLayout):
    """nuScenes as a source."""

    asked: NuScenesSource

    def scan(self, root: Path) -> Scan[Drive]:
        """See `Source.scan`; tables are read, all of them into memory, and no picture.

        Raises:
            SourceError: tables do not hold, or a camera that they do not know is asked for.
        """
        root = Path(root)
        tables = Tables.read(root, self.asked.version, self.cameras)
        recordings: list[Drive] = []
        faults: list[Fault] = []
        lacking: list[Fault] = []
        notes: list[Fault] = []
        for scene in tables.scenes:
            key, where = scene["name"], root / self.asked.version
            frames = tables.frames[scene["token"]]
            there, lost = _there(root, frames)
            missing = [camera for camera in self.cameras if not there.get(camera)]
            if missing:
                lacking.append(skipped(key, f"no picture of {', '.join(missing)}", where))
                continue
            try:
                recordings.append(self._drive(root, scene, tables, there))
            except SourceError as error:
                faults.append(Fault.of(error, key))
                continue
            if lost:
                notes.append(
                    Fault(key, "Note", f"{lost} pictures are not there and are left out", str(where), "")
                )
        return Scan(root, tuple(recordings), tuple(faults), tuple(lacking), tuple(notes))

    def claims_beside(self, found: Scan[Drive]) -> Claims:
        """See `FileLayout.claims_beside`."""

        def claim(name: str) -> Claim | None:
            parts = PurePosixPath(name).parts
            if parts[0] == self.asked.version:
                return Claim("skipped", "tables that are not used")
            if parts[0] == "maps":
                return Claim("skipped", "not used: maps")
            if parts[0] not in FOOTAGE or len(parts) < 3:
                return None
            if parts[1] in self.cameras:
                return Claim("skipped", "pictures of no scene that is taken")
            return Claim("skipped", f"not in the setup: {parts[1]}")

        return claim

    def fetch(self, bring: Bring) -> Path:
        """See `Source.fetch`: the tables, and the pictures of the cameras that are asked for."""

        def is_read(name: str) -> bool:
            parts = PurePosixPath(name).parts
            return parts[0] == self.asked.version or (
                parts[0] in FOOTAGE and len(parts) > 1 and parts[1] in self.cameras
            )

        return bring(is_read)

    def _drive(
        self, root: Path, scene: Mapping[str, Any], tables: Tables, there: Mapping[str, list[dict[str, Any]]]
    ) -> Drive:
        cameras = []
        for name in self.cameras:
            rows = there[name]
            times_s = tuple(row["timestamp"] / 1e6 for row in rows)
            video = Stills(tuple(root / row["filename"] for row in rows), times_s)
            cameras.append(Camera(name, video, OwnClock(video, times_s[0])))
        poses = {row["timestamp"]: row["pose"] for name in self.cameras for row in there[name]}
        motion = EgoPoses(tables.files, tuple((time_us / 1e6, *poses[time_us]) for time_us in sorted(poses)))
        log = tables.logs.get(scene["log_token"], {})
        group = self.group_of(scene["name"], scene["name"], str(log.get("logfile", scene["log_token"])))
        tags = tuple((name, str(log[name])) for name in ("location", "vehicle") if log.get(name))
        return Drive(scene["name"], group, "", tuple(cameras), motion, tags)


def _there(
    root: Path, frames: Mapping[str, list[dict[str, Any]]]
) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """Camera -> its rows whose picture is there, in order of time; and how many are not."""
    there: dict[str, list[dict[str, Any]]] = defaultdict(list)
    lost = 0
    for camera, rows in frames.items():
        for row in sorted(rows, key=lambda row: row["timestamp"]):
            if (root / row["filename"]).is_file():
                there[camera].append(row)
            else:
                lost += 1
    return there, lost
