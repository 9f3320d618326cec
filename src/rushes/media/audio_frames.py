"""Sound files that are a row of pages or frames: OGG, MP3.

FFmpeg takes one that is cut for a shorter one. OGG marks its last page; an MP3 counts its frames in a table, if it
has one, and each says how long it is.
"""

from __future__ import annotations

import re
import struct
import zlib
from mmap import mmap
from typing import NamedTuple

from rushes.errors import MediaError

AGAIN = "copy the file again; leave the sound out if it is damaged at its source"

Data = bytes | mmap
"""A whole file: in memory, or mapped, where it is long."""


class Given(NamedTuple):
    """What of a file FFmpeg is given.

    Attributes:
        begin: from here on.
        patch: a place, and the bytes that stand there instead.
    """

    begin: int = 0
    patch: tuple[int, bytes] | None = None


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_crc(data: bytes) -> int:
    """OGG's checksum: zlib's polynomial, the highest bit first, from 0 on."""
    mirrored = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def whole_ogg(data: Data, where: object) -> Given:
    """See that no page is missing or damaged and that every stream has its last one.

    Streams may follow each other (chained), and anything may lie behind the last.

    Raises:
        MediaError: says what is missing.
    """
    following: dict[bytes, int] = {}  # stream -> number of its next page
    place = 0
    while data[place : place + 4] == b"OggS":
        lacing = data[place + 27 : place + 27 + data[place + 26]] if place + 27 <= len(data) else b""
        page = data[place : place + 27 + len(lacing) + sum(lacing)]
        if len(page) < 27 or len(lacing) < page[26] or len(page) < 27 + len(lacing) + sum(lacing):
            raise MediaError("cut short: its last page is not whole", where=where, cure=AGAIN)
        if ogg_crc(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
            raise MediaError(f"damaged: the page at byte {place:,}", where=where, cure=AGAIN)
        stream, number, begins = page[14:18], int.from_bytes(page[18:22], "little"), bool(page[5] & 2)
        if begins == (stream in following) or following.get(stream, number) != number:
            raise MediaError(f"pages are missing before byte {place:,}", where=where, cure=AGAIN)
        following[stream] = number + 1
        if page[5] & 4:
            del following[stream]
        place += len(page)
    if following:
        raise MediaError(
            f"cut short, or damaged at byte {place:,}: its last page does not say that it is the last",
            where=where,
            cure=f"{AGAIN}; if it is whole: ffmpeg -i IN -c copy OUT.ogg",
        )
    return Given()


# --- MP3: frames whose heads say how long they are --------------------------------------------------------------

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef][^\xff]", re.DOTALL)
_LEAD = 4096
"""Bytes that may lie before the first frame."""
_NO_CHANCE = 4
"""Frames in a row that no picture in a tag looks like."""
_TABLE = 54
"""Bytes of the first frame in which its table begins."""


class Frames(NamedTuple):
    """Frames one behind the other.

    Attributes:
        begin, end: of them.
        number: how many.
        cut: whether the one at ``end`` goes beyond the end of the file.
    """

    begin: int
    end: int
    number: int
    cut: bool


def mp3_frames(data: Data, start: int = 0, reach: int = _LEAD, least: int = 2) -> Frames | None:
    """The frames of layer III that follow each other, from where there are ``least``, one of them cut; else None."""
    for sync in _SYNC.finditer(data, start, start + reach):
        place, number, cut = sync.start(), 0, False
        while not cut and (length := _mp3_length(data[place : place + 4])):
            cut = place + length > len(data)
            if not cut:
                place, number = place + length, number + 1
        if number + cut >= least:
            return Frames(sync.start(), place, number, cut)
    return None


def _mp3_length(head: bytes) -> int:
    """Bytes of the frame with this head; 0 where it is none, or says no length."""
    if _SYNC.fullmatch(head) is None or head[2] >> 2 & 3 == 3:
        return 0
    version = head[1] >> 3 & 3
    rate = _RATES[version][head[2] >> 2 & 3]
    kbits = _KBITS[version == 3][head[2] >> 4]
    return (144_000 if version == 3 else 72_000) * kbits // rate + (head[2] >> 1 & 1)


def whole_mp3(data: Data, where: object) -> Given:
    """See that all frames are there that the table in the first one counts, and the last is whole.

    Returns:
        The frames without the tags before them.

    Raises:
        MediaError: says how many are there.
    """
    start = id3_end(data)
    frames = mp3_frames(data, start)
    if frames is None:  # of no constant length, or none at all: the decoder will say
        return Given()
    if data[start : frames.begin].strip(b"\0"):
        raise MediaError(
            f"damaged: {frames.begin - start:,} bytes before the first frame", where=where, cure=AGAIN
        )
    if frames.cut:
        raise MediaError("cut short: its last frame is not whole", where=where, cure=AGAIN)
    count, size = _declared_frames(data[frames.begin : frames.begin + _TABLE].ljust(_TABLE, b"\0"))
    # The frame with the table holds no sound, and some encoders count it.
    if frames.number < count or (frames.number == count and frames.end - frames.begin < size):
        raise MediaError(
            f"cut short: {count:,} frames of {size:,} bytes are declared, there are {frames.number:,} of "
            f"{frames.end - frames.begin:,}",
            where=where,
            cure=AGAIN,
        )
    if mp3_frames(data, frames.end, len(data), _NO_CHANCE) is not None:
        raise MediaError(f"damaged: what lies at byte {frames.end:,} is no frame", where=where, cure=AGAIN)
    return Given(frames.begin)


def _declared_frames(first: bytes) -> tuple[int, int]:
    """How many frames, of how many bytes, the table in the first frame counts; 0 where it says nothing."""
    mono, version_1 = first[3] >> 6 == 3, first[1] >> 3 & 3 == 3
    side = 4 + ((17 if mono else 32) if version_1 else (9 if mono else 17))
    if first[side : side + 4] in (b"Xing", b"Info"):
        said, values = first[side + 7], struct.unpack_from(">II", first, side + 8)
        count = values[0] if said & 1 else 0
        size = values[said & 1] if said & 2 else 0
        return count, size
    if first[36:40] == b"VBRI":
        size, count = struct.unpack_from(">II", first, 46)
        return count, size
    return 0, 0


def id3_end(data: Data) -> int:
    """Where the tags before a sound end; a length of theirs has seven bits a byte."""
    place = 0
    while data[place : place + 3] == b"ID3" and len(data) >= place + 10:
        digits = zip(data[place + 6 : place + 10], (21, 14, 7, 0), strict=True)
        foot = 10 if data[place + 5] & 0x10 else 0
        place += 10 + sum((byte & 0x7F) << shift for byte, shift in digits) + foot
    return place
