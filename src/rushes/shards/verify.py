"""Hash a dataset again and open every member, against its manifest and receipts.

Nothing is extracted, and nothing is allocated by what a tar or an index says of itself: members are read
where the index expects them, in the one form that shards have, within the size that the manifest gives.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rushes.errors import ShardError, StageError
from rushes.records import KEY
from rushes.shards import ustar
from rushes.shards.index import Index, ShardInfo, read_index
from rushes.shards.manifest import MANIFEST, Manifest, load_manifest, split_folder
from rushes.stages import read_json, sha256_file


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a dataset that does not hold.

    Attributes:
        path: the file.
        reason: what was expected and what was found.
        unit: the unit to prepare again; None where no single one is at fault.
    """

    path: Path
    reason: str
    unit: str | None


def verify_dataset(folder: Path) -> list[Fault]:
    """Everything that does not hold in the finished dataset ``folder``: empty means that it is whole.

    Checks the manifest; each shard and index against its size and SHA-256; each member's header, content
    (CRC-32) and padding; that keys are unique in the dataset; that the receipts in ``units/`` prove the
    shards that the manifest names; that no other shard lies there.

    Raises:
        OSError: the machine refuses to read a file, which says nothing about what the file holds.
    """
    folder = Path(folder)
    try:
        manifest = load_manifest(folder)
    except ShardError as error:
        return [Fault(folder / MANIFEST, error.message, None)]
    faults = list(_receipt_faults(folder, manifest))
    faults += _strangers(folder, manifest)
    keys = []
    for split, shards in manifest.splits.items():
        for shard in shards:
            found, index = _verify_shard(split_folder(folder, split), shard)
            faults += found
            keys += [] if index is None else [index.keys]
    if keys:
        counted = pc.value_counts(pa.chunked_array(keys))
        for key in counted.filter(pc.greater(counted.field("counts"), 1)).field("values").to_pylist():
            faults.append(Fault(folder / MANIFEST, f"the key {key} stands for two samples", None))
    return faults


def verify_shards(folder: Path, shards: Sequence[ShardInfo]) -> list[Fault]:
    """Everything that does not hold in ``shards``, which lie in ``folder`` with their indexes."""
    return [fault for shard in shards for fault in _verify_shard(Path(folder), shard)[0]]


def _verify_shard(folder: Path, shard: ShardInfo) -> tuple[list[Fault], Index | None]:
    """Faults of one shard, and its index if that can be trusted."""
    tar, faults, index = folder / shard.name, [], None
    try:
        index = read_index(folder, shard, crc32=True)
    except ShardError as error:
        faults.append(Fault(folder / shard.index_name, error.message, shard.series))
    try:
        size, sha256 = tar.stat().st_size, sha256_file(tar)
    except FileNotFoundError:
        return [*faults, Fault(tar, "is missing", shard.series)], index
    if size != shard.bytes:
        return [*faults, Fault(tar, f"has {size} bytes, {shard.bytes} were written", shard.series)], index
    if sha256 != shard.sha256:
        reason = f"has sha256 {sha256[:12]}..., {shard.sha256[:12]}... was written"
        faults.append(Fault(tar, reason, shard.series))
    if index is not None:
        wrong = list(_wrong_members(tar, index))
        if wrong:
            reason = f"{len(wrong)} of {len(index.length)} members do not hold; first {wrong[0]}"
            faults.append(Fault(tar, reason, shard.series))
    return faults, index


def _wrong_members(tar: Path, index: Index) -> Iterator[str]:
    """Members whose header, content or padding is not what the index says, each with the reason."""
    with tar.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        for sample, key in enumerate(index.keys.to_pylist()):
            for (field, begin, size), crc32 in zip(index.members(sample), index.crc32s(sample), strict=True):
                reason = _member_fault(pages, f"{key}.{field}", begin, size, crc32)
                if KEY.fullmatch(key) is None:
                    reason = "its key is not a key"
                if reason is not None:
                    yield f"{key[: ustar.MAX_NAME]}.{field}: {reason}"
        if pages[-len(ustar.END) :] != ustar.END:
            yield "the end of the archive: it is not two empty blocks"


def _member_fault(pages: mmap.mmap, name: str, begin: int, size: int, crc32: int) -> str | None:
    try:
        found = ustar.read_header(pages[begin - ustar.BLOCK : begin])
    except ShardError as error:
        return error.message
    if found != (name.encode(), size):
        return f"its header says {found[0][: ustar.MAX_NAME]!r} of {found[1]} bytes, the index {size}"
    with memoryview(pages) as view, view[begin : begin + size] as content:
        if zlib.crc32(content) != crc32:
            return "its content has another crc32"
    if any(pages[begin + size : begin + ustar.padded(size)]):
        return "its padding is not empty"
    return None


def _receipt_faults(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    """Receipts, if the dataset still has them, must prove the manifest's shards and no others."""
    paths = sorted(folder.glob("units/*.json"))
    proven: dict[str, ShardInfo] = {}
    for path in paths:
        try:
            entry = read_json(path)
            shards = [ShardInfo.from_json(shard, where=path) for shard in entry["receipt"]["shards"]]
            signature = entry["signature"]
        except (StageError, ShardError, KeyError, TypeError) as error:
            yield Fault(path, f"not a receipt: {error}", path.stem)
            continue
        if signature != manifest.signature:
            yield Fault(path, f"is of signature {signature}, the manifest of {manifest.signature}", path.stem)
        proven |= {shard.name: shard for shard in shards}
    if paths:
        named = {shard.name: shard for shards in manifest.splits.values() for shard in shards}
        for name in sorted(proven.keys() | named.keys()):
            if proven.get(name) != named.get(name):
                unit = (proven.get(name) or named[name]).series
                yield Fault(folder / "units" / f"{unit}.json", f"receipt and manifest differ on {name}", unit)


def _strangers(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    """Shards and indexes under final names that the manifest does not know."""
    known = {
        split_folder(folder, split) / name
        for split, shards in manifest.splits.items()
        for shard in shards
        for name in (shard.name, shard.index_name)
    }
    for path in sorted([*folder.glob("shards/*/*.tar"), *folder.glob("shards/*/*.parquet")]):
        if path not in known and not path.name.startswith("."):
            yield Fault(path, "is not in the manifest", path.stem.rpartition("-")[0] or None)
