"""What a prepare run would make of the recordings, from headers and annotation alone; nothing is decoded.

Estimates are for a plan and for a look before an hour of work: a session whose footage is shorter than its
labels, a subject without a label, a side without clips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rushes.errors import RushesError
from rushes.media.video import probe
from rushes.records import Recording
from rushes.tasks.operations.prepare.clips import Cutting
from rushes.tasks.operations.prepare.unit import TOLERANCE_S, plan_clips
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.sources.openpack.source import check_coverage

JPEG_BYTES_PER_PIXEL = 0.14
"""Of stored frames at quality 90, measured on the twin and on real footage."""


@dataclass(frozen=True, slots=True)
class SessionAudit:
    """One recording before it is prepared.

    Attributes:
        key, subject, group: whose it is.
        split: its side; None for a recording that is skipped.
        duration_s: of the footage as declared; None where nothing is declared or it cannot be opened.
        labelled_s: sum of the labelled operations.
        operations: number of labelled operations by label.
        clips: number of clips expected by kind; empty where the duration is not known.
        frames: pictures expected to be decoded; None where not declared.
        bytes: estimate of the shards.
        fault: why it would be quarantined, as far as that shows now.
    """

    key: str
    subject: str
    group: str
    split: str | None
    duration_s: float | None
    labelled_s: float
    operations: Mapping[str, int]
    clips: Mapping[str, int]
    frames: int | None
    bytes: int
    fault: str | None = None


def audit_recordings(
    recordings: Iterable[Recording],
    split_of: Mapping[str, str],
    preprocessing: ClipPreprocessing,
    cutting: Cutting,
    window_splits: Sequence[str] = (),
) -> Iterator[SessionAudit]:
    """Look at one recording after the other; opens each file once.

    Args:
        recordings: in any order, which is kept.
        split_of: recording key -> split; what stands on no side would be skipped.
        preprocessing: number and size of the frames of a clip.
        cutting: which clips are cut.
        window_splits: splits whose whole sessions are cut into windows.
    """
    clip_bytes = round(
        preprocessing.frames
        * preprocessing.frame_size[0]
        * preprocessing.frame_size[1]
        * JPEG_BYTES_PER_PIXEL
    )
    for recording in recordings:
        split = split_of.get(recording.key)
        duration_s = frames = fault = None
        clips: Counter[str] = Counter()
        try:
            info = probe(recording.media)
            duration_s, frames = info.duration_s, info.frame_count
            if duration_s is not None:
                check_coverage(recording, duration_s, TOLERANCE_S)
                if split is not None:
                    planned = plan_clips(recording, duration_s, cutting, split in window_splits)
                    clips.update(clip.kind for clip in planned)
        except RushesError as error:
            fault = str(error)
        if frames is None and duration_s is not None and info.rate is not None:
            frames = round(duration_s * info.rate)
        yield SessionAudit(
            key=recording.key,
            subject=recording.subject,
            group=recording.group,
            split=split,
            duration_s=duration_s,
            labelled_s=sum(segment.duration_s for segment in recording.segments),
            operations=dict(sorted(Counter(segment.label for segment in recording.segments).items())),
            clips=dict(sorted(clips.items())),
            frames=frames,
            bytes=clips.total() * clip_bytes,
            fault=fault,
        )
