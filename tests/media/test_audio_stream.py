"""Long sounds: block by block they are what they are as a whole, out of a file that is mapped, cut into windows."""

import struct
import tracemalloc

import numpy as np
import pytest
from sound_files import chunk, encoded, form, riff, samples, sine, wav

from rushes.errors import MediaError
from rushes.media.audio import decode, length_s, stream
from rushes.media.audio_files import mapped
from rushes.media.audio_windows import windows

RATE = 16_000


def extensible(wave, rate=RATE):
    """24 bits, of which the head says that 20 are valid, as recorders write it."""
    more = (
        struct.pack("<HHI", 22, 20, 4) + struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    )
    return riff(form(rate, tag=0xFFFE, bits=24, more=more), chunk(b"data", samples(wave, "i3")))


def tagged(data):
    """An MP3 with a tag before it."""
    return b"ID3\x04\0\0" + bytes([0, 0, 1, 0]) + bytes(128) + data


TONE = sine(44_100, 3.2)
FILES = {
    "wav": wav(TONE, 44_100),
    "stereo": wav(np.stack([TONE, 0.5 * TONE]), 44_100),
    "same rate": wav(sine(RATE, 3.2), RATE),
    "extensible": extensible(sine(RATE, 3.2)),
    "flac": encoded(TONE, 44_100, "flac", "flac"),
    "ogg": encoded(np.stack([TONE, TONE]), 44_100, "ogg", "vorbis"),
    "mp3": tagged(encoded(TONE, 44_100, "mp3", "libmp3lame")),
    "aac": encoded(TONE, 44_100, "adts", "aac"),
}


@pytest.fixture(params=FILES)
def file(request, tmp_path):
    path = tmp_path / request.param
    path.write_bytes(FILES[request.param])
    return path


def test_blocks_are_the_whole_sound(file):
    whole = decode(file.read_bytes(), sample_rate=RATE, longest_s=10.0)
    with mapped(file) as data:
        blocks = list(stream(data, sample_rate=RATE, longest_s=10.0))
    assert len(blocks) > 1
    assert all(len(block) and block.dtype == np.float32 for block in blocks)
    joined = np.concatenate(blocks)
    assert abs(len(joined) - len(whole.wave)) <= 1
    np.testing.assert_allclose(joined[: len(whole.wave)], whole.wave[: len(joined)], rtol=0, atol=2e-6)


def test_reading_a_mapped_file_leaves_it_as_it_is(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(FILES["extensible"])
    with mapped(path) as data:
        list(stream(data, sample_rate=RATE, longest_s=10.0))
    assert path.read_bytes() == FILES["extensible"]


def test_the_length_is_known_before_anything_is_decoded(file):
    whole = decode(file.read_bytes(), sample_rate=RATE, longest_s=10.0)
    with mapped(file) as data:
        assert length_s(data) == pytest.approx(whole.length_s, abs=0.06)  # of an MP3's first frames


def test_a_cut_sound_shows_at_its_end(tmp_path):
    path = tmp_path / "night.flac"
    path.write_bytes(FILES["flac"][: len(FILES["flac"]) // 2])
    heard = 0
    with mapped(path) as data, pytest.raises(MediaError, match=r"night\.flac") as refused:  # noqa: PT012
        for block in stream(data, sample_rate=RATE, longest_s=10.0, where=path):
            heard += len(block)
    assert heard > RATE
    assert "cut short" in str(refused.value) or "damaged" in str(refused.value)


@pytest.mark.parametrize(("written", "says"), [(b"", "0 bytes"), (b"RIFX....WAVE" + bytes(99), "RIFX")])
def test_what_is_no_sound_is_refused(tmp_path, written, says):
    path = tmp_path / "a.wav"
    path.write_bytes(written)
    with pytest.raises(MediaError, match=says), mapped(path) as data:
        list(stream(data, sample_rate=RATE, longest_s=10.0))


def test_a_sound_beyond_the_longest_is_refused():
    with pytest.raises(MediaError, match="longer than 3 s"):
        list(stream(FILES["wav"], sample_rate=RATE, longest_s=3.0))


def test_a_long_sound_is_never_held(tmp_path):
    path = tmp_path / "night.wav"
    minute = samples(sine(8000, 60.0), "i2")
    path.write_bytes(riff(form(8000), chunk(b"data", minute * 60)))
    tracemalloc.start()
    try:
        with mapped(path) as data:
            count = sum(1 for _ in windows(stream(data, sample_rate=RATE, longest_s=4000.0), RATE, RATE))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 3600 or count == 3599  # the resampler may end a sample early
    assert peak < 4e6  # an hour of floats is 230 MB


@pytest.mark.parametrize("sizes", [(5, 5, 5, 5), (20,), (1,) * 20, (3, 17), (19, 1)])
@pytest.mark.parametrize(("samples_", "hop"), [(4, 2), (4, 4), (5, 3), (20, 1)])
def test_windows_are_slices(sizes, samples_, hop):
    whole = np.arange(20, dtype=np.float32)
    blocks = np.split(whole, np.cumsum(sizes)[:-1])
    found = list(windows(blocks, samples_, hop))
    assert [start for start, _ in found] == list(range(0, 20 - samples_ + 1, hop))
    assert all(np.array_equal(wave, whole[start : start + samples_]) for start, wave in found)


def test_a_sound_shorter_than_a_window_is_filled_and_nothing_gives_nothing():
    ((start, wave),) = windows([np.ones(2, np.float32), np.ones(1, np.float32)], 5, 2)
    assert (start, wave.tolist()) == (0, [1, 1, 1, 0, 0])
    assert list(windows([], 5, 2)) == []
