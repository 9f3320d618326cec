"""Files inside of plain tars, found without unpacking: where each lies, so that it can be read in place."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rushes.errors import MediaError, unreadable_as

MAX_MEMBERS = 10_000_000
MAX_HEADER = 1 << 20
"""Bytes that are read for one header, with the long names before it."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")  # the last are bytes that are no UTF-8
_BROKEN = (tarfile.TarError, EOFError, ValueError, OverflowError, OSError, RecursionError)
_AGAIN = "fetch the archive again; it is cut or damaged"


class TarMember(NamedTuple):
    """A file in a tar.

    Attributes:
        name: as it stands there, with ``/``.
        offset, size: of its bytes in the archive.
    """

    name: str
    offset: int
    size: int


def members(archive: Path) -> Iterator[TarMember]:
    """The files of a tar in order; headers are read, contents are passed over.

    Raises:
        MediaError: it is compressed, cut or damaged, or holds a link, a device, or a name that leaves its folder.
        OSError: the machine refuses to read it.
    """
    with (
        unreadable_as(MediaError, "cannot be read as a tar", where=archive, cure=_AGAIN, errors=_BROKEN),
        archive.open("rb") as raw,
    ):
        size = raw.seek(0, 2)
        raw.seek(0)
        if raw.read(2) == b"\x1f\x8b":
            raise MediaError(
                "a compressed tar cannot be read in place",
                where=archive,
                cure=f"unpack its compression: gunzip {archive.name}",
            )
        raw.seek(0)
        headers = TarStream(raw, MAX_HEADER)
        with tarfile.TarFile(fileobj=headers, mode="r", errorlevel=2) as opened:
            for count, member in enumerate(opened):
                opened.members = []  # type: ignore[attr-defined]  # a record of each would be kept; not in typeshed
                _require_plain(archive, member, count)
                if member.isreg():
                    if member.offset_data + member.size > size:
                        raise EOFError("a member is cut")
                    yield TarMember(member.name.removeprefix("./"), member.offset_data, member.size)
        if headers.last != bytes(tarfile.BLOCKSIZE) or size % tarfile.BLOCKSIZE:
            raise EOFError("its end is missing, or a header is damaged")


def read_member(archive: Path, offset: int, size: int) -> bytes:
    """The bytes of a member.

    Raises:
        MediaError: the archive is gone, or has become shorter.
        OSError: the machine refuses to read it.
    """
    with unreadable_as(MediaError, "cannot be read", where=archive, cure=_AGAIN), archive.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) < size:
        raise MediaError(f"the archive ends before byte {offset + size:,}", where=archive, cure=_AGAIN)
    return data


class TarStream(io.BufferedIOBase):
    """What tarfile needs of a file: remembers the last block that it saw, and reads nothing that is huge.

    Args:
        file: read from where it stands.
        most: bytes that are read at a time; a header that wants more raises a ValueError.
    """

    def __init__(self, file: io.BufferedIOBase, most: int) -> None:
        self._file, self._most, self.last = file, most, b""

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes; fewer at the end."""
        size = -1 if size is None else size
        if not 0 <= size <= self._most:
            raise ValueError(f"a header of {size:,} bytes")
        self.last = self._file.read(size)
        return self.last

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a byte."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The byte that is read next."""
        return self._file.tell()


def is_file_or_folder(member: tarfile.TarInfo) -> bool:
    """Whether a member is nothing but that: no link, no device, nothing with holes."""
    return (member.isreg() or member.isdir()) and not member.issparse()


def is_plain_name(member: tarfile.TarInfo) -> bool:
    """Whether a member's name stays in its folder and can be written anywhere."""
    name = member.name.removeprefix("./")
    leaves = member.isreg() and any(part in ("", ".", "..") for part in name.split("/"))
    return not (_CONTROL.search(name) or leaves)


def _require_plain(archive: Path, member: tarfile.TarInfo, count: int) -> None:
    where = f"{archive}/{member.name[:80]!r}"
    if count >= MAX_MEMBERS:
        raise MediaError(f"more than {MAX_MEMBERS:,} members", where=archive, cure="split the archive")
    if not is_file_or_folder(member):
        raise MediaError(
            "an archive holds files and folders only, found a link or a device",
            where=where,
            cure="pack the files themselves: tar --dereference -cf ARCHIVE FOLDER",
        )
    if not is_plain_name(member):
        raise MediaError(
            "a member may not be called so",
            where=where,
            cure="pack the files again under plain names",
        )
