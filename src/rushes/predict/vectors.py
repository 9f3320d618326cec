"""``vectors.parquet`` and ``queries.parquet``: items as vectors of two systems, written once for all who read them.

Vectors are unit vectors in float16, as fixed-size lists without compression and dictionary: other tools read them as
they are, and they become an array without a Python list between. Metadata stands beside them::

    SELECT id, title FROM 'vectors.parquet' WHERE side = 'test' AND fields.style = 'modern'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rushes.errors import ShardError
from rushes.stages import atomic_file

VECTORS, QUERIES = "vectors.parquet", "queries.parquet"

System = Literal["model", "base"]
"""The trained model, or the one that training began from."""

Of = Literal["picture", "both"]
"""Whose vector an item is found by: its picture's, as figures measure it, or the mean of picture and text."""

SYSTEMS: tuple[System, ...] = get_args(System)

Column = Sequence[Any] | NDArray[Any]

_ITEM = ("id", "side", "group", "label", "title", "text")
_QUERY = ("id", "kind", "text")
_GROUP_ROWS = 8192  # rows of a row group: 8 MB of vectors of 512, and more rows would cut them into pages
_UNIT = (
    2e-3  # by which the length of a vector may differ from 1; rounding to float16 takes at most 5e-4 of it
)
_EXPONENT = np.uint16(0x7C00)  # all ones in NaN and infinities
_CURE = "run `rushes verify RECIPE --repair`"


def vectors_schema(width: int, fields: Sequence[str]) -> pa.Schema:
    """Of ``vectors.parquet``: a row an item of every side.

    Args:
        width: of every vector, D.
        fields: names of the metadata that any item has; they stand in the struct ``fields``, null where an item
            lacks one. Without any there is no such column, since Parquet has no empty struct.
    """
    columns = [pa.field(name, pa.string(), nullable=False) for name in _ITEM]
    if fields:
        told = pa.struct([pa.field(name, pa.string()) for name in sorted(fields)])
        columns.append(pa.field("fields", told, nullable=False))
    kinds = (f"{system}_{kind}" for system in ("base", "model") for kind in ("picture", "text"))
    return pa.schema([*columns, *(_vector(name, width) for name in kinds)])


def queries_schema(width: int) -> pa.Schema:
    """Of ``queries.parquet``: a row a further question about an item.

    ``kind`` is ``view``, ``language:de`` or the like; ``base`` is null where only one system was asked.
    """
    texts = [pa.field(name, pa.string(), nullable=False) for name in _QUERY]
    return pa.schema([*texts, _vector("base", width, nullable=True), _vector("model", width)])


def _vector(name: str, width: int, *, nullable: bool = False) -> pa.Field:
    return pa.field(
        name, pa.list_(pa.field("element", pa.float16(), nullable=False), width), nullable=nullable
    )


class VectorWriter:
    """Rows of a file of vectors, held until a row group is full; made by `writing_vectors`."""

    def __init__(self, file: pq.ParquetWriter, path: Path) -> None:
        self._file = file
        self._path = path
        self._held: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, columns: Mapping[str, Column]) -> None:
        """Add n rows.

        Args:
            columns: of the schema: n strings or mappings, or n unit vectors (n, D), rounded to float16. A column
                that may be null may be left out.

        Raises:
            ShardError: vectors of another width, not finite, or not of length 1.
        """
        schema = self._file.schema
        n = len(columns[schema.names[0]])
        arrays = [self._array(field, columns.get(field.name), n) for field in schema]
        self._held.append(pa.record_batch(arrays, schema=schema))
        self._rows += n
        if self._rows >= _GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        table = pa.Table.from_batches(self._held, schema=self._file.schema)
        self._file.write_table(table, row_group_size=_GROUP_ROWS)
        self._held, self._rows = [], 0

    def _array(self, field: pa.Field, column: Column | None, n: int) -> pa.Array:
        if column is None and field.nullable:
            return pa.nulls(n, field.type)
        if not pa.types.is_fixed_size_list(field.type):
            return pa.array(column, field.type)
        vectors, width = np.asarray(column), field.type.list_size
        if vectors.shape != (n, width):
            raise ShardError(
                f"{field.name}: needed vectors ({n}, {width}), found {vectors.shape}", where=self._path
            )
        lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
        if len(odd := np.flatnonzero(~(np.abs(lengths - 1.0) <= _UNIT))):
            raise ShardError(
                f"{field.name}: needed unit vectors, found one of length {lengths[odd[0]]:.4g}",
                where=self._path,
            )
        flat = pa.array(np.ascontiguousarray(vectors, np.float16).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, type=field.type)


@contextmanager
def writing_vectors(path: Path, schema: pa.Schema) -> Iterator[VectorWriter]:
    """Write a file of vectors whole or not at all, in the memory of one row group."""
    with (
        atomic_file(path) as file,
        pq.ParquetWriter(
            file,
            schema,
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            data_page_size=1 << 30,
        ) as parquet,
    ):
        writer = VectorWriter(parquet, path)
        yield writer
        writer.flush()


@dataclass(frozen=True, slots=True)
class Queries:
    """Questions of one kind, n of them.

    Attributes:
        ids: (n,) the item that each is about; several may be about one.
        texts: (n,) the words; empty where a picture was asked.
        vectors: system -> float16 (n, D) unit vectors; a system that was not asked is missing.
    """

    ids: NDArray[np.object_]
    texts: NDArray[np.object_]
    vectors: Mapping[System, NDArray[np.float16]]


class Vectors:
    """The vectors of N items and of questions about them; a column is read when it is asked for.

    Made by `read_vectors`.

    Attributes:
        folder: of the stage that wrote them.
    """

    def __init__(self, folder: Path, items: _File, queries: _File) -> None:
        self.folder = folder
        self._items = items
        self._queries = queries

    def __len__(self) -> int:
        rows: int = self._items.parquet.metadata.num_rows
        return rows

    @cached_property
    def keys(self) -> NDArray[np.object_]:
        """Key of each item (N,).

        Raises:
            ShardError: an item stands there twice.
        """
        keys = self._items.strings("id")
        if len(twice := _repeated(keys)):
            raise ShardError(
                f"an item has two rows of vectors: {twice[0]}", where=self._items.path, cure=_CURE
            )
        return keys

    @cached_property
    def sides(self) -> NDArray[np.object_]:
        """Side of each item (N,)."""
        return self._items.strings("side")

    @cached_property
    def groups(self) -> NDArray[np.object_]:
        """Group of near-duplicates, or family, of each item (N,)."""
        return self._items.strings("group")

    @cached_property
    def labels(self) -> NDArray[np.object_]:
        """Class of each item (N,); empty where it is not known."""
        return self._items.strings("label")

    @cached_property
    def titles(self) -> NDArray[np.object_]:
        """Title of each item (N,)."""
        return self._items.strings("title")

    @cached_property
    def texts(self) -> NDArray[np.object_]:
        """What a person would type to find each item (N,)."""
        return self._items.strings("text")

    @property
    def field_names(self) -> tuple[str, ...]:
        """Metadata that any item has."""
        return _fields(self._items)

    def field(self, name: str) -> NDArray[np.object_]:
        """A metadata field of each item (N,), None where it lacks it."""
        return self._items.strings("fields", name)

    def picture(self, system: System) -> NDArray[np.float16]:
        """Unit vectors of pictures (N, D); read anew each time."""
        return self._items.vectors(f"{system}_picture")

    def text(self, system: System) -> NDArray[np.float16]:
        """Unit vectors of texts (N, D); read anew each time."""
        return self._items.vectors(f"{system}_text")

    def items(self, system: System, of: Of = "picture") -> NDArray[np.float16]:
        """Unit vectors by which items are found (N, D); read anew each time."""
        found = self.picture(system)
        if of == "both":
            texts = self.text(system)
            for begin in range(0, len(found), _GROUP_ROWS):
                part = slice(begin, begin + _GROUP_ROWS)
                mean = found[part].astype(np.float32) + texts[part]
                found[part] = mean / np.linalg.norm(mean, axis=1, keepdims=True).clip(1e-12)
        return found

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of questions that there are beyond picture and text of each item."""
        return tuple(dict.fromkeys(self._query_kinds))

    @cached_property
    def _query_kinds(self) -> NDArray[np.object_]:
        return self._queries.strings("kind")

    def queries(self, kind: str) -> Queries:
        """Questions of a kind, none where nobody asked them."""
        rows: NDArray[np.bool_] = self._query_kinds == kind
        ids, texts = (self._queries.strings(name)[rows] for name in ("id", "text"))
        vectors = {
            system: self._queries.vectors(system, rows)
            for system in SYSTEMS
            if not self._queries.is_null(system)[rows].any()
        }
        return Queries(ids, texts, vectors)


def read_vectors(folder: Path) -> Vectors:
    """The vectors that the stage in ``folder`` wrote; schemas alone are read.

    Raises:
        ShardError: a file is missing, torn or of another form. Columns are checked when they are read.
        OSError: the machine refuses to read it.
    """
    items = _open(Path(folder) / VECTORS)
    width = _width(items, "model_picture")
    _require(items, vectors_schema(width, _fields(items)))
    queries = _open(Path(folder) / QUERIES)
    _require(queries, queries_schema(width))
    return Vectors(Path(folder), items, queries)


@dataclass(frozen=True, slots=True)
class _File:
    """An open file of vectors."""

    path: Path
    parquet: pq.ParquetFile

    def _column(self, name: str) -> pa.ChunkedArray:
        with self._reading():
            return self.parquet.read(columns=[name], use_threads=False)[name]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, pa.ArrowException) as error:  # OSError: Arrow's for torn pages
            raise ShardError(f"vectors that cannot be read: {error}", where=self.path, cure=_CURE) from error

    def strings(self, name: str, member: str | None = None) -> NDArray[np.object_]:
        """A column of text (n,), or a member of a struct of texts."""
        column = self._column(name)
        if member is not None:
            column = pa.chunked_array([chunk.field(member) for chunk in column.chunks], pa.string())
        strings = np.empty(len(column), object)
        strings[:] = column.to_pylist()  # by Arrow's own to_numpy, pandas would be imported
        return strings

    def is_null(self, name: str) -> NDArray[np.bool_]:
        """Which rows (n,) lack a column."""
        return np.array(self._column(name).is_null().to_pylist(), bool)

    def vectors(self, name: str, rows: NDArray[np.bool_] | None = None) -> NDArray[np.float16]:
        """Vectors (n, D) of a column, or of its ``rows`` (n,), row group by row group into one array."""
        width = self.parquet.schema_arrow.field(name).type.list_size
        total = self.parquet.metadata.num_rows if rows is None else int(rows.sum())
        found, read, filled = np.empty((total, width), np.float16), 0, 0
        with self._reading():
            for batch in self.parquet.iter_batches(_GROUP_ROWS, columns=[name], use_threads=False):
                column = batch.column(0)
                if rows is not None:
                    column = column.filter(pa.array(rows[read : read + len(batch)]))
                if column.null_count:
                    raise ShardError(f"{name}: a row without its vector", where=self.path, cure=_CURE)
                found[filled : filled + len(column)] = column.flatten().to_numpy().reshape(-1, width)
                read, filled = read + len(batch), filled + len(column)
        if ((found.view(np.uint16) & _EXPONENT) == _EXPONENT).any():
            raise ShardError(f"{name}: a vector that is not finite", where=self.path, cure=_CURE)
        return found


def _open(path: Path) -> _File:
    try:
        return _File(path, pq.ParquetFile(path, memory_map=True))
    except FileNotFoundError:
        raise ShardError("no vectors: the file is missing", where=path, cure=_CURE) from None
    except (pa.ArrowException, ValueError) as error:
        raise ShardError(f"no vectors: {error}", where=path, cure=_CURE) from error


def _fields(file: _File) -> tuple[str, ...]:
    """Names of the metadata of a file."""
    schema = file.parquet.schema_arrow
    kind = schema.field("fields").type if "fields" in schema.names else None
    return tuple(field.name for field in kind) if kind is not None and pa.types.is_struct(kind) else ()


def _width(file: _File, name: str) -> int:
    schema = file.parquet.schema_arrow
    kind = schema.field(name).type if name in schema.names else None
    return kind.list_size if kind is not None and pa.types.is_fixed_size_list(kind) else 0


def _require(file: _File, schema: pa.Schema) -> None:
    """Refuse a file of another schema, naming the first column that differs."""
    found = file.parquet.schema_arrow
    for field in schema:
        kind = found.field(field.name).type if field.name in found.names else None
        if kind is None or not _fits(kind, field.type):
            raise ShardError(
                f"{field.name} is {'missing' if kind is None else kind}, needed {field.type}",
                where=file.path,
                cure=_CURE,
            )


def _fits(found: pa.DataType, needed: pa.DataType) -> bool:
    """Whether a column of a file, which may be of another tool, can be read as ours."""
    if pa.types.is_fixed_size_list(needed):
        shape = needed.list_size, needed.value_type
        return pa.types.is_fixed_size_list(found) and (found.list_size, found.value_type) == shape
    if pa.types.is_struct(needed):
        return pa.types.is_struct(found) and all(field.type == pa.string() for field in found)
    return bool(found == needed)


def _repeated(keys: NDArray[np.object_]) -> NDArray[np.object_]:
    """Keys that occur more than once."""
    if len(set(keys)) == len(keys):
        return keys[:0]
    unique, counts = np.unique(keys, return_counts=True)
    repeated: NDArray[np.object_] = unique[counts > 1]
    return repeated
