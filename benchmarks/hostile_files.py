"""Files that a stranger uploads: bombs that are small and decode to much, headers that lie, mutated recordings."""

from __future__ import annotations

import gzip
import random
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import field_mutations
import numpy as np

HOURS_S = 36_000
MILLION = 1_000_000
GROUP = 50
"""Pictures that are encoded of a long bomb; they follow each other again and again."""
SECOND = 240
"""Tiny pictures a second: the million lasts 70 minutes, so that its length is no reason."""


def grey(path: Path, size: tuple[int, int], frames: int, codec: str = "libx264", rate: int = 25) -> Path:
    """A video of one grey."""
    width, height = size
    picture = av.VideoFrame(width, height, "yuv420p")
    for plane in picture.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    return _written(path, codec, size, rate, [picture] * min(frames, GROUP), frames)


def _written(
    path: Path,
    codec: str,
    size: tuple[int, int],
    rate: int,
    pictures: list[av.VideoFrame],
    frames: int | None = None,
) -> Path:
    """Encode ``pictures``, and write what comes of them again and again until there are ``frames``."""
    options = {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=none:pools=none"}
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=rate, options=options if codec.startswith("libx") else {})
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.thread_count = 1
        stream.time_base = Fraction(1, rate)
        packets = []
        for number, picture in enumerate(pictures):
            picture.pts, picture.time_base = number, Fraction(1, rate)
            packets += stream.encode(picture)
        packets += stream.encode(None)
        for start in range(0, frames or len(pictures), len(pictures)):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.pts, again.dts = packet.pts + start, packet.dts + start
                again.time_base, again.duration, again.stream = Fraction(1, rate), 1, stream
                again.is_keyframe = packet.is_keyframe
                out.mux(again)
    return path


# --- bombs ------------------------------------------------------------------------------------------------


def hours_mp4(path: Path) -> Path:
    """25 pictures, each of which is shown for 24 minutes."""
    data = bytearray(grey(path, (64, 48), 25).read_bytes())
    for number in range(_table(data, b"stts", 4)):
        _scale(data, data.index(b"stts") + 16 + 8 * number, HOURS_S)
    for header, place in ((b"mdhd", 20), (b"elst", 12)):
        _scale(data, data.index(header) + place, HOURS_S)
    path.write_bytes(data)
    return path


def hours_mkv(path: Path) -> Path:
    """A second of pictures, of which the header says that they last ten hours."""
    data = bytearray(grey(path, (64, 48), 25).read_bytes())
    _claim_length(data, HOURS_S)
    path.write_bytes(data)
    return path


def million_mp4(path: Path) -> Path:
    """A million pictures of 16x16, as its tables say."""
    data = bytearray(grey(path, (16, 16), 1, "mpeg4", SECOND).read_bytes())
    for table, place in ((b"stsz", 12), (b"stts", 12), (b"stsc", 16)):
        at = data.index(table) + place
        data[at : at + 4] = struct.pack(">I", MILLION)
    _scale(data, data.index(b"elst") + 12, MILLION)
    _scale(data, data.index(b"mdhd") + 20, MILLION)
    return _finished(path, data)


def _finished(path: Path, data: bytearray) -> Path:
    at = data.index(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    picture = bytes(data[at + 8 : at + size])
    data[at : at + 4] = struct.pack(">I", 8 + len(picture) * MILLION)
    path.write_bytes(data[: at + 8] + picture * MILLION + data[at + size :])
    return path


def million_mkv(path: Path) -> Path:
    """A million pictures of 16x16 in a file that declares no number of them."""
    data = bytearray(grey(path, (16, 16), 2, "mpeg4", SECOND).read_bytes())
    _claim_length(data, MILLION / SECOND)
    segment = data.index(b"\x18\x53\x80\x67") + 4
    data[segment : segment + 8] = b"\x01" + b"\xff" * 7  # goes on to the end
    head = bytes(data[: data.index(b"\x1f\x43\xb6\x75")])
    block = data.index(b"\xa3", len(head))
    length = data[block + 1] & 0x7F
    picture = bytes(data[block + 6 : block + 2 + length])
    each = 20 * SECOND
    blocks = b"".join(
        b"\xa3"
        + bytes([0x80 | length, 0x81])
        + struct.pack(">hB", round(1000 * number / SECOND), 0x80)
        + picture
        for number in range(each)
    )
    with path.open("wb") as file:
        file.write(head)
        for number in range(-(-MILLION // each)):
            stamp = b"\xe7\x84" + struct.pack(">I", number * 20_000)
            size = len(stamp) + len(blocks)
            file.write(b"\x1f\x43\xb6\x75\x01" + struct.pack(">Q", size)[1:] + stamp + blocks)
    return path


def _claim_length(data: bytearray, seconds: float) -> None:
    at = data.index(b"\x44\x89\x88") + 3
    data[at : at + 8] = struct.pack(">d", 1000 * seconds)
    hours, rest = divmod(seconds, 3600)
    said = f"{int(hours):02d}:{int(rest // 60):02d}:{rest % 60:012.9f}".encode()
    for found in re.finditer(rb"\d\d:\d\d:\d\d\.\d{9}", bytes(data)):
        data[found.start() : found.end()] = said


def _table(data: bytearray, name: bytes, offset: int) -> int:
    at = data.index(name) + 4 + offset
    return int.from_bytes(data[at : at + 4], "big")


def _scale(data: bytearray, at: int, factor: int) -> None:
    value = int.from_bytes(data[at : at + 4], "big") * factor
    data[at : at + 4] = struct.pack(">I", min(value, 0x7FFFFFFF))


def gzipped(path: Path) -> Path:
    """Zeros, a thousand times as many."""
    with (
        path.open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9, filename="") as packed,
    ):
        for _ in range(16):
            packed.write(bytes(4 << 20))
    return path


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.mp4", bytes(64 << 20))
    return path


BOMBS: Mapping[str, tuple[str, Callable[[Path], Path]]] = {
    "4096 x 4096 x 300": ("a.mp4", lambda path: grey(path, (4096, 4096), 300)),
    "8192 x 4320 x 100": ("b.mp4", lambda path: grey(path, (8192, 4320), 100)),
    "10 hours, mp4": ("c.mp4", hours_mp4),
    "10 hours, mkv": ("d.mkv", hours_mkv),
    "a million tiny frames, mp4": ("e.mp4", million_mp4),
    "a million tiny frames, mkv": ("f.mkv", million_mkv),
    "gzip": ("g.mp4", gzipped),
    "zip": ("h.mp4", zipped),
}
"""What it is -> name of the file, how it is made."""


def bomb(name: str, folder: Path) -> Path:
    """A bomb, made once."""
    file, make = BOMBS[name]
    path = folder / file
    if not path.exists():
        part = folder / f"part-{file}"
        make(part).rename(path)
    return path


# --- mutations --------------------------------------------------------------------------------------------

VIDEOS = (
    *(("libx264", suffix) for suffix in ("mp4", "mov", "mkv", "ts")),
    *(("libx265", suffix) for suffix in ("mp4", "mkv")),
    *(("mpeg4", suffix) for suffix in ("avi", "mp4", "mkv")),
    *(("mjpeg", suffix) for suffix in ("avi", "mov")),
    *(("libvpx-vp9", "webm"), ("libvpx-vp9", "mkv"), ("libvpx", "webm")),
)
SOUNDS = (
    *(("pcm_s16le", "s16", "wav"), ("pcm_f32le", "flt", "wav"), ("flac", "s16", "flac")),
    *(("libmp3lame", "fltp", "mp3"), ("libopus", "s16", "ogg"), ("vorbis", "fltp", "ogg")),
    *(("aac", "fltp", "m4a"), ("alac", "s16p", "m4a"), ("libopus", "s16", "webm"), ("wmav2", "fltp", "wma")),
)


def video(path: Path, codec: str) -> Path:
    """Two seconds of drifting blocks."""
    rng = np.random.default_rng(3)
    ground = rng.integers(0, 255, (12, 16, 3), np.uint8)
    pictures = [
        av.VideoFrame.from_ndarray(
            np.ascontiguousarray(np.roll(ground, number // 4, 1).repeat(8, 0).repeat(8, 1)), "rgb24"
        ).reformat(format="yuvj420p" if codec == "mjpeg" else "yuv420p")
        for number in range(40)
    ]
    return _written(path, codec, (128, 96), 20, pictures)


def sound(path: Path, codec: str, form: str) -> Path:
    """Two seconds of a chirp over noise."""
    rate = 48_000 if codec == "libopus" else 16_000
    time = np.arange(2 * rate) / rate
    wave = 0.4 * np.sin(2000 * np.pi * time * (1.2 - 0.2 * time))
    wave += np.random.default_rng(5).normal(0, 0.05, len(time))
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=rate, options={"strict": "experimental"})
        stream.bit_rate = 32_000
        stream.layout, stream.format = ("stereo" if codec == "vorbis" else "mono"), form
        values = np.repeat((wave * 32767).astype(np.int16), stream.layout.nb_channels)[None]
        frame = av.AudioFrame.from_ndarray(values, "s16", stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(form, stream.layout, rate, stream.codec_context.frame_size or 1024)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path


def noise_block(data: bytearray, rng: random.Random) -> bytearray:
    """A part of it is noise."""
    start = rng.randrange(len(data))
    length = min(rng.choice((16, 256, 2048)), len(data) - start)
    data[start : start + length] = rng.randbytes(length)
    return data


EDITS = (*field_mutations.EDITS, noise_block, field_mutations.flip_in_head, field_mutations.other_size)


def mutated(whole: list[Path], count: int, seed: int, folder: Path) -> Iterator[tuple[Path, str]]:
    """``count`` files, each one of the ``whole`` with a damage or two, and what was done to it.

    Yields:
        The file, which the next one overwrites; its kind and its damages.
    """
    rng = random.Random(seed)
    for number in range(count):
        source = whole[number % len(whole)]
        data = bytearray(source.read_bytes())
        edits = [rng.choice(EDITS) for _ in range(rng.choice((1, 1, 2)))]
        for edit in edits:
            data = edit(data, rng) if data else data
        path = folder / f"mutated{source.suffix}"
        path.write_bytes(data)
        yield path, f"{number} {source.name}: {', '.join(edit.__name__ for edit in edits)}"
