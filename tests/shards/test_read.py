from __future__ import annotations

import pickle
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rushes.errors import ShardError
from rushes.shards.manifest import load_manifest
from rushes.shards.read import ShardDataset


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
    opened = ShardDataset.of_shards([tmp_path / s.name for s in shards], max_open=2)
    peaks = []
    tracemalloc.start()
    for number in range(len(opened)):
        opened.sample(number)
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


# --- shards that are held --------------------------------------------------------------------------------


def test_shards_that_are_held_are_open_and_all_others_let_go(dataset: Path, expected: list) -> None:
    opened = ShardDataset.open(dataset, "train", max_open=1)
    before = mapped(dataset)
    zero, two = opened.hold([0, 2])
    assert mapped(dataset) == before
    zero.open()
    two.open()
    assert mapped(dataset) - before == 2  # whatever max_open is
    third = sum(opened.sizes[:2])
    for i in (0, third, 1, third + 1):
        assert contents(opened, i) == expected[i][1]
    assert opened.hold([2, 0]) == []
    del zero, two
    (one,) = opened.hold([1, 2])
    assert mapped(dataset) - before == 1
    assert contents(opened, opened.sizes[0]) == expected[opened.sizes[0]][1]  # opens it
    assert one.open() is one.open()
    assert mapped(dataset) - before == 2


def test_a_shard_that_is_brought_keeps_no_other_waiting(dataset: Path, expected: list) -> None:
    begun, arrived = threading.Event(), threading.Event()
    slow = load_manifest(dataset).splits["train"][1].name

    def opener(path: Path, sha256: str):
        if path.name == slow:
            begun.set()
            assert arrived.wait(30)
        return path.open("rb")

    opened = ShardDataset.open(dataset, "train", opener=opener)
    (shard,) = opened.hold([1])
    with ThreadPoolExecutor(2) as pool:
        bringing, reading = pool.submit(shard.open), pool.submit(contents, opened, opened.sizes[0])
        assert begun.wait(30)
        assert contents(opened, 0) == expected[0][1]
        assert not bringing.done()
        assert not reading.done()
        arrived.set()
        assert reading.result() == expected[opened.sizes[0]][1]


def test_a_shard_that_could_not_be_opened_is_tried_again(dataset: Path, expected: list) -> None:
    tar = sorted((dataset / "shards" / "train").glob("*.tar"))[0]
    opened = ShardDataset.open(dataset, "train")
    away = tar.rename(tar.with_suffix(".away"))
    (shard,) = opened.hold([0])
    with pytest.raises(FileNotFoundError):
        shard.open()
    away.rename(tar)
    assert contents(opened, 0) == expected[0][1]


def test_keys_are_those_of_indexes_and_open_no_shard(dataset: Path, expected: list) -> None:
    asked = []

    def opener(path: Path, sha256: str):
        asked.append(path.suffix)
        return path.open("rb")

    opened = ShardDataset.open(dataset, "train", opener=opener)
    assert list(opened.keys()) == [key for key, _ in expected]
    assert set(asked) == {".parquet"}
