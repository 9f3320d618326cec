"""Sounds from bytes in memory, of the kinds of `rushes.media.audio_kinds`: one channel, at the rate asked for.

    sound = decode(path.read_bytes(), sample_rate=16_000, longest_s=15.0)
    clip = sound.head(80_000)                                    # (80000,) float32 in [-1, 1]

Decoded by FFmpeg inside PyAV, with the demuxer of the file's kind and the decoders that are named here, on one
thread; resampled by soxr. The same bytes give the same samples on each run. Nothing that a header merely declares
sizes anything, and what ends before its declared end is an error, not a short sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from rushes.errors import MediaError
from rushes.media.audio_files import empty, file_of
from rushes.media.audio_frames import AGAIN, Data, Given
from rushes.media.audio_kinds import KINDS, MP3, Kind, kind_of
from rushes.media.container import reason_of

CODECS = (
    frozenset({"flac", "vorbis", "opus", "mp3", "aac", "alac", "wmav1", "wmav2"})
    | {"adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8"}
    | {f"pcm_{width}{end}" for width in ("s16", "s24", "s32", "f32", "f64") for end in ("le", "be")}
)
"""FFmpeg's names of the codecs that are read."""

RATES = range(1000, 384_001)
"""Hz that are believed of a file."""

MAX_CHANNELS = 64
MAX_PEAK = 16.0
"""Float samples may go beyond full scale by 24 dB, and are cut at it; more is another scale, or no sound."""

CANCELLED = 1e-4
"""Share of the channels' mean power below which their mean is not what is heard; one channel of 64 leaves 1/64."""

CUT = "cut it into recordings of one class each: ffmpeg -ss START -t SECONDS -i IN OUT.wav"
"""What to do with a sound that is too long."""

GAP_S = 0.1
"""So far apart may frames stand whose times are rounded; more is a loss."""

_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "wav,w64,aiff,caf,au,flac,ogg,mov,mp4,m4a,3gp,3g2,mj2,asf,matroska,webm,aac,mp3",
    # FFmpeg decodes mp3 by a decoder of another name.
    "codec_whitelist": ",".join(sorted(CODECS | {"mp3float"})),
    # FFmpeg looks whether PCM is another codec in disguise: 6 to 13 ms a file, for nothing that is read here.
    "max_probe_packets": "1",
}
_CONVERT = "convert it: ffmpeg -i IN -c:a pcm_s16le OUT.wav"


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A whole sound.

    Attributes:
        wave: (n,) float32 in [-1, 1], one channel.
        length_s: as many seconds as were decoded.
    """

    wave: NDArray[np.float32]
    length_s: float

    def head(self, samples: int) -> NDArray[np.float32]:
        """The first ``samples``, silence behind the sound's end."""
        return np.pad(self.wave[:samples], (0, max(0, samples - len(self.wave))))


def decode(
    data: Data, *, sample_rate: int, longest_s: float, where: object = None, if_longer: str = CUT
) -> Sound:
    """A whole sound at ``sample_rate``, channels averaged.

    Args:
        data: the whole file, best mapped where its size is not known.
        sample_rate: Hz of the result.
        longest_s: a longer sound is refused once this much is decoded.
        where: the sound's name in errors.
        if_longer: what to do with a longer one.

    Raises:
        MediaError: empty, of another kind, damaged, cut, too long, of no channel or an absurd rate, with
            samples that are not finite, or with channels that cancel each other out.
    """
    kind = _kind_of(data, where)
    with _open(kind, data, kind.whole(data, where), where) as (container, stream):
        rate = stream.codec_context.sample_rate
        wave = np.concatenate(list(_blocks(kind, container, stream, longest_s, where, if_longer)))
    count = len(wave)
    if rate != sample_rate:
        wave = soxr.resample(wave, rate, sample_rate, "HQ")
    return Sound(np.clip(wave, -1.0, 1.0), count / rate)


def stream(
    data: Data, *, sample_rate: int, longest_s: float, where: object = None
) -> Iterator[NDArray[np.float32]]:
    """A sound at ``sample_rate`` block by block, channels averaged, as `decode` gives it as a whole.

    A night is too long to be held. What shows only at the end, such as a file that is cut, is raised there:
    the blocks before it count for nothing.

    Args:
        data: the whole file, best mapped, see `rushes.media.audio_files`.
        sample_rate: Hz of the result.
        longest_s: a longer sound is refused once this much is decoded.
        where: the sound's name in errors.

    Yields:
        (n,) float32 in [-1, 1], n as it comes, never 0.

    Raises:
        MediaError: as `decode`.
    """
    kind = _kind_of(data, where)
    with _open(kind, data, kind.whole(data, where), where) as (container, opened):
        rate = opened.codec_context.sample_rate
        resampled = (
            soxr.ResampleStream(rate, sample_rate, 1, "float32", "HQ") if rate != sample_rate else None
        )
        for block in _blocks(kind, container, opened, longest_s, where):
            wave = block if resampled is None else resampled.resample_chunk(block)
            if len(wave):
                yield np.clip(wave, -1.0, 1.0)
        if resampled is not None and len(
            wave := resampled.resample_chunk(np.zeros(0, np.float32), last=True)
        ):
            yield np.clip(wave, -1.0, 1.0)


def declared(data: Data, where: object = None) -> tuple[float | None, int]:
    """Seconds by the head of a sound, perhaps a guess, None where it says nothing; and its samples a second.

    Args:
        data: the whole file, best mapped; of it the head is read.
        where: the sound's name in errors.

    Raises:
        MediaError: empty, of another kind, or its head does not hold.
    """
    with _open(_kind_of(data, where), data, Given(), where) as (container, stream):
        return _declared_s(container, stream), stream.codec_context.sample_rate


def length_s(data: Data, where: object = None) -> float:
    """Seconds of a sound by its head, or, where that only guesses, by its packets; nothing is decoded.

    Args:
        data: the whole file, best mapped.
        where: the sound's name in errors.

    Raises:
        MediaError: empty, of another kind, or its head or its packets do not hold.
    """
    kind = _kind_of(data, where)
    with _open(kind, data, Given(), where) as (container, stream):
        declared_s = None if kind.guesses else _declared_s(container, stream)
        if declared_s is not None:
            return declared_s
        assert stream.time_base is not None, "checked where the sound is opened"
        try:
            ticks = sum(packet.duration or 0 for packet in container.demux(stream))
        except (av.FFmpegError, ValueError, OverflowError) as error:
            raise MediaError(f"damaged: {reason_of(error)}", where=where, cure=AGAIN) from error
        return float(ticks * stream.time_base)


def require_whole(data: Data, where: object = None) -> None:
    """See that a file holds as much as it declares, as far as that shows without decoding.

    Args:
        data: the whole file, best mapped.
        where: the sound's name in errors.

    Raises:
        MediaError: empty, of another kind, or cut.
    """
    _kind_of(data, where).whole(data, where)


def _blocks(
    kind: Kind,
    container: InputContainer,
    stream: AudioStream,
    longest_s: float,
    where: object,
    if_longer: str = CUT,
) -> Iterator[NDArray[np.float32]]:
    """The mean of the channels, frame by frame; at the end it is seen that they were a whole sound.

    Args:
        kind: of the file.
        container, stream: opened.
        longest_s, if_longer: see `decode`.
        where: named in errors.
    """
    rate = stream.codec_context.sample_rate
    count, peak, heard, power = 0, 0.0, 0.0, 0.0
    for frame in _frames(container, stream, timed=kind.timed, where=where):
        channels = _channels(frame, where)
        block = channels.mean(axis=0)
        count += frame.samples
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        heard += float(np.square(block, dtype=np.float64).sum())
        power += float(np.square(channels).sum()) / len(channels)
        if count > longest_s * rate:
            raise _too_long(longest_s, _declared_s(container, stream), where, if_longer)
        yield block
    if kind.slack_s is not None:
        _require_whole(_declared_s(container, stream), count / rate, kind.slack_s, where)
    if count == 0:
        raise MediaError("there is no sound in it", where=where, cure=AGAIN)
    if peak > MAX_PEAK:
        raise MediaError(f"samples lie within -1 and 1, found a peak of {peak:g}", where=where, cure=_CONVERT)
    if heard < CANCELLED * power:
        raise MediaError(
            "its channels cancel each other out: their mean is silent, and they are not",
            where=where,
            cure="take one of them: ffmpeg -i IN -af 'pan=mono|c0=c0' OUT.wav",
        )


@contextmanager
def _open(
    kind: Kind, data: Data, given: Given, where: object
) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The container and the sound in it that players take, checked as far as the head tells."""
    try:
        container = av.open(
            file_of(data, given),
            format=kind.demuxer,
            options=_OPTIONS,
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise MediaError(
            f"cannot open as {kind.name}: {reason_of(error)}", where=where, cure=AGAIN
        ) from error
    with container:
        stream = container.streams.best("audio")
        context = None if stream is None else stream.codec_context
        codec = None if context is None else context.codec.canonical_name
        if stream is None or context is None or codec not in CODECS or not stream.time_base:
            known = ", ".join(sorted(CODECS))
            raise MediaError(
                f"a sound's codec is one of {known}; found {codec}", where=where, cure=_CONVERT, reason="kind"
            )
        if context.sample_rate not in RATES or not 1 <= context.layout.nb_channels <= MAX_CHANNELS:
            raise MediaError(
                f"1 to {MAX_CHANNELS} channels at {RATES[0]} to {RATES[-1]} Hz are read, found "
                f"{context.layout.nb_channels} at {context.sample_rate} Hz",
                where=where,
                cure=_CONVERT,
                reason="kind",
            )
        context.thread_count = 1
        context.options = {"err_detect": "crccheck+explode"}
        yield container, stream


def _kind_of(data: Data, where: object) -> Kind:
    """The kind of a file by its first bytes, so that no other demuxer guesses at it."""
    if len(data) == 0:
        raise empty(where)
    kind = kind_of(data)
    if kind is None:
        known = ", ".join(each.name for each in (*KINDS, MP3))
        raise MediaError(
            f"{known} are read, found a file that begins with {data[:8].hex(' ')}",
            where=where,
            cure=_CONVERT,
            reason="kind",
        )
    return kind


def _declared_s(container: InputContainer, stream: AudioStream) -> float | None:
    """The length that a head declares, or FFmpeg's guess at it; None without either."""
    if stream.duration is not None and stream.duration > 0:
        assert stream.time_base is not None, "checked where the sound is opened"
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration and container.duration > 0 else None


def _too_long(longest_s: float, declared_s: float | None, where: object, cure: str) -> MediaError:
    said = f" (about {declared_s:,.1f} s)" if declared_s is not None and declared_s > longest_s else ""
    return MediaError(f"longer than {longest_s:g} s{said}", where=where, cure=cure, reason="duration_s")


def _require_whole(declared_s: float | None, found_s: float, slack_s: float, where: object) -> None:
    """Refuse what is shorter than declared; and what is longer, where the declared length is exact."""
    if declared_s is not None and (found_s < declared_s - slack_s or (found_s > declared_s and not slack_s)):
        raise MediaError(
            f"{'cut short' if found_s < declared_s else 'too long'}: the file declares {declared_s:.6g} s, there "
            f"are {found_s:.6g} s",
            where=where,
            cure=AGAIN,
        )


def _frames(
    container: InputContainer, stream: AudioStream, *, timed: bool, where: object
) -> Iterator[AudioFrame]:
    """Decoded frames, all of one rate, none damaged.

    Args:
        container, stream: opened.
        timed: whether the times of frames tell what is missing between them.
        where: named in errors.
    """
    rate = stream.codec_context.sample_rate
    frames = container.decode(stream)
    end_s = None
    while True:
        try:
            frame = next(frames, None)
        except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
            raise MediaError(f"damaged: {reason_of(error)}", where=where, cure=AGAIN) from error
        if frame is None:
            return
        if frame.sample_rate != rate:
            raise MediaError(
                f"the rate changes from {rate} to {frame.sample_rate} Hz", where=where, cure=_CONVERT
            )
        if frame.is_corrupt:
            raise MediaError("the decoder marks a part as corrupt", where=where, cure=AGAIN)
        if timed and frame.pts is not None:
            assert frame.time_base is not None, "a decoded frame with a time has the unit of it"
            start_s = float(frame.pts * frame.time_base)
            if end_s is not None and start_s > end_s + GAP_S:
                raise MediaError(
                    f"the sound between {end_s:.3f} s and {start_s:.3f} s is lost", where=where, cure=AGAIN
                )
            end_s = start_s + frame.samples / rate
        yield frame


def _channels(frame: AudioFrame, where: object) -> NDArray[np.float32]:
    """The channels of a frame, (channels, samples), full scale at 1."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(frame.samples, frame.layout.nb_channels).T
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128.0) / 128.0
    if values.dtype.kind == "i":
        return (values / float(1 << (8 * values.dtype.itemsize - 1))).astype(np.float32)
    if not np.isfinite(values).all():
        raise MediaError("samples that are not finite", where=where, cure=_CONVERT)
    floats: NDArray[np.float32] = np.clip(values, -2 * MAX_PEAK, 2 * MAX_PEAK).astype(np.float32)
    return floats
