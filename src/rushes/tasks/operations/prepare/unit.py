"""One recording becomes one series of shards: decoded once, linearly, nothing else held than open clips need.

The same function runs in this process, in spawned workers, or anywhere else: a small frozen job in, a small
dict out, files under their final names only when all of them are whole.
"""

from __future__ import annotations

import io
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushes.errors import MediaError
from rushes.media.limits import DEFAULT_LIMITS, Limits
from rushes.media.sampling import SAMPLERS, SamplerOptions, motion_for
from rushes.media.signals import with_signals
from rushes.media.video import Frame, decode, probe
from rushes.prepare.recording_job import RecordingJob
from rushes.prepare.ring import RAW_BYTES, FrameRing
from rushes.prepare.stage import remove_shards
from rushes.records import Clip, Media, Recording
from rushes.shards.manifest import split_folder
from rushes.shards.member import json_member
from rushes.shards.write import ShardWriter
from rushes.tasks.operations.prepare.clips import cutting_of, followers, plan_clips, why_no_clip
from rushes.tasks.operations.prepare.sample import target_member
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import PrepareClips
from rushes.tasks.operations.sources.sessions import check_coverage

TOLERANCE_S = 0.5
"""By how much the footage may be longer or shorter than declared, and labels stick out of it."""


@dataclass(frozen=True, slots=True)
class Job(RecordingJob[Recording, ClipPreprocessing, PrepareClips]):
    """What it takes to prepare one session."""

    @property
    def boost(self) -> float:
        """How much more frames near a boundary count; 0 wherever a model is measured."""
        return self.asked.boundary_boost if self.split == "train" else 0.0

    @property
    def length_s(self) -> float:
        """End of the last label."""
        segments = self.recording.segments
        return segments[-1].end_s if segments else 0.0

    def truth(self) -> dict[str, Any]:
        """Whose session it is, and its labels."""
        recording = self.recording
        return {
            "group": recording.group,
            "subject": recording.subject,
            "session": recording.session,
            "segments": [[segment.start_s, segment.end_s, segment.label] for segment in recording.segments],
        }


def prepare_unit(job: Job) -> dict[str, Any]:
    """Prepare one recording.

    Returns:
        The receipt: ``split``, ``shards`` (as in the manifest), ``samples``, ``clips`` (number by kind),
        ``thin`` (clips left out since the footage has a hole there), ``frames`` (decoded), ``encoded``
        (JPEGs), ``duration_s`` (the clips are planned for it; decoding agreed), ``source_size``; ``empty``,
        why there is no clip, where there is none. The same job gives the same receipt and the same files.

    Raises:
        MediaError, SourceError: a bad input, for quarantine; no file of the unit stands.
        ShardError, OSError: the output cannot be written; the input is not to blame.
    """
    recording = job.recording
    remove_shards(job.folder, job.split, recording.key)  # of a run that was killed before its receipt
    planned_s = footage_duration(recording.media)
    check_coverage(recording, planned_s, TOLERANCE_S)
    cutting = cutting_of(job.preprocessing, job.asked)
    clips = plan_clips(recording, planned_s, cutting, job.split in job.asked.window_splits)
    footage = Footage(job.preprocessing)
    kinds: Counter[str] = Counter()
    place = split_folder(job.folder, job.split)
    with ShardWriter(place, recording.key, job.asked.shard_bytes, split=job.split) as writer:
        for clip, fields in footage.cut(recording, clips, job.boost):
            label = None if clip.target is None else clip.target.operation
            writer.write(clip.key, fields, group=recording.group, label=label)
            kinds[clip.kind] += 1
        require_as_planned(recording, clips, planned_s, footage.duration_s, kinds.total())
        shards = writer.close()
    return {
        **({} if clips else {"empty": why_no_clip(recording, cutting)}),
        "split": job.split,
        "shards": [shard.to_json() for shard in shards],
        "samples": kinds.total(),
        "clips": dict(sorted(kinds.items())),
        "thin": len(clips) - kinds.total(),
        "frames": footage.count,
        "encoded": footage.encoded,
        "duration_s": planned_s,
        "source_size": list(footage.size),
    }


def footage_duration(media: Media, limits: Limits = DEFAULT_LIMITS) -> float:
    """Length of the footage as declared, or counted by decoding it where nothing is declared.

    Raises:
        MediaError: it cannot be read, or is longer than ``limits`` allow.
    """
    declared_s = probe(media, limits).duration_s
    if declared_s is not None:
        limits.check(media.path, duration_s=declared_s)
        return declared_s
    last_s = period_s = 0.0
    for frame in decode(media, limits):
        period_s, last_s = frame.time_s - last_s, frame.time_s
    return last_s + period_s


def boundary_in(clip: Clip) -> float | None:
    """The boundary nearest to the clip's middle, on its clock; None where there is none."""
    length_s = clip.end_s - clip.start_s
    edges_s = [edge for segment in clip.segments for edge in (segment.start_s, segment.end_s)]
    inside_s = [edge for edge in edges_s if 0.0 < edge < length_s]
    return min(inside_s, key=lambda edge: abs(edge - length_s / 2), default=None)


def choose_frames(
    table: np.ndarray, preprocessing: ClipPreprocessing, boundary_s: float | None = None, boost: float = 0.0
) -> list[int]:
    """Numbers of the frames of one clip that the model sees; without ``boost`` no label is looked at.

    Args:
        table: float64 (n, 3), time on the clip's clock, entropy, motion.
        preprocessing: names the sampler.
        boundary_s: a known boundary on the clip's clock.
        boost: how much more frames near it count.
    """
    options = SamplerOptions(
        min_gap_s=preprocessing.min_gap_s,
        boundary_s=boundary_s if boost else None,
        entropy_boost=1.0 + boost,
        motion_weight=boost,
    )
    sampler = SAMPLERS[preprocessing.sampler]
    chosen = sampler(table[:, 0], table[:, 1], table[:, 2], preprocessing.frames, options)
    return [int(number) for number in chosen]


def choose_by_halves(table: np.ndarray, preprocessing: ClipPreprocessing, clip_s: float) -> list[int]:
    """As `choose_frames`, half of the frames in each half of the clip, each as if it stood alone.

    Clips that follow each other half a clip apart share a half, and so its frames: what a model makes of a pair of
    frames is made once. Where no whole pairs fall on a half, or it has too few frames, all of the clip is looked at.

    Args:
        table: see `choose_frames`.
        preprocessing: names the sampler.
        clip_s: length of the clip.
    """
    middle, count = int(np.searchsorted(table[:, 0], clip_s / 2)), preprocessing.frames // 2
    if preprocessing.frames % 4 or min(middle, len(table) - middle) < count:
        return choose_frames(table, preprocessing)
    half = preprocessing.model_copy(update={"frames": count})
    second = [middle + number for number in choose_frames(table[middle:], half)]
    return choose_frames(table[:middle], half) + second


class Footage:
    """One linear read of a recording, cut into clips as it passes: the same for a dataset and for answers.

    Args:
        preprocessing: how a clip becomes a question.
        limits: of the recording.
        raw_bytes: see `FrameRing`; more is faster where frames are large, and gives the same clips.

    Attributes:
        count: frames decoded so far.
        size: (width, height) in pixels of a frame as it is displayed.
    """

    def __init__(
        self,
        preprocessing: ClipPreprocessing,
        limits: Limits = DEFAULT_LIMITS,
        raw_bytes: int = RAW_BYTES,
    ) -> None:
        self.count = 0
        self.size = (0, 0)
        self._last_s = self._period_s = 0.0
        self._preprocessing, self._limits = preprocessing, limits
        self._ring = FrameRing(preprocessing.frame_size, preprocessing.jpeg_quality, raw_bytes)

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last, which lasts as long as the one before it."""
        return self._last_s + self._period_s

    @property
    def encoded(self) -> int:
        """JPEGs made so far."""
        return self._ring.encoded

    def cut(
        self, recording: Recording, clips: list[Clip], boost: float = 0.0, *, by_halves: bool = False
    ) -> Iterator[tuple[Clip, dict[str, bytes]]]:
        """Each clip with the members of its sample, as soon as its end has passed; thin ones are left out.

        Args:
            recording: what to read.
            clips: in order of their ends.
            boost: how much more frames near a boundary count.
            by_halves: whether frames are chosen by `choose_by_halves`.

        Raises:
            MediaError: see `rushes.media.video.decode`.
        """
        after = _AfterClip(recording)
        for clip in _closed_clips(self._frames(recording.media), clips, self._ring, self._preprocessing):
            numbers = self._ring.between(clip.start_s, clip.end_s)
            if len(numbers) < self._preprocessing.frames:
                continue
            table = self._ring.signals(numbers)
            table[:, 0] -= clip.start_s
            if by_halves:
                chosen = choose_by_halves(table, self._preprocessing, clip.end_s - clip.start_s)
            else:
                chosen = choose_frames(table, self._preprocessing, boundary_in(clip), boost)
            fields = _fields(recording, clip, after(clip), table, chosen, self._preprocessing, self.size)
            for number, data in enumerate(self._ring.jpegs([numbers[index] for index in chosen])):
                fields[f"frame_{number:02d}.jpg"] = data
            yield clip, fields

    def _frames(self, media: Media) -> Iterator[Frame]:
        for frame in decode(media, self._limits):
            self.count += 1
            self._period_s, self._last_s = frame.time_s - self._last_s, frame.time_s
            self.size = (frame.width, frame.height)
            yield frame


def _closed_clips(
    frames: Iterator[Frame], clips: list[Clip], ring: FrameRing, preprocessing: ClipPreprocessing
) -> Iterator[Clip]:
    """Each clip as soon as its end has passed, its frames in ``ring``."""
    waiting = deque(clips)
    measure = motion_for(preprocessing.sampler)
    for frame, signal in with_signals(frames, preprocessing.signal_size, measure=measure):
        while waiting and waiting[0].end_s <= frame.time_s:
            yield waiting.popleft()
        if waiting:
            ring.forget_before(waiting[0].start_s)
            if frame.time_s >= waiting[0].start_s:
                ring.append(frame, signal)
    yield from waiting


def require_as_planned(
    recording: Recording, clips: list[Clip], planned_s: float, duration_s: float, samples: int
) -> None:
    """Refuse footage that is not what the clips were planned for."""
    if abs(duration_s - planned_s) > TOLERANCE_S:
        raise MediaError(
            f"the file declares {planned_s:.3f} s, decoded {duration_s:.3f} s",
            where=recording.media.path,
            cure="convert it, so that its header tells the truth: ffmpeg -i IN -c copy OUT.mp4",
        )
    check_coverage(recording, duration_s, TOLERANCE_S)
    if clips and not samples:
        raise MediaError(
            f"too few frames in each of {len(clips)} clips: {duration_s:.1f} s of footage at too low a rate",
            where=recording.media.path,
            cure="choose fewer frames per clip, or longer clips",
        )


class _AfterClip:
    """Label of the operation that follows the last one that a clip touches; None where there is none."""

    def __init__(self, recording: Recording) -> None:
        self._starts = np.array([segment.start_s for segment in recording.segments])
        self._segments = recording.segments
        self._followers = followers(recording.segments)

    def __call__(self, clip: Clip) -> str | None:
        last = int(self._starts.searchsorted(clip.end_s)) - 1
        touched = last >= 0 and self._segments[last].end_s > clip.start_s
        return self._followers[last] if touched else None


def _fields(
    recording: Recording,
    clip: Clip,
    after: str | None,
    table: np.ndarray,
    chosen: list[int],
    preprocessing: ClipPreprocessing,
    source_size: tuple[int, int],
) -> dict[str, bytes]:
    """Everything of a sample but its pictures; all times on the clip's clock unless said otherwise."""
    meta = {
        "recording": recording.key,
        "subject": recording.subject,
        "session": recording.session,
        "group": recording.group,
        "kind": clip.kind,
        "clip_start_s": clip.start_s,  # this and the next: the recording's clock
        "clip_end_s": clip.end_s,
        "asked_s": clip.asked_s,
        "frame_times_s": table[chosen, 0].tolist(),
        "sampler": preprocessing.sampler,
        "frame_size": preprocessing.frame_size,
        "source_size": source_size,
    }
    signals = io.BytesIO()
    np.save(signals, table.astype(np.float32), allow_pickle=False)
    return {
        "meta.json": json_member(meta),
        "target.json": target_member(clip, after),
        "signals.npy": signals.getvalue(),
    }
