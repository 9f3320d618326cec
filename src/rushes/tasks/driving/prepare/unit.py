"""One clip of a rig becomes one series of shards: every camera decoded once, linearly, where it lies.

Which frames are wanted is known before anything is decoded, so the cameras advance side by side, a moment at
a time, and only wanted frames are scaled; a moment's picture is encoded once and shared by the windows in
which it stands.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushes.media.frame import CompactFrame
from rushes.media.geometry import Letterbox
from rushes.media.grid import encode_tiles
from rushes.media.signals import Signals
from rushes.media.video import decode
from rushes.metrics.egomotion import turn_classes
from rushes.prepare.recording_job import RecordingJob
from rushes.prepare.stage import remove_shards
from rushes.shards.manifest import split_folder
from rushes.shards.member import json_member
from rushes.shards.write import Content, ShardWriter
from rushes.tasks.driving.prepare.plan import plan_clip, require_times
from rushes.tasks.driving.prepare.windows import Moments, Window
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import PrepareWindows
from rushes.tasks.driving.sources.recording import RigRecording, Video


@dataclass(frozen=True, slots=True)
class Job(RecordingJob[RigRecording, RigPreprocessing, PrepareWindows]):
    """What it takes to prepare one clip."""

    @property
    def length_s(self) -> float:
        """Clips are of about one length: the largest first."""
        return float(self.recording.nbytes)

    def truth(self) -> dict[str, Any]:
        """Which clip it is, and what is known of it."""
        recording = self.recording
        return {"group": recording.group, **recording.origin, "tags": dict(recording.tags)}


def prepare_unit(job: Job) -> dict[str, Any]:
    """Prepare one clip.

    Returns:
        The receipt: ``split``, ``shards`` (as in the manifest), ``samples``, ``clips`` (``window``: number),
        ``refused_frames``, ``refused_poses``, ``refused_heading`` and ``refused_labels`` (windows left out, see
        `plan_windows`),
        ``unproven`` (1 where the vehicle moves too little to prove the convention of its rotations), ``frames``
        (decoded, of all cameras), ``encoded`` (JPEGs), ``duration_s``, and ``empty``, why there is no window,
        where there is none. The same job gives the same receipt and the same files.

    Raises:
        MediaError, SourceError: a bad input, for quarantine; no file of the unit stands.
        ShardError, OSError: the output cannot be written; the input is not to blame.
    """
    recording, preprocessing = job.recording, job.preprocessing
    remove_shards(job.folder, job.split, recording.key)  # of a run that was killed before its receipt
    plan = plan_clip(recording, preprocessing, job.asked.stride)
    moments, windows = plan.moments, plan.windows
    told = {
        "split": job.split,
        "samples": len(windows),
        "clips": {"window": len(windows)},
        **{f"refused_{reason}": plan.refused[reason] for reason in ("frames", "poses", "heading", "labels")},
        "unproven": int(plan.evidence.verdict == "cannot be told"),
        "duration_s": plan.duration_s,
    }
    if not windows:
        return told | {"shards": [], "frames": 0, "encoded": 0, "empty": plan.why_empty}
    rig = _Rig(plan.videos, plan.times_of, moments, preprocessing)
    waiting = windows[::-1]
    held: dict[int, _Shown] = {}
    place = split_folder(job.folder, job.split)
    with ShardWriter(place, recording.key, job.asked.shard_bytes, split=job.split) as writer:
        for shown in rig.shown(_wanted(windows)):
            held[shown.moment] = shown
            if shown.moment != waiting[-1].moments[-1]:
                continue
            window = waiting.pop()
            sample = _sample(recording, window, moments, preprocessing, [held[n] for n in window.moments])
            turn = turn_classes(window.motion.yaw_deg[-1:])[0]
            writer.write(*sample, group=recording.group, label=str(turn))
            next_start = waiting[-1].moments[0] if waiting else len(moments.times_s)
            held = {number: kept for number, kept in held.items() if number >= next_start}
        shards = writer.close()
    return told | {
        "shards": [shard.to_json() for shard in shards],
        "frames": sum(map(len, plan.times_of.values())),
        "encoded": rig.encoded,
    }


def _wanted(windows: Sequence[Window]) -> list[int]:
    """Moments that stand in any window."""
    return sorted({moment for window in windows for moment in window.moments})


@dataclass(frozen=True, slots=True)
class _Shown:
    """A moment as it will be stored.

    Attributes:
        moment: its number.
        jpegs: suffix of the member's name -> picture.
        signals: (cameras, 2) entropy and motion.
        boxes: camera -> where its picture stands in its tile.
    """

    moment: int
    jpegs: Mapping[str, bytes]
    signals: np.ndarray
    boxes: Mapping[str, Letterbox]


class _Rig:
    """The cameras of one clip, decoded side by side."""

    def __init__(
        self,
        videos: Mapping[str, Video],
        times_of: Mapping[str, np.ndarray],
        moments: Moments,
        preprocessing: RigPreprocessing,
    ) -> None:
        self.encoded = 0
        self._videos, self._moments, self._preprocessing = videos, moments, preprocessing
        self._counts = {camera: len(times_s) for camera, times_s in times_of.items()}

    def shown(self, wanted: Sequence[int]) -> Iterator[_Shown]:
        """The wanted moments in order; every camera is decoded to its end, and its frames counted."""
        streams = {
            camera: self._pictures(camera, self._moments.numbers[camera][wanted]) for camera in self._videos
        }
        for moment in wanted:
            tiles, signals = zip(*(next(stream) for stream in streams.values()), strict=True)
            by_camera = dict(zip(streams, tiles, strict=True))
            boxes = {camera: tile.box for camera, tile in by_camera.items()}
            yield _Shown(moment, self._encode(by_camera), np.array(signals), boxes)
        for stream in streams.values():
            for _ in stream:
                raise AssertionError("a camera gave more pictures than were asked for")

    def _pictures(
        self, camera: str, numbers: np.ndarray
    ) -> Iterator[tuple[CompactFrame, tuple[float, float]]]:
        """Frames with these numbers, at the size of a tile, with entropy and motion."""
        preprocessing, member = self._preprocessing, self._videos[camera]
        signals, count, wanted = Signals(), 0, iter(numbers)
        number = next(wanted)
        for frame in decode(member):
            signal = signals.update(frame.luma(preprocessing.signal_size))
            if count == number:
                compact = frame.compact(preprocessing.tile_size)
                while count == number:  # a slow camera's frame can be the nearest to two moments
                    yield compact, signal
                    number = next(wanted, -1)
            count += 1
        require_times(camera, count, self._counts[camera], member)

    def _encode(self, tiles: Mapping[str, CompactFrame]) -> dict[str, bytes]:
        preprocessing = self._preprocessing
        if preprocessing.layout == "separate":
            self.encoded += len(tiles)
            return {f"_{camera}": tile.jpeg(preprocessing.jpeg_quality) for camera, tile in tiles.items()}
        self.encoded += 1
        placed = {preprocessing.setup.place(camera): tile for camera, tile in tiles.items()}
        return {
            "": encode_tiles(
                placed, preprocessing.setup.grid, preprocessing.tile_size, preprocessing.jpeg_quality
            )
        }


def _sample(
    recording: RigRecording,
    window: Window,
    moments: Moments,
    preprocessing: RigPreprocessing,
    shown: Sequence[_Shown],
) -> tuple[str, dict[str, Content]]:
    """Key and members of one window; times since its first frame unless said otherwise."""
    start_s = float(window.times_s[0])
    since_s = window.times_s - start_s
    chosen = slice(window.moments.start, window.moments.stop)
    cameras = {}
    for camera, box in shown[0].boxes.items():
        offsets_s = moments.offsets_s[camera][chosen]
        cameras[camera] = {
            "times_s": (since_s + offsets_s).tolist(),
            "dt_s": offsets_s.tolist(),
            "place": preprocessing.setup.place(camera),
            "source_size": box.source,
            "scale": box.scale,
            "offset": (box.left, box.top),
        }
    meta = {
        "recording": recording.key,
        "group": recording.group,
        **recording.origin,
        "split_of_source": recording.split,
        "tags": json.dumps(dict(recording.tags), sort_keys=True),  # recordings differ in what is known
        "setup": preprocessing.setup.name,
        "layout": preprocessing.layout,
        "order": preprocessing.setup.cameras,  # of pictures and signals
        "window_start_s": start_s,  # this and the next: the clip's clock
        "window_end_s": start_s + preprocessing.frames / preprocessing.rate_hz,
        "frame_times_s": since_s.tolist(),
        "cameras": cameras,
    }
    moved = window.motion
    target = {"times_s": since_s.tolist()} | {
        name: getattr(moved, name).tolist() for name in type(moved).__dataclass_fields__
    }
    table = np.concatenate([since_s[:, None], np.stack([one.signals.ravel() for one in shown])], axis=1)
    signals = io.BytesIO()
    np.save(signals, table.astype(np.float32), allow_pickle=False)
    fields: dict[str, Content] = {
        "meta.json": json_member(meta),
        "target.json": json_member(target),
        "signals.npy": signals.getvalue(),
    }
    for place, one in enumerate(shown):
        for suffix, data in one.jpegs.items():
            fields[f"frame_{place:02d}{suffix}.jpg"] = data
    return f"{recording.key}_w{window.moments.start:05d}", fields
