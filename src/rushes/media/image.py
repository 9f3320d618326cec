"""Still pictures: JPEG in and out.

JPEG goes through libjpeg-turbo (``simplejpeg``): it takes the decoder's Y, U and V planes as they are, so no
frame is ever turned into RGB on its way into a shard.
"""

from __future__ import annotations

import io
import struct
from contextlib import suppress

import numpy as np
import simplejpeg
from PIL import Image
from PIL.ExifTags import Base

from rushes.errors import MediaError
from rushes.media.geometry import EXIF_ORIENTATIONS, UPRIGHT, Letterbox, Orientation, Size

_EXIF = b"Exif\0\0"


def pad_plane(plane: np.ndarray, size: Size, left: int, top: int, fill: int) -> np.ndarray:
    """Put ``plane``, uint8 (h, w), at (left, top) of a plane of ``size`` filled with ``fill``."""
    width, height = size
    if plane.shape == (height, width):
        return np.ascontiguousarray(plane)
    padded = np.full((height, width), fill, np.uint8)
    padded[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
    return padded


def encode_yuv420(planes: tuple[np.ndarray, np.ndarray, np.ndarray], box: Letterbox, quality: int) -> bytes:
    """Encode full-range BT.601 planes as a letterboxed JPEG of size ``box.target``.

    Args:
        planes: Y uint8 (h, w), U and V uint8 (h/2, w/2), with (w, h) = ``box.content``.
        box: where the planes go; the bars are black.
        quality: 1..100, the scale of libjpeg.
    """
    half = (box.target[0] // 2, box.target[1] // 2)
    luma = pad_plane(planes[0], box.target, box.left, box.top, fill=0)
    blue, red = (pad_plane(plane, half, box.left // 2, box.top // 2, fill=128) for plane in planes[1:])
    data: bytes = simplejpeg.encode_jpeg_yuv_planes(luma, blue, red, quality=quality)
    return data


def encode_jpeg(picture: np.ndarray, quality: int = 90) -> bytes:
    """Encode an RGB picture, uint8 (H, W, 3), as a JPEG with half the chroma resolution."""
    data: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return data


def jpeg_size(data: bytes | memoryview, where: object = None) -> Size:
    """Stored width and height from a JPEG's header, nothing decoded.

    Raises:
        MediaError: not a JPEG.
    """
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise _unreadable(error, data, where) from error
    return width, height


def jpeg_orientation(data: bytes) -> Orientation:
    """How a JPEG lies by its EXIF tag; nothing decoded.

    A tag that cannot be read, or is none of the eight, leaves the picture as it is stored, as viewers do.
    """
    if _EXIF not in data:
        return UPRIGHT
    tags = Image.Exif()
    with suppress(OSError, ValueError, SyntaxError, struct.error), Image.open(io.BytesIO(data)) as picture:
        tags.load(picture.info.get("exif", b""))
    return EXIF_ORIENTATIONS.get(tags.get(Base.Orientation, 1), UPRIGHT)


def decode_jpeg(data: bytes | memoryview, where: object = None, max_pixels: int = 40_000_000) -> np.ndarray:
    """Decode a JPEG to RGB, uint8 (H, W, 3).

    Damage that libjpeg would paper over (a cut file, a broken marker) is an error as well.

    Args:
        data: the file's bytes.
        where: named in errors.
        max_pixels: a picture of more pixels is refused before it is decoded.

    Raises:
        MediaError: not a JPEG, damaged, or too large.
    """
    return _decode(data, "RGB", where, max_pixels, (0, 0))


def decode_jpeg_scaled(data: bytes | memoryview, at_least: Size, where: object = None) -> np.ndarray:
    """Decode to RGB at the smallest DCT scale (1/8 ... 8/8) that still is ``at_least`` wide and high."""
    return _decode(data, "RGB", where, None, at_least)


def decode_jpeg_luma(data: bytes | memoryview, where: object = None) -> np.ndarray:
    """Decode the luma plane alone, uint8 (H, W), full range; chroma is skipped."""
    return _decode(data, "GRAY", where, None, (0, 0))[:, :, 0]


def _decode(
    data: bytes | memoryview, colours: str, where: object, max_pixels: int | None, at_least: Size
) -> np.ndarray:
    if max_pixels is not None:
        width, height = jpeg_size(data, where)
        if width * height > max_pixels:
            raise MediaError(
                f"a picture of at most {max_pixels:,} pixels is accepted, found {width}x{height}", where=where
            )
    try:
        picture: np.ndarray = simplejpeg.decode_jpeg(
            data, colours, min_width=at_least[0], min_height=at_least[1], min_factor=1
        )
    except ValueError as error:
        raise _unreadable(error, data, where) from error
    return picture


def _unreadable(error: ValueError, data: bytes | memoryview, where: object) -> MediaError:
    return MediaError(
        f"cannot read a JPEG of {len(data):,} bytes: {error}", where=where, cure="replace or remove the file"
    )
