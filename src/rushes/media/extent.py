"""How long a file says it is: by the outermost element of Matroska, WebM (RFC 8794) and AVI."""

from __future__ import annotations

from rushes.errors import MediaError

HEAD = 128
"""Bytes from the beginning that are enough to tell."""

_EBML = b"\x1a\x45\xdf\xa3"


def declared_bytes(head: bytes) -> int | None:
    r"""Length of the file; None for another kind, and where it is open, as in live recordings.

    >>> declared_bytes(b"\x1a\x45\xdf\xa3" + b"\x82" + b"xy" + b"\x18\x53\x80\x67" + b"\x83")
    15
    >>> declared_bytes(b"RIFF" + b"\x10\0\0\0" + b"AVI ")
    24
    """
    if head.startswith(_EBML):
        size, place = _vint(head, len(_EBML))
        size, place = _vint(head, place + (size or 0) + 4)  # behind the name of the segment
        return None if size is None else place + size
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return int.from_bytes(head[4:8], "little") + 8
    return None


def require_extent(head: bytes, size: int, where: object, cure: str) -> None:
    """See that a file of ``size`` bytes is as long as its head declares; FFmpeg reads what there is.

    Raises:
        MediaError: it is cut short.
    """
    declared = declared_bytes(head)
    if declared is not None and declared > size:
        raise MediaError(
            f"cut short: {declared:,} bytes are declared, there are {size:,}", where=where, cure=cure
        )


def _vint(data: bytes, place: int) -> tuple[int | None, int]:
    """A size, None where it is open, and where the next byte lies."""
    width = 9 - data[place].bit_length() if place < len(data) else 1
    value = int.from_bytes(data[place : place + width], "big") & ((1 << 7 * width) - 1)
    return None if value == (1 << 7 * width) - 1 else value, place + width
