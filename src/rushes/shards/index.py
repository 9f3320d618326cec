"""What is known of a shard without opening it: its size and hashes, and where each of its members lies.

The index is a Parquet table beside the tar, one row per member in the order of the tar. It carries the
shard's own figures in its metadata, so a list of shards is as good as a manifest. It is read into a few
small arrays. Split, group and label of each sample stand in it for those who ask with SQL::

    SELECT label, count(DISTINCT key) FROM 'shards/*/*.parquet' WHERE split = 'train' GROUP BY label
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rushes.errors import ShardError
from rushes.records import KEY
from rushes.shards import ustar

# Lower case, since WebDataset readers fold extensions to it; one dot at most, since they cut the key at the first.
FIELD = re.compile(r"([a-z0-9_-]+\.)?[a-z0-9]+")
SHARD_NAME = re.compile(r"(?P<series>[A-Za-z0-9_-]+)-(?P<number>\d{5,})\.tar")
SHA256 = re.compile(r"[0-9a-f]{64}")

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("crc32", pa.uint32(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("group", pa.string()),
        pa.field("label", pa.string()),
    ]
)

_CURE = "run `rushes verify --repair`, or prepare the dataset again"


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """One finished shard.

    Attributes:
        name: of the tar within its folder, ``<series>-<number>.tar``.
        bytes: size of the tar.
        sha256: hex digest of the tar.
        samples: number of samples, at least 1.
        index_sha256: hex digest of the Parquet index beside it.
    """

    name: str
    bytes: int
    sha256: str
    samples: int
    index_sha256: str

    def __post_init__(self) -> None:
        whole = all(type(number) is int and number >= 1 for number in (self.bytes, self.samples))
        texts = (
            isinstance(self.name, str) and isinstance(self.sha256, str) and isinstance(self.index_sha256, str)
        )
        if not (whole and texts and SHARD_NAME.fullmatch(self.name)):
            raise ShardError("not the description of a shard", where=f"{self.name!r}")
        if not (SHA256.fullmatch(self.sha256) and SHA256.fullmatch(self.index_sha256)):
            raise ShardError("a hash is not 64 hex digits", where=self.name)

    @property
    def series(self) -> str:
        """The shard series, that is the unit, that the shard belongs to."""
        return self.name.rpartition("-")[0]

    @property
    def index_name(self) -> str:
        """Name of the index beside the tar."""
        return self.name.removesuffix(".tar") + ".parquet"

    def to_json(self) -> dict[str, Any]:
        """As it stands in a manifest or a receipt."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: Any, where: object) -> ShardInfo:
        """The shard that a manifest or a receipt describes.

        Raises:
            ShardError: ``entry``, found at ``where``, is no such description.
        """
        if not isinstance(entry, dict) or entry.keys() != set(cls.__slots__):
            raise ShardError(
                f"a shard must have the fields {', '.join(cls.__slots__)}", where=where, cure=_CURE
            )
        return cls(**entry)


@dataclass(frozen=True, slots=True)
class Index:
    """Where the members of one shard lie; n samples, m members.

    Kept small, since it stays in memory for as long as its shard is open: members follow each other without a
    gap, so beginnings of samples and lengths of members say it all.

    Attributes:
        keys: (n,) Arrow strings.
        rows: (n + 1,) sample ``i`` has the members ``rows[i]`` to ``rows[i + 1]``.
        begins: (n,) offset in the tar of the header of the sample's first member.
        fields: names of the fields that occur, e.g. ``frame_00.jpg``.
        field: (m,) which of ``fields`` a member is.
        length: (m,) of the member's content in bytes.
        crc32: (m,) of the member's content; None if not asked for.
        labels, groups: (n,) Arrow strings; null for a sample without one.
    """

    keys: pa.Array
    rows: np.ndarray
    begins: np.ndarray
    fields: tuple[str, ...]
    field: np.ndarray
    length: np.ndarray
    crc32: np.ndarray | None
    labels: pa.Array
    groups: pa.Array

    def members(self, sample: int) -> Iterator[tuple[str, int, int]]:
        """Field, offset and length of each member of ``sample``."""
        rows = slice(int(self.rows[sample]), int(self.rows[sample + 1]))
        offset = int(self.begins[sample])
        for field, length in zip(self.field[rows].tolist(), self.length[rows].tolist(), strict=True):
            offset += ustar.BLOCK
            yield self.fields[field], offset, length
            offset += ustar.padded(length)

    def marks(self) -> NDArray[np.uint64]:
        """Of each sample (n,) a number that follows from lengths and CRC-32 of its members alone.

        Samples of the same content have the same mark; that two of the same mark have the same content is
        likely, not sure. JSON tells of a sample what differs between copies, such as its key, and is left out
        where there is anything else.
        """
        assert self.crc32 is not None
        told = np.array([extension(name) == "json" for name in self.fields])[self.field]
        mixed = (self.crc32.astype(np.uint64) << np.uint64(32)) ^ self.length.astype(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
        begins = self.rows[:-1].astype(np.intp)
        of_all, of_rest = (np.add.reduceat(part, begins) for part in (mixed, np.where(told, 0, mixed)))
        only_told = np.logical_and.reduceat(told, begins)
        marks: NDArray[np.uint64] = np.where(only_told, of_all, of_rest).astype(np.uint64)
        return marks

    def crc32s(self, sample: int) -> list[int]:
        """CRC-32 of each member of ``sample``, in the order of :meth:`members`."""
        assert self.crc32 is not None
        found: list[int] = self.crc32[self.rows[sample] : self.rows[sample + 1]].tolist()
        return found


def encode_index(
    columns: Mapping[str, Sequence[Any]], tar_bytes: int, tar_sha256: str, samples: int
) -> bytes:
    """The Parquet file for ``columns`` (those of :data:`SCHEMA`, in the order of the tar) of one shard."""
    figures = {"bytes": str(tar_bytes), "sha256": tar_sha256, "samples": str(samples)}
    sink = pa.BufferOutputStream()
    # Uncompressed: a hash or a key of its own does not compress, and an honest size is a check against bombs.
    table = pa.table(dict(columns), schema=SCHEMA.with_metadata(figures))
    pq.write_table(
        table, sink, compression="none", use_dictionary=["key", "field", "split", "group", "label"]
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_info(tar: Path) -> ShardInfo:
    """Describe the finished shard ``tar`` by the figures in the index beside it.

    Raises:
        ShardError: the index is missing or does not hold.
    """
    path = Path(tar).with_suffix(".parquet")
    data = _read(path)
    try:
        figures = pq.read_schema(pa.BufferReader(data)).metadata or {}
        size, sha256, samples = int(figures[b"bytes"]), figures[b"sha256"].decode(), int(figures[b"samples"])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise ShardError(f"not the index of a shard: {error}", where=path, cure=_CURE) from error
    return ShardInfo(Path(tar).name, size, sha256, samples, hashlib.sha256(data).hexdigest())


def read_index(folder: Path, shard: ShardInfo, *, crc32: bool = False) -> Index:
    """Read and check the index of ``shard`` in ``folder``; what it says fills the tar exactly.

    Args:
        folder: where the shard lies.
        shard: what is known of it.
        crc32: also keep the CRC-32 of each member.

    Raises:
        ShardError: the index is missing, its hash is another, or it contradicts the shard.
    """
    path = Path(folder) / shard.index_name
    data = _read(path)
    if (found := hashlib.sha256(data).hexdigest()) != shard.index_sha256:
        raise ShardError(
            f"the index has sha256 {found[:12]}..., {shard.index_sha256[:12]}... was written",
            where=path,
            cure=_CURE,
        )
    table = _decode(data, shard, path)
    key, field = (table.column(name).chunk(0).dictionary_encode() for name in ("key", "field"))
    offset, length, crcs = (table.column(name).chunk(0).to_numpy() for name in ("offset", "length", "crc32"))

    samples, codes = key.indices.to_numpy(), field.indices.to_numpy()
    starts = np.flatnonzero(np.diff(samples, prepend=-1))
    _require(len(starts) == len(key.dictionary), "the members of a sample do not stand together", path)
    _require(len(starts) == shard.samples, f"the index has {len(starts)} samples, not {shard.samples}", path)
    fields = tuple(field.dictionary.to_pylist())
    _require(all(FIELD.fullmatch(name) for name in fields), f"not fields of samples: {fields[:5]}", path)
    pairs = samples.astype(np.int64) * len(fields) + codes
    _require(len(np.unique(pairs)) == len(pairs), "a sample has a field twice", path)
    _require(_fills(offset, length, shard.bytes), "the members do not fill the tar one after the other", path)

    place = np.min_scalar_type(shard.bytes)
    return Index(
        keys=key.dictionary,
        rows=np.append(starts, len(codes)).astype(np.uint32),
        begins=(offset[starts] - ustar.BLOCK).astype(place),
        fields=fields,
        field=codes.astype(np.min_scalar_type(len(fields))),
        length=length.astype(place),
        crc32=crcs.copy() if crc32 else None,
        labels=table.column("label").chunk(0).take(pa.array(starts)),
        groups=table.column("group").chunk(0).take(pa.array(starts)),
    )


def _decode(data: bytes, shard: ShardInfo, where: object) -> pa.Table:
    """The table in the Parquet file ``data``, in one chunk, of the right columns and of a likely size."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        _require_modest(file.metadata, shard, where)
        table = file.read(use_threads=False).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise ShardError(f"not a readable index: {error}", where=where, cure=_CURE) from error
    _require(table.schema.equals(SCHEMA), "the index has other columns", where)
    _require(table.num_rows >= shard.samples, "the index has fewer members than samples", where)
    return table


def _fills(offset: NDArray[np.int64], length: NDArray[np.int64], tar_bytes: int) -> bool:
    """Whether header, content and padding of all members, and the archive's end, make up the tar exactly."""
    if length.min() < 0 or length.max() > tar_bytes:
        return False
    ends = np.cumsum(ustar.BLOCK + ustar.padded(length))
    begins = np.append(0, ends[:-1])
    return bool((offset == begins + ustar.BLOCK).all()) and int(ends[-1]) + len(ustar.END) == tar_bytes


def _require_modest(metadata: pq.FileMetaData, shard: ShardInfo, where: object) -> None:
    """Refuse an index that would decode into more than a tar of this size can need."""
    most = shard.bytes // ustar.BLOCK
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    decoded = sum(group.total_byte_size for group in groups)
    _require(
        metadata.num_rows <= most and decoded <= (ustar.MAX_NAME + 64) * most + 65536,
        f"the index has {metadata.num_rows} members in {decoded} bytes, too many for a tar of {shard.bytes}",
        where,
    )


def _require(holds: bool, message: str, where: object) -> None:
    if not holds:
        raise ShardError(message, where=where, cure=_CURE)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ShardError("the index of a shard is missing", where=path, cure=_CURE) from None


def extension(field: str) -> str:
    """What a field holds.

    >>> extension("frame_00.jpg"), extension("jpg")
    ('jpg', 'jpg')
    """
    return field.rpartition(".")[2]


def member_name(key: str, field: str) -> str:
    """The member of ``field`` of the sample ``key``, both checked.

    >>> member_name("U0108_S0100_t0012345_before", "meta.json")
    'U0108_S0100_t0012345_before.meta.json'

    Raises:
        ShardError: one of them cannot be part of a name that every WebDataset reader cuts alike.
    """
    if KEY.fullmatch(key) is None:
        raise ShardError(f"not a sample's key: {key!r}", cure="use letters, digits, _ and -, no dots")
    if FIELD.fullmatch(field) is None:
        raise ShardError(
            f"not a field: {field!r}",
            where=key,
            cure="name it <name>.<extension>, or by its extension alone, in lower case: meta.json, jpg",
        )
    return f"{key}.{field}"
