"""Training from S3 with a cache of a third of the shards: each is brought once an epoch, kills or not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rushes.shards.manifest import Manifest, split_folder
from rushes.shards.write import ShardWriter
from rushes.stages import StageSpec, sha256_file
from rushes.storage import open_workspace
from rushes.storage.remote import Remote

WORKER = Path(__file__).with_name("streaming_worker.py")
PREPARE = StageSpec("prepare", 1, {})
SHARDS, SAMPLES, WIDTH = 27, 4, 500
EPOCH = SHARDS * SAMPLES // 3  # steps


@pytest.fixture
def size(s3: Remote, tmp_path: Path) -> int:
    """Bytes of the shards, all alike, of a dataset that stands in ``s3``."""
    random, shards = np.random.default_rng(0), []
    with open_workspace(s3.url, tmp_path / "made").working(PREPARE) as stage:
        for unit in range(SHARDS):
            with ShardWriter(split_folder(stage.folder, "train"), f"U{unit:02d}") as writer:
                for number in range(SAMPLES):
                    content = random.normal(size=WIDTH).astype(np.float32).tobytes()
                    writer.write(f"U{unit:02d}_t{number}", {"x.bin": content})
                shards += writer.close()
        Manifest(PREPARE.signature, {"train": tuple(shards)}, (), {}).save(stage.folder)
        stage.finish({"files": {"manifest.json": sha256_file(stage.folder / "manifest.json")}}, {})
    return sum(shard.bytes for shard in shards)


def begin(endpoint: str, *arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-W", "error", str(WORKER), *map(str, arguments)]
    environment = {**os.environ, "AWS_ENDPOINT_URL": endpoint}
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)


def to_the_end(endpoint: str, *arguments: object) -> str:
    """Train; the hash of the weights."""
    with begin(endpoint, *arguments) as process:
        lines = process.stdout.read().splitlines()
    assert process.returncode == 0
    return lines[-1].split()[-1]


def kill_at(step: int, endpoint: str, *arguments: object) -> None:
    with begin(endpoint, *arguments) as process:
        assert f"train {step}\n" in process.stdout
        process.kill()
    assert process.returncode == -9


def brought(got: Counter[str]) -> Counter[str]:
    """How often each shard was asked for."""
    return Counter({path.rpartition("/")[2]: n for path, n in got.items() if path.endswith(".tar")})


def in_cache(cache: Path) -> int:
    return sum(path.stat().st_size for path in cache.rglob("*.tar"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_shard_is_brought_once_an_epoch_and_kills_change_no_weights(
    s3: Remote, s3_endpoint: str, size: int, counting: Callable, tmp_path: Path
) -> None:
    third = size // 3

    with counting(s3_endpoint) as (endpoint, got):
        to_the_end(endpoint, s3.url, tmp_path / "one", third, "one", 1)
        assert len(brought(got)) == SHARDS
        assert set(brought(got).values()) == {1}
        assert 0.8 * third < in_cache(tmp_path / "one") <= third

    with counting(s3_endpoint) as (endpoint, got):
        whole = to_the_end(endpoint, s3.url, tmp_path / "whole", third, "whole", 3)
        assert len(brought(got)) == SHARDS
        assert max(brought(got).values()) <= 3  # one that an epoch ends and the next begins with comes once
        assert 2 * SHARDS < brought(got).total() <= 3 * SHARDS

    cache = tmp_path / "cut"
    with counting(s3_endpoint) as (endpoint, got):
        kill_at(EPOCH + 13, endpoint, s3.url, cache, third, "cut", 3)
        before = brought(got)
        kill_at(2 * EPOCH + 20, endpoint, s3.url, cache, third, "cut", 3)
        # From step 40 to 92: the rest of an epoch and the next one, from a cache that holds what it held.
        assert max((brought(got) - before).values()) <= 2
        assert in_cache(cache) <= third
    shutil.rmtree(cache)
    assert to_the_end(s3_endpoint, s3.url, cache, 0, "cut", 3) == whole  # from a cache without a bound
