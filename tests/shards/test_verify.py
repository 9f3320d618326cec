from __future__ import annotations

import dataclasses
import hashlib
import json
import tarfile
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rushes.shards import ustar
from rushes.shards.index import SCHEMA, ShardInfo, encode_index
from rushes.shards.manifest import Manifest, load_manifest
from rushes.shards.read import ShardDataset
from rushes.shards.verify import verify_dataset, verify_shards


def test_a_whole_dataset_has_no_faults(dataset: Path) -> None:
    assert verify_dataset(dataset) == []
    train = load_manifest(dataset).splits["train"]
    assert verify_shards(dataset / "shards" / "train", train) == []


def shard_of(dataset: Path, suffix: str) -> Path:
    return sorted((dataset / "shards" / "train").glob(f"U0102*{suffix}"))[0]


def test_every_flipped_byte_is_found(dataset: Path) -> None:
    random = np.random.default_rng(0)
    for suffix in (".tar", ".parquet"):
        path = shard_of(dataset, suffix)
        whole = path.read_bytes()
        for place in random.integers(0, len(whole), 60):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << random.integers(8)
            path.write_bytes(flipped)
            faults = verify_dataset(dataset)
            assert {(fault.path, fault.unit) for fault in faults} == {(path, "U0102_S0100")}
        path.write_bytes(whole)
    assert verify_dataset(dataset) == []


def test_a_flipped_content_names_its_member(dataset: Path) -> None:
    path = shard_of(dataset, ".tar")
    data = bytearray(path.read_bytes())
    data[ustar.BLOCK] ^= 1
    path.write_bytes(data)
    reasons = [fault.reason for fault in verify_dataset(dataset)]
    assert "sha256" in reasons[0]
    assert "U0102_S0100_t0000000_before.frame_00.jpg: its content has another crc32" in reasons[1]


@pytest.mark.parametrize("suffix", [".tar", ".parquet"])
@pytest.mark.parametrize("keep", [None, 0, 1, 600, -1])
def test_a_missing_or_truncated_file_is_found(dataset: Path, suffix: str, keep: int | None) -> None:
    path = shard_of(dataset, suffix)
    if keep is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:keep])
    faults = verify_dataset(dataset)
    assert [(fault.path, fault.unit) for fault in faults] == [(path, "U0102_S0100")]


def test_what_the_machine_refuses_to_read_is_no_fault_of_the_dataset(
    dataset: Path, no_file_opens: Callable[[], AbstractContextManager[None]]
) -> None:
    train = load_manifest(dataset).splits["train"]
    verify_shards(dataset / "shards" / "train", train)  # so that every module is loaded
    for refused in (
        lambda: verify_dataset(dataset),
        lambda: verify_shards(dataset / "shards" / "train", train),
        lambda: ShardDataset.open(dataset, "train").sample(0),
    ):
        with pytest.raises(OSError, match="Too many open files"), no_file_opens():
            refused()
    assert verify_dataset(dataset) == []


def test_an_unfinished_dataset_is_a_fault(tmp_path: Path) -> None:
    (fault,) = verify_dataset(tmp_path)
    assert fault.path == tmp_path / "manifest.json"


def test_a_stranger_is_found(dataset: Path) -> None:
    stray = dataset / "shards" / "train" / "U0999_S0100-00000.tar"
    stray.write_bytes(shard_of(dataset, ".tar").read_bytes())
    (fault,) = verify_dataset(dataset)
    assert (fault.path, fault.unit) == (stray, "U0999_S0100")


def test_receipts_must_prove_the_manifest(dataset: Path) -> None:
    path = dataset / "units" / "U0102_S0100.json"
    whole = path.read_text()
    entry = json.loads(whole)
    entry["receipt"]["shards"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(entry))
    (fault,) = verify_dataset(dataset)
    assert (fault.path, fault.unit) == (path, "U0102_S0100")
    path.write_text(whole.replace('"signature": "0', '"signature": "f'))
    (fault,) = verify_dataset(dataset)
    assert "signature" in fault.reason
    path.write_text(whole[:50])
    assert {fault.path for fault in verify_dataset(dataset)} == {path}
    path.unlink()
    faults = verify_dataset(dataset)
    assert faults
    assert all("differ on U0102_S0100-" in fault.reason for fault in faults)


def test_a_key_that_stands_in_two_units_is_found(
    tmp_path: Path, make_samples: Callable, write_series: Callable
) -> None:
    shards = [
        write_series(tmp_path / "shards" / split, unit, make_samples(3, "U"))
        for split, unit in (("train", "U0101"), ("test", "U0102"))
    ]
    Manifest("a" * 12, {"train": shards[0], "test": shards[1]}, (), {}).save(tmp_path)
    assert [fault.reason.split()[2] for fault in verify_dataset(tmp_path)] == [
        f"U_t000000{number}_before" for number in range(3)
    ]


# --- shards made by somebody else, with hashes that fit ---------------------------------------------------


def forged(folder: Path, tar: bytes, rows: list[dict], samples: int = 1) -> ShardInfo:
    """A shard with an index whose hashes are right, whatever it holds."""
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    index = encode_index(columns, len(tar), hashlib.sha256(tar).hexdigest(), samples)
    (folder / "U-00000.tar").write_bytes(tar)
    (folder / "U-00000.parquet").write_bytes(index)
    hashes = hashlib.sha256(tar).hexdigest(), hashlib.sha256(index).hexdigest()
    return ShardInfo("U-00000.tar", len(tar), hashes[0], samples, hashes[1])


def member(kind: bytes = tarfile.REGTYPE, name: str = "a.x.bin", size: int = 5) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, "/etc/passwd"
    if kind == tarfile.REGTYPE:
        info.linkname = ""
    return info.tobuf(tarfile.GNU_FORMAT if size > ustar.MAX_SIZE else tarfile.USTAR_FORMAT)


CONTENT = b"12345".ljust(512, b"\0")
ROW = {"key": "a", "field": "x.bin", "offset": 512, "length": 5, "crc32": 0xCBF53A1C}
ROW |= {"split": "train", "group": "g", "label": None}


def test_the_forger_can_also_be_honest(tmp_path: Path) -> None:
    shard = forged(tmp_path, member() + CONTENT + ustar.END, [ROW])
    assert verify_shards(tmp_path, [shard]) == []


@pytest.mark.parametrize(
    "header",
    [
        member(tarfile.SYMTYPE),
        member(tarfile.LNKTYPE),
        member(tarfile.DIRTYPE),
        member(b"L", size=2**33 - 1),  # a long name of 8 GiB
        member(b"x", size=2**33 - 1),
        member(size=2**40),
        member(size=2**33 - 1),
        member(name="../../a.x.bin"),
        member(name="b.x.bin"),
        b"\xff" * 512,
    ],
)
def test_a_strange_member_is_a_fault_and_costs_nothing(tmp_path: Path, header: bytes) -> None:
    shard = forged(tmp_path, header + CONTENT + ustar.END, [ROW])
    tracemalloc.start()
    (fault,) = verify_shards(tmp_path, [shard])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (fault.path, fault.unit) == (tmp_path / "U-00000.tar", "U")
    assert "1 of 1 members" in fault.reason
    assert peak < 4_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["U-00000.parquet", "U-00000.tar"]


@pytest.mark.parametrize(
    "rows",
    [
        [ROW | {"offset": 1024}],
        [ROW | {"offset": 2**62}],
        [ROW | {"offset": -512}],
        [ROW | {"length": 2**63 - 1}],
        [ROW | {"length": -1}],
        [ROW | {"field": "../x.bin"}],
        [ROW, ROW | {"offset": 600}],
        [ROW, ROW],
    ],
)
def test_an_index_that_points_elsewhere_is_refused(tmp_path: Path, rows: list[dict]) -> None:
    shard = forged(tmp_path, member() + CONTENT + ustar.END, rows)
    (fault,) = verify_shards(tmp_path, [shard])
    assert fault.path == tmp_path / "U-00000.parquet"


def test_a_negative_length_does_not_make_up_for_a_member_too_many(tmp_path: Path) -> None:
    tar = (member() + CONTENT) * 2 + ustar.END
    rows = [ROW, ROW | {"field": "y.bin", "offset": 1536, "length": -512}]
    rows += [ROW | {"field": "z.bin", "offset": 1536}]
    (fault,) = verify_shards(tmp_path, [forged(tmp_path, tar, rows)])
    assert "do not fill" in fault.reason


def test_a_field_twice_or_a_sample_in_two_places_is_refused(tmp_path: Path) -> None:
    tar = (member() + CONTENT) * 3 + ustar.END
    row = {place: ROW | {"offset": 512 + 1024 * place} for place in range(3)}
    twice = forged(tmp_path, tar, [row[0], row[1], row[2] | {"key": "b"}], samples=2)
    (fault,) = verify_shards(tmp_path, [twice])
    assert "a field twice" in fault.reason
    apart = forged(tmp_path, tar, [row[0], row[1] | {"key": "b"}, row[2] | {"field": "y.bin"}], samples=2)
    (fault,) = verify_shards(tmp_path, [apart])
    assert "together" in fault.reason


def test_bytes_between_members_or_at_the_end_are_found(tmp_path: Path) -> None:
    whole = member() + CONTENT + ustar.END
    cases = {
        "padding": (whole[:1023] + b"x" + whole[1024:], ROW),
        "end of the archive": (whole[:-1] + b"x", ROW),
        "do not fill": (whole + bytes(512), ROW),
        "members do not fill": (bytes(512) + whole, ROW | {"offset": 1024}),
    }
    for word, (tar, row) in cases.items():
        (fault,) = verify_shards(tmp_path, [forged(tmp_path, tar, [row])])
        assert word in fault.reason


def test_a_key_that_climbs_is_found(tmp_path: Path) -> None:
    tar = member(name="../a.x.bin") + CONTENT + ustar.END
    (fault,) = verify_shards(tmp_path, [forged(tmp_path, tar, [ROW | {"key": "../a"}])])
    assert "not a key" in fault.reason


def test_an_index_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    shard = forged(tmp_path, member() + CONTENT + ustar.END, [ROW])
    many = pa.table({name: pa.array([ROW[name]] * 1_000_000) for name in SCHEMA.names}).cast(SCHEMA)
    pq.write_table(many, tmp_path / "U-00000.parquet", compression="zstd")
    digest = hashlib.sha256((tmp_path / "U-00000.parquet").read_bytes()).hexdigest()
    (fault,) = verify_shards(tmp_path, [dataclasses.replace(shard, index_sha256=digest)])
    assert "too many" in fault.reason


def test_an_index_of_another_form_is_refused(tmp_path: Path) -> None:
    shard = forged(tmp_path, member() + CONTENT + ustar.END, [ROW])
    path = tmp_path / "U-00000.parquet"
    for write in (
        lambda: pq.write_table(pa.table({"key": ["a"]}), path),
        lambda: pq.write_table(SCHEMA.empty_table(), path),
        lambda: path.write_bytes(b"PAR1 and no more PAR1"),
    ):
        write()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        (fault,) = verify_shards(tmp_path, [dataclasses.replace(shard, index_sha256=digest)])
        assert fault.path == path
