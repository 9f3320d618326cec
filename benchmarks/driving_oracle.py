"""Whether stored pictures show the frames that they should, by FFmpeg's own program, and labels the truth."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from report import Figure, at_least, at_most

from rushes.media.geometry import letterbox
from rushes.media.image import decode_jpeg_luma
from rushes.media.video import decode
from rushes.records import Member
from rushes.shards.read import ShardDataset
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.sources.physical_ai_av.clip import Clip
from rushes.tasks.driving.sources.physical_ai_av.sensors import read_camera_times
from rushes.tasks.driving.sources.physical_ai_av.source import scan
from rushes.tasks.driving.sources.trajectory import Trajectory, motion
from rushes.tasks.driving.twin.motion import RoadMotion
from rushes.tasks.driving.twin.script import (
    DrivingSettings,
    egomotion_timestamps,
    frame_timestamps,
    truth,
    units,
)
from rushes.tasks.driving.twin.writer import egomotion_rows

_LIMITED_TO_FULL = np.clip(np.rint((np.arange(256) - 16.0) * 255 / 219), 0, 255).astype(np.uint8)


def samples_of(dataset: ShardDataset, clip: str) -> Iterator[tuple[str, Mapping[str, memoryview], dict]]:
    """Key, members and meta of a clip's windows."""
    for number in range(len(dataset)):
        fields = dataset.sample(number)
        meta = json.loads(bytes(fields["meta.json"]))
        if meta["recording"] == clip:
            yield dataset.key(number), fields, meta


def unpacked(member: Member, folder: Path) -> Path:
    """The video as a file, for FFmpeg's program."""
    with zipfile.ZipFile(member.archive) as archive:
        return Path(archive.extract(member.name, folder))


def ffmpeg_luma(path: Path, size: tuple[int, int], chain: str) -> Iterator[np.ndarray]:
    """Luma of every frame in order of presentation, uint8 (h, w), as FFmpeg's program gives it."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-vf", f"{chain},setpts=N/30/TB"]
    process = subprocess.Popen(
        [*command, "-vsync", "passthrough", "-f", "rawvideo", "-"], stdout=subprocess.PIPE
    )
    while frame := process.stdout.read(size[0] * size[1]):
        yield np.frombuffer(frame, np.uint8).reshape(size[::-1])
    if process.wait():
        raise RuntimeError(f"ffmpeg failed on {path}")


def tiles_right(
    dataset: ShardDataset, recording: Clip, preprocessing: RigPreprocessing, folder: Path
) -> tuple[int, int]:
    """Stored tiles that look like the frame they should be, more than like any other; and all tiles.

    The right frame is the row of the camera's table at the time that the sample tells, which must stand
    there. FFmpeg's program decodes and shrinks every frame of the video; a stored tile must be nearer to
    that frame than to any other, and differ by less than 4 of 255 levels in the mean.
    """
    right = total = 0
    for footage in recording.cameras:
        times_s = read_camera_times(footage.times)
        row, column = preprocessing.setup.place(footage.camera)
        video, frames, source = unpacked(footage.video, folder), np.zeros(0), None
        for _, fields, meta in samples_of(dataset, recording.key):
            shown = meta["cameras"][footage.camera]
            if source is None:
                source = tuple(shown["source_size"])
                box = letterbox(source, preprocessing.tile_size)
                width, height = box.content
                chain = f"scale={width}:{height}:flags=area:out_range=full,format=gray"
                frames = np.stack(list(ffmpeg_luma(video, box.content, chain))).astype(np.int16)
                if len(frames) != len(times_s):
                    raise RuntimeError(f"{len(frames)} frames, {len(times_s)} times of {footage.video}")
            left = column * preprocessing.tile_size[0] + shown["offset"][0]
            top = row * preprocessing.tile_size[1] + shown["offset"][1]
            for place, since_s in enumerate(shown["times_s"]):
                luma = decode_jpeg_luma(bytes(fields[f"frame_{place:02d}.jpg"]))
                tile = luma[top : top + height, left : left + width].astype(np.int16)
                distances = np.abs(frames[:, ::2, ::2] - tile[::2, ::2]).mean((1, 2))
                number = int(np.abs(times_s - meta["window_start_s"] - since_s).argmin())
                known = abs(times_s[number] - meta["window_start_s"] - since_s) < 1e-9
                right += bool(known and distances.argmin() == number and distances[number] < 4)
                total += 1
        video.unlink()
    return right, total


def planes_right(recording: Clip, wanted: Mapping[str, set[int]], folder: Path) -> tuple[int, int]:
    """Chosen frames whose whole luma plane is, byte for byte, that of FFmpeg's program; and all chosen."""
    right = total = 0
    for footage in recording.cameras:
        numbers, found = wanted[footage.camera], {}
        size = (0, 0)
        for number, frame in enumerate(decode(footage.video)):
            if number in numbers:
                size = (frame.width, frame.height)
                found[number] = hashlib.sha256(frame.luma(size).tobytes()).digest()
        video = unpacked(footage.video, folder)
        for number, plane in enumerate(ffmpeg_luma(video, size, "extractplanes=y")):
            if number in numbers:
                full = _LIMITED_TO_FULL[plane]
                right += found.get(number) == hashlib.sha256(full.tobytes()).digest()
                total += 1
        video.unlink()
    return right, total


# --- times and labels against the truth of the twin ------------------------------------------------------


@dataclass(slots=True)
class Errors:
    """Greatest errors so far, by quantity."""

    worst: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, found: Sequence[float], right: np.ndarray) -> None:
        """Compare values of one quantity."""
        error = np.abs(np.asarray(found) - right)
        if name == "yaw_deg":
            error = np.minimum(error, 360 - error)
        self.worst[name] = max(self.worst.get(name, 0.0), float(error.max()))

    def add_window(
        self, target: Mapping[str, Sequence[float]], drive: RoadMotion, times_s: np.ndarray
    ) -> None:
        """Compare a window's labels with the drive itself at these times."""
        poses = drive.at(times_s)
        since = poses.positions[:, :2] - poses.positions[0, :2]
        cos, sin = np.cos(poses.yaws[0]), np.sin(poses.yaws[0])
        speed = np.hypot(*poses.velocities[:, :2].T)
        self.add("displacement_m", target["displacement_m"], np.hypot(*since.T))
        self.add("forward_m", target["forward_m"], since @ (cos, sin))
        self.add("left_m", target["left_m"], since @ (-sin, cos))
        self.add("path_m", target["path_m"], poses.ways - poses.ways[0])
        self.add("yaw_deg", target["yaw_deg"], np.degrees(poses.yaws - poses.yaws[0]))
        self.add("final_speed_mps", target["final_speed_mps"], speed)
        self.add("mean_speed_mps", target["mean_speed_mps"], speed.cumsum() / np.arange(1, len(speed) + 1))


def times_right(
    dataset: ShardDataset,
    settings: DrivingSettings,
    preprocessing: RigPreprocessing,
    clip: str,
    errors: Errors,
) -> tuple[int, int]:
    """Pictures that stand at the time they should, by the clocks that the twin was drawn with; and all.

    Moment k of the clip is the reference's frame nearest to k steps behind its first one, and every other
    camera's frame nearest to that, found here by comparing with every frame. Labels go into ``errors``.
    """
    clocks_us = {camera: frame_timestamps(settings, clip, camera) for camera in preprocessing.setup.cameras}
    reference_us, drive = clocks_us[preprocessing.setup.reference], truth(settings, clip)
    right = total = 0
    for key, fields, meta in samples_of(dataset, clip):
        first = int(key.rpartition("_w")[2])
        asked_us = reference_us[0] + (first + np.arange(preprocessing.frames)) * 1e6 / preprocessing.rate_hz
        chosen_us = reference_us[np.abs(reference_us[:, None] - asked_us).argmin(0)]
        for camera, clock_us in clocks_us.items():
            nearest_us = clock_us[np.abs(clock_us[:, None] - chosen_us).argmin(0)]
            told_us = (np.array(meta["cameras"][camera]["times_s"]) + meta["window_start_s"]) * 1e6
            apart_us = np.array(meta["cameras"][camera]["dt_s"]) * 1e6
            agrees = np.abs(told_us - nearest_us) < 0.5
            agrees &= np.abs(apart_us - (nearest_us - chosen_us)) < 0.5
            agrees &= np.abs(apart_us) <= np.median(np.diff(clock_us)) / 2
            right, total = right + int(agrees.sum()), total + len(agrees)
        errors.add_window(json.loads(bytes(fields["target.json"])), drive, chosen_us / 1e6)
    return right, total


def drives_right(count: int, errors: Errors) -> int:
    """Labels of every window of ``count`` more drives, from their tables of poses; the number of windows."""
    settings = DrivingSettings(train=count, val=0, test=0, clip_s=20.0, difficulty=1.0)
    windows = 0
    for unit in units(settings):
        drive, stamps = truth(settings, unit.key), egomotion_timestamps(settings, unit.key)
        rows = egomotion_rows(drive, stamps)
        table = Trajectory(
            stamps / 1e6,
            *(np.stack([rows[name] for name in names], 1) for names in (("qx", "qy", "qz", "qw"), "xyz")),
            np.stack([rows[name] for name in ("vx", "vy", "vz")], 1),
        )
        clock_s = frame_timestamps(settings, unit.key, settings.cameras[0]) / 1e6
        for start in range(0, len(clock_s) - 46, 24):
            times_s = clock_s[start : start + 46 : 3]
            moved = motion(table.at(times_s))
            errors.add_window({name: getattr(moved, name) for name in moved.__slots__}, drive, times_s)
            windows += 1
    return windows


def oracle_figures(
    root: Path,
    dataset: Path,
    settings: DrivingSettings,
    preprocessing: RigPreprocessing,
    folder: Path,
    *,
    clips: int,
    drives: int,
) -> list[Figure]:
    """Frames, times and labels of a prepared dataset of full-size pictures, and labels of more drives."""
    recordings = scan(root, preprocessing.setup.cameras, limit=clips).recordings
    samples, errors = ShardDataset.open(dataset, recordings[0].split), Errors()
    tiles = planes = times = np.zeros(2, int)
    for recording in recordings:
        wanted: dict[str, set[int]] = {camera: set() for camera in preprocessing.setup.cameras}
        table_of = {one.camera: read_camera_times(one.times) for one in recording.cameras}
        for _, _, meta in samples_of(samples, recording.key):
            for camera, table_s in table_of.items():
                since_s = np.array(meta["cameras"][camera]["times_s"]) + meta["window_start_s"]
                wanted[camera] |= set(np.abs(table_s[:, None] - since_s).argmin(0).tolist())
        tiles = tiles + tiles_right(samples, recording, preprocessing, folder)
        planes = planes + planes_right(recording, wanted, folder)
        times = times + times_right(samples, settings, preprocessing, recording.key, errors)
    windows = drives_right(drives, errors)
    setup, worst = preprocessing.setup.name, errors.worst
    names = {"displacement_m": "displacement", "forward_m": "forward", "left_m": "to the left"}
    figures = [
        at_least(
            f"{setup}: chosen frames whose luma is FFmpeg's, byte for byte, % of {planes[1]}",
            float(100 * planes[0] / planes[1]),
            100,
        ),
        at_least(
            f"{setup}: stored tiles nearest to FFmpeg's same frame among all, % of {tiles[1]}",
            float(100 * tiles[0] / tiles[1]),
            100,
        ),
        at_least(
            f"{setup}: times as the twin's clocks, % of {times[1]}", float(100 * times[0] / times[1]), 100
        ),
    ]
    figures += [
        at_most(f"worst error of {words}, mm", round(1e3 * worst[name], 4), 1.0)
        for name, words in names.items()
    ]
    figures.append(at_most("worst error of yaw, degrees", round(worst["yaw_deg"], 6), 0.01))
    figures.append(Figure("worst error of the way driven, mm", round(1e3 * worst["path_m"], 4)))
    for name in ("final_speed_mps", "mean_speed_mps"):
        figures.append(Figure(f"worst error of {name.replace('_', ' ')}, mm/s", round(1e3 * worst[name], 4)))
    figures.append(Figure("labels compared at every moment of so many windows besides those", windows))
    return figures
