"""Micro-batches as a pure function of their number, so that a run can be taken up at any point.

The samples of a run are one endless sequence, epoch after epoch, each epoch in its own seeded order;
micro-batch ``n`` is the samples from ``n * batch_size`` on. Nothing is dropped at an epoch's end: a
micro-batch may hold the last samples of one epoch and the first of the next. Which samples come when depends
on the seed alone, not on ``batch_size``, the number of threads, or where the run was interrupted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from rushes.shards.read import ShardDataset

Batch = Mapping[str, Any]
"""What a collator makes and a step reads: tensors by name; ``keys``, if there, is a list of the samples'."""

Collate = Callable[[Sequence[Any], Sequence[np.random.Generator]], Batch]
"""Samples, and a random generator for each of them -> a batch. Nothing else may be drawn from."""

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
def sample_order(seed: int, epoch: int, samples: int) -> np.ndarray:
    """Order of one epoch: permuted numbers below ``samples``, int64 ``(samples,)``, read-only."""
    order = np.random.default_rng([_ORDER, seed, epoch]).permutation(samples)
    order.flags.writeable = False
    return order


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
    """

    samples: Samples
    collate: Collate
    batch_size: int
    seed: int
    threads: int = 0

    def __getitem__(self, number: int) -> MicroBatch:
        """Micro-batch ``number``, from 0 on without end."""
        first = number * self.batch_size
        places = [divmod(at, len(self.samples)) for at in range(first, first + self.batch_size)]
        orders = {epoch: sample_order(self.seed, epoch, len(self.samples)) for epoch, _ in places}
        drawn = [(epoch, int(orders[epoch][position])) for epoch, position in places]
        samples = [self.samples[index] for _, index in drawn]
        generators = [sample_generator(self.seed, epoch, index) for epoch, index in drawn]
        return MicroBatch(self.collate(samples, generators), tuple(index for _, index in drawn))

    def stream(self, numbers: range) -> Iterator[MicroBatch]:
        """Yield the micro-batches with these numbers in order, made ahead by ``threads`` threads.

        Close the iterator to stop the threads. An error of a sample or of the collator comes out where its
        micro-batch would have come.
        """
        if self.threads == 0:
            yield from map(self.__getitem__, numbers)
            return
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="batches")
        try:
            ahead: deque = deque()
            for number in numbers:
                ahead.append(pool.submit(self.__getitem__, number))
                if len(ahead) > 2 * self.threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
