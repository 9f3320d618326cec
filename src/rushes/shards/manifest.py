"""The manifest of a dataset: which shards make up which split, and how they were made. Written last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.errors import ShardError, StageError
from rushes.records import KEY
from rushes.shards.index import ShardInfo
from rushes.stages import canonical_json, read_json, write_json

VERSION = 1
MANIFEST = "manifest.json"

_CURE = "run `rushes prepare` again"


def split_folder(folder: Path, split: str) -> Path:
    """Where the shards of ``split`` lie in the dataset ``folder``."""
    return Path(folder) / "shards" / split


@dataclass(frozen=True, slots=True)
class Manifest:
    """A finished dataset.

    Attributes:
        signature: of the stage that made it, 12 hex digits.
        splits: shards of each split, sorted by name.
        labels: the label set, in the order of the classes.
        preprocessing: the preprocessing, as JSON.
        version: of the manifest's form.
    """

    signature: str
    splits: Mapping[str, tuple[ShardInfo, ...]]
    labels: tuple[str, ...]
    preprocessing: Mapping[str, Any]
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ShardError(f"a manifest of version {self.version}, this is version {VERSION}", cure=_CURE)
        for split, shards in self.splits.items():
            if KEY.fullmatch(split) is None:
                raise ShardError(f"not a split's name: {split!r}")
            names = [shard.name for shard in shards]
            if names != sorted(set(names)):
                raise ShardError("shards must be sorted by name, each once", where=split)

    @property
    def samples(self) -> dict[str, int]:
        """Number of samples of each split."""
        return {split: sum(shard.samples for shard in shards) for split, shards in self.splits.items()}

    @property
    def checksum(self) -> str:
        """Hex SHA-256 over the list of [split, shard SHA-256], splits and shards sorted by name."""
        pairs = [[split, shard.sha256] for split in sorted(self.splits) for shard in self.splits[split]]
        return hashlib.sha256(canonical_json(pairs).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``manifest.json`` into the dataset ``folder``; all that it names must stand already."""
        splits = {
            split: {"samples": self.samples[split], "shards": [shard.to_json() for shard in shards]}
            for split, shards in self.splits.items()
        }
        record = {
            "version": self.version,
            "signature": self.signature,
            "checksum": self.checksum,
            "splits": splits,
            "labels": self.labels,
            "preprocessing": self.preprocessing,
        }
        write_json(Path(folder) / MANIFEST, record)


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of the dataset ``folder``.

    Raises:
        ShardError: there is none, so the dataset is not finished; or it does not hold.
    """
    path = Path(folder) / MANIFEST
    if not path.exists():
        raise ShardError(
            "not a finished dataset: it has no manifest", where=path, cure="run `rushes prepare`"
        )
    try:
        record = read_json(path)
        splits = {
            split: tuple(ShardInfo.from_json(entry, where=path) for entry in part["shards"])
            for split, part in record["splits"].items()
        }
        manifest = Manifest(
            signature=record["signature"],
            splits=splits,
            labels=tuple(record["labels"]),
            preprocessing=record["preprocessing"],
            version=record["version"],
        )
        found = {"checksum": record["checksum"]} | {
            s: part["samples"] for s, part in record["splits"].items()
        }
    except (StageError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(f"the manifest does not hold: {error}", where=path, cure=_CURE) from error
    if found != {"checksum": manifest.checksum} | manifest.samples:
        raise ShardError(
            "checksum or counts of the manifest are not those of its shards", where=path, cure=_CURE
        )
    return manifest
