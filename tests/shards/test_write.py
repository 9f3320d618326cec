from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rushes.errors import ShardError
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter

UNIT = "U0101_S0100"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_tarfile_reads_what_was_written(
    tmp_path: Path, make_samples: Callable, write_series: Callable
) -> None:
    samples = make_samples(5)
    (shard,) = write_series(tmp_path, UNIT, samples)
    with tarfile.open(tmp_path / shard.name, "r:") as tar:
        members = tar.getmembers()
        contents = {member.name: tar.extractfile(member).read() for member in members}
    assert contents == {
        f"{key}.{field}": content for key, fields in samples for field, content in fields.items()
    }
    assert [member.name for member in members] == [
        f"{k}.{f}" for k, fields in samples for f in sorted(fields)
    ]
    assert {(m.mode, m.uid, m.gid, m.mtime, m.uname, m.gname) for m in members} == {(0o644, 0, 0, 0, "", "")}


def test_info_and_index_tell_what_lies_there(
    tmp_path: Path, make_samples: Callable, write_series: Callable
) -> None:
    samples = make_samples(4)
    (shard,) = write_series(tmp_path, UNIT, samples)
    tar = (tmp_path / shard.name).read_bytes()
    assert (shard.name, shard.samples, shard.bytes) == (f"{UNIT}-00000.tar", 4, len(tar))
    assert shard.sha256 == hashlib.sha256(tar).hexdigest()
    assert shard.index_sha256 == hashlib.sha256((tmp_path / f"{UNIT}-00000.parquet").read_bytes()).hexdigest()
    rows = pq.read_table(tmp_path / shard.index_name).to_pylist()
    expected = [(key, field, fields[field]) for key, fields in samples for field in sorted(fields)]
    assert [(row["key"], row["field"]) for row in rows] == [(key, field) for key, field, _ in expected]
    for row, (_, _, content) in zip(rows, expected, strict=True):
        assert tar[row["offset"] : row["offset"] + row["length"]] == content
        assert row["crc32"] == zlib.crc32(content)


def test_the_index_tells_split_group_and_label(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, UNIT, 4000, split="train") as writer:
        for number, label in enumerate(("Tape", None, "Pick", "Tape")):
            writer.write(f"k{number}", {"a.bin": b"1", "b.bin": b"2"}, group="U0101", label=label)
        shards = writer.close()
    assert len(shards) == 4
    tars = [tmp_path / shard.name for shard in shards]
    assert list(ShardDataset(tars, shards).labels()) == ["Tape", None, "Pick", "Tape"]
    rows = pq.read_table([tar.with_suffix(".parquet") for tar in tars]).to_pylist()
    assert {(row["split"], row["group"]) for row in rows} == {("train", "U0101")}
    assert len({row["key"] for row in rows if row["label"] == "Tape"}) == 2


def test_same_samples_give_the_same_bytes(
    tmp_path: Path, make_samples: Callable, write_series: Callable
) -> None:
    samples = make_samples(6)
    turned = [(key, dict(reversed(fields.items()))) for key, fields in samples]
    first = write_series(tmp_path / "first", UNIT, samples, 12_000)
    second = write_series(tmp_path / "second", UNIT, turned, 12_000)
    assert first == second
    assert len(first) > 1
    for name in names(tmp_path / "first"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_no_shard_is_larger_than_asked(
    tmp_path: Path, make_samples: Callable, write_series: Callable
) -> None:
    shards = write_series(tmp_path, UNIT, make_samples(20), 16_000)
    assert [shard.name for shard in shards] == [f"{UNIT}-{number:05d}.tar" for number in range(len(shards))]
    assert all(shard.bytes <= 16_000 for shard in shards)
    assert sum(shard.samples for shard in shards) == 20
    assert len(shards) < 20


def test_a_shard_may_be_exactly_full(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, UNIT, max_bytes=2048 + 1024) as writer:
        writer.write("a", {"x.bin": bytes(512), "y.bin": bytes(512)})
        writer.write("b", {"x.bin": bytes(512)})
        shards = writer.close()
    assert [(shard.samples, shard.bytes) for shard in shards] == [(1, 3072), (1, 2048)]


def test_views_of_arrays_are_contents(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    with ShardWriter(tmp_path, UNIT) as writer:
        writer.write("a", {"signals.npy": memoryview(array), "meta.json": bytearray(b"{}")})
        (shard,) = writer.close()
    with tarfile.open(tmp_path / shard.name) as tar:
        assert tar.extractfile("a.signals.npy").read() == array.tobytes()


def test_an_empty_series_has_no_shards(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, UNIT) as writer:
        assert writer.close() == ()
    assert names(tmp_path) == []


@pytest.mark.parametrize("key", ["", "a.b", "../a", "a/b", "ä", "a\n"])
def test_a_bad_key_is_refused(tmp_path: Path, key: str) -> None:
    with ShardWriter(tmp_path, UNIT) as writer, pytest.raises(ShardError, match="key"):
        writer.write(key, {"meta.json": b"{}"})


@pytest.mark.parametrize(
    "field", ["", "meta_0", "meta.", "a.b.c", "../a.jpg", "META.json", "a b.jpg", ".jpg", "a.jpg\n"]
)
def test_a_bad_field_is_refused(tmp_path: Path, field: str) -> None:
    with ShardWriter(tmp_path, UNIT) as writer, pytest.raises(ShardError, match="field"):
        writer.write("a", {field: b"{}"})


@pytest.mark.parametrize("prefix", ["", "../a", "a/b", "a.b"])
def test_a_bad_series_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(ShardError, match="series"):
        ShardWriter(tmp_path, prefix)


def test_a_key_stands_once_in_a_series(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, UNIT, max_bytes=2048) as writer:
        writer.write("a", {"x.bin": b"1"})
        writer.write("b", {"x.bin": b"2"})  # in the next shard
        with pytest.raises(ShardError, match="same key") as caught:
            writer.write("a", {"x.bin": b"3"})
        assert caught.value.where == "a"
        assert sum(shard.samples for shard in writer.close()) == 2


def test_a_sample_larger_than_a_shard_or_empty_is_refused(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, UNIT, max_bytes=2047) as writer:
        with pytest.raises(ShardError, match="does not fit"):
            writer.write("a", {"x.bin": b"1"})
        with pytest.raises(ShardError, match="no fields"):
            writer.write("a", {})


def give_up(folder: Path, samples: list) -> None:
    with ShardWriter(folder, UNIT, 12_000) as writer:
        for key, fields in samples:
            writer.write(key, fields)
        assert any(name.endswith(".tmp") for name in names(folder))
        raise RuntimeError("the decoder gave up")


def test_an_exception_leaves_nothing(tmp_path: Path, make_samples: Callable) -> None:
    with pytest.raises(RuntimeError):
        give_up(tmp_path, make_samples(9))
    assert names(tmp_path) == []


def test_leaving_without_close_leaves_nothing(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, UNIT) as writer:
        writer.write("a", {"x.bin": b"1"})
    assert names(tmp_path) == []
    with pytest.raises(ShardError, match="closed"):
        writer.write("b", {"x.bin": b"1"})
    with pytest.raises(ShardError, match="closed"):
        writer.close()


def test_an_index_that_cannot_be_written_takes_its_tar_along(tmp_path: Path) -> None:
    in_the_way = tmp_path / f"{UNIT}-00001.parquet"  # where the last file of the series belongs
    with ShardWriter(tmp_path, UNIT, 2048) as writer:
        writer.write("a", {"x.bin": b"1"})
        writer.write("b", {"x.bin": b"1"})
        in_the_way.mkdir()
        with pytest.raises(OSError, match="directory"):
            writer.close()
    assert names(tmp_path) == [in_the_way.name]


def test_a_full_disk_ends_the_series(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
from pathlib import Path
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with ShardWriter(Path(sys.argv[1]), "U") as writer:
    try:
        for number in range(100):
            writer.write(f"k{number}", {"x.bin": bytes(50_000)})
    except OSError:
        try:
            writer.write("again", {"x.bin": b"1"})
        except Exception as error:
            print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ShardError"]
    assert names(tmp_path) == []


def test_kill_leaves_no_torn_file(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
for number in range(1000):
    with ShardWriter(Path(sys.argv[1]), f"U{number}", 300_000) as writer:
        for sample in range(20):
            writer.write(f"U{number}_{sample}", {"x.bin": os.urandom(50_000)})
        for shard in writer.close():
            print(shard.name, shard.sha256, shard.index_sha256, flush=True)
"""
    for written in (1, 2, 5):
        folder = tmp_path / str(written)
        writer = subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True)
        lines = [writer.stdout.readline() for _ in range(written)]
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        told = [line.split() for line in [*lines, *rest.splitlines()] if len(line.split()) == 3]
        for name, sha256, index_sha256 in told:
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
            index = (folder / name).with_suffix(".parquet").read_bytes()
            assert hashlib.sha256(index).hexdigest() == index_sha256
        for tar in folder.glob("[!.]*.tar"):
            with tarfile.open(tar) as opened:
                assert all(member.size == 50_000 for member in opened)
            assert tar.read_bytes().endswith(bytes(1024))
        assert len(told) >= written
        assert os.listdir(folder)
