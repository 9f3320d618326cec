"""The plain ustar member that shards are made of: one header form, written and read by hand.

A shard holds regular files and nothing else: mode 0644, owner 0, time 0. So the header has two variable
parts, name and size, and the same samples give the same bytes on every machine. Written by hand because
``TarInfo.tobuf`` costs more than all other work on a sample of small pictures; read by hand because a
reader that accepts this one form only cannot be led out of the folder, or into an endless read, by any
other. Format: POSIX.1-1988 (ustar), as in :mod:`tarfile`.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rushes.errors import ShardError

BLOCK = 512
END = bytes(2 * BLOCK)  # two empty blocks end an archive
MAX_NAME = 100  # bytes of the name field; ustar's prefix field needs a folder, and members have none
MAX_SIZE = 8**11 - 1  # eleven octal digits: 8 GiB - 1

Size = TypeVar("Size", int, NDArray[np.int64])

_OWNED = b"0000644\0" + b"0000000\0" + b"0000000\0"  # mode, uid, gid
_TIME = b"00000000000\0"
_TAIL = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)  # a regular file: no link, no owner's name, no device
_FIXED_SUM = sum(_OWNED + _TIME + _TAIL) + 8 * ord(" ")  # the checksum counts its own field as spaces


def padded(size: Size) -> Size:
    """``size`` bytes rounded up to whole blocks.

    >>> padded(0), padded(1), padded(512)
    (0, 512, 512)
    """
    return -(-size // BLOCK) * BLOCK


def header(name: bytes, size: int) -> bytes:
    """The 512 bytes before a member.

    Args:
        name: 1 to 100 bytes of ASCII.
        size: of the member's content in bytes.

    Raises:
        ShardError: the name or the size does not fit.
    """
    if not 0 < len(name) <= MAX_NAME:
        raise ShardError(
            f"a member's name has {len(name)} bytes, ustar has room for {MAX_NAME}",
            where=name.decode(errors="replace"),
            cure="shorten the sample's key or the field",
        )
    if size > MAX_SIZE:
        raise ShardError(f"a member of {size} bytes, ustar has room for {MAX_SIZE}", where=name.decode())
    digits = b"%011o" % size
    checksum = b"%06o\0 " % (_FIXED_SUM + sum(name) + sum(digits))
    return b"".join((name.ljust(MAX_NAME, b"\0"), _OWNED, digits, b"\0", _TIME, checksum, _TAIL))


def read_header(block: bytes) -> tuple[bytes, int]:
    """Name and size of the member whose header is ``block``.

    Raises:
        ShardError: the block is not, byte for byte, what :func:`header` writes: a link, a device, a folder, a
            long-name extension, a sparse file, a wrong checksum.
    """
    name, digits = block[:MAX_NAME].rstrip(b"\0"), block[124:135]
    if not name or len(digits) != 11 or digits.strip(b"01234567"):
        raise ShardError("not the header of a shard's member")
    size = int(digits, 8)
    if header(name, size) != block:
        raise ShardError(
            "a member that is not a plain file as shards hold them", where=name.decode(errors="replace")
        )
    return name, size
