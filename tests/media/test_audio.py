"""Sounds from memory: four formats against what was encoded, and all that must not pass for a sound."""

import io
import struct
import wave
from fractions import Fraction

import av
import numpy as np
import pytest

from rushes.errors import MediaError
from rushes.media.audio import MAX_PEAK, declared_s, decode

RATE = 16_000


def sine(rate: int, seconds: float = 1.0, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def wav(channels: np.ndarray, rate: int, kind: str = "i2", promise: int | None = None) -> bytes:
    """A RIFF file of (channels, n) values within -1 and 1, its ``data`` as long as it is or as promised."""
    values = np.atleast_2d(channels).T
    width = 3 if kind == "i3" else np.dtype(kind).itemsize
    if kind == "u1":
        body = np.rint(values * 127 + 128).astype("u1").tobytes()
    elif kind == "i3":
        body = np.rint(values * (2**23 - 1)).astype("<i4")[..., None].view("u1")[..., :3].tobytes()
    elif kind[0] == "i":
        body = np.rint(values * (2 ** (8 * width - 1) - 1)).astype("<" + kind).tobytes()
    else:
        body = values.astype("<" + kind).tobytes()
    tag, count = 3 if kind[0] == "f" else 1, values.shape[1]
    form = struct.pack("<HHIIHH", tag, count, rate, rate * width * count, width * count, 8 * width)
    size = len(body) if promise is None else promise
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + body
    return b"RIFF" + struct.pack("<I", (4 + len(chunks)) & 0xFFFFFFFF) + b"WAVE" + chunks


def encoded(channels: np.ndarray, rate: int, container: str, codec: str) -> bytes:
    channels = np.atleast_2d(channels)
    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout={1: "mono", 2: "stereo"}[len(channels)])
        if codec == "vorbis":
            stream.codec_context.options = {"strict": "experimental"}
        form = stream.codec_context.codec.audio_formats[0].name
        scaled = channels.astype(np.float32)
        if form.startswith("s"):
            bits = int(form[1:3])
            scaled = np.rint(channels * (2 ** (bits - 1) - 1)).astype(f"i{bits // 8}")
        if not form.endswith("p"):
            scaled = scaled.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(scaled), form, stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (part := fifo.read(stream.codec_context.frame_size or 1152, partial=True)) is not None:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return sink.getvalue()


def close(found: np.ndarray, expected: np.ndarray, tolerance: float, margin: int = 0) -> None:
    n = len(expected)
    np.testing.assert_allclose(
        found[margin : n - margin], expected[margin : n - margin], rtol=0, atol=tolerance
    )


@pytest.mark.parametrize(
    ("kind", "step"),
    [("u1", 2**-7), ("i2", 2**-15), ("i3", 2**-22), ("i4", 2**-22), ("f4", 2**-23), ("f8", 2**-23)],
)
def test_every_width_of_wav(kind, step):
    found = decode(wav(sine(RATE), RATE, kind), sample_rate=RATE, samples=RATE)
    assert found.dtype == np.float32
    close(found, sine(RATE), 1.5 * step)


def test_channels_are_averaged():
    left, right = sine(RATE), sine(RATE, hertz=1000.0)
    found = decode(wav(np.stack([left, right]), RATE), sample_rate=RATE, samples=RATE)
    close(found, (left + right) / 2, 1e-4)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 96000])
def test_resampling_keeps_a_sine(rate):
    found = decode(wav(sine(rate, 1.0), rate), sample_rate=RATE, samples=RATE)
    close(found, sine(RATE, 1.0), 1e-3, margin=100)


def test_what_a_lower_rate_cannot_hold_is_gone():
    found = decode(wav(sine(48_000, hertz=11_000.0), 48_000), sample_rate=RATE, samples=RATE)
    assert np.abs(found[100:-100]).max() < 2e-3


def test_the_head_alone_is_resampled_as_if_by_all_of_it():
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, 44_100 * 3)
    whole = decode(wav(noise, 44_100), sample_rate=RATE, samples=3 * RATE)
    head = decode(wav(noise, 44_100), sample_rate=RATE, samples=RATE)
    np.testing.assert_array_equal(head, whole[:RATE])


def test_silence_stands_behind_the_end():
    found = decode(wav(sine(RATE, 0.25), RATE), sample_rate=RATE, samples=RATE)
    assert found.shape == (RATE,)
    assert np.abs(found[: RATE // 4]).max() > 0.4
    assert not found[RATE // 4 :].any()


@pytest.mark.parametrize(
    ("container", "codec", "tolerance", "channels"),
    [
        ("flac", "flac", 1e-4, 1),
        ("flac", "flac", 1e-4, 2),
        ("ogg", "vorbis", 0.01, 2),  # FFmpeg's own encoder of Vorbis makes two channels only
        ("mp3", "libmp3lame", 0.03, 1),  # LAME lowers what it is given by 5 %
        ("mp3", "libmp3lame", 0.03, 2),
    ],
)
def test_coded_sounds(container, codec, tolerance, channels):
    truth = np.stack([sine(44_100, 2.0)] * channels)
    data = encoded(truth, 44_100, container, codec)
    found = decode(data, sample_rate=44_100, samples=2 * 44_100)
    close(found, truth[0], tolerance, margin=4096)
    assert declared_s(data) == pytest.approx(2.0, abs=0.1)


def test_louder_than_full_scale_is_cut_there():
    found = decode(wav(sine(RATE, level=1.5), RATE, "f4"), sample_rate=RATE, samples=RATE)
    assert found.max() == 1.0
    assert found.min() == -1.0


def test_the_same_bytes_give_the_same_samples():
    data = encoded(np.stack([sine(44_100)] * 2), 44_100, "flac", "flac")
    first, second = (decode(data, sample_rate=RATE, samples=RATE) for _ in range(2))
    assert first.tobytes() == second.tobytes()


SOUND = wav(sine(RATE), RATE)
FLAC = encoded(sine(44_100, 2.0), 44_100, "flac", "flac")
OGG = encoded(np.stack([sine(44_100, 2.0)] * 2), 44_100, "ogg", "vorbis")
MP3 = encoded(sine(44_100, 2.0), 44_100, "mp3", "libmp3lame")
NAN = sine(RATE)
NAN[5000] = np.nan
INF = sine(RATE)
INF[-1] = np.inf

BAD = {
    "empty": (b"", "0 bytes"),
    "no samples": (wav(np.zeros((1, 0)), RATE), "no sound in it"),
    "garbage": (b"!" + np.random.default_rng(1).bytes(5000), "begins with"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(500), "begins with"),
    "a playlist": (b"#EXTM3U\nfile:///etc/passwd\n", "begins with"),
    "an MP3's first bytes, then garbage": (b"\xff\xfb\x90\x64" + np.random.default_rng(2).bytes(5000), ""),
    "a header alone": (SOUND[:44], ""),
    "half of a header": (SOUND[:30], ""),
    "a torn WAV": (SOUND[:20_000], "cut short"),
    "a torn FLAC": (FLAC[: len(FLAC) // 2], ""),
    "a torn OGG": (OGG[: len(OGG) // 2], "cut short"),
    "a torn MP3": (MP3[: len(MP3) // 2], "cut short"),
    "a header that promises hours": (wav(sine(RATE), RATE, promise=0x7FFFFF00), "cut short"),
    "no channel": (wav(np.zeros((1, 9)), RATE)[:22] + b"\0\0" + SOUND[24:], ""),
    "no rate": (SOUND[:24] + bytes(4) + SOUND[28:], ""),
    "an absurd rate": (SOUND[:24] + struct.pack("<I", 4_000_000) + SOUND[28:], "4000000 Hz"),
    "a codec of its own": (SOUND[:20] + struct.pack("<H", 0x674F) + SOUND[22:], "codec"),
    "NaN": (wav(NAN, RATE, "f4"), "not finite"),
    "infinity": (wav(INF, RATE, "f8"), "not finite"),
    "beyond float32": (wav(sine(RATE, level=1e300), RATE, "f8"), "peak"),
    "samples of another scale": (wav(sine(RATE, level=2 * MAX_PEAK), RATE, "f4"), "peak of"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_sound_is_an_error_with_a_cure(name):
    data, message = BAD[name]
    with pytest.raises(MediaError) as caught:
        decode(data, sample_rate=RATE, samples=3 * RATE, where="x.wav")
    assert message in caught.value.message
    assert caught.value.where == "x.wav"
    assert caught.value.cure


def test_a_wav_torn_behind_the_clip_is_refused_too():
    with pytest.raises(MediaError, match="cut short"):
        decode(SOUND[:20_000], sample_rate=RATE, samples=100)


@pytest.mark.parametrize("data", [FLAC, OGG, MP3])
def test_flipped_bits_never_crash_nor_give_other_shapes(data):
    rng = np.random.default_rng(3)
    for _ in range(40):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            broken[place] ^= 1 << int(rng.integers(8))
        try:
            found = decode(bytes(broken), sample_rate=RATE, samples=RATE)
        except MediaError:
            continue
        assert found.shape == (RATE,)
        assert np.isfinite(found).all()


def test_a_flac_with_a_damaged_frame_is_refused():
    broken = bytearray(FLAC)
    broken[len(broken) // 2] ^= 0xFF
    with pytest.raises(MediaError):
        decode(bytes(broken), sample_rate=RATE, samples=2 * RATE)


def test_no_sample_is_read_for_the_length():
    with wave.open(io.BytesIO(SOUND)) as reference:
        assert declared_s(SOUND) == reference.getnframes() / RATE
    assert declared_s(wav(NAN, RATE, "f4")) is not None
