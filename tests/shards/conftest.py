"""Small datasets, really written, for the tests of the shards floor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rushes.shards.index import ShardInfo
from rushes.shards.manifest import Manifest, split_folder
from rushes.shards.write import ShardWriter
from rushes.stages import write_json

Sample = tuple[str, dict[str, bytes]]
SIGNATURE = "0123456789ab"


@pytest.fixture
def make_samples() -> Callable[..., list[Sample]]:
    """Samples of 2 frames of uneven size and a meta, all contents different."""

    def make(count: int, unit: str = "U0101_S0100") -> list[Sample]:
        random = np.random.default_rng(sum(unit.encode()))
        samples = []
        for number in range(count):
            key = f"{unit}_t{number:07d}_before"
            frames = {f"frame_{i:02d}.jpg": random.bytes(int(random.integers(1, 3000))) for i in range(2)}
            samples.append(
                (key, frames | {"meta.json": json.dumps({"recording": unit, "n": number}).encode()})
            )
        return samples

    return make


@pytest.fixture
def write_series() -> Callable[..., tuple[ShardInfo, ...]]:
    """Write samples into one series."""

    def write(
        folder: Path, unit: str, samples: list[Sample], max_bytes: int = 200_000_000
    ) -> tuple[ShardInfo, ...]:
        with ShardWriter(folder, unit, max_bytes) as writer:
            for key, fields in samples:
                writer.write(key, fields)
            return writer.close()

    return write


@pytest.fixture
def dataset(tmp_path: Path, make_samples: Callable, write_series: Callable) -> Path:
    """A finished dataset: two units of 7 samples in train, in several shards, and one of 4 in test."""
    folder = tmp_path / f"prepare-{SIGNATURE}"
    splits: dict[str, list[ShardInfo]] = {"train": [], "test": []}
    for split, unit, count in (
        ("train", "U0101_S0100", 7),
        ("train", "U0102_S0100", 7),
        ("test", "U0108_S0100", 4),
    ):
        shards = write_series(split_folder(folder, split), unit, make_samples(count, unit), 16_000)
        splits[split] += shards
        receipt = {"shards": [shard.to_json() for shard in shards]}
        write_json(
            folder / "units" / f"{unit}.json", {"unit": unit, "signature": SIGNATURE, "receipt": receipt}
        )
    Manifest(
        signature=SIGNATURE,
        splits={split: tuple(shards) for split, shards in splits.items()},
        labels=("Picking", "Scan Label"),
        preprocessing={"size": [336, 336]},
    ).save(folder)
    return folder
