from collections import Counter
from contextlib import closing
from itertools import pairwise

import numpy as np
import pytest

from rushes.errors import StorageError
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
from rushes.train.batches import (
    MIXED,
    Batches,
    MicroBatch,
    ShardSamples,
    require_room,
    sample_generator,
    sample_order,
    shard_spans,
)

SIZES = (3, 1, 8, 2, 5, 13, 1, 4, 4, 9, 2, 6, 7, 1, 5, 3, 8, 2, 1, 6)


def draws(samples, generators):
    """Each sample beside a number of its own generator."""
    pairs = zip(samples, generators, strict=True)
    return {"drawn": [(sample, float(generator.random())) for sample, generator in pairs]}


class Faulty:
    def __len__(self):
        return 10

    def __getitem__(self, index):
        raise LookupError(f"sample {index}")


def sequence(batch_size, threads=0, count=60, first=0):
    batches = Batches(list(range(10, 17)), draws, batch_size, seed=3, threads=threads)
    numbers = range(first // batch_size, count // batch_size)
    return [pair for micro in batches.stream(numbers) for pair in micro.batch["drawn"]]


def test_batch_size_and_threads_change_nothing():
    whole = sequence(1)
    assert sequence(4) == sequence(4, threads=3) == sequence(10, threads=1) == whole
    assert sequence(2, first=30) == whole[30:]


def test_each_epoch_is_another_permutation():
    samples = [sample for sample, _ in sequence(1)]
    epochs = [samples[at : at + 7] for at in range(0, 56, 7)]
    assert all(sorted(epoch) == list(range(10, 17)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_augmentation_differs_between_epochs_and_samples():
    numbers = [number for _, number in sequence(1)]
    assert len(set(numbers)) == len(numbers)


def test_order_and_generator_depend_on_seed_and_epoch():
    for sizes in ((50,), SIZES):
        orders = {tuple(sample_order(*at, sizes).tolist()) for at in ((0, 0), (1, 0), (0, 1))}
        assert len(orders) == 3
    firsts = {sample_generator(*at).random() for at in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))}
    assert len(firsts) == 4


@pytest.mark.parametrize("threads", [0, 2])
def test_error_of_a_sample_comes_out(threads):
    with pytest.raises(LookupError, match="sample"):
        list(Batches(Faulty(), draws, 2, seed=0, threads=threads).stream(range(5)))


def test_closing_stops_reading():
    read = []

    def collate(samples, _):
        read.extend(samples)
        return {}

    batches = Batches(list(range(1000)), collate, 1, seed=0, threads=2)
    with closing(batches.stream(range(1000))) as stream:
        next(stream)
    stopped = len(read)
    assert stopped < 20
    assert len(read) == stopped


def test_keys_of_a_micro_batch():
    assert MicroBatch({"keys": ["a", "b"]}, (4, 7)).keys == ["a", "b"]
    assert MicroBatch({}, (4, 7)).keys == ["index 4", "index 7"]


# --- shard by shard -----------------------------------------------------------------------------------------


def shard_of(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def test_one_part_is_an_even_shuffle():
    expected = np.random.default_rng([0, 3, 5]).permutation(99)
    assert sample_order(3, 5, (99,)).tolist() == expected.tolist()


def test_the_order_is_the_same_for_ever():
    # Frozen on purpose: a run that resumes with a later version must find its place.
    expected = [2, 11, 8, 9, 13, 1, 0, 5, 3, 14, 7, 6, 10, 4, 12]
    assert sample_order(17, 2, (1, 2) * 5).tolist() == expected


@pytest.mark.parametrize("sizes", [SIZES, SIZES[:MIXED], SIZES[: MIXED + 1], (1,) * 40, (7,)])
def test_an_epoch_reads_each_shard_once_and_few_at_a_time(sizes):
    for epoch in range(5):
        order = sample_order(1, epoch, sizes)
        assert sorted(order.tolist()) == list(range(sum(sizes)))
        firsts, lasts = shard_spans(1, epoch, sizes)
        read = shard_of(sizes)[order]
        for shard in range(len(sizes)):
            assert np.flatnonzero(read == shard)[[0, -1]].tolist() == [firsts[shard], lasts[shard]]
        at_a_time = [int(((firsts <= at) & (lasts >= at)).sum()) for at in range(len(order))]
        assert max(at_a_time) <= MIXED


def test_shards_are_mixed_and_come_in_another_order_each_epoch():
    sizes = (50,) * 24
    begun = set()
    for epoch in range(4):
        read = shard_of(sizes)[sample_order(2, epoch, sizes)]
        neighbours = sum(a == b for a, b in pairwise(read.tolist())) / len(read)
        assert 1 / MIXED < neighbours < 2 / MIXED
        begun.add(tuple(dict.fromkeys(read.tolist())))
    assert len(begun) == 4


def test_up_to_so_many_shards_are_shuffled_as_one():
    epochs, sizes = 2000, (2, 4)
    counts = Counter()
    for epoch in range(epochs):
        counts.update(enumerate(sample_order(5, epoch, sizes).tolist()))
    # 36 binomial counts of mean 333 and deviation 16.7: five deviations
    assert len(counts) == 36
    assert all(abs(count - epochs / 6) < 84 for count in counts.values())


@pytest.fixture
def shards(tmp_path):
    """A dataset of as many shards as ``SIZES``; sample ``i`` has the content ``i``."""
    numbers, tars = iter(range(sum(SIZES))), []
    for unit, size in enumerate(SIZES):
        with ShardWriter(tmp_path, f"U{unit:02d}") as writer:
            for number in [next(numbers) for _ in range(size)]:
                writer.write(f"s{number}", {"x.bin": str(number).encode()})
            tars += [tmp_path / info.name for info in writer.close()]
    return ShardDataset.of_shards(tars)


class Watched:
    """Opens files, and remembers which."""

    def __init__(self):
        self.opened = Counter()

    def __call__(self, path, sha256):
        self.opened[path.name] += path.suffix == ".tar"
        return path.open("rb")


def streamed(shards, numbers, threads, batch_size=5):
    """What the micro-batches with these numbers hold, and how often each shard was opened for them."""
    opener = Watched()
    dataset = ShardDataset(shards.tars, shards.infos, max_open=1, opener=opener)
    samples = ShardSamples(dataset, lambda key, fields: int(bytes(fields["x.bin"])))
    batches = Batches(samples, draws, batch_size, seed=3, threads=threads, shards=dataset)
    drawn = [pair for micro in batches.stream(numbers) for pair in micro.batch["drawn"]]
    return drawn, [opener.opened[tar.name] for tar in shards.tars]


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 13])  # 91 samples
def test_each_shard_is_opened_once_an_epoch(shards, threads, batch_size):
    per_epoch = len(shards) // batch_size
    drawn, opened = streamed(shards, range(per_epoch), threads, batch_size)
    assert [sample for sample, _ in drawn] == sample_order(3, 0, SIZES)[: len(drawn)].tolist()
    read = {shard_of(SIZES)[sample] for sample, _ in drawn}
    assert opened == [int(shard in read) for shard in range(len(SIZES))]
    _, opened = streamed(shards, range(3 * per_epoch), threads, batch_size)
    assert max(opened) <= 3


@pytest.mark.parametrize("first", [1, 7, 18, 19, 36])
def test_streamed_batches_are_the_same_from_the_middle_on(shards, first):
    whole, _ = streamed(shards, range(40), 0)
    assert streamed(shards, range(first, 40), 2)[0] == whole[first * 5 :]


def test_processes_divide_a_stream_among_them(shards):
    whole, _ = streamed(shards, range(36), 0)
    parts = [streamed(shards, range(process, 36, 3), 1)[0] for process in range(3)]
    assert [
        pair for number in range(12) for part in parts for pair in part[5 * number : 5 * number + 5]
    ] == whole


def test_the_next_shard_is_brought_ahead_and_read_ones_are_let_go(shards):
    held = []

    class Told(ShardDataset):
        def hold(self, numbers):
            held.append(list(numbers))
            return super().hold(numbers)

    dataset, count = Told(shards.tars, shards.infos), 2 * len(shards)
    samples = ShardSamples(dataset, lambda key, fields: key)
    list(Batches(samples, draws, 1, seed=3, threads=0, shards=dataset).stream(range(count)))
    spans = [shard_spans(3, epoch, SIZES) + epoch * len(shards) for epoch in (0, 1)]
    for at, found in enumerate(held):
        read = {shard for firsts, lasts in spans for shard in np.flatnonzero((firsts <= at) & (lasts >= at))}
        begun = {int(first): shard for firsts, _ in spans for shard, first in enumerate(firsts) if first > at}
        assert set(found) == read | ({begun[min(begun)]} if begun else set())
        assert len(found) <= MIXED + 1
    assert held[0] == sorted(held[0], key=lambda shard: spans[0][0][shard])  # in the order of need


def test_a_cache_that_is_too_small_is_refused(shards):
    whole = sum(info.bytes for info in shards.infos)
    largest = sum(sorted(info.bytes for info in shards.infos)[-MIXED - 1 :])
    for order, needed in (("shuffled", whole), ("streamed", largest)):
        require_room(shards, order, None)
        require_room(shards, order, needed)
        with pytest.raises(StorageError, match=f"order {order} reads from") as caught:
            require_room(shards, order, needed - 1)
        assert "--cache-gb" in caught.value.cure
        assert ("train.order: streamed" in caught.value.cure) is (order == "shuffled")
