"""The ends of sound files: each format's own word for it, with files written after its specification."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from sound_files import chunk, encoded, form, old_flac, pages, repaged, riff, samples, sealed, sine, wav

from rushes.errors import MediaError
from rushes.media.audio import decode
from rushes.media.audio_frames import id3_end, mp3_frames, ogg_crc

RATE = 16_000
BODY = samples(sine(RATE), "i2")
LIST = chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"z" * 4000))


def length_s(data: bytes) -> float:
    return decode(data, sample_rate=RATE, longest_s=30.0).length_s


def refused(data: bytes, message: str) -> None:
    with pytest.raises(MediaError, match=message) as caught:
        length_s(data)
    assert caught.value.cure


# --- WAV --------------------------------------------------------------------------------------------------------


def test_wav_from_a_pipe_goes_on_to_the_end():
    assert length_s(riff(form(RATE), chunk(b"data", BODY, 0xFFFFFFFF), size=0xFFFFFFFF)) == 1.0


def test_a_size_of_64_bits_counts():
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, len(BODY), RATE, 0))
    whole = riff(ds64, form(RATE), chunk(b"data", BODY, 0xFFFFFFFF), magic=b"RF64", size=0xFFFFFFFF)
    assert length_s(whole) == 1.0
    refused(whole[:-2], "cut short")


@pytest.mark.parametrize("body", [b"", BODY])
def test_no_samples_are_no_sound_whatever_follows(body):
    refused(
        riff(form(RATE), chunk(b"data", body, 0), LIST), "no sound in it: 0 bytes of samples are declared"
    )


def test_chunks_behind_the_samples_are_no_samples():
    assert length_s(riff(form(RATE), chunk(b"data", BODY), LIST, chunk(b"id3 ", b"x" * 999))) == 1.0
    assert length_s(riff(form(RATE), chunk(b"data", BODY)) + b"TAG" + bytes(125)) == 1.0
    odd = samples(sine(RATE)[:-1], "u1")
    unfilled = riff(form(RATE, bits=8), chunk(b"data", odd)[:-1], LIST)
    assert length_s(unfilled) == (RATE - 1) / RATE


@pytest.mark.parametrize("rest", [BODY[2000:], bytes(2000)])
def test_samples_that_nobody_declared_are_not_lost_in_silence(rest):
    refused(riff(form(RATE), chunk(b"data", BODY[:2000]) + rest), f"{len(rest):,} bytes follow the samples")


def test_more_samples_declared_than_there_are():
    refused(riff(form(RATE), chunk(b"data", BODY, 3 * len(BODY))), "cut short")


@pytest.mark.parametrize(
    ("container", "codec"), [("aiff", "pcm_s16be"), ("caf", "pcm_s16be"), ("w64", "pcm_s16le")]
)
def test_the_other_formats_of_chunks_in_the_same_way(container, codec):
    data = encoded(sine(RATE), RATE, container, codec)
    assert length_s(data) == 1.0
    assert length_s(data + bytes(100)) == 1.0
    refused(data[:-2], "cut short")
    refused(data + BODY, "follow the samples")


def test_au_says_how_many_or_that_it_does_not_know():
    data = encoded(sine(RATE), RATE, "au", "pcm_s16be")
    assert length_s(data) == 1.0
    refused(data[:-2], "cut short")
    refused(data + BODY, "follow the samples")
    assert length_s(data[:8] + b"\xff" * 4 + data[12:]) == 1.0


# --- OGG --------------------------------------------------------------------------------------------------------

STEREO = np.stack([sine(44_100, 4.0, 440.0), sine(44_100, 4.0, 660.0)])
VORBIS = encoded(STEREO + np.random.default_rng(0).normal(0, 0.1, STEREO.shape), 44_100, "ogg", "vorbis")
OPUS = encoded(sine(48_000, 4.0), 48_000, "ogg", "libopus")


def of_another_stream(page: bytearray) -> None:
    page[14:18] = b"next"


def test_the_checksum_is_that_of_the_pages():
    for page in pages(OPUS):
        assert ogg_crc(page[:22] + bytes(4) + page[26:]) == int.from_bytes(page[22:26], "little")


@pytest.mark.parametrize("data", [VORBIS, OPUS])
def test_a_stream_cut_between_two_pages_is_refused(data):
    listed = list(pages(data))
    assert len(listed) > 4
    for count in range(3, len(listed)):
        refused(b"".join(listed[:count]), "its last page does not say that it is the last")


@pytest.mark.parametrize("data", [VORBIS, OPUS])
def test_chained_streams_are_one_sound_and_what_follows_the_last_is_nobodys(data):
    assert length_s(data) == pytest.approx(4.0, abs=0.01)
    chained = data + repaged(data, of_another_stream)
    assert length_s(chained) == pytest.approx(2 * length_s(data), abs=0.03)
    assert length_s(chained + b"\0" * 5000) == length_s(chained)
    refused(chained[:-1], "last page is not whole")
    *first, _ = pages(data)
    refused(b"".join(first) + data, "pages are missing")


def test_a_missing_page_and_a_damaged_one():
    first, *middle, last = pages(VORBIS)
    refused(first + b"".join(middle[:-1]) + last, "pages are missing")
    broken = bytearray(VORBIS)
    broken[len(broken) // 2] ^= 1
    refused(bytes(broken), "damaged: the page")


@pytest.mark.parametrize("skipped", [0, 312, 3840, 4800, 9600, 48_000])
def test_opus_begins_where_it_says(skipped):
    """Pre-skip is part of the last page's time, so that a file is as much shorter as more is skipped."""
    head, *others = pages(OPUS)
    assert head[28:36] == b"OpusHead"
    before = struct.unpack_from("<H", head, 38)[0]
    data = sealed(head[:38] + struct.pack("<H", skipped) + head[40:]) + b"".join(others)
    assert length_s(data) == pytest.approx(length_s(OPUS) - (skipped - before) / 48_000, abs=1e-4)


# --- FLAC -------------------------------------------------------------------------------------------------------

VALUES = (sine(44_100)[:39_744] * 32_767).astype(np.int16)
BLOCKS = [4608, 1152, 2304, 576, 4608] * 3


def test_flac_of_blocks_that_are_numbered_as_before_1_2():
    """As subset/27 of the FLAC test suite: numbers of samples where numbers of blocks are expected."""
    found = decode(old_flac(VALUES, 44_100, BLOCKS), sample_rate=44_100, longest_s=30.0)
    np.testing.assert_array_equal(found.wave, VALUES / np.float32(32_768))


def test_flac_counts_its_samples_and_none_may_be_missing():
    refused(old_flac(VALUES, 44_100, BLOCKS, total=len(VALUES) + 1), "cut short")
    refused(old_flac(VALUES, 44_100, BLOCKS, total=len(VALUES) - 1), "too long")
    once = encoded(sine(44_100, 0.3), 44_100, "flac", "flac")
    refused(once + once, "too long")
    assert length_s(old_flac(VALUES, 44_100, BLOCKS, total=0)) == len(VALUES) / 44_100


# --- MP3 --------------------------------------------------------------------------------------------------------

NOISE = np.random.default_rng(1).uniform(-0.5, 0.5, 88_200)
MP3 = encoded(NOISE, 44_100, "mp3", "libmp3lame")
UNCOUNTED = encoded(NOISE, 44_100, "mp3", "libmp3lame", write_xing="0")


def test_mp3_counts_its_frames():
    frames = mp3_frames(MP3, id3_end(MP3))
    assert (frames.end, frames.cut) == (len(MP3), False)
    last = frames.end - 417  # of 128 kbit/s; some have a byte more
    for cut in (1, 100, 417, 419, 3000):
        refused(MP3[:-cut], "cut short")
    assert mp3_frames(MP3[:last], id3_end(MP3)).number == frames.number - 1


def test_mp3_without_a_count_ends_with_a_whole_frame():
    assert length_s(UNCOUNTED) == pytest.approx(2.0, abs=0.06)
    refused(UNCOUNTED[:-100], "its last frame is not whole")


def test_a_file_shorter_than_a_table_is_still_asked_for_its_frames():
    head = b"\xff\xf3\x14\xc4"  # 8 kbit/s at 24 kHz, one channel: 24 bytes
    table = head.ljust(13, b"\0") + b"Info" + struct.pack(">II", 1, 0xFFFFFF)
    refused(
        table[:24].ljust(24, b"\0") + head.ljust(24, b"\0"),
        "frames of 0 bytes are declared, there are 2 of 48",
    )


def test_tags_of_mp3_are_no_damage_and_no_count():
    tag = b"ID3\x03\0\0\0\0\x02\0" + b"TXXX\0\0\0\x20\0\0Info".ljust(256, b"\0")
    for data in (MP3, UNCOUNTED):
        sound = data[id3_end(data) :]
        tagged = tag + sound + b"TAG" + bytes(125)
        assert length_s(tagged) == length_s(data)
        refused(tag + sound[:-500], "cut short")
        assert length_s(tag + tag + bytes(500) + sound) == length_s(data)
        refused(tag + sound[700:], "bytes before the first frame")


def test_frames_behind_what_is_no_frame_are_refused():
    place = mp3_frames(UNCOUNTED, id3_end(UNCOUNTED)).begin
    for _ in range(30):
        found = re.compile(rb"\xff\xfb").search(UNCOUNTED, place + 1)
        place = found.start()
    refused(UNCOUNTED[:place] + bytes(3000) + UNCOUNTED[place:], "is no frame|damaged")


# --- WebM -------------------------------------------------------------------------------------------------------


def test_webm_written_live_has_no_end_and_is_read_as_far_as_it_goes():
    live = encoded(sine(48_000, 2.0), 48_000, "webm", "libopus", live="1")
    assert length_s(live) == pytest.approx(2.0, abs=0.03)


def test_wav_of_the_usual_kind_is_as_long_as_it_is():
    assert length_s(wav(sine(RATE, 0.5), RATE)) == 0.5
