"""One long recording becomes one series of shards: decoded once, block by block, a spectrogram for each window."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.media.audio import stream
from rushes.media.audio_files import mapped
from rushes.media.audio_windows import windows
from rushes.media.logmel import log_mel
from rushes.prepare.stage import remove_shards
from rushes.records import SoundRecording
from rushes.shards.manifest import split_folder
from rushes.shards.write import ShardWriter
from rushes.tasks.sounds.prepare.sample import fields_of
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.sources.recordings import LongRecording
from rushes.tasks.sounds.sources.windows import LEFT_OUT, Cutting, key_of

LONGEST_S = 7 * 24 * 3600.0
"""A week; what goes on for longer is a fault of its head."""

NO_CLASS = "no window of it has a class"


@dataclass(frozen=True, slots=True)
class RecordingJob:
    """What it takes to prepare one long recording.

    Attributes:
        recording: with its labels.
        cutting: into windows.
        preprocessing: length, rate, bands.
        folder: of the dataset; the shards go to ``shards/<split>`` in it.
        shard_bytes: greatest size of a shard.
    """

    recording: LongRecording
    cutting: Cutting
    preprocessing: SoundPreprocessing
    folder: Path
    shard_bytes: int

    @property
    def split(self) -> str:
        """The side on which it stands."""
        return self.recording.split

    @property
    def length_s(self) -> float:
        """How much there is to do."""
        return self.recording.length_s

    def truth(self) -> dict[str, Any]:
        """Its labels, for timelines."""
        return {
            "group": self.recording.group,
            "segments": [(one.start_s, one.end_s, one.label) for one in self.recording.segments],
        }


def prepare_recording(job: RecordingJob) -> dict[str, Any]:
    """Prepare one long recording.

    Returns:
        The receipt: ``split``, ``shards`` (as in the manifest), ``samples``, ``clips`` (label: number),
        ``duration_s`` (of the recording), ``passed_over`` (windows that give no sample) and
        ``empty``, why there is no sample, where there is none. The same job gives the same receipt and files.

    Raises:
        MediaError: the recording cannot be read as a whole.
        ShardError, OSError: the output cannot be written; the input is not to blame.
    """
    one, cutting, preprocessing = job.recording, job.cutting, job.preprocessing
    remove_shards(job.folder, job.split, one.key)  # of a run that was killed before its receipt
    places = cutting.places(one.segments, cutting.starts(one.length_s))
    clips: Counter[str] = Counter()
    passed_over = 0
    place, hop = split_folder(job.folder, job.split), round(cutting.hop_s * preprocessing.sample_rate)
    with ShardWriter(place, one.key, job.shard_bytes, split=job.split) as writer, mapped(one.path) as data:
        blocks = stream(data, sample_rate=preprocessing.sample_rate, longest_s=LONGEST_S, where=one.path)
        for number, (start, wave) in enumerate(windows(blocks, preprocessing.samples, hop)):
            # A head may round a length down, to just before one more window.
            at = int(places[number]) if number < len(places) else LEFT_OUT
            if at == LEFT_OUT:
                passed_over += 1
                continue
            label, start_s = cutting.labels[at], start / preprocessing.sample_rate
            window = SoundRecording(key_of(one.key, start_s), one.group, one.split, label, one.path)
            fields = fields_of(
                window, log_mel(wave, preprocessing), cutting.clip_s, of=one.key, start_s=start_s
            )
            writer.write(window.key, fields, group=one.group or None, label=label)
            clips[label] += 1
        shards = writer.close()
    return {
        "split": job.split,
        "shards": [shard.to_json() for shard in shards],
        "samples": clips.total(),
        "clips": dict(sorted(clips.items())),
        "passed_over": passed_over,
        "duration_s": one.length_s,
        **({} if clips else {"empty": NO_CLASS}),
    }
