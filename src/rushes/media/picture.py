"""Pictures as shops and people have them, whatever their format, as RGB that lies upright on white."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rushes.errors import MediaError, unreadable_as
from rushes.media.image import decode_jpeg, exif_orientation, jpeg_orientation, jpeg_size

Picture = NDArray[np.uint8]
"""RGB, uint8 (H, W, 3)."""

MAX_PIXELS: Final = 40_000_000
"""Width times height of a picture that is decoded."""

_FORMATS = ("PNG", "WEBP", "GIF", "BMP")  # beside JPEG, which goes through libjpeg
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_SIXTEEN_BITS = "I"  # what the names of Pillow's modes of more than 8 bits begin with
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, *_BOMBS)
_REPLACE = "replace or remove the file"
_SCALE = "scale it down, as with: magick IN -resize 4096x4096 OUT.jpg"


def read_picture(
    data: bytes, where: object = None, max_pixels: int = MAX_PIXELS, at_least: int | None = None
) -> Picture:
    """Decode a JPEG, PNG, WebP, GIF or BMP; of several frames the first.

    It is turned upright as its EXIF block says. What is transparent lies on white, as shops show it; 16 bits become
    8; colour profiles are not applied.

    Args:
        data: the file's bytes.
        where: named in errors.
        max_pixels: a picture of more pixels is refused before it is decoded.
        at_least: pixels that are wanted both ways: a JPEG is decoded at the smallest eighth of its size that has them,
            of twelve megapixels in a tenth of the time; None wants all.

    Raises:
        MediaError: no picture of these formats, damaged, cut short, or too large.
    """
    require_picture(data, where, max_pixels)
    if data.startswith(_JPEG):
        decoded = decode_jpeg(data, where, max_pixels, at_least)
        return np.ascontiguousarray(jpeg_orientation(data).upright(decoded))
    with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
        message = f"cannot read a {opened.format} of {len(data):,} bytes"
        with unreadable_as(MediaError, message, where=where, cure=_REPLACE, errors=_BROKEN):
            if data.startswith(_PNG):  # one that lacks its end decodes all the same
                Image.open(io.BytesIO(data), formats=["PNG"]).verify()
            picture = _on_white(opened)
        exif = opened.info.get("exif", b"")  # a PNG may have it behind its pixels
    return np.ascontiguousarray(exif_orientation(exif.removeprefix(b"Exif\0\0")).upright(picture))


def require_picture(data: bytes, where: object = None, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a file whose first bytes `read_picture` would refuse; nothing is decoded.

    Raises:
        MediaError: no picture of these formats, or too large.
    """
    if data.startswith(_JPEG):
        width, height = jpeg_size(data, where)
    else:
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
                width, height = opened.size
        except _BOMBS as error:
            raise MediaError(
                f"a picture of at most {max_pixels:,} pixels is accepted, found more",
                where=where,
                cure=_SCALE,
                reason="pixels",
            ) from error
        except _BROKEN as error:  # Pillow's words name a place in memory, another one each time
            raise MediaError(_unknown(data), where=where, cure=_REPLACE, reason="kind") from error
    if width * height > max_pixels:
        raise MediaError(
            f"a picture of at most {max_pixels:,} pixels is accepted, found {width}x{height}",
            where=where,
            cure=_SCALE,
            reason="pixels",
        )


def letterbox_white(picture: Picture, size: int) -> Picture:
    """Scale a picture as large as it fits into a square, centred on white; aspect kept.

    Bicubic with antialiasing, as CLIP was trained with.

    Args:
        picture: RGB, uint8 (H, W, 3).
        size: side of the square.

    Returns:
        RGB, uint8 (size, size, 3).
    """
    height, width = picture.shape[:2]
    scale = size / max(height, width)
    high, wide = max(1, round(height * scale)), max(1, round(width * scale))
    scaled = Image.fromarray(picture).resize((wide, high), Image.Resampling.BICUBIC, reducing_gap=3.0)
    square = np.full((size, size, 3), 255, np.uint8)
    top, left = (size - high) // 2, (size - wide) // 2
    square[top : top + high, left : left + wide] = np.asarray(scaled)
    return square


def _on_white(opened: Image.Image) -> Picture:
    """The pixels as RGB, transparent ones white."""
    clear = opened.info.get("transparency")
    if opened.mode.startswith(_SIXTEEN_BITS):
        deep = np.asarray(opened)  # convert() would cut off all above 255
        grey = np.where(deep == (-1 if clear is None else clear), 255, deep >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if clear is None and "A" not in opened.mode:
        return np.array(opened.convert("RGB"))
    layer = opened.convert("RGBA")
    white = Image.new("RGB", layer.size, "white")
    white.paste(layer, mask=layer.getchannel("A"))
    return np.array(white)


def _unknown(data: bytes) -> str:
    return f"a JPEG, PNG, WebP, GIF or BMP is read, found {len(data):,} bytes that begin {data[:12]!r}"
