"""Pictures as files, and the times of videos by their packets."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from rushes.errors import MediaError, SourceError
from rushes.media.limits import Limits
from rushes.media.video import decode, frame_times
from rushes.records import Media, Stills

SIZE = (64, 48)


def picture(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR))


def png(pixels: np.ndarray, **options) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", **options)
    return sink.getvalue()


def stills(folder: Path, *files: bytes, suffix: str = ".png") -> Stills:
    paths = [folder / f"{number:010d}{suffix}" for number in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    return Stills(tuple(paths), tuple(100.0 + 0.1 * number for number in range(len(files))))


def luma_of(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(float) @ [0.299, 0.587, 0.114]


def test_png_pictures_come_in_order_with_their_times_and_their_colours(tmp_path):
    made = [picture(seed) for seed in range(3)]
    frames = list(decode(stills(tmp_path, *map(png, made))))
    np.testing.assert_allclose([frame.time_s for frame in frames], [0.0, 0.1, 0.2])
    for frame, pixels in zip(frames, made, strict=True):
        assert (frame.width, frame.height) == SIZE
        np.testing.assert_allclose(frame.luma(SIZE), luma_of(pixels), atol=2)
        shown = np.asarray(Image.open(io.BytesIO(frame.jpeg(SIZE, 95))))
        assert np.abs(shown.astype(int) - pixels).mean() < 6


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_png_of_any_kind_with_eight_bits_is_read(tmp_path, mode):
    pixels = Image.fromarray(picture()).convert(mode)
    sink = io.BytesIO()
    pixels.save(sink, "PNG")
    [frame] = decode(stills(tmp_path, sink.getvalue()))
    np.testing.assert_allclose(frame.luma(SIZE), luma_of(np.asarray(pixels.convert("RGB"))), atol=2)


def test_jpeg_files_give_what_a_folder_of_frames_gives(tmp_path):
    sink = io.BytesIO()
    Image.fromarray(picture()).save(sink, "JPEG", quality=95)
    [frame] = decode(stills(tmp_path, sink.getvalue(), suffix=".jpg"))
    stamped = tmp_path / "frames" / "20220329_142511_030.jpg"
    stamped.parent.mkdir()
    stamped.write_bytes(sink.getvalue())
    [other] = decode(Media("frames", stamped.parent))
    assert frame.jpeg((32, 32)) == other.jpeg((32, 32))


def flipped_bit(data: bytes) -> bytes:
    place = data.index(b"IDAT") + 40
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def of_size(data: bytes, width: int, height: int) -> bytes:
    """The same header with another size and a right checksum."""
    head = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: data[:-40], "cannot read a PNG"),
        (flipped_bit, "cannot read a PNG"),
        (lambda data: b"GIF89a" + data[6:], "cannot read a JPEG"),
        (lambda data: of_size(data, 60_000, 60_000), "pixels"),
        (lambda data: of_size(data, 5_000, 5_000), "pixels: at most"),
        (lambda data: png(np.zeros((48, 64), np.uint16)), "8 bits a channel"),
        (lambda data: png(picture(size=(32, 48))), "began with 64x48, found 32x48"),
        (lambda data: b"", "JPEG"),
    ],
)
def test_a_picture_that_does_not_hold_is_refused_with_its_name(tmp_path, spoil, says):
    whole = png(picture())
    with pytest.raises(MediaError, match=says) as caught:
        list(decode(stills(tmp_path, whole, spoil(whole))))
    assert "0000000001.png" in str(caught.value.where)


def test_pictures_keep_within_the_limits(tmp_path):
    found = stills(tmp_path, *[png(picture())] * 3)
    with pytest.raises(MediaError, match="frames: at most 2"):
        list(decode(found, Limits(max_frames=2)))
    with pytest.raises(MediaError, match="decoded bytes"):
        list(decode(found, Limits(max_decoded_bytes=5_000)))
    with pytest.raises(SourceError, match="3 pictures, 2 times"):
        Stills(found.files, found.times_s[:2])


def video(path: Path, codec: str, b_frames: int = 0) -> Media:
    """Unevenly timed frames."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        stream.max_b_frames = b_frames
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(picture(number), "rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number + number // 7, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return Media("video", path)


@pytest.mark.parametrize(
    ("name", "codec", "b_frames"),
    [
        ("a.mp4", "libx264", 3),
        ("a.mkv", "libx264", 2),
        ("a.ts", "libx264", 2),
        ("a.mp4", "mpeg4", 2),
        ("a.webm", "libvpx", 0),
        ("a.mov", "mjpeg", 0),
        ("a.avi", "mjpeg", 0),
    ],
)
def test_times_by_packets_are_those_of_the_frames(tmp_path, name, codec, b_frames):
    found = video(tmp_path / name, codec, b_frames)
    np.testing.assert_array_equal(frame_times(found), [frame.time_s for frame in decode(found)])


def test_times_of_pictures_are_their_own(tmp_path):
    found = stills(tmp_path, *[png(picture())] * 3)
    np.testing.assert_allclose(frame_times(found), [0.0, 0.1, 0.2])


def test_a_video_that_is_cut_off_has_no_times(tmp_path):
    found = video(tmp_path / "a.mp4", "libx264")
    found.path.write_bytes(found.path.read_bytes()[:500])
    with pytest.raises(MediaError):
        frame_times(found)
