"""Sounds from memory: every kind against what was written, and all that must not pass for a sound."""

import io
import struct
import wave

import numpy as np
import pytest
from sound_files import chunk, encoded, form, riff, samples, sine, wav

from rushes.errors import MediaError
from rushes.media.audio import MAX_PEAK, Sound, decode
from rushes.media.audio_kinds import KINDS, kind_of
from rushes.media.audio_kinds import MP3 as MP3_KIND

RATE = 16_000
LONGEST_S = 30.0


def sound(data: bytes, rate: int = RATE) -> Sound:
    return decode(data, sample_rate=rate, longest_s=LONGEST_S, where="x.wav")


def heard(data: bytes, rate: int = RATE, samples: int = RATE) -> np.ndarray:
    return sound(data, rate).head(samples)


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
    found = heard(wav(sine(RATE), RATE, kind))
    assert found.dtype == np.float32
    close(found, sine(RATE), 1.5 * step)


def test_channels_are_averaged():
    left, right = sine(RATE), sine(RATE, hertz=1000.0)
    found = heard(wav(np.stack([left, right]), RATE))
    close(found, (left + right) / 2, 1e-4)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 96000])
def test_resampling_keeps_a_sine(rate):
    found = heard(wav(sine(rate, 1.0), rate))
    close(found, sine(RATE, 1.0), 1e-3, margin=100)


def test_silence_stands_behind_the_end():
    found = heard(wav(sine(RATE, 0.25), RATE))
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
    found = heard(data, 44_100, 2 * 44_100)
    close(found, truth[0], tolerance, margin=4096)
    assert sound(data).length_s == pytest.approx(2.0, abs=0.05)


def test_louder_than_full_scale_is_cut_there():
    found = heard(wav(sine(RATE, level=1.5), RATE, "f4"))
    assert found.max() == 1.0
    assert found.min() == -1.0


def test_the_same_bytes_give_the_same_samples():
    data = encoded(np.stack([sine(44_100)] * 2), 44_100, "flac", "flac")
    first, second = (heard(data) for _ in range(2))
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
        sound(data)
    assert message in caught.value.message
    assert caught.value.where == "x.wav"
    assert caught.value.cure


@pytest.mark.parametrize("data", [FLAC, OGG, MP3])
def test_flipped_bits_never_crash_nor_give_other_shapes(data):
    rng = np.random.default_rng(3)
    for _ in range(40):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            broken[place] ^= 1 << int(rng.integers(8))
        try:
            found = heard(bytes(broken))
        except MediaError:
            continue
        assert found.shape == (RATE,)
        assert np.isfinite(found).all()


@pytest.mark.parametrize("data", [FLAC, encoded(sine(44_100, 2.0), 44_100, "ogg", "flac")])
def test_what_has_checksums_is_refused_or_whole(data):
    whole, rng = sound(data, 44_100).wave, np.random.default_rng(6)
    for place in rng.integers(len(data), size=80):
        broken = bytearray(data)
        broken[place] ^= 1 << int(rng.integers(8))
        try:
            found = sound(bytes(broken), 44_100).wave
        except MediaError:
            continue
        np.testing.assert_array_equal(found, whole, f"byte {place}")


def test_the_length_is_as_many_samples_as_were_decoded():
    with wave.open(io.BytesIO(SOUND)) as reference:
        assert sound(SOUND).length_s == reference.getnframes() / RATE


# --- every kind, whatever its name ends with --------------------------------------------------------------------

WRITTEN = {
    "wav": ("wav", "pcm_s16le", "WAV", 1e-4),
    "adpcm_ms": ("wav", "adpcm_ms", "WAV", 0.02),
    "adpcm_ima": ("wav", "adpcm_ima_wav", "WAV", 0.02),
    "w64": ("w64", "pcm_s16le", "W64", 1e-4),
    "aiff": ("aiff", "pcm_s24be", "AIFF", 1e-4),
    "aifc": ("aiff", "pcm_s16le", "AIFF", 1e-4),
    "au": ("au", "pcm_s16be", "AU", 1e-4),
    "caf": ("caf", "pcm_s16be", "CAF", 1e-4),
    "flac": ("flac", "flac", "FLAC", 1e-4),
    "ogg": ("ogg", "vorbis", "OGG", 0.15),
    "ogg flac": ("ogg", "flac", "OGG", 1e-4),
    "opus": ("ogg", "libopus", "OGG", 0.15),
    "mp3": ("mp3", "libmp3lame", "MP3", 0.05),
    "aac": ("adts", "aac", "AAC", 0.15),
    "m4a": ("ipod", "aac", "M4A", 0.15),
    "alac": ("ipod", "alac", "M4A", 1e-4),
    "wma": ("asf", "wmav2", "WMA", 0.15),
    "webm": ("webm", "libopus", "WebM", 0.15),
    "mka": ("matroska", "flac", "WebM", 1e-4),
}


def written(name: str, seconds: float = 2.0) -> tuple[bytes, int]:
    container, codec, _, _ = WRITTEN[name]
    rate = 48_000 if codec == "libopus" else 44_100
    return encoded(np.stack([sine(rate, seconds)] * 2), rate, container, codec), rate


@pytest.mark.parametrize("name", WRITTEN)
def test_every_kind_is_known_by_its_bytes_and_sounds_as_it_was_written(name):
    data, rate = written(name)
    _, _, kind, tolerance = WRITTEN[name]
    assert kind_of(data[:4096]).name == kind
    found = sound(data, rate)
    assert found.length_s == pytest.approx(2.0, abs=0.05)
    assert found.length_s == len(found.wave) / rate
    # Neither ADTS nor WMA says how much silence its encoder put before the sound.
    shifts = range(0, 4097, 64) if name in ("aac", "wma") else [0]
    truth = sine(rate, 2.0)[:rate]
    away = min(np.abs(found.wave[shift:][4096:rate] - truth[4096:]).max() for shift in shifts)
    assert away < tolerance


def test_there_is_no_kind_that_nothing_was_written_of():
    assert {kind.name for kind in (*KINDS, MP3_KIND)} == {kind for _, _, kind, _ in WRITTEN.values()}


# ADTS has no end: it may be cut between two frames.
@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "aac"])
def test_what_is_cut_anywhere_is_refused_or_whole(name):
    container, codec, _, _ = WRITTEN[name]
    rng = np.random.default_rng(4)
    rate = 48_000 if codec == "libopus" else 44_100
    data = encoded(rng.uniform(-0.5, 0.5, (2, rate)), rate, container, codec)
    whole = sound(data, rate).wave
    for cut in {1, 2, 7, 100, 500, *rng.integers(1, len(data) - 20, 25).tolist()}:
        try:
            found = sound(data[:-cut], rate).wave
        except MediaError:
            continue
        np.testing.assert_array_equal(found, whole, f"{cut} of {len(data)} bytes less")


def test_a_picture_or_a_text_is_no_kind():
    for head in (
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"\xff\xfea\0b\0",
        b"RIFF\0\0\0\0AVI LIST",
        b"\0\0\0\x18ftypheic",
    ):
        assert kind_of(head + bytes(200)) is None


# --- what FFmpeg would take for something else ------------------------------------------------------------------


def test_24_bits_in_32_are_what_they_are():
    subformat = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    for valid in (16, 20, 24, 32):
        head = form(RATE, tag=0xFFFE, bits=32, more=struct.pack("<HHI", 22, valid, 4) + subformat)
        close(heard(riff(head, chunk(b"data", samples(sine(RATE), "i4")))), sine(RATE), 1e-6)


OTHERS = {
    "RIFX": (b"RIFX" + SOUND[4:], "big-endian"),
    "24 bits in 4 bytes without a word": (
        riff(form(RATE, bits=24, frame=4), chunk(b"data", samples(sine(RATE), "i4"))),
        "24 bits in 4 bytes",
    ),
    "ALAC in CAF, which FFmpeg loses the end of": (
        encoded(sine(44_100, 2.0), 44_100, "caf", "alac"),
        "ALAC in CAF",
    ),
    "integers of 64 bits": (wav(sine(RATE), RATE, "i8"), "pcm_s64le"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_read_says_so(name):
    data, message = OTHERS[name]
    with pytest.raises(MediaError, match=message) as caught:
        sound(data)
    assert caught.value.cure


# --- resampling -------------------------------------------------------------------------------------------------


def decibels(values: np.ndarray) -> float:
    """Level of the middle of a sound, in dB of a tone at full scale."""
    middle = values[len(values) // 4 : -len(values) // 4].astype(np.float64)
    return float(10 * np.log10(2 * np.square(middle).mean() + 1e-30))


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.91])
def test_the_passband_is_flat_and_nothing_else_comes_with_it(rate, share):
    hertz = share * min(rate, RATE) / 2
    found = heard(wav(sine(rate, 2.0, hertz), rate, "f4"), samples=2 * RATE).astype(np.float64)
    assert decibels(found) == pytest.approx(decibels(sine(RATE, 2.0, hertz)), abs=0.1)
    times = np.arange(len(found)) / RATE * 2 * np.pi * hertz
    tone = np.stack([np.sin(times), np.cos(times)], axis=1)[RATE // 2 : -RATE // 2]
    middle = found[RATE // 2 : -RATE // 2]
    rest = middle - tone @ np.linalg.lstsq(tone, middle, rcond=None)[0]
    assert 10 * np.log10(2 * np.square(rest).mean()) < -100


@pytest.mark.parametrize("hertz", [8010, 8200, 8800, 11_000])
@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_what_a_lower_rate_cannot_hold_is_gone(rate, hertz):
    assert decibels(heard(wav(sine(rate, 2.0, hertz), rate, "f4"), samples=2 * RATE)) < -100


# --- channels ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["i2", "f4"])
def test_channels_that_cancel_each_other_out_are_refused(kind):
    with pytest.raises(MediaError, match="cancel each other out") as caught:
        sound(wav(np.stack([sine(RATE), -sine(RATE)]), RATE, kind))
    assert "c0" in caught.value.cure


@pytest.mark.parametrize(
    "channels",
    [
        [np.zeros(RATE), np.zeros(RATE)],
        [sine(RATE), np.zeros(RATE)],
        [sine(RATE, level=2e-4), sine(RATE, level=2e-4)],
        [sine(RATE), -0.9 * sine(RATE)],
        [sine(RATE), *[np.zeros(RATE)] * 63],
    ],
    ids=["silent", "one-sided", "quiet", "nearly opposite", "one of 64"],
)
def test_silent_quiet_and_one_sided_sounds_stay(channels):
    assert len(sound(wav(np.stack(channels), RATE)).wave) == RATE


# --- long sounds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wav", "flac", "m4a", "mp3"])
def test_a_longer_sound_is_refused_with_its_length(name):
    data, rate = written(name, 4.0)
    with pytest.raises(MediaError, match=r"longer than 3 s \(about 4\.0 s\)") as caught:
        decode(data, sample_rate=rate, longest_s=3.0)
    assert caught.value.cure
    assert decode(data, sample_rate=rate, longest_s=4.1).length_s == pytest.approx(4.0, abs=0.05)
