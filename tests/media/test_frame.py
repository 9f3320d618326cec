from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from rushes.errors import MediaError
from rushes.media.frame import Frame
from rushes.media.geometry import letterbox
from rushes.media.image import decode_jpeg
from rushes.media.video import decode, probe
from rushes.records import Media


def colour_bars(width: int, height: int) -> np.ndarray:
    """Eight wide, not too loud bars, so that neither chroma resolution nor ringing matters inside of them."""
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (128, 128, 128), (230, 220, 30), (20, 20, 20)]
    bars = np.array(colours, np.uint8).repeat(-(-width // len(colours)), axis=0)[:width]
    return np.broadcast_to(bars, (height, width, 3)).copy()


def first(path: Path) -> Frame:
    return next(decode(Media("video", path)))


def encode(
    path: Path, rgb: np.ndarray, pix_fmt: str, matrix: int, colour_range: int, codec: str = "libx264"
) -> Path:
    """Code one picture with a matrix (0: none, 1: BT.709, 5: BT.601) and a range (1: limited, 2: full)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "4"})
        stream.height, stream.width = rgb.shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        stream.codec_context.color_range = colour_range
        stream.codec_context.colorspace = {0: 0, 1: 1, 5: 6}[matrix]
        source = av.VideoFrame.from_ndarray(rgb, "rgb24")
        for _ in range(3):
            frame = source.reformat(
                format=pix_fmt,
                dst_colorspace=matrix,
                dst_color_range=colour_range,
                interpolation="BICUBIC",
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("pix_fmt", "matrix", "colour_range"),
    [
        ("yuv420p", 5, 1),
        ("yuv420p", 1, 1),
        ("yuvj420p", 5, 2),
        ("yuv444p", 5, 1),
        ("yuv420p10le", 5, 1),
        ("yuv420p10le", 1, 1),
    ],
)
def test_colours_survive_every_matrix_and_range(
    tmp_path: Path, pix_fmt: str, matrix: int, colour_range: int
) -> None:
    rgb = colour_bars(192, 96)
    frame = first(encode(tmp_path / "a.mp4", rgb, pix_fmt, matrix, colour_range))
    answer = decode_jpeg(frame.jpeg((192, 96), 97)).astype(int)
    inside = np.arange(192) % 32
    inside = (inside > 8) & (inside < 24)
    assert np.abs(answer - rgb)[:, inside].mean((0, 1)).max() < 3.5
    weighted = rgb @ np.array([0.299, 0.587, 0.114])
    if matrix == 5:
        assert np.abs(frame.luma((192, 96)) - weighted)[:, inside].max() < 4


def test_rgb_coded_video(tmp_path: Path) -> None:
    rgb = colour_bars(192, 96)
    frame = first(encode(tmp_path / "a.mkv", rgb, "rgb24", 0, 2, codec="libx264rgb"))
    inside = (np.arange(192) % 32 > 8) & (np.arange(192) % 32 < 24)
    assert np.abs(decode_jpeg(frame.jpeg((192, 96), 97)).astype(int) - rgb)[:, inside].mean() < 3.5
    assert np.abs(frame.luma((192, 96)) - rgb @ np.array([0.299, 0.587, 0.114]))[:, inside].max() < 4


def test_full_and_limited_range_give_one_luma(tmp_path: Path) -> None:
    grey = np.linspace(0, 255, 192).astype(np.uint8)[None, :, None].repeat(96, 0).repeat(3, 2)
    limited = first(encode(tmp_path / "l.mp4", grey, "yuv420p", 5, 1)).luma((192, 96)).astype(int)
    full = first(encode(tmp_path / "f.mp4", grey, "yuvj420p", 5, 2)).luma((192, 96)).astype(int)
    assert np.abs(limited - full).max() <= 3
    assert limited.min() <= 2
    assert limited.max() >= 253


def with_rotation(path: Path, degrees: int, to: Path) -> Path:
    """Copy an mp4 with the display matrix in its track header set to ``degrees`` clockwise."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    cosine, sine = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one), 45: (46341, 46341)}[degrees]
    struct.pack_into(">9i", data, matrix, cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30)
    to.write_bytes(data)
    return to


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_applied(b_frame_video: Path, tmp_path: Path, degrees: int) -> None:
    upright = first(b_frame_video)
    path = with_rotation(b_frame_video, degrees, tmp_path / "r.mp4")
    turned = first(path)
    sideways = degrees % 180 == 90
    assert (turned.width, turned.height) == ((96, 128) if sideways else (128, 96))
    clockwise = -degrees // 90
    expected = np.rot90(upright.luma((64, 48)), clockwise)
    found = turned.luma((48, 64) if sideways else (64, 48))
    # Cell centres lie half a pixel off the middle, so a turned grid reads a neighbouring pixel.
    assert found.shape == expected.shape
    full = turned.luma((turned.width, turned.height))
    assert (full == np.rot90(upright.luma((128, 96)), clockwise)).all()
    size = (turned.width, turned.height)
    picture = decode_jpeg(turned.jpeg(size, 97)).astype(int)
    assert np.abs(picture - np.rot90(decode_jpeg(upright.jpeg((128, 96), 97)), clockwise)).mean() < 2


def test_oblique_rotation_is_refused(b_frame_video: Path, tmp_path: Path) -> None:
    path = with_rotation(b_frame_video, 45, tmp_path / "r.mp4")
    for read in (first, lambda path: probe(Media("video", path))):
        with pytest.raises(MediaError, match="the display matrix says"):
            read(path)


def test_jpeg_is_letterboxed_at_exactly_the_size(b_frame_video: Path) -> None:
    frame = first(b_frame_video)
    picture = Image.open(io.BytesIO(frame.jpeg((336, 336))))
    assert (picture.size, picture.mode) == ((336, 336), "RGB")
    box = letterbox((128, 96), (336, 336))
    pixels = np.asarray(picture).astype(int)
    assert pixels[: box.top - 8].max() < 12
    assert pixels[box.top + box.content[1] + 8 :].max() < 12
    assert pixels[box.top : box.top + box.content[1]].mean() > 60
    with pytest.raises(MediaError, match="even sides"):
        frame.jpeg((335, 336))


def test_higher_quality_is_closer_and_larger(b_frame_video: Path) -> None:
    frame = first(b_frame_video)
    low, high = frame.jpeg((128, 96), 30), frame.jpeg((128, 96), 95)
    assert len(low) < len(high)


def test_compact_gives_the_same_bytes_for_less_memory(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    path = write_video(tmp_path / "a.mp4", [picture(0, 640, 480)])
    frame = first(path)
    compact = frame.compact((112, 112))
    assert compact.jpeg(80) == frame.jpeg((112, 112), 80)
    assert (compact.time_s, compact.geometry) == (0.0, frame.geometry)
    assert frame.nbytes >= 640 * 480 * 3 // 2 > 10 * compact.nbytes


def test_frames_outlive_the_decoder(b_frame_video: Path) -> None:
    """Holding a window of frames is allowed: the decoder does not write into what is still held."""
    at_once = [
        (frame.luma((64, 48)).tobytes(), frame.jpeg((64, 64)))
        for frame in decode(Media("video", b_frame_video))
    ]
    held = list(decode(Media("video", b_frame_video)))
    assert [(frame.luma((64, 48)).tobytes(), frame.jpeg((64, 64))) for frame in held] == at_once
    assert len({luma for luma, _ in at_once}) == 40


@pytest.mark.parametrize("size", [(32, 24), (128, 96), (33, 17), (32, 17), (33, 24), (200, 100), (1, 1)])
def test_luma_points_are_cell_centres(b_frame_video: Path, size: tuple[int, int]) -> None:
    frame = first(b_frame_video)
    whole = frame.luma((128, 96))
    rows = (2 * np.arange(size[1]) + 1) * 96 // (2 * size[1])
    columns = (2 * np.arange(size[0]) + 1) * 128 // (2 * size[0])
    plane = frame.luma(size)
    assert (plane == whole[np.ix_(rows, columns)]).all()
    assert (plane.shape, plane.dtype, plane.flags.c_contiguous) == (size[::-1], np.dtype(np.uint8), True)


def test_rows_wider_than_the_picture_are_cut(tmp_path: Path, write_video: Callable) -> None:
    """A width of 100 is padded to a longer row in memory; none of the padding may be read."""
    path = write_video(tmp_path / "a.mp4", [np.full((60, 100, 3), 200, np.uint8)] * 2)
    assert np.abs(first(path).luma((100, 60)).astype(int) - 200).max() <= 3
