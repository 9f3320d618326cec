"""One clip of a rig becomes one series of shards: every camera decoded once, linearly, where it lies.

A moment's picture is encoded once and shared by the windows in which it stands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rushes.metrics.egomotion import turn_classes
from rushes.prepare.recording_job import RecordingJob
from rushes.prepare.stage import remove_shards
from rushes.shards.manifest import split_folder
from rushes.shards.member import json_member
from rushes.shards.write import Content, ShardWriter
from rushes.tasks.driving.prepare.plan import plan_clip
from rushes.tasks.driving.prepare.rig import Cameras, Shown, meta_of, pictures_of, signals_of
from rushes.tasks.driving.prepare.windows import Moments, Window
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import PrepareWindows
from rushes.tasks.driving.sources.recording import RigRecording


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
    rig = Cameras(plan.videos, plan.times_of, moments, preprocessing)
    waiting = windows[::-1]
    held: dict[int, Shown] = {}
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


def _sample(
    recording: RigRecording,
    window: Window,
    moments: Moments,
    preprocessing: RigPreprocessing,
    shown: Sequence[Shown],
) -> tuple[str, dict[str, Content]]:
    """Key and members of one window; times since its first frame unless said otherwise."""
    since_s = window.times_s - float(window.times_s[0])
    meta = {
        "recording": recording.key,
        "group": recording.group,
        **recording.origin,
        "split_of_source": recording.split,
        "tags": json.dumps(dict(recording.tags), sort_keys=True),  # recordings differ in what is known
        **meta_of(window.moments, moments, preprocessing, shown[0].boxes),
    }
    moved = window.motion
    target = {"times_s": since_s.tolist()} | {
        name: getattr(moved, name).tolist() for name in type(moved).__dataclass_fields__
    }
    fields: dict[str, Content] = {
        "meta.json": json_member(meta),
        "target.json": json_member(target),
        "signals.npy": signals_of(since_s, shown),
        **pictures_of(shown),
    }
    return f"{recording.key}_w{window.moments.start:05d}", fields
