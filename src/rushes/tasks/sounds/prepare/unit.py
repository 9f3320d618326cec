"""One block of sounds becomes one series of shards: each sound decoded, seen as a spectrogram, stored.

A sound is too small for a unit of its own, so a bad one must not take its block with it: it is left out,
and its key and the reason stand in the block's receipt, from which they come into the quarantine.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rushes.engine import Failure
from rushes.errors import MediaError, SourceError
from rushes.prepare.stage import remove_shards
from rushes.shards.manifest import split_folder
from rushes.shards.write import ShardWriter
from rushes.stages import Claim
from rushes.tasks.sounds.prepare.clip import clip_of
from rushes.tasks.sounds.prepare.sample import fields_of
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.sources.blocks import FileBlock, Sounds, SoundScan

MAX_BAD = 2000
"""Bad sounds of a block, since a receipt travels; a block with more is bad as a whole."""


@dataclass(frozen=True, slots=True)
class Job:
    """What it takes to prepare one block of sounds.

    Attributes:
        sounds: the block; gives each recording with the bytes of its file.
        preprocessing: length, rate, bands.
        longest_s: of a sound whose first ``preprocessing.clip_s`` may stand for it.
        folder: of the dataset; the shards go to ``shards/<split>`` in it.
        shard_bytes: greatest size of a shard.
    """

    sounds: Sounds
    preprocessing: SoundPreprocessing
    longest_s: float
    folder: Path
    shard_bytes: int

    @property
    def split(self) -> str:
        """The side on which the block stands."""
        return self.sounds.split

    @property
    def length_s(self) -> float:
        """About how much there is to do."""
        return self.sounds.length_s

    def truth(self) -> dict[str, Any]:
        """Nothing is known of a block that its samples do not say."""
        return {}


def members_of(scan: SoundScan) -> dict[str, list[str]]:
    """Keys of the sounds in each block of files; an archive tells only when it is read."""
    return {
        block.key: [one.key for one in block.recordings]
        for block in scan.blocks
        if isinstance(block, FileBlock)
    }


def prepare_unit(job: Job) -> dict[str, Any]:
    """Prepare one block.

    Returns:
        The receipt: ``split``, ``shards`` (as in the manifest), ``samples``, ``clips`` (label: number),
        ``bad`` (recording key: reason), ``duration_s`` (of the clips), ``longer`` (sounds of which the clip
        is only the beginning), ``passed_over`` (members of an archive that give no sample) and
        ``passed_over_for`` (reason: number of these). The same job gives the same receipt and the same files.

    Raises:
        MediaError, SourceError: the block cannot be read, or more than `MAX_BAD` of its sounds cannot; no
            file of the unit stands.
        ShardError, OSError: the output cannot be written; the input is not to blame.
    """
    preprocessing, key, longer = job.preprocessing, job.sounds.key, 0
    remove_shards(job.folder, job.split, key)  # of a run that was killed before its receipt
    clips: Counter[str] = Counter()
    passed_over: Counter[str] = Counter()
    bad: dict[str, dict[str, Any]] = {}
    place = split_folder(job.folder, job.split)
    with ShardWriter(place, key, job.shard_bytes, split=job.split) as writer:
        for recording, data in job.sounds:
            if isinstance(recording, Claim):
                passed_over[f"{recording.fate}: {recording.reason}"] += 1
                continue
            try:
                if isinstance(data, MediaError):
                    raise data
                features, length_s = clip_of(data, preprocessing, job.longest_s, recording.path)
            except MediaError as error:
                bad[recording.key] = _reason(error)
                if len(bad) > MAX_BAD:
                    raise SourceError(
                        f"more than {MAX_BAD} sounds cannot be read; the last: {error.message}",
                        where=key if error.where is None else error.where,
                        cure="look at the files: are they sounds at all?",
                    ) from error
                continue
            fields = fields_of(recording, features, length_s)
            writer.write(recording.key, fields, group=recording.group or None, label=recording.label)
            clips[recording.label] += 1
            longer += length_s > preprocessing.clip_s
        shards = writer.close()
    return {
        "split": job.split,
        "shards": [shard.to_json() for shard in shards],
        "samples": clips.total(),
        "clips": dict(sorted(clips.items())),
        "bad": bad,
        "longer": longer,
        "passed_over": passed_over.total(),
        "passed_over_for": dict(sorted(passed_over.items())),
        "duration_s": clips.total() * preprocessing.clip_s,
    }


def _reason(error: MediaError) -> dict[str, Any]:
    """The same entry as that of a unit that failed."""
    return {name: value for name, value in asdict(Failure.of(error)).items() if name != "trace"}
