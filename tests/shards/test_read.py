from __future__ import annotations

import json
import pickle
import shutil
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rushes.errors import ShardError
from rushes.shards.manifest import load_manifest
from rushes.shards.read import ShardDataset, Stream


@pytest.fixture
def expected(make_samples: Callable) -> list:
    """The samples of the train split in their order."""
    return make_samples(7, "U0101_S0100") + make_samples(7, "U0102_S0100")


def contents(dataset: ShardDataset, i: int) -> dict[str, bytes]:
    return {field: bytes(view) for field, view in dataset.sample(i).items()}


def test_any_sample_at_any_time(dataset: Path, expected: list) -> None:
    opened = ShardDataset.open(dataset, "train", max_open=2, check=True)
    assert len(opened.sizes) > 2
    assert len(opened) == sum(opened.sizes) == 14
    assert list(opened.keys()) == [key for key, _ in expected]
    for i in (13, 0, 7, 6, 3, 13, 1):
        assert opened.key(i) == expected[i][0]
        assert contents(opened, i) == expected[i][1]


def test_a_list_of_shards_is_enough(dataset: Path, expected: list) -> None:
    tars = sorted((dataset / "shards" / "train").glob("U0102*.tar"))
    opened = ShardDataset.of_shards(tars)
    assert [contents(opened, i) for i in range(len(opened))] == [fields for _, fields in expected[7:]]
    assert opened.infos == tuple(
        s for s in load_manifest(dataset).splits["train"] if s.series == "U0102_S0100"
    )


@pytest.mark.parametrize("i", [-1, 14])
def test_no_such_sample(dataset: Path, i: int) -> None:
    with pytest.raises(IndexError):
        ShardDataset.open(dataset, "train").sample(i)


def test_views_are_read_only_and_outlive_their_shard(dataset: Path, expected: list) -> None:
    opened = ShardDataset.open(dataset, "train", max_open=1)
    held = [opened.sample(i) for i in range(len(opened))]
    assert all(view.readonly and view.obj is not None for fields in held for view in fields.values())
    del opened
    assert [{f: bytes(v) for f, v in fields.items()} for fields in held] == [fields for _, fields in expected]


def test_pages_that_were_given_back_come_again(tmp_path: Path, write_series: Callable) -> None:
    samples = [(f"k{n}", {"x.bin": bytes([n]) * 3_000_000}) for n in range(40)]
    (shard,) = write_series(tmp_path, "U", samples)
    opened = ShardDataset.of_shards([tmp_path / shard.name], check=True)
    held = [opened.sample(i)["x.bin"] for i in range(40)]  # 120 MB: their pages are given back on the way
    assert [view[0] for view in held] == [view[-1] for view in held] == list(range(40))


def test_at_most_so_many_shards_are_mapped(dataset: Path) -> None:
    opened = ShardDataset.open(dataset, "train", max_open=2)
    before = mapped(dataset)
    for i in range(len(opened)):
        opened.sample(i)
        assert mapped(dataset) - before <= 2
    assert mapped(dataset) - before == 2


def mapped(folder: Path) -> int:
    return sum(str(folder) in line for line in Path("/proc/self/maps").read_text().splitlines())


def test_memory_follows_the_open_shards_and_not_the_samples(tmp_path: Path, write_series: Callable) -> None:
    samples = [(f"k{n:05d}", {"x.bin": b"12345", "y.bin": b""}) for n in range(12_000)]
    shards = write_series(tmp_path, "U", samples, 400 * 1536 + 1024)
    assert len(shards) == 30
    stream = Stream(ShardDataset.of_shards([tmp_path / s.name for s in shards], max_open=2), window=2)
    peaks = []
    tracemalloc.start()
    for number, _ in enumerate(stream):
        if number in (1_000, 11_999):
            peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] < 1.25 * peaks[0]
    assert peaks[1] < 200_000


def test_threads_and_processes(dataset: Path, expected: list) -> None:
    opened = ShardDataset.open(dataset, "train", max_open=1)
    opened.sample(0)
    travelled = pickle.loads(pickle.dumps(opened))
    for each in (opened, travelled):
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(contents, [each] * 140, [i % 14 for i in range(140)]))
        assert found == [fields for _, fields in expected] * 10


def test_an_unfinished_dataset_or_unknown_split(dataset: Path) -> None:
    with pytest.raises(ShardError, match="no split 'val'; there are test, train"):
        ShardDataset.open(dataset, "val")
    (dataset / "manifest.json").unlink()
    with pytest.raises(ShardError, match="rushes prepare"):
        ShardDataset.open(dataset, "train")


def test_a_truncated_or_missing_shard_is_seen_at_opening(dataset: Path) -> None:
    tar = sorted((dataset / "shards" / "train").glob("*.tar"))[1]
    tar.write_bytes(tar.read_bytes()[:-512])
    with pytest.raises(ShardError, match="were written") as caught:
        ShardDataset.open(dataset, "train")
    assert caught.value.where == str(tar)
    tar.unlink()
    with pytest.raises(ShardError, match="cannot open"):
        ShardDataset.open(dataset, "train")


def test_a_corrupted_or_missing_index_is_seen_before_use(dataset: Path) -> None:
    index = sorted((dataset / "shards" / "train").glob("*.parquet"))[0]
    data = bytearray(index.read_bytes())
    data[len(data) // 2] ^= 1
    index.write_bytes(data)
    with pytest.raises(ShardError, match="sha256"):
        ShardDataset.open(dataset, "train").sample(0)
    index.unlink()
    with pytest.raises(ShardError, match="index"):
        ShardDataset.open(dataset, "train").sample(0)
    with pytest.raises(ShardError, match="index"):
        ShardDataset.of_shards([index.with_suffix(".tar")])


def test_a_flipped_byte_is_seen_when_asked_to_check(dataset: Path) -> None:
    tar = sorted((dataset / "shards" / "train").glob("*.tar"))[0]
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    ShardDataset.open(dataset, "train").sample(0)
    with pytest.raises(ShardError, match=r"before\.frame_00\.jpg"):
        ShardDataset.open(dataset, "train", check=True).sample(0)


# --- streams ---------------------------------------------------------------------------------------------


def read(stream: Stream, count: int | None = None) -> list[str]:
    """Keys of the next ``count`` samples, or of the rest of the epoch."""
    keys = []
    for key, fields in stream:
        assert json.loads(bytes(fields["meta.json"]))["recording"] in key
        keys.append(key)
        if len(keys) == count:
            break
    return keys


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_has_every_sample_once(dataset: Path, expected: list, shuffle: bool) -> None:
    stream = Stream(ShardDataset.open(dataset, "train"), seed=1, shuffle=shuffle)
    first, second = read(stream), read(stream)
    keys = [key for key, _ in expected]
    assert sorted(first) == sorted(second) == keys
    assert (first == second == keys) is not shuffle
    assert stream.epoch == 2


@pytest.mark.parametrize(("ranks", "workers"), [(1, 1), (2, 1), (1, 3), (2, 2), (3, 4), (5, 5)])
def test_ranks_and_workers_partition_an_epoch(
    dataset: Path, expected: list, ranks: int, workers: int
) -> None:
    opened = ShardDataset.open(dataset, "train")
    streams = [
        Stream(opened, seed=2, rank=rank, ranks=ranks, worker=worker, workers=workers)
        for rank in range(ranks)
        for worker in range(workers)
    ]
    for _ in range(2):
        parts = [read(stream) for stream in streams]
        assert [len(part) for part in parts] == [len(stream) for stream in streams]
        assert sorted(key for part in parts for key in part) == [key for key, _ in expected]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("taken", range(31))
def test_resume_in_the_middle_of_an_epoch_is_exact(dataset: Path, taken: int) -> None:
    opened = ShardDataset.open(dataset, "train")

    def stream() -> Stream:
        return Stream(opened, seed=4, window=2, rank=1, ranks=2)

    def endless(of: Stream) -> list[str]:
        keys = []
        while len(keys) < 40:
            keys += read(of)
        return keys

    uninterrupted = endless(stream())
    begun = stream()
    keys = []
    while len(keys) < taken:
        keys += read(begun, taken - len(keys))
    state = json.loads(json.dumps(begun.state_dict()))
    resumed = stream()
    resumed.load_state_dict(state)
    assert (keys + endless(resumed))[:40] == uninterrupted[:40]


def test_a_fleet_resumes_with_another_number_of_ranks(dataset: Path, expected: list) -> None:
    opened = ShardDataset.open(dataset, "train")
    three = [Stream(opened, seed=6, rank=rank, ranks=3) for rank in range(3)]
    keys = [key for stream in three for key in read(stream, 2)]
    two = [Stream(opened, seed=6, rank=rank, ranks=2) for rank in range(2)]
    for stream in two:
        stream.load_state_dict(three[0].state_dict())
        keys += read(stream)
    assert sorted(keys) == [key for key, _ in expected]


def test_the_state_of_another_stream_is_refused(dataset: Path, tmp_path: Path) -> None:
    opened = ShardDataset.open(dataset, "train")
    state = Stream(opened, seed=1).state_dict()
    for other in (
        Stream(opened, seed=2),
        Stream(opened, seed=1, shuffle=False),
        Stream(opened, seed=1, window=3),
    ):
        with pytest.raises(ShardError, match="another stream"):
            other.load_state_dict(state)
    with pytest.raises(ShardError, match="checksum"):
        Stream(ShardDataset.open(dataset, "test"), seed=1).load_state_dict(state)
    with pytest.raises(ShardError, match="position -1"):
        Stream(opened, seed=1).load_state_dict(state | {"position": -1})
    moved = shutil.copytree(dataset, tmp_path / "moved")
    Stream(ShardDataset.open(moved, "train"), seed=1).load_state_dict(state)


@pytest.mark.parametrize("place", [{"rank": 1}, {"rank": -1}, {"worker": 2, "workers": 2}])
def test_no_such_rank(dataset: Path, place: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no rank"):
        Stream(ShardDataset.open(dataset, "train"), **place)
