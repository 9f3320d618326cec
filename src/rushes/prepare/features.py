"""The frames of a prepared dataset through a frozen encoder, once: a dataset of features, in the same shards.

Each sample keeps its key and its JSON members; in place of its pictures it has ``features.npy``, float16
(frames, width). A unit is a unit of the prepared dataset. Clips that overlap share frames: what is the same
picture, byte for byte, is encoded once.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.media.image import decode_jpeg
from rushes.models.encoder import Encoder, encoder
from rushes.prepare.stage import remove_shards
from rushes.recipe.frozen import FEATURES, Encoding
from rushes.shards.manifest import split_folder
from rushes.shards.member import array_member
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter

_TOLD = ("key", "split", "duration_s")
"""What a line of ``recordings.json`` says of itself; the rest is the recording's truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What it takes to encode the frames of one unit; a `rushes.prepare.stage.Job`.

    Attributes:
        key: of the unit.
        split: the side on which it stands.
        samples: its samples, prepared.
        known: its line of the prepared dataset's ``recordings.json``.
        encoding: which encoder, and how a frame enters.
        folder: of the features; the shards go to ``shards/<split>`` in it.
        shard_bytes: greatest size of a shard.
    """

    key: str
    split: str
    samples: ShardDataset
    known: Mapping[str, Any]
    encoding: Encoding
    folder: Path
    shard_bytes: int

    @property
    def length_s(self) -> float:
        """Of the recording."""
        return float(self.known["duration_s"])

    def truth(self) -> dict[str, Any]:
        """As the prepared dataset has it."""
        return {name: value for name, value in self.known.items() if name not in _TOLD}


def jobs_of(
    sides: Mapping[str, ShardDataset],
    recordings: Iterable[Mapping[str, Any]],
    encoding: Encoding,
    folder: Path,
    shard_bytes: int,
) -> dict[str, Job]:
    """A job for each unit of a prepared dataset that has samples.

    Args:
        sides: the samples of each side.
        recordings: content of ``recordings.json``.
        encoding, folder, shard_bytes: of all jobs.
    """
    known, jobs = {row["key"]: row for row in recordings}, {}
    for split, samples in sides.items():
        shards = defaultdict(list)
        for tar, info in zip(samples.tars, samples.infos, strict=True):
            shards[info.series].append((tar, info))
        for key, found in shards.items():
            tars, infos = zip(*found, strict=True)
            jobs[key] = Job(
                key=key,
                split=split,
                samples=ShardDataset(tars, infos, check=True, opener=samples.opener),
                known=known[key],
                encoding=encoding,
                folder=folder,
                shard_bytes=shard_bytes,
            )
    return jobs


def encode_unit(job: Job) -> dict[str, Any]:
    """Encode the frames of one unit.

    Returns:
        The receipt, see `rushes.prepare.stage.prepare`, with ``frames`` and, of these, ``encoded``; these again
        under the name of the runtime, which is not signed: features differ by its last bits, as by a processor's.

    Raises:
        MediaError: a picture that cannot be decoded, for quarantine.
        ShardError: a sample is not what was prepared.
        ModelError: there is no encoder.
    """
    remove_shards(job.folder, job.split, job.key)  # of a run that was killed before its receipt
    seen = SeenFrames(encoder(job.encoding))
    samples, frames = job.samples, 0
    about = zip(samples.groups(), samples.labels(), strict=True)
    with ShardWriter(
        split_folder(job.folder, job.split), job.key, job.shard_bytes, split=job.split
    ) as writer:
        for number, (group, label) in enumerate(about):
            key, fields = samples.key(number), samples.sample(number)
            writer.write(key, seen.members(key, fields), group=group, label=label)
            frames += sum(name.endswith(".jpg") for name in fields)
        shards = writer.close()
    return {
        "split": job.split,
        "shards": [shard.to_json() for shard in shards],
        "samples": len(samples),
        "clips": {"sample": len(samples)},
        "frames": frames,
        "encoded": seen.encoded,
        f"encoded_by_{seen.runtime}": seen.encoded,
        "duration_s": job.length_s,
    }


class SeenFrames:
    """Samples with features in place of their pictures; what was seen a short while ago is not encoded again.

    Args:
        encoder: of frames.
        most: frames that are remembered, the last ones: 10 MB of features. Clips come in order of time.

    Attributes:
        encoded: frames so far.
        runtime: by which.
    """

    def __init__(self, encoder: Encoder, most: int = 4096) -> None:
        self.encoded, self.runtime = 0, encoder.runtime
        self._encoder, self._most = encoder, most
        self._known: dict[bytes, NDArray[np.float16]] = {}  # by the hash of a picture's bytes, oldest first

    def members(self, key: str, fields: Mapping[str, bytes | memoryview]) -> dict[str, bytes | memoryview]:
        """Members of a prepared sample -> those of the sample that a head sees.

        Raises:
            MediaError: a picture that cannot be decoded.
        """
        pictures = [fields[name] for name in sorted(fields) if name.endswith(".jpg")]
        kept = {name: content for name, content in fields.items() if name.endswith(".json")}
        return {**kept, FEATURES: array_member(self._features(pictures, key))}

    def _features(self, pictures: list[bytes | memoryview], where: str) -> NDArray[np.float16]:
        """Features (n, width) of n JPEGs."""
        hashes = [hashlib.sha256(picture).digest() for picture in pictures]
        new = {name: at for at, name in enumerate(hashes) if name not in self._known}
        decoded = [decode_jpeg(pictures[at], where) for at in new.values()]
        found = self._encoder.encode(decoded).astype(np.float16)
        self._known.update(zip(new, found, strict=True))
        self.encoded += len(new)
        features = np.stack([self._known[name] for name in hashes])
        for oldest in list(islice(self._known, max(len(self._known) - self._most, 0))):
            del self._known[oldest]
        return features
