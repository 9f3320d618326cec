from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from rushes.errors import MediaError
from rushes.media.geometry import letterbox
from rushes.media.image import (
    decode_jpeg,
    decode_jpeg_luma,
    decode_jpeg_scaled,
    encode_jpeg,
    encode_yuv420,
    jpeg_size,
)


@pytest.mark.parametrize("source", [(640, 480), (1280, 720), (1920, 1080), (480, 640), (1, 3000), (333, 77)])
@pytest.mark.parametrize("target", [(336, 336), (448, 252), (28, 28)])
def test_letterbox_fits_is_centred_and_even(source: tuple[int, int], target: tuple[int, int]) -> None:
    box = letterbox(source, target)
    for content, limit, start in zip(box.content, target, (box.left, box.top), strict=True):
        assert 2 <= content <= limit
        assert content % 2 == start % 2 == 0
        assert start >= 0
        assert abs((limit - content - start) - start) <= 2
    assert box.content[0] == target[0] or box.content[1] == target[1]
    if min(source) >= 77:
        assert box.content[0] / box.content[1] == pytest.approx(
            source[0] / source[1], rel=0.05 if 28 not in target else 0.2
        )


@pytest.mark.parametrize("target", [(335, 336), (0, 0), (336, -2)])
def test_letterbox_refuses_odd_and_empty_targets(target: tuple[int, int]) -> None:
    with pytest.raises(MediaError, match="cannot letterbox"):
        letterbox((640, 480), target)


def smooth_picture(width: int = 160, height: int = 120) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, 255 - x * 255 // width], axis=2).astype(np.uint8)


def test_jpeg_round_trip_and_an_independent_decoder() -> None:
    rgb = smooth_picture()
    data = encode_jpeg(rgb, 95)
    assert jpeg_size(data) == (160, 120)
    decoded = decode_jpeg(data)
    assert (decoded.shape, decoded.dtype) == ((120, 160, 3), np.dtype(np.uint8))
    assert np.abs(decoded.astype(int) - rgb).mean() < 3
    assert np.abs(decoded.astype(int) - np.asarray(Image.open(io.BytesIO(data)))).max() <= 4


def test_yuv_planes_land_inside_black_bars() -> None:
    box = letterbox((160, 80), (64, 64))
    luma = np.full((32, 64), 235, np.uint8)
    chroma = np.full((16, 32), 128, np.uint8)
    decoded = decode_jpeg(encode_yuv420((luma, chroma, chroma), box, 95)).astype(int)
    assert np.abs(decoded[16:48] - 235).max() <= 2
    assert decoded[:16].max() <= 2
    assert decoded[48:].max() <= 2


def test_luma_is_the_weighted_sum_of_jpeg() -> None:
    data = encode_jpeg(smooth_picture(), 95)
    weighted = decode_jpeg(data) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode_jpeg_luma(data) - weighted).mean() < 1


def test_scaled_decode_is_never_smaller_than_asked() -> None:
    data = encode_jpeg(smooth_picture(640, 480))
    assert decode_jpeg_scaled(data, (160, 120)).shape == (120, 160, 3)
    height, width, _ = decode_jpeg_scaled(data, (161, 10)).shape
    assert 161 <= width < 640
    assert height >= 10


@pytest.mark.parametrize(
    "decode", [decode_jpeg, decode_jpeg_luma, lambda data, where: decode_jpeg_scaled(data, (8, 8), where)]
)
def test_damaged_jpegs_are_errors_that_name_the_file(decode) -> None:
    whole = encode_jpeg(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for damaged in (b"", b"no picture", whole[: len(whole) // 2], whole[:-200], whole[2:]):
        with pytest.raises(MediaError, match=r"where: some/frame\.jpg"):
            decode(damaged, "some/frame.jpg")


def test_a_picture_above_the_limit_is_refused_by_its_header() -> None:
    data = encode_jpeg(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(MediaError, match="at most 4,095 pixels"):
        decode_jpeg(data, max_pixels=64 * 64 - 1)
    assert decode_jpeg(data, max_pixels=64 * 64).shape == (64, 64, 3)
