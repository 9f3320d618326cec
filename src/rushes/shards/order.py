"""The order in which samples are read: shuffled by seed and epoch, cut into parts without loss or repeat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_BLOCK = 1024  # indices that are Python integers at one time


@dataclass(frozen=True, slots=True)
class SampleOrder:
    """A permutation of all samples for each epoch.

    Shards are shuffled, taken ``window`` at a time, and the samples of a window shuffled together. So
    memory, open files and reading distance are bounded by the window however large the dataset is, and a
    dataset of at most ``window`` shards is shuffled evenly as a whole. Shuffling is sorting by a hash of
    (seed, epoch, index): it gives the same order on every machine and with every version of numpy.

    Attributes:
        sizes: samples in each shard.
        seed: any integer of at most 64 bits.
        shuffle: False for the order on disk.
        window: shards that are mixed.
    """

    sizes: tuple[int, ...]
    seed: int = 0
    shuffle: bool = True
    window: int = 32

    def __len__(self) -> int:
        return sum(self.sizes)

    def indices(self, epoch: int, start: int = 0, step: int = 1) -> Iterator[int]:
        """Sample indices at the positions ``start``, ``start + step``, ... of the epoch.

        >>> order = SampleOrder((3, 2), seed=7)
        >>> sorted(order.indices(0)) == [0, 1, 2, 3, 4]
        True
        >>> whole = list(order.indices(5))
        >>> list(order.indices(5, start=1, step=2)) == whole[1::2]
        True
        """
        for window in self._windows(epoch):
            length = int(sum(self.sizes[shard] for shard in window))
            if start < length:
                chosen = self._samples(epoch, window)[start::step]
                for begin in range(0, len(chosen), _BLOCK):
                    yield from chosen[begin : begin + _BLOCK].tolist()
                start += step * len(chosen)
            start -= length

    def _windows(self, epoch: int) -> Iterator[np.ndarray]:
        """Numbers of the shards that are mixed with each other, window after window."""
        shards = np.arange(len(self.sizes))
        if self.shuffle:
            shards = shards[_ranking(shards, self.seed, epoch, stream=0)]
        for first in range(0, len(shards), self.window):
            yield shards[first : first + self.window]

    def _samples(self, epoch: int, window: np.ndarray) -> np.ndarray:
        """Indices of the samples of one window in the order of reading."""
        ends = np.cumsum(self.sizes)
        parts = [np.arange(ends[shard] - self.sizes[shard], ends[shard]) for shard in window]
        samples = np.concatenate(parts)
        return samples[_ranking(samples, self.seed, epoch, stream=1)] if self.shuffle else samples


def _ranking(values: np.ndarray, seed: int, epoch: int, stream: int) -> np.ndarray:
    """The permutation that sorts ``values`` by a hash that depends on all arguments."""
    base = np.zeros(1, np.uint64)
    for number in (seed, epoch, stream):
        base = _mix(base ^ np.array([number & (2**64 - 1)], np.uint64))
    return np.argsort(_mix(base ^ _mix(values.astype(np.uint64))), kind="stable")


def _mix(numbers: np.ndarray) -> np.ndarray:
    """One step of SplitMix64, a bijection of 64-bit integers.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", with the constants
    of Stafford's variant 13 that the reference implementation uses.
    """
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
