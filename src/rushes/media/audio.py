"""Sounds from bytes in memory: WAV, FLAC, OGG and MP3, as one channel at the rate that is asked for.

    wave = decode(path.read_bytes(), sample_rate=16_000, samples=80_000)    # (80000,) float32 in [-1, 1]

Decoded by FFmpeg inside PyAV, with four demuxers and the decoders that belong to them, on one thread; no more
of the head than the clip needs. Channels are averaged and resampled by `scipy.signal.resample_poly`, so the
same bytes give the same samples everywhere. Nothing that a header merely declares sizes anything, and what
ends before its declared end is an error, not a short sound.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray
from scipy.signal import firwin, resample_poly

from rushes.errors import MediaError
from rushes.media.container import reason_of

CODECS = frozenset({"flac", "vorbis", "opus", "mp3", "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le"}) | {
    "pcm_f32le",
    "pcm_f64le",
    "pcm_alaw",
    "pcm_mulaw",
}
"""FFmpeg's names of the codecs that are read."""

RATES = range(1000, 384_001)
"""Hz that are believed of a file."""

MAX_CHANNELS = 64
MAX_PEAK = 16.0
"""Float samples may go beyond full scale by 24 dB, and are cut at it; more is another scale, or no sound."""

SHORTFALL_S = 0.1
"""So much may be missing at the declared end, as encoders round; more is a loss."""

_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "wav,flac,ogg,mp3",
    "codec_whitelist": ",".join(sorted(CODECS | {"mp3float"})),
    # FFmpeg looks whether PCM is another codec in disguise: 6 to 13 ms a file, for nothing that is read here.
    "max_probe_packets": "1",
}
_KINDS = ((b"RIFF", "wav"), (b"RF64", "wav"), (b"fLaC", "flac"), (b"OggS", "ogg"))
_MPEG_HEADER = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][^\xf0-\xff]", re.DOTALL)
_CONVERT = "convert it: ffmpeg -i IN -c:a pcm_s16le OUT.wav"
_AGAIN = "copy the file again; leave the sound out if it is damaged at its source"


def declared_s(data: bytes, *, where: object = None) -> float | None:
    """Seconds that the sound declares; None where it does not. No sample is decoded.

    Raises:
        MediaError: as `decode`, as far as the head shows it.
    """
    with _open(data, where) as (_, stream):
        return _declared_s(data, stream)


def decode(data: bytes, *, sample_rate: int, samples: int, where: object = None) -> np.ndarray:
    """The first ``samples`` of a sound at ``sample_rate``, channels averaged, silence behind its end.

    A file that is cut behind the clip's end is refused where its container shows it (WAV, OGG); FLAC and MP3
    are not read that far.

    Args:
        data: the whole file.
        sample_rate: Hz of the result.
        samples: of the result.
        where: the sound's name in errors.

    Returns:
        (samples,) float32 in [-1, 1].

    Raises:
        MediaError: empty, of another kind, damaged, cut, of no channel or an absurd rate, with a header that
            promises more than there is, or with samples that are not finite.
    """
    with _open(data, where) as (container, stream):
        rate = stream.codec_context.sample_rate
        up, down = (part // math.gcd(sample_rate, rate) for part in (sample_rate, rate))
        # The filter of resample_poly reaches ten periods of the lower rate to both sides.
        needed = -(-samples * down // up) + -(-10 * max(up, down) // up) + 1
        blocks, count = [], 0
        for frame in _frames(container, stream, count_of=rate, where=where):
            block = _mono(frame, where)
            blocks.append(block)
            count += len(block)
            if count >= needed:
                break
        else:
            _require_whole(_declared_s(data, stream), count / rate, where)
    if count == 0:
        raise MediaError("there is no sound in it", where=where, cure=_AGAIN)
    wave = np.concatenate(blocks)[:needed]
    peak = float(np.abs(wave).max())
    if not peak <= MAX_PEAK:  # so that NaN is refused too
        found = f"a peak of {peak:g}" if math.isfinite(peak) else "values that are not finite"
        raise MediaError(f"samples lie within -1 and 1, found {found}", where=where, cure=_CONVERT)
    if up != down:
        wave = resample_poly(wave, up, down, window=_taps(up, down))
    clip = np.zeros(samples, np.float32)
    kept = min(samples, len(wave))
    np.clip(wave[:kept], -1.0, 1.0, out=clip[:kept])
    return clip


@lru_cache(maxsize=16)
def _taps(up: int, down: int) -> np.ndarray:
    """The filter that `resample_poly` would design at every call: 0.8 ms."""
    reach = 10 * max(up, down)
    taps: NDArray[np.float32] = firwin(2 * reach + 1, 1.0 / max(up, down), window=("kaiser", 5.0)).astype(
        np.float32
    )
    return taps


@contextmanager
def _open(data: bytes, where: object) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The container and its one sound, checked as far as the head tells."""
    kind = _kind_of(data, where)
    if kind == "ogg":
        _require_last_page(data, where)
    elif kind == "wav":
        _require_data_chunk(data, where)
    try:
        container = av.open(io.BytesIO(data), format=kind, options=_OPTIONS, metadata_errors="replace")
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise MediaError(f"cannot open as {kind}: {reason_of(error)}", where=where, cure=_AGAIN) from error
    with container:
        stream = next(iter(container.streams.audio), None)
        context = None if stream is None else stream.codec_context
        codec = None if context is None else context.codec.canonical_name
        if stream is None or context is None or codec not in CODECS or not stream.time_base:
            known = ", ".join(sorted(CODECS))
            raise MediaError(f"a codec among {known} is read, found {codec}", where=where, cure=_CONVERT)
        if context.sample_rate not in RATES or not 1 <= context.layout.nb_channels <= MAX_CHANNELS:
            raise MediaError(
                f"1 to {MAX_CHANNELS} channels at {RATES[0]} to {RATES[-1]} Hz are read, found "
                f"{context.layout.nb_channels} at {context.sample_rate} Hz",
                where=where,
                cure=_CONVERT,
            )
        context.thread_count = 1
        context.options = {"err_detect": "crccheck"}
        yield container, stream


def _kind_of(data: bytes, where: object) -> str:
    """The demuxer for a file, by its first bytes, so that no other one guesses at it."""
    if len(data) == 0:
        raise MediaError("a sound of 0 bytes", where=where, cure="copy the file again")
    start = 0
    if data[:3] == b"ID3" and len(data) > 10:  # a tag; its length has seven bits a byte
        start = 10 + sum(
            (byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True)
        )
    for magic, kind in _KINDS:
        if data[start : start + 4] == magic:
            return kind
    if _MPEG_HEADER.search(data, start, start + 4096 if start else start + 3):
        return "mp3"
    raise MediaError(
        f"WAV, FLAC, OGG and MP3 are read, found a file that begins with {data[:8].hex(' ')}",
        where=where,
        cure=_CONVERT,
    )


def _require_data_chunk(data: bytes, where: object) -> None:
    """The samples of a WAV are all there; FFmpeg would take a file that is cut for a shorter sound."""
    place, promised = 12, 0
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8
        if name == b"ds64":  # of files beyond 4 GB, whose own field is full
            promised = int.from_bytes(data[place + 8 : place + 16], "little")
        if name == b"data":
            size = promised or size
            if size > len(data) - place:
                raise MediaError(
                    f"cut short: {size:,} bytes of samples are declared, there are {len(data) - place:,}",
                    where=where,
                    cure=f"{_AGAIN}; if it was written by a program that never finished it, {_CONVERT}",
                )
            return
        place += size + size % 2
    raise MediaError("there is no sound in it", where=where, cure=_AGAIN)


def _require_last_page(data: bytes, where: object) -> None:
    """An OGG file ends with a whole page; FFmpeg would take one that is cut for a shorter sound."""
    page = data.rfind(b"OggS")
    sizes = data[page + 27 : page + 27 + data[page + 26]] if page + 27 <= len(data) else b""
    if page + 27 > len(data) or page + 27 + data[page + 26] + sum(sizes) > len(data):
        raise MediaError("cut short: its last page is not whole", where=where, cure=_AGAIN)


def _declared_s(data: bytes, stream: AudioStream) -> float | None:
    """The declared length, where a header states it: an MP3 without a table of its frames only guesses."""
    if stream.duration is None or stream.duration <= 0:
        return None
    if stream.codec_context.codec.canonical_name == "mp3" and not re.search(rb"Xing|Info|VBRI", data[:65536]):
        return None
    assert stream.time_base is not None, "checked where the sound is opened"
    return float(stream.duration * stream.time_base)


def _require_whole(declared_s: float | None, found_s: float, where: object) -> None:
    if declared_s is not None and found_s < declared_s - SHORTFALL_S:
        raise MediaError(
            f"cut short: the file declares {declared_s:.3f} s, there are {found_s:.3f} s",
            where=where,
            cure=_AGAIN,
        )


def _frames(
    container: InputContainer, stream: AudioStream, *, count_of: int, where: object
) -> Iterator[AudioFrame]:
    """Decoded frames, all of one rate, none damaged, none missing between two.

    Args:
        container, stream: opened.
        count_of: rate that every frame must have.
        where: named in errors.
    """
    frames = container.decode(stream)
    end_s = None
    while True:
        try:
            frame = next(frames, None)
        except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
            raise MediaError(f"damaged: {reason_of(error)}", where=where, cure=_AGAIN) from error
        if frame is None:
            return
        if frame.sample_rate != count_of:
            raise MediaError(
                f"the rate changes from {count_of} to {frame.sample_rate} Hz", where=where, cure=_CONVERT
            )
        if frame.is_corrupt:
            raise MediaError("the decoder marks a part as corrupt", where=where, cure=_AGAIN)
        if frame.pts is not None:
            assert frame.time_base is not None, "a decoded frame with a time has the unit of it"
            start_s = float(frame.pts * frame.time_base)
            if end_s is not None and start_s > end_s + SHORTFALL_S:
                raise MediaError(
                    f"the sound between {end_s:.3f} s and {start_s:.3f} s is lost", where=where, cure=_AGAIN
                )
            end_s = start_s + frame.samples / count_of
        yield frame


def _mono(frame: AudioFrame, where: object) -> np.ndarray:
    """The mean of a frame's channels, (samples,) float32, full scale at 1."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(frame.samples, frame.layout.nb_channels).T
    if values.dtype == np.uint8:
        values = (values.astype(np.float32) - 128.0) / 128.0
    elif values.dtype.kind == "i":
        values = values / float(1 << (8 * values.dtype.itemsize - 1))
    elif not np.isfinite(values).all():
        raise MediaError("samples that are not finite", where=where, cure=_CONVERT)
    mono: NDArray[np.float32] = np.clip(values.mean(axis=0), -2 * MAX_PEAK, 2 * MAX_PEAK).astype(np.float32)
    return mono
