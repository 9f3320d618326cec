"""Parquet tables of untrusted origin, bounded in size: files of a dataset, and members of its archives.

A member is read where it lies, after its checksum was found right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rushes.errors import SourceError, unreadable_as
from rushes.media.zipped import check_crc, mapped
from rushes.records import Member

MAX_FILE_BYTES, MAX_FILE_ROWS = 1 << 30, 5_000_000
MAX_MEMBER_BYTES, MAX_MEMBER_ROWS = 64 << 20, 1_000_000
MAX_DECODED_BYTES = 4 << 30

_AGAIN = "fetch the file again"
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError)


def read_table(source: Path | Member, columns: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """Columns of a parquet table; ``clip_id`` may be its nameless index, as pandas writes one.

    Raises:
        SourceError: no parquet, too large, or a column is missing; says which columns it has.
        MediaError: a member whose bytes are damaged.
        OSError: the machine refuses to read it.
    """
    with _opened(source) as file:
        index = "__index_level_0__"
        names = set(file.schema_arrow.names)
        renamed = index if "clip_id" not in names and index in names else "clip_id"
        stored = {name: renamed if name == "clip_id" else name for name in (*columns, *optional)}
        missing = [name for name in columns if stored[name] not in names]
        if missing:
            raise SourceError(
                f"no column {', '.join(missing)}; the table has {', '.join(sorted(names)[:20])}",
                where=source,
                cure="take the table of the revision that the dataset is of",
            )
        kept = {name: column for name, column in stored.items() if column in names}
        table = file.read(columns=list(kept.values()), use_threads=False)
        found = {name: table[column] for name, column in kept.items()}
        if "clip_id" in found:
            found["clip_id"] = found["clip_id"].cast(pa.string())
        return pa.table(found)


def require_once(table: pa.Table, path: Path) -> None:
    """See to it that no clip stands twice in a table.

    Raises:
        SourceError: one does; names it.
    """
    clips = table["clip_id"]
    if pc.count_distinct(clips, mode="all").as_py() < len(clips):
        [(twice, _), *_] = Counter(clips.to_pylist()).most_common(1)
        raise SourceError(f"clip {twice!r} stands twice in {path.name}", where=path, cure=_AGAIN)


def column_names(source: Path) -> list[str]:
    """Names of a table's columns, in order."""
    with _opened(source) as file:
        return list(file.schema_arrow.names)


def integers(table: pa.Table, name: str, where: object) -> np.ndarray:
    """A column as int64 (n,).

    Raises:
        SourceError: it holds something else, or a hole.
    """
    column = table[name]
    if not pa.types.is_integer(column.type) or column.null_count:
        raise SourceError(
            f"column {name} should hold whole numbers, found {column.type} with {column.null_count} holes",
            where=where,
            cure=_AGAIN,
        )
    whole: np.ndarray = column.to_numpy().astype(np.int64)
    return whole


def numbers(table: pa.Table, name: str, where: object) -> np.ndarray:
    """A column as float64 (n,); a hole is NaN.

    Raises:
        SourceError: it holds something else.
    """
    column = table[name]
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise SourceError(f"column {name} should hold numbers, found {column.type}", where=where, cure=_AGAIN)
    values: np.ndarray = column.to_numpy().astype(np.float64)
    return values


def texts(table: pa.Table, name: str, where: object) -> list[str]:
    """A column as strings.

    Raises:
        SourceError: it holds something else, or a hole.
    """
    values: list[str] = table[name].to_pylist()
    if not all(isinstance(value, str) for value in values):
        raise SourceError(
            f"column {name} should hold text in every row, found {table[name].type}", where=where, cure=_AGAIN
        )
    return values


@contextmanager
def _opened(source: Path | Member) -> Iterator[pq.ParquetFile]:
    message = "cannot read it as parquet"
    with unreadable_as(SourceError, message, where=source, cure=_AGAIN, errors=_UNREADABLE):
        if isinstance(source, Member):
            _bound(source, "bytes", source.size, MAX_MEMBER_BYTES)
            with mapped(source) as view:
                check_crc(source, view)
                with pq.ParquetFile(pa.BufferReader(pa.py_buffer(view))) as file:
                    yield _bounded(source, file, MAX_MEMBER_ROWS)
        else:
            _bound(source, "bytes", source.stat().st_size, MAX_FILE_BYTES)
            with pq.ParquetFile(source) as file:
                yield _bounded(source, file, MAX_FILE_ROWS)


def _bounded(source: object, file: pq.ParquetFile, max_rows: int) -> pq.ParquetFile:
    groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
    _bound(source, "rows", max(file.metadata.num_rows, sum(group.num_rows for group in groups)), max_rows)
    _bound(source, "decoded bytes", sum(group.total_byte_size for group in groups), MAX_DECODED_BYTES)
    return file


def _bound(source: object, what: str, found: int, bound: int) -> None:
    if found > bound:
        raise SourceError(f"a table of at most {bound:,} {what} is read, found {found:,}", where=source)
