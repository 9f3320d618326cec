"""Write the samples of one unit into a series of shards that appear whole or not at all."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from rushes.errors import ShardError
from rushes.shards import ustar
from rushes.shards.index import SCHEMA, SHARD_NAME, ShardInfo, encode_index, member_name
from rushes.stages import atomic_file, write_atomic

MAX_BYTES = 200_000_000

Content = bytes | bytearray | memoryview


class ShardWriter:
    """A series of shards ``<prefix>-00000.tar``, ``<prefix>-00001.tar``, ... of one unit.

    Samples keep the order in which they come, fields stand in alphabetical order, and neither clock nor
    user enters: the same samples give the same bytes. All shards take their final names in :meth:`close`;
    whatever goes wrong before or during it leaves none of them. A file stays open for each shard of the
    series until then::

        with ShardWriter(folder / "shards" / "train", "U0101_S0100", split="train") as writer:
            for key, fields in samples:
                writer.write(key, fields, group="U0101")
            shards = writer.close()

    Args:
        folder: where the shards go; made if it is missing.
        prefix: name of the series: letters, digits, ``_`` and ``-``.
        max_bytes: no shard is larger.
        split: what the index says of all samples.

    Raises:
        ShardError: the prefix cannot name a series.
    """

    def __init__(
        self, folder: Path, prefix: str, max_bytes: int = MAX_BYTES, *, split: str | None = None
    ) -> None:
        self._folder = Path(folder)
        self._split = split
        self._prefix = prefix
        self._max_bytes = max_bytes
        self._keys: set[str] = set()
        self._shards: list[_OpenShard] = []
        self._files = ExitStack()  # the tars under temporary names: it renames them all, or unlinks them all
        self._closed = False
        if SHARD_NAME.fullmatch(self._name(0)) is None:
            raise ShardError(f"not a shard series: {prefix!r}", cure="use letters, digits, _ and -")

    def write(
        self, key: str, fields: Mapping[str, Content], *, group: str | None = None, label: str | None = None
    ) -> None:
        """Append one sample.

        Args:
            key: unique in the series; letters, digits, ``_`` and ``-``.
            fields: content by field, e.g. ``{"frame_00.jpg": ..., "meta.json": ...}``, at least one; a view
                of any contiguous array is content.
            group: what a split does not cut through, for the index.
            label: the sample's class, for the index; None where it has none, or is no matter of classes.

        Raises:
            ShardError: the series is closed; the key stands already; key or field does not fit its form; the
                sample is empty or larger than a shard.
            OSError: the disk refuses; that ends the series and nothing of it stays.
        """
        if self._closed:
            raise ShardError("the series is closed", where=key)
        if key in self._keys:
            raise ShardError(
                "two samples have the same key", where=key, cure="make keys unique in the dataset"
            )
        if not fields:
            raise ShardError("a sample has no fields", where=key)
        members = [
            (field, member_name(key, field).encode(), memoryview(fields[field])) for field in sorted(fields)
        ]
        size = sum(ustar.BLOCK + ustar.padded(content.nbytes) for _, _, content in members)
        if size + len(ustar.END) > self._max_bytes:
            raise ShardError(
                f"a sample of {size} bytes does not fit into a shard of {self._max_bytes}",
                where=key,
                cure="raise max_bytes, or store fewer or smaller frames",
            )
        if not self._shards or self._shards[-1].bytes + size + len(ustar.END) > self._max_bytes:
            name = self._name(len(self._shards))
            self._shards.append(_OpenShard(name, self._files.enter_context(atomic_file(self._folder / name))))
        try:
            self._shards[-1].append(key, members, (self._split, group, label))
        except BaseException as error:  # part of the sample may stand in the file
            self._closed = True
            self._abort(error)
            raise
        self._keys.add(key)

    def close(self) -> tuple[ShardInfo, ...]:
        """End the series: tars first, then their indexes, each flushed, fsynced and renamed.

        Returns:
            The shards in their order; none if nothing was written.

        Raises:
            ShardError: the series is closed already.
            OSError: the disk refuses; then no shard of the series stands under its final name.
        """
        if self._closed:
            raise ShardError("the series is closed already", where=self._folder / self._prefix)
        self._closed = True
        try:
            indexes = [shard.end() for shard in self._shards]
            self._files.close()
            for shard, index in zip(self._shards, indexes, strict=True):
                write_atomic(self._folder / shard.info(index).index_name, index)
        except BaseException as error:
            self._abort(error)
            for shard in self._shards:
                (self._folder / shard.name).unlink(missing_ok=True)
                (self._folder / shard.name).with_suffix(".parquet").unlink(missing_ok=True)
            raise
        return tuple(shard.info(index) for shard, index in zip(self._shards, indexes, strict=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Drop everything unless :meth:`close` was called."""
        if not self._closed:
            self._closed = True
            self._abort(error or ShardError("the series was not closed"))

    def _abort(self, error: BaseException) -> None:
        """Unlink what still has a temporary name."""
        self._files.__exit__(type(error), error, error.__traceback__)

    def _name(self, number: int) -> str:
        return f"{self._prefix}-{number:05d}.tar"


class _OpenShard:
    """A tar in the making, its hash and the rows of its index."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name = name
        self.bytes = 0
        self._samples = 0
        self._file = file
        self._sha256 = hashlib.sha256()
        self._columns: dict[str, list[Any]] = {column: [] for column in SCHEMA.names}

    def append(
        self, key: str, members: list[tuple[str, bytes, memoryview]], about: tuple[str | None, ...]
    ) -> None:
        """Append a sample; ``about`` is its split, group and label."""
        pieces: list[Content] = []
        for field, name, content in members:
            size = content.nbytes
            pieces += (ustar.header(name, size), content, bytes(-size % ustar.BLOCK))
            row = (key, field, self.bytes + ustar.BLOCK, size, zlib.crc32(content), *about)
            for column, value in zip(self._columns.values(), row, strict=True):
                column.append(value)
            self.bytes += ustar.BLOCK + ustar.padded(size)
        self._put(b"".join(pieces))
        self._samples += 1

    def end(self) -> bytes:
        """Write the end of the archive; returns the index."""
        self._put(ustar.END)
        self.bytes += len(ustar.END)
        return encode_index(self._columns, self.bytes, self._sha256.hexdigest(), self._samples)

    def info(self, index: bytes) -> ShardInfo:
        digest = hashlib.sha256(index).hexdigest()
        return ShardInfo(self.name, self.bytes, self._sha256.hexdigest(), self._samples, digest)

    def _put(self, block: bytes) -> None:
        # One joined write a sample: measured twice as fast as a write a member, on a par with writev.
        self._sha256.update(block)
        self._file.write(block)
