"""Micro-batches as a pure function of their number, so that a run can be taken up at any point.

The samples of a run are one endless sequence, epoch after epoch, each epoch in its own seeded order;
micro-batch ``n`` is the samples from ``n * batch_size`` on. Nothing is dropped at an epoch's end: a
micro-batch may hold the last samples of one epoch and the first of the next. Which samples come when depends
on the seed, and on the shards where these are read one after the other; not on ``batch_size``, the number of
threads, what a cache holds, or where the run was interrupted.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from rushes.errors import StorageError
from rushes.recipe.sections import Order
from rushes.shards.read import Shard, ShardDataset

Batch = Mapping[str, Any]
"""What a collator makes and a step reads: tensors by name; ``keys``, if there, is a list of the samples'."""

Collate = Callable[[Sequence[Any], Sequence[np.random.Generator]], Batch]
"""Samples, and a random generator for each of them -> a batch. Nothing else may be drawn from."""

MIXED = 8
"""Shards whose samples are mixed where shards are read one after the other."""

_ORDER, _SAMPLE = 0, 1  # streams of random numbers that must not meet


class Samples(Protocol):
    """A map-style set of samples. It is read from several threads at once."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class ShardSamples:
    """The samples of a split, read from their shards; safe for several threads.

    Args:
        dataset: the split.
        sample_of: key and members of a sample -> what the collator takes.
    """

    def __init__(
        self, dataset: ShardDataset, sample_of: Callable[[str, Mapping[str, memoryview]], Any]
    ) -> None:
        self.dataset = dataset
        self._sample_of = sample_of

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self._sample_of(self.dataset.key(index), self.dataset.sample(index))


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """A batch and where it comes from."""

    batch: Batch
    indices: tuple[int, ...]

    @property
    def keys(self) -> list[str]:
        """The samples' keys where the collator gives them, their numbers in the set where not."""
        return list(self.batch.get("keys", ())) or [f"index {index}" for index in self.indices]


@lru_cache(maxsize=4)
def sample_order(seed: int, epoch: int, sizes: tuple[int, ...]) -> np.ndarray:
    """Order of one epoch of shards with ``sizes`` samples: permuted numbers, int64 (n,), read-only.

    The R shards are shuffled and read in R - MIXED + 1 steps: step ``t`` takes samples of the shards of rank
    ``t`` to ``t + MIXED - 1``, in random order, and each sample is dealt to one of its shard's steps. So at
    most MIXED shards are read at a time; with each step the oldest is finished and a new one begun. Up to
    MIXED shards take a single step: they are shuffled evenly.
    """
    generator = np.random.default_rng([_ORDER, seed, epoch])
    samples = generator.permutation(sum(sizes))
    ranks = generator.permutation(len(sizes))[np.repeat(np.arange(len(sizes)), sizes)[samples]]
    last = max(len(sizes) - MIXED, 0)
    steps = generator.integers(np.clip(ranks - MIXED + 1, 0, last), np.minimum(ranks, last), endpoint=True)
    order = samples[np.argsort(steps, kind="stable")]
    order.flags.writeable = False
    return order


@lru_cache(maxsize=4)
def shard_spans(seed: int, epoch: int, sizes: tuple[int, ...]) -> np.ndarray:
    """First and last position in :func:`sample_order` of each of R shards, int64 (2, R), read-only."""
    positions = np.argsort(sample_order(seed, epoch, sizes))
    starts = np.append(0, np.cumsum(sizes)[:-1])
    spans = np.stack([reduction.reduceat(positions, starts) for reduction in (np.minimum, np.maximum)])
    spans.flags.writeable = False
    return spans


def sample_generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The random generator of one sample in one epoch: augmentation draws from it and from nothing else."""
    return np.random.default_rng([_SAMPLE, seed, epoch, index])


@dataclass(frozen=True, slots=True)
class Batches:
    """All micro-batches of a run.

    Args:
        samples: the set; at least one sample.
        collate: makes a batch of samples, each with its own generator.
        batch_size: samples in a micro-batch.
        seed: not negative.
        threads: how many read ahead in the background; 0 reads in the foreground.
        shards: where ``samples`` lie, in this order: they are read shard by shard, see :func:`sample_order`,
            one shard brought ahead. None shuffles all samples evenly, wherever they lie.
    """

    samples: Samples
    collate: Collate
    batch_size: int
    seed: int
    threads: int = 0
    shards: ShardDataset | None = None

    @property
    def _sizes(self) -> tuple[int, ...]:
        return (len(self.samples),) if self.shards is None else self.shards.sizes

    def __getitem__(self, number: int) -> MicroBatch:
        """Micro-batch ``number``, from 0 on without end."""
        first = number * self.batch_size
        places = [divmod(at, len(self.samples)) for at in range(first, first + self.batch_size)]
        orders = {epoch: sample_order(self.seed, epoch, self._sizes) for epoch, _ in places}
        drawn = [(epoch, int(orders[epoch][position])) for epoch, position in places]
        samples = [self.samples[index] for _, index in drawn]
        generators = [sample_generator(self.seed, epoch, index) for epoch, index in drawn]
        return MicroBatch(self.collate(samples, generators), tuple(index for _, index in drawn))

    def stream(self, numbers: range) -> Generator[MicroBatch, None, None]:
        """Yield the micro-batches with these numbers in order, made ahead by ``threads`` threads.

        Close the iterator to stop the threads. An error of a sample or of the collator comes out where its
        micro-batch would have come.
        """
        if self.threads == 0:
            for number in numbers:
                self._hold(number, number, numbers.stop)
                yield self[number]
            return
        readers = ThreadPoolExecutor(self.threads, thread_name_prefix="batches")
        fetcher = ThreadPoolExecutor(1, thread_name_prefix="shards")
        try:
            ahead: deque[Future[MicroBatch]] = deque()
            for place, number in enumerate(numbers):
                for shard in self._hold(numbers[place - len(ahead)], number, numbers.stop):
                    fetcher.submit(shard.open)  # its error, if any, comes out again where a sample is read
                ahead.append(readers.submit(self.__getitem__, number))
                if len(ahead) > 2 * self.threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for pool in (readers, fetcher):
                pool.shutdown(cancel_futures=True)

    def _hold(self, first: int, last: int, stop: int) -> list[Shard]:
        """Hold the shards of micro-batches ``first`` to ``last``, and the one that is begun next.

        Args:
            first: the oldest micro-batch that may still be read.
            last: the one that is read next.
            stop: the first that will never be read.

        Returns:
            Shards that were not held before, in the order in which they are needed.
        """
        if self.shards is None:
            return []
        begin, end, stop = (number * self.batch_size for number in (first, last + 1, stop))
        length = len(self.samples)
        epochs = range(begin // length, end // length + 2)
        spans = [shard_spans(self.seed, epoch, self._sizes) + epoch * length for epoch in epochs]
        firsts, lasts = np.concatenate(spans, axis=1)
        upcoming = firsts[firsts >= end].min()
        needed = np.flatnonzero((lasts >= begin) & (firsts <= min(upcoming, stop - 1)))
        needed = needed[np.argsort(firsts[needed])] % len(self._sizes)
        return self.shards.hold(needed.tolist())


def require_room(shards: ShardDataset, order: Order, cache_bytes: int | None) -> None:
    """Refuse to train from a bounded cache that would bring the same shards again and again.

    Args:
        shards: of the training split.
        order: in which its samples are to be read.
        cache_bytes: bound of the cache; None is none, or no cache.

    Raises:
        StorageError: what is read at a time does not fit: all shards where they are shuffled, the largest
            MIXED + 1 where they are streamed.
    """
    sizes = sorted((info.bytes for info in shards.infos), reverse=True)
    streamed = sum(sizes[: MIXED + 1])
    needed = sum(sizes) if order == "shuffled" else streamed
    if cache_bytes is None or needed <= cache_bytes:
        return
    cures = [f"give the cache at least --cache-gb {math.ceil(needed / 1e6) / 1e3:g}"]
    if streamed <= cache_bytes:
        cures.insert(0, "set train.order: streamed, which brings each shard once an epoch")
    elif order == "streamed":
        cures.append("prepare smaller shards (prepare.shard_bytes)")
    raise StorageError(
        f"training in the order {order} reads from {needed:,} bytes of shards at a time; the cache holds "
        f"{cache_bytes:,}",
        where=shards.tars[0].parent,
        cure=", or ".join(cures),
    )
