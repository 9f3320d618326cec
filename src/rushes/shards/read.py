"""Read finished shards: any sample at any time, without a copy."""

from __future__ import annotations

import mmap
import os
import threading
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from rushes.errors import ShardError
from rushes.shards.index import Index, ShardInfo, read_index, read_info
from rushes.shards.manifest import load_manifest, split_folder

_RESIDENT_BYTES = 8 << 20  # pages of shards that stay mapped; the kernel keeps the rest cached all the same
_FAULT_BYTES = 64 << 10  # that Linux maps around one touched page

Opener = Callable[[Path, str], IO[bytes]]
"""Opens a file of a dataset, given its path and SHA-256, wherever it has to be brought from."""

_CURE = "run `rushes verify --repair`, or prepare the dataset again"


class ShardDataset:
    """The samples of one split, map-style, numbered in the order of the shards.

    Opening it reads no shard and no index. A shard is mapped, and its index read, when its first sample is
    asked for; at most ``max_open`` stay so, unless a reader that knows its way says which, see :meth:`hold`.
    Memory depends on that number, not on the number of samples. May be used by several threads, and sent to
    another process, which opens its own files.

    Args:
        tars: the shards.
        infos: what is known of each.
        max_open: shards that stay mapped.
        check: compare the CRC-32 of each member whenever it is read.
        opener: opens shards and indexes that need not be here yet, e.g. ``storage.Mirror.open``; must be
            fit to travel to another process. Without it they are files like any others.

    Raises:
        ShardError: no shards, a shard is missing, or it has another size than it was written with.
    """

    def __init__(
        self,
        tars: Sequence[Path],
        infos: Sequence[ShardInfo],
        *,
        max_open: int = 32,
        check: bool = False,
        opener: Opener | None = None,
    ) -> None:
        if not infos:
            raise ShardError(
                "a dataset without shards", cure="prepare a source that has recordings for the split"
            )
        self.tars = tuple(Path(tar) for tar in tars)
        self.infos = tuple(infos)
        self.max_open = max_open
        self.check = check
        self.opener = opener
        self._ends = list(accumulate(info.samples for info in infos))
        self._open: OrderedDict[int, Shard] = OrderedDict()
        self._touched: set[int] = set()  # shards read since pages were given back
        self._touched_bytes = 0
        self._lock = threading.Lock()
        if opener is None:
            for tar, info in zip(self.tars, self.infos, strict=True):
                _require_size(tar, info)

    @classmethod
    def open(
        cls,
        folder: Path,
        split: str,
        *,
        max_open: int = 32,
        check: bool = False,
        opener: Opener | None = None,
    ) -> Self:
        """Open ``split`` of the finished dataset in ``folder``.

        Raises:
            ShardError: the dataset is not finished, has no such split, or does not hold.
        """
        manifest = load_manifest(folder)
        if split not in manifest.splits:
            raise ShardError(
                f"no split {split!r}; there are {', '.join(sorted(manifest.splits))}", where=folder
            )
        infos = manifest.splits[split]
        tars = [split_folder(folder, split) / info.name for info in infos]
        return cls(tars, infos, max_open=max_open, check=check, opener=opener)

    @classmethod
    def of_shards(cls, tars: Sequence[Path], *, max_open: int = 32, check: bool = False) -> Self:
        """Open a list of shards, each with its index beside it.

        Raises:
            ShardError: a shard or an index is missing or does not hold.
        """
        return cls(tars, [read_info(tar) for tar in tars], max_open=max_open, check=check)

    def __len__(self) -> int:
        return self._ends[-1]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without maps and locks."""
        return _reopen, (self.tars, self.infos, self.max_open, self.check, self.opener)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Samples in each shard."""
        return tuple(info.samples for info in self.infos)

    def keys(self) -> Iterator[str]:
        """Keys of all samples in order, shard by shard; reads indexes alone."""
        for tar, info in zip(self.tars, self.infos, strict=True):
            yield from _open_index(tar, info, self.opener).keys.to_pylist()

    def labels(self) -> Iterator[str | None]:
        """Labels of all samples in order, None for one without; reads indexes alone."""
        for tar, info in zip(self.tars, self.infos, strict=True):
            yield from _open_index(tar, info, self.opener).labels.to_pylist()

    def groups(self) -> Iterator[str | None]:
        """Groups of all samples in order, None for one without; reads indexes alone."""
        for tar, info in zip(self.tars, self.infos, strict=True):
            yield from _open_index(tar, info, self.opener).groups.to_pylist()

    def marks(self) -> NDArray[np.uint64]:
        """Of each sample (n,) a number that samples of the same content share, see `Index.marks`."""
        shards = zip(self.tars, self.infos, strict=True)
        return np.concatenate([_open_index(*one, self.opener, crc32=True).marks() for one in shards])

    def key(self, i: int) -> str:
        """Key of sample ``i``.

        Raises:
            IndexError: there is no sample ``i``.
        """
        number, row = self._place(i)
        key: str = self._shard(number).index.keys[row].as_py()
        return key

    def sample(self, i: int) -> dict[str, memoryview]:
        """Contents of sample ``i`` by field, e.g. ``{"frame_00.jpg": ..., "meta.json": ...}``.

        The views point into the mapped shard, are read-only, and stay valid for as long as they are held.

        Raises:
            IndexError: there is no sample ``i``.
            ShardError: its shard or index does not hold.
        """
        number, row = self._place(i)
        shard = self._shard(number)
        fields = shard.sample(row)
        self._forget(number, sum(map(len, fields.values())) + _FAULT_BYTES)
        if self.check:
            shard.check(row, fields)
        return fields

    def hold(self, numbers: Iterable[int]) -> list[Shard]:
        """Hold the shards with these numbers, and let go of all others.

        Returns:
            Those that were not held before. Each is opened by its ``open``, or when a sample of it is read.
        """
        with self._lock:
            held = {number: self._open.get(number) or self._unopened(number) for number in numbers}
            new = [shard for number, shard in held.items() if number not in self._open]
            self._open = OrderedDict(held)
        return new

    def _place(self, i: int) -> tuple[int, int]:
        """Shard number of sample ``i`` and its number within the shard."""
        if not 0 <= i < len(self):
            raise IndexError(f"sample {i} of a dataset of {len(self)}")
        number = bisect_right(self._ends, i)
        return number, i - (self._ends[number] - self.infos[number].samples)

    def _shard(self, number: int) -> _OpenShard:
        with self._lock:
            if (shard := self._open.get(number)) is None:
                shard = self._open[number] = self._unopened(number)
                if len(self._open) > self.max_open:
                    self._open.popitem(last=False)  # unmapped with the last view into it
            else:
                self._open.move_to_end(number)
        return shard.open()

    def _unopened(self, number: int) -> Shard:
        return Shard(partial(_open_shard, self.tars[number], self.infos[number], self.check, self.opener))

    def _forget(self, number: int, touched: int) -> None:
        """Unmap pages after every 8 MiB, or a process would seem to hold the whole dataset in its memory.

        They stay in the page cache and come back at a touch, so views stay valid.
        """
        with self._lock:
            self._touched.add(number)
            self._touched_bytes += touched
            if self._touched_bytes >= _RESIDENT_BYTES:
                for read in self._touched & self._open.keys():
                    self._open[read].forget()
                self._touched.clear()
                self._touched_bytes = 0


def _reopen(
    tars: Sequence[Path], infos: Sequence[ShardInfo], max_open: int, check: bool, opener: Opener | None
) -> ShardDataset:
    return ShardDataset(tars, infos, max_open=max_open, check=check, opener=opener)


class Shard:
    """A shard that is opened when it is needed; whoever needs it while it is brought waits for it alone."""

    def __init__(self, open_it: Callable[[], _OpenShard]) -> None:
        self._open_it = open_it
        self._opened: _OpenShard | None = None
        self._lock = threading.Lock()

    def open(self) -> _OpenShard:
        """Map it and read its index, once; after an error, again.

        Raises:
            ShardError: shard or index does not hold.
            StorageError: it cannot be brought.
        """
        with self._lock:
            if self._opened is None:
                self._opened = self._open_it()
            return self._opened

    def forget(self) -> None:
        """Let the kernel take the mapped pages, if any, out of this process."""
        if self._opened is not None:
            self._opened.pages.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True, slots=True)
class _OpenShard:
    """One mapped shard with its index."""

    path: Path
    index: Index
    pages: mmap.mmap
    view: memoryview

    def sample(self, row: int) -> dict[str, memoryview]:
        """Contents of the shard's sample ``row``."""
        view = self.view
        return {field: view[begin : begin + length] for field, begin, length in self.index.members(row)}

    def check(self, row: int, fields: Mapping[str, memoryview]) -> None:
        """Raise ShardError unless all members of sample ``row`` have the CRC-32 that was written."""
        for (field, content), crc32 in zip(fields.items(), self.index.crc32s(row), strict=True):
            if zlib.crc32(content) != crc32:
                key = self.index.keys[row].as_py()
                raise ShardError(f"{key}.{field} is not what was written", where=self.path, cure=_CURE)


def _open_index(tar: Path, info: ShardInfo, opener: Opener | None, *, crc32: bool = False) -> Index:
    if opener is not None:
        opener(tar.with_name(info.index_name), info.index_sha256).close()
    return read_index(tar.parent, info, crc32=crc32)


def _open_shard(tar: Path, info: ShardInfo, check: bool, opener: Opener | None) -> _OpenShard:
    index = _open_index(tar, info, opener, crc32=check)
    with tar.open("rb") if opener is None else opener(tar, info.sha256) as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # A shard that was cut short would end the process with SIGBUS at the first touch behind its end.
    if len(pages) != info.bytes:
        raise ShardError(
            f"the shard has {len(pages)} bytes, {info.bytes} were written", where=tar, cure=_CURE
        )
    return _OpenShard(tar, index, pages, memoryview(pages))


def _require_size(tar: Path, info: ShardInfo) -> None:
    try:
        found = os.stat(tar).st_size
    except FileNotFoundError:
        raise ShardError("cannot open a shard: it is missing", where=tar, cure=_CURE) from None
    if found != info.bytes:
        raise ShardError(f"the shard has {found} bytes, {info.bytes} were written", where=tar, cure=_CURE)
