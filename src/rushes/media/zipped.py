"""Files inside of zip archives, read where they lie: nothing is unpacked.

    for member in members(archive):
        with mapped(member) as view:
            check_crc(member, view)

A stored member is a slice of the archive, so it can be mapped into memory as it is: a 16 MB video opens in
.1 ms, where extracting it takes 30 ms and its space on disk. A mapping skips the check that reading through
`zipfile` would make; `check_crc` makes it.

An archive with a compressed or encrypted member, two members of one name, a name that leaves its folder, or
members that overlap each other or leave the file is refused as a whole.
"""

from __future__ import annotations

import io
import mmap
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rushes.errors import MediaError, unreadable_as
from rushes.records import Member

MAX_MEMBERS = 100_000
MAX_DIRECTORY_BYTES = 32 << 20
MAX_NAME = 1024

_LOCAL_SIGNATURE, _LONGEST_TRAILER = b"PK\x03\x04", 24
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_UNREADABLE = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, OSError)
_ENCRYPTED, _DATA_FOLLOWS, _UTF8 = 0x1 | 0x40 | 0x2000, 0x8, 0x800
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_AGAIN = "copy the archive again; it is cut or damaged"
_REPACK = "repack it without compression: unzip it into a folder, then `zip -0 -r ARCHIVE.zip .` there"


def members(archive: Path) -> tuple[Member, ...]:
    """The files in an archive, in the order of its directory; folders are left out.

    Reads the directory at the archive's end and 30 bytes before each member, whatever their size; archives
    and members beyond 4 GB (zip64) too.

    Raises:
        MediaError: there is no such archive, it is cut or damaged, or it is refused (see above).
        OSError: the machine refuses to read it.
    """
    archive = Path(archive)
    if not archive.is_file():
        raise MediaError("no such archive", where=archive, cure="check the path")
    with (
        unreadable_as(MediaError, "cannot read it as a zip", where=archive, cure=_AGAIN, errors=_UNREADABLE),
        _DirectoryFile(archive) as file,
    ):
        with zipfile.ZipFile(file) as opened:
            entries, end = opened.infolist(), opened.start_dir
        _check_names(archive, entries)
        spans = [(entry, _data_offset(archive, file, entry)) for entry in entries]
        _check_places(archive, file, spans, end)
    return tuple(
        Member(archive, entry.filename, offset, entry.file_size, entry.CRC)
        for entry, offset in spans
        if not entry.filename.endswith("/")
    )


@contextmanager
def mapped(member: Member) -> Iterator[memoryview]:
    """The bytes of a member in place: a read-only view, valid until the block ends.

    Raises:
        MediaError: the archive is gone, or has become shorter since `members` read it.
        OSError: the machine refuses to map it.
    """
    end = member.offset + member.size
    unreadable = (OSError, ValueError)
    with (
        unreadable_as(MediaError, "cannot map the member", where=member, cure=_AGAIN, errors=unreadable),
        member.archive.open("rb") as file,
    ):
        if os.fstat(file.fileno()).st_size < end:
            raise MediaError(f"the archive ends before byte {end}; it has changed", where=member, cure=_AGAIN)
        start = member.offset - member.offset % mmap.ALLOCATIONGRANULARITY
        memory = mmap.mmap(file.fileno(), max(1, end - start), access=mmap.ACCESS_READ, offset=start)
    view = memoryview(memory)[member.offset - start : end - start]
    try:
        yield view
    finally:
        with suppress(BufferError):  # a reader that still holds a slice keeps the mapping until it is gone
            view.release()
            memory.close()


def check_crc(member: Member, view: memoryview) -> None:
    """Refuse bytes that are not those the archive was made from: 4 ms for a video of 16 MB.

    Raises:
        MediaError: says which checksum was declared and which was found.
    """
    found = zlib.crc32(view)
    if found != member.crc32:
        raise MediaError(
            f"damaged: the archive declares CRC32 {member.crc32:08x}, its bytes have {found:08x}",
            where=member,
            cure="copy the archive again; leave the recording out if it is damaged at its source",
        )


class _DirectoryFile(io.FileIO):
    """A file of which no single read takes more than a directory may: sizes that it declares cost nothing."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > MAX_DIRECTORY_BYTES:
            raise ValueError(f"at most {MAX_DIRECTORY_BYTES:,} bytes accepted, found {size:,}")
        return super().read(size)


def _check_names(archive: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_MEMBERS:
        raise MediaError(f"at most {MAX_MEMBERS:,} members accepted, found {len(entries):,}", where=archive)
    seen: set[str] = set()
    for entry in entries:
        name, where = entry.orig_filename, f"{archive}/{entry.filename}"
        parts = name.removesuffix("/").split("/")
        if len(name) > MAX_NAME or _CONTROL.search(name) or any(part in ("", ".", "..") for part in parts):
            raise MediaError(
                f"a member may not be called {name[:80]!r}",
                where=archive,
                cure="fetch the archive from its source again; its names should be plain file names",
            )
        if name in seen:
            raise MediaError(f"two members are called {name!r}", where=archive, cure=_AGAIN)
        seen.add(name)
        if entry.flag_bits & _ENCRYPTED:
            raise MediaError("encrypted; only plain members are read", where=where, cure=_REPACK)
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            names = zipfile.compressor_names  # type: ignore[attr-defined]  # not in typeshed
            kind = names.get(entry.compress_type, f"method {entry.compress_type}")
            raise MediaError(
                f"compressed ({kind}); only stored members are read in place", where=where, cure=_REPACK
            )


def _data_offset(archive: Path, file: io.FileIO, entry: zipfile.ZipInfo) -> int:
    """Where a member's data begins: behind its own header, which may be longer than the directory tells."""
    name = entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437")
    head = b""
    if entry.header_offset >= 0:
        head = os.pread(file.fileno(), _LOCAL_HEADER.size + len(name), entry.header_offset)
    if len(head) == _LOCAL_HEADER.size + len(name):
        found = _LOCAL_HEADER.unpack_from(head)
        signature, _, flags, method, _, _, crc, _, _, name_bytes, extra_bytes = found
        if (
            signature == _LOCAL_SIGNATURE
            and method == entry.compress_type
            and not flags & _ENCRYPTED
            and name_bytes == len(name)
            and head[_LOCAL_HEADER.size :] == name
            and (flags & _DATA_FOLLOWS or crc == entry.CRC)
        ):
            begins: int = entry.header_offset + len(head) + extra_bytes
            return begins
    raise MediaError(
        f"at byte {entry.header_offset} stands no header that agrees with the directory",
        where=f"{archive}/{entry.filename}",
        cure=_AGAIN,
    )


def _check_places(
    archive: Path, file: io.FileIO, spans: Sequence[tuple[zipfile.ZipInfo, int]], end: int
) -> None:
    """Every member lies behind the one before it and before the directory, which starts at byte ``end``.

    What lies between two members may be padding, but no member that the directory does not list: damage in a
    single length hides the entries that follow.
    """
    places = [(entry.header_offset, offset + entry.file_size, entry.filename) for entry, offset in spans]
    free_from, before = 0, None
    for start, stop, name in [*sorted(places), (end, end, None)]:
        where = archive if name is None else f"{archive}/{name}"
        if start < free_from:
            beyond = "the zip directory" if name is None else f"{name!r}"
            raise MediaError(
                f"{before!r} should end at byte {free_from}, {beyond} starts at byte {start}: they overlap",
                where=where,
                cure=_AGAIN,
            )
        gap = os.pread(file.fileno(), min(start - free_from, _LONGEST_TRAILER + 4), free_from)
        if _LOCAL_SIGNATURE in gap:
            raise MediaError(
                f"at byte {free_from} lies a member that the zip directory does not list",
                where=where,
                cure=_AGAIN,
            )
        free_from, before = stop, name
