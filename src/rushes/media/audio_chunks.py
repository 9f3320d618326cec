"""Sound files that declare how long their samples are: WAV, AIFF, CAF, W64, AU, Matroska.

FFmpeg takes one that is cut for a shorter one, and a size of 0 for everything that follows. So what is declared
is held here against the bytes that there are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rushes.errors import MediaError
from rushes.media.audio_frames import AGAIN, Data, Given
from rushes.media.extent import HEAD, require_extent

TAIL = 512
"""Bytes behind the end that are nobody's loss: a tag without a chunk, padding."""

_UNFINISHED = "of a WAV that its program never finished: ffmpeg -ignore_length 1 -i IN -c:a pcm_s16le OUT.wav"
_EXTENSIBLE = 0xFFFE  # the tag of a form whose own tag stands behind it
_PLAIN = "write it again as plain WAV: sox IN -b 24 OUT.wav"


class Chunks(NamedTuple):
    """How the chunks of a format follow each other: name, size, body.

    Attributes:
        first: where the first begins.
        name: bytes of a name.
        size: of a size, as `struct` has it.
        counts_head: whether a size counts name and size.
        align: bodies are filled up to a multiple of this.
        samples: name of the chunk with the samples.
        open: size that says that the samples go on to the file's end, as of a recording through a pipe.
    """

    first: int
    name: int
    size: str
    counts_head: bool
    align: int
    samples: bytes
    open: int | None

    def walk(self, data: Data, place: int) -> Iterator[tuple[bytes, int, int]]:
        """Name, begin and declared size of each body from ``place`` on; the last may go beyond the end."""
        head = self.name + struct.calcsize(self.size)
        while place + head <= len(data):
            (size,) = struct.unpack_from(self.size, data, place + self.name)
            body = place + head
            size -= head if self.counts_head else 0
            yield data[place : place + self.name], body, size
            if size < 0 or size == self.open:
                return
            place = body + size + -size % self.align


WAV = Chunks(12, 4, "<I", False, 2, b"data", 0xFFFFFFFF)
AIFF = Chunks(12, 4, ">I", False, 2, b"SSND", None)
CAF = Chunks(8, 4, ">q", False, 1, b"data", -1)
W64 = Chunks(40, 16, "<Q", True, 8, b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", None)


def whole_chunks(layout: Chunks, data: Data, where: object) -> Given:
    """See that the samples are as many as declared, and that nothing but chunks follows them.

    Raises:
        MediaError: there are none, fewer, or more bytes than any chunk accounts for.
    """
    promised = None
    for name, body, size in layout.walk(data, layout.first):
        if name == b"ds64" and layout is WAV:  # of files beyond 4 GB, whose own field is full
            promised = int.from_bytes(data[body + 8 : body + 16], "little")
        if name == layout.samples:
            if size == layout.open and promised is None:
                return Given()
            size = size if promised is None else promised
            _require_body(data, body, size, where)
            _require_chunks(layout, data, body + size, where)
            return Given()
    raise MediaError("there is no sound in it", where=where, cure=AGAIN)


def _require_body(data: Data, body: int, size: int, where: object) -> None:
    there = len(data) - body
    if not 0 < size <= there:
        found = "cut short" if size else "there is no sound in it"
        raise MediaError(
            f"{found}: {size:,} bytes of samples are declared, {there:,} follow",
            where=where,
            cure=f"{AGAIN}; {_UNFINISHED}",
        )


def _require_chunks(layout: Chunks, data: Data, end: int, where: object) -> None:
    """What follows the samples is chunks, or too little to be a loss; an odd body may lack its filling."""
    _require_tail(
        data, max(_end_of_chunks(layout, data, place) for place in (end, end + -end % layout.align)), where
    )


def _require_tail(data: Data, end: int, where: object) -> None:
    if len(data) - end > TAIL:
        raise MediaError(
            f"{len(data) - end:,} bytes follow the samples that are declared, and are nothing that is known",
            where=where,
            cure=_UNFINISHED,
        )


def _end_of_chunks(layout: Chunks, data: Data, place: int) -> int:
    for name, body, size in layout.walk(data, place):
        named = layout.name != 4 or (name.isascii() and name.decode().isprintable())
        if not named or not 0 <= size <= len(data) - body:
            break
        place = body + size
    return place


def whole_wav(data: Data, where: object) -> Given:
    """As `whole_chunks`; with the patch by which FFmpeg reads the samples as they are meant.

    Raises:
        MediaError: as `whole_chunks`; or samples whose bytes FFmpeg would take for others.
    """
    if data[:4] == b"RIFX":
        raise MediaError("big-endian WAV (RIFX) is not read", where=where, cure=_PLAIN, reason="kind")
    patch = None
    form = next((body for name, body, _ in WAV.walk(data, WAV.first) if name == b"fmt "), len(data))
    if form + 16 <= len(data):
        tag, channels, _, _, frame, bits = struct.unpack_from("<HHIIHH", data, form)
        if tag in (1, _EXTENSIBLE) and frame != channels * -(-bits // 8):
            raise MediaError(
                f"samples of {bits} bits in {frame // max(channels, 1)} bytes, at whichever end of them",
                where=where,
                cure=_PLAIN,
            )
        if tag == _EXTENSIBLE and form + 20 <= len(data):
            # FFmpeg takes how many bits are valid for how many there are; valid are the upper ones.
            patch = form + 18, struct.pack("<H", bits)
    return whole_chunks(WAV, data, where)._replace(patch=patch)


def whole_caf(data: Data, where: object) -> Given:
    """As `whole_chunks`.

    Raises:
        MediaError: as `whole_chunks`; or ALAC, of which FFmpeg takes the filling behind its end away twice.
    """
    if any(
        name == b"desc" and data[body + 8 : body + 12] == b"alac"
        for name, body, _ in CAF.walk(data, CAF.first)
    ):
        raise MediaError(
            "ALAC in CAF is not read",
            where=where,
            cure="write it as M4A, FLAC or WAV with the program that wrote it",
            reason="kind",
        )
    return whole_chunks(CAF, data, where)


def whole_au(data: Data, where: object) -> Given:
    """See that the samples of an AU file are as many as declared, if any number is."""
    start, size = struct.unpack_from(">II", data[:12].ljust(12, b"\0"), 4)
    if size != 0xFFFFFFFF:
        _require_body(data, start, size, where)
        _require_tail(data, start + size, where)
    return Given()


def whole_matroska(data: Data, where: object) -> Given:
    """See that the segment of a Matroska or WebM file is as long as declared, if it is."""
    require_extent(data[:HEAD], len(data), where, AGAIN)
    return Given()
