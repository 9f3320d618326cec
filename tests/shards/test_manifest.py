from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.errors import ShardError
from rushes.shards.index import ShardInfo
from rushes.shards.manifest import Manifest, load_manifest


def test_a_manifest_comes_back_as_it_was(dataset: Path) -> None:
    manifest = load_manifest(dataset)
    assert manifest.samples == {"train": 14, "test": 4}
    assert manifest.labels == ("Picking", "Scan Label")
    assert manifest.preprocessing == {"size": [336, 336]}
    before = (dataset / "manifest.json").read_bytes()
    manifest.save(dataset)
    assert (dataset / "manifest.json").read_bytes() == before


def test_the_checksum_is_of_contents_and_their_split(dataset: Path) -> None:
    manifest = load_manifest(dataset)
    turned = dataclasses.replace(manifest, splits=dict(reversed(manifest.splits.items())), labels=())
    assert turned.checksum == manifest.checksum
    swapped = {"train": manifest.splits["test"], "test": manifest.splits["train"]}
    assert dataclasses.replace(manifest, splits=swapped).checksum != manifest.checksum


def test_a_missing_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="not a finished dataset") as caught:
        load_manifest(tmp_path)
    assert caught.value.cure == "run `rushes prepare`"


def change_count(record: dict) -> None:
    record["splits"]["train"]["samples"] += 1


def change_hash(record: dict) -> None:
    record["splits"]["test"]["shards"][0]["sha256"] = "0" * 64


def climb(record: dict) -> None:
    record["splits"]["test"]["shards"][0]["name"] = "../../a-00000.tar"


def climb_by_split(record: dict) -> None:
    record["splits"][".."] = record["splits"].pop("test")


def drop_field(record: dict) -> None:
    del record["splits"]["test"]["shards"][0]["index_sha256"]


def later_version(record: dict) -> None:
    record["version"] = 2


def no_splits(record: dict) -> None:
    record["splits"] = []


@pytest.mark.parametrize(
    "change", [change_count, change_hash, climb, climb_by_split, drop_field, later_version, no_splits]
)
def test_a_changed_manifest_is_refused(dataset: Path, change: Callable[[dict], None]) -> None:
    path = dataset / "manifest.json"
    record = json.loads(path.read_bytes())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(ShardError):
        load_manifest(dataset)


def test_a_torn_manifest_is_refused(dataset: Path) -> None:
    path = dataset / "manifest.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ShardError, match="does not hold"):
        load_manifest(dataset)


def test_shards_are_sorted_and_stand_once() -> None:
    first, second = (ShardInfo(f"U-0000{n}.tar", 2048, "0" * 64, 1, "1" * 64) for n in range(2))
    Manifest("a" * 12, {"train": (first, second)}, (), {})
    for wrong in ((second, first), (first, first)):
        with pytest.raises(ShardError, match="sorted"):
            Manifest("a" * 12, {"train": wrong}, (), {})


@pytest.mark.parametrize(
    "fault",
    [
        {"name": "a.tar"},
        {"bytes": 0},
        {"bytes": True},
        {"samples": 1.0},
        {"sha256": "0"},
        {"index_sha256": None},
    ],
)
def test_a_shard_is_described_well_or_not_at_all(fault: dict) -> None:
    whole = {"name": "U-00000.tar", "bytes": 2048, "sha256": "0" * 64, "samples": 1, "index_sha256": "1" * 64}
    assert ShardInfo.from_json(whole, "here").to_json() == whole
    with pytest.raises(ShardError):
        ShardInfo.from_json(whole | fault, "here")
