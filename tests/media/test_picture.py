"""Pictures of every kind come out as upright RGB on white, and bad ones as errors."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from rushes.errors import MediaError
from rushes.media.picture import letterbox_white, read_picture

RED, WHITE = (255, 0, 0), (255, 255, 255)


def stored(picture: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def scene(width: int = 40, height: int = 24) -> Image.Image:
    """Smooth, with no symmetry, so that every way of lying looks different."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(
        np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], 2).astype(np.uint8)
    )


def largest_error(found: NDArray[np.uint8], wanted: Image.Image) -> int:
    return int(np.abs(found.astype(int) - np.asarray(wanted.convert("RGB"))).max())


@pytest.mark.parametrize(
    ("form", "options", "error"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 98, "subsampling": 0}, 6),
        ("GIF", {}, 64),
    ],
)
def test_each_format_is_read(form: str, options: dict[str, Any], error: int) -> None:
    found = read_picture(stored(scene(), form, **options))

    assert (found.shape, str(found.dtype), found.flags.c_contiguous) == ((24, 40, 3), "uint8", True)
    assert largest_error(found, scene()) <= error


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("number", range(1, 9))
def test_pictures_are_turned_upright(form: str, number: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = number
    options: dict[str, Any] = {"quality": 98, "lossless": True, "exif": exif}
    data = stored(scene(), form, **options)

    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))

    assert wanted.size == ((24, 40) if number > 4 else (40, 24))
    assert largest_error(read_picture(data), wanted) <= 3


def test_transparency_lies_on_white() -> None:
    half = Image.new("RGBA", (8, 8), (*RED, 128))
    half.paste((*RED, 0), (0, 0, 4, 8))
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, *RED])
    grey = Image.new("L", (8, 8), 7)
    deep = Image.fromarray(np.full((8, 8), 0x1234, np.uint16))

    for form in ("PNG", "WEBP"):
        found = read_picture(stored(half, form, lossless=True))
        assert (tuple(found[0, 0]), tuple(found[0, 7])) == (WHITE, (255, 127, 127))
    for form, clear in (("PNG", 1), ("GIF", 1), ("PNG", bytes([0, 0]))):
        assert read_picture(stored(palette, form, transparency=clear)).min() == 255
    assert tuple(read_picture(stored(palette, "PNG", transparency=0))[0, 0]) == RED
    assert read_picture(stored(grey, "PNG", transparency=7)).min() == 255
    assert read_picture(stored(half.convert("LA"), "PNG"))[0, 0].tolist() == [255] * 3
    assert read_picture(stored(deep, "PNG")).tolist() == [[[0x12] * 3] * 8] * 8
    assert read_picture(with_chunk(stored(deep, "PNG"), b"tRNS", struct.pack(">H", 0x1234))).min() == 255
    assert read_picture(with_chunk(stored(deep, "PNG"), b"tRNS", struct.pack(">H", 0x1235))).max() == 0x12


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    chunk = kind + content
    whole = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:33] + whole + png[33:]


def test_other_colour_models_become_rgb() -> None:
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(read_picture(stored(inks, "JPEG")).astype(int) - RED).max() <= 3
    assert read_picture(stored(Image.new("L", (16, 16), 90), "JPEG"))[3, 3].tolist() == [90] * 3
    assert read_picture(stored(Image.new("1", (16, 16), 1), "PNG")).min() == 255


def test_the_first_of_several_frames_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 0, 255))]
    for form in ("GIF", "WEBP", "PNG"):
        data = stored(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
        assert tuple(read_picture(data)[4, 4]) == RED


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_picture_that_is_cut_short_is_an_error(form: str) -> None:
    data = stored(Image.effect_noise((64, 64), 80), form)
    for share in (0.3, 0.9):
        with pytest.raises(MediaError) as caught:
            read_picture(data[: int(len(data) * share)], "shop/7.x")
        assert caught.value.where == "shop/7.x"
        assert caught.value.cure is not None


def test_a_png_without_its_end_is_an_error() -> None:
    with pytest.raises(MediaError, match="cannot read a PNG"):
        read_picture(stored(scene(), "PNG")[:-12])


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"\xff\xd8\xff", b"%PDF-1.7 a brochure"])
def test_what_is_no_picture_is_told(data: bytes) -> None:
    with pytest.raises(MediaError, match=f"{len(data)} bytes"):
        read_picture(data, "7.jpg")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_large_pictures_are_refused_before_they_are_decoded(form: str) -> None:
    data = stored(scene(), form)
    end = None if form == "WEBP" else -8  # its reader looks for the end before anything else
    with pytest.raises(MediaError, match=r"at most 900 pixels .* 40x24"):
        read_picture(data[:end], max_pixels=900)  # decoding would find it cut short


def test_a_bomb_is_an_error() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = with_chunk(b"\x89PNG\r\n\x1a\n".ljust(33), b"IEND", b"")
    bomb = png[:8] + with_chunk(b" " * 33, b"IHDR", header)[33:] + png[33:]
    with pytest.raises(MediaError):
        read_picture(bomb)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_damage_anywhere_is_a_media_error_or_a_picture(form: str) -> None:
    whole = stored(scene(), form, exif=Image.Exif())
    rng = np.random.default_rng(3)
    for _ in range(400):
        data = np.frombuffer(whole, np.uint8).copy()
        data[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        try:
            found = read_picture(data.tobytes(), max_pixels=10_000)
        except MediaError:
            continue
        assert found.dtype == np.uint8
        assert found.shape[2] == 3


def test_a_large_jpeg_is_decoded_no_finer_than_asked() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = stored(scene(1600, 800), "JPEG", quality=95, exif=exif)

    assert read_picture(data, at_least=64).shape == (200, 100, 3)
    assert read_picture(data, at_least=101).shape == (400, 200, 3)
    assert read_picture(data, at_least=2000).shape == (1600, 800, 3)
    assert read_picture(stored(scene(), "PNG"), at_least=8).shape == (24, 40, 3)
    whole, small = (
        letterbox_white(read_picture(data), 50),
        letterbox_white(read_picture(data, at_least=100), 50),
    )
    assert np.abs(whole.astype(int) - small).max() <= 6


def test_letterbox_keeps_the_aspect_on_white() -> None:
    wide, high = np.zeros((50, 200, 3), np.uint8), np.zeros((200, 50, 3), np.uint8)
    square = letterbox_white(wide, 64)

    assert (square.shape, str(square.dtype)) == ((64, 64, 3), "uint8")
    assert square[:24].min() == square[40:].min() == 255
    assert square[24:40].max() == 0
    assert (letterbox_white(high, 64) == square.swapaxes(0, 1)).all()
    assert letterbox_white(np.zeros((1, 900, 3), np.uint8), 33)[16].max() == 0
    assert (letterbox_white(np.full((3, 3, 3), 9, np.uint8), 30) == 9).all()  # small ones are enlarged


def test_letterbox_averages_what_it_shrinks() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(letterbox_white(stripes, 128)[8:-8, 8:-8].astype(int) - 127.5).max() <= 2
