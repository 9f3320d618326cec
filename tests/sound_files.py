"""Sound files for tests: written by PyAV where it writes them, else byte by byte after the format's specification."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import av
import numpy as np

from rushes.media.audio_frames import ogg_crc


def sine(rate: int, seconds: float = 1.0, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    """A tone, float64 (n,)."""
    return level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


# --- RIFF: chunks by hand ------------------------------------------------------------------------------------


def chunk(name: bytes, body: bytes, size: int | None = None, order: str = "<") -> bytes:
    """A chunk of RIFF (or, with ``>``, of AIFF) that declares ``size``, or as many bytes as it has."""
    return name + struct.pack(order + "I", len(body) if size is None else size) + body + bytes(len(body) % 2)


def riff(*chunks: bytes, magic: bytes = b"RIFF", size: int | None = None, order: str = "<") -> bytes:
    """A file of chunks."""
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack(order + "I", len(body) & 0xFFFFFFFF if size is None else size) + body


def form(
    rate: int, *, tag: int = 1, channels: int = 1, bits: int = 16, frame: int = 0, more: bytes = b""
) -> bytes:
    """The chunk that says what the samples are."""
    frame = frame or channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits) + more)


def samples(channels: np.ndarray, kind: str) -> bytes:
    """(channels, n) values within -1 and 1 as ``u1``, ``i2``, ``i3``, ``i4``, ``i8``, ``f4`` or ``f8``."""
    values = np.atleast_2d(channels).T
    if kind == "u1":
        return np.rint(values * 127 + 128).astype("u1").tobytes()
    if kind == "i3":
        return np.rint(values * (2**23 - 1)).astype("<i4")[..., None].view("u1")[..., :3].tobytes()
    if kind[0] == "i":
        return np.rint(values * (2.0 ** (8 * int(kind[1]) - 1) * (1 - 1e-9) - 1)).astype("<" + kind).tobytes()
    return values.astype("<" + kind).tobytes()


def wav(channels: np.ndarray, rate: int, kind: str = "i2", promise: int | None = None) -> bytes:
    """A WAV whose ``data`` declares as many bytes as it has, or as are promised."""
    count, width = len(np.atleast_2d(channels)), int(kind[1])
    head = form(rate, tag=3 if kind[0] == "f" else 1, channels=count, bits=8 * width)
    return riff(head, chunk(b"data", samples(channels, kind), promise))


# --- what PyAV writes ----------------------------------------------------------------------------------------


def encoded(channels: np.ndarray, rate: int, container: str, codec: str, **options: str) -> bytes:
    """(channels, n) values within -1 and 1 in a container of FFmpeg's; ``options`` are the container's."""
    channels = np.atleast_2d(channels)
    sink = io.BytesIO()
    with av.open(sink, "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout={1: "mono", 2: "stereo"}[len(channels)])
        stream.bit_rate = 128_000
        if codec == "vorbis":
            stream.codec_context.options = {"strict": "experimental"}
        form = stream.codec_context.codec.audio_formats[0].name
        scaled = channels.astype(np.float32)
        if form.startswith("s"):
            bits = int(form.rstrip("p")[1:])
            scaled = np.rint(channels * (2 ** (bits - 1) - 1)).astype(f"i{bits // 8}")
        if not form.endswith("p"):
            scaled = scaled.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(scaled), form, stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        fifo = av.AudioFifo()
        fifo.write(frame)
        stream.codec_context.open()
        while (part := fifo.read(stream.codec_context.frame_size or 1152, partial=True)) is not None:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return sink.getvalue()


# --- OGG: pages -----------------------------------------------------------------------------------------------


def pages(data: bytes) -> Iterator[bytes]:
    """The pages of an OGG file."""
    place = 0
    while place < len(data):
        lacing = data[place + 27 : place + 27 + data[place + 26]]
        size = 27 + len(lacing) + sum(lacing)
        yield data[place : place + size]
        place += size


def sealed(page: bytes) -> bytes:
    """A page with its right checksum."""
    return page[:22] + struct.pack("<I", ogg_crc(page[:22] + bytes(4) + page[26:])) + page[26:]


def repaged(data: bytes, change: Callable[[bytearray], object]) -> bytes:
    """An OGG file with every page changed in place and sealed again."""
    changed = []
    for page in map(bytearray, pages(data)):
        change(page)
        changed.append(sealed(bytes(page)))
    return b"".join(changed)


# --- FLAC as flake 0.11 wrote it: blocks of any size, numbered by their first sample, said to be of one size ----


class _Bits:
    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, width: int) -> None:
        self.text += f"{value & ((1 << width) - 1):0{width}b}"

    def bytes(self) -> bytes:
        text = self.text + "0" * (-len(self.text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _crc(data: bytes, polynomial: int, width: int) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << (width - 8)
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc >> (width - 1) else crc << 1) & ((1 << width) - 1)
    return crc


def old_flac(values: np.ndarray, rate: int, blocks: Iterable[int], total: int | None = None) -> bytes:
    """A mono FLAC of verbatim int16 samples in blocks of these sizes, ``total`` samples by its own word."""
    blocks = list(blocks)
    info = _Bits()
    for value, width in ((min(blocks), 16), (max(blocks), 16), (0, 24), (0, 24), (rate, 20), (0, 3), (15, 5)):
        info.put(value, width)
    info.put(len(values) if total is None else total, 36)
    parts = [b"fLaC\x80\x00\x00\x22" + info.bytes() + bytes(16)]
    place = 0
    for size in blocks:
        head = _Bits()
        for value, width in ((0x3FFE, 14), (0, 2), (7, 4), (0, 4), (0, 4), (4, 3), (0, 1)):
            head.put(value, width)
        packed = head.bytes() + chr(place).encode("utf-8", "surrogatepass") + struct.pack(">H", size - 1)
        packed += bytes([_crc(packed, 0x07, 8)])
        packed += b"\x02" + values[place : place + size].astype(">i2").tobytes()
        parts.append(packed + struct.pack(">H", _crc(packed, 0x8005, 16)))
        place += size
    return b"".join(parts)
