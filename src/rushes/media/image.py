"""Still pictures: JPEG in and out.

JPEG goes through libjpeg-turbo (``simplejpeg``): it takes the decoder's Y, U and V planes as they are, so no
frame is ever turned into RGB on its way into a shard.
"""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import simplejpeg

from rushes.errors import MediaError
from rushes.media.geometry import EXIF_ORIENTATIONS, UPRIGHT, Letterbox, Orientation, Size

_START_OF_SCAN, _APP1, _SHORT = b"\xda", 0xE1, 3


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
    """How a JPEG lies by its EXIF block; nothing decoded. See `exif_orientation`."""
    return exif_orientation(_exif_block(data))


def exif_orientation(block: bytes) -> Orientation:
    """How a picture lies by the tag 0x0112 of its EXIF block, a TIFF structure.

    A tag that cannot be read, or is none of the eight, leaves the picture as it is stored, as viewers do.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return UPRIGHT
    with suppress(struct.error):  # a place outside of the block
        (directory,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, directory)
        for entry in range(entries):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, directory + 2 + 12 * entry)
            if tag == 0x0112 and kind == _SHORT:
                return EXIF_ORIENTATIONS.get(value, UPRIGHT)
    return UPRIGHT


def _exif_block(data: bytes) -> bytes:
    """The TIFF structure in a JPEG's EXIF segment; empty where there is none before the pictures' data."""
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] not in (b"", _START_OF_SCAN):
        if data[place + 1] == 0xFF:  # padding
            place += 1
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4])
        if data[place + 1] == _APP1 and data[place + 4 : place + 10] == b"Exif\0\0":
            return data[place + 10 : end]
        place = end
    return b""


def decode_jpeg(
    data: bytes | memoryview,
    where: object = None,
    max_pixels: int = 40_000_000,
    at_least: int | None = None,
) -> np.ndarray:
    """Decode a JPEG to RGB, uint8 (H, W, 3).

    Damage that libjpeg would paper over (a cut file, a broken marker) is an error as well. Of four inks, which are
    stored inverted as Adobe does, each colour is what black leaves of it.

    Args:
        data: the file's bytes.
        where: named in errors.
        max_pixels: a picture of more pixels is refused before it is decoded.
        at_least: see `decode_jpeg_scaled`, both ways; None decodes it whole.

    Raises:
        MediaError: not a JPEG, damaged, or too large.
    """
    enough = (at_least or 0, at_least or 0)
    if not _has_inks(data):
        return _decode(data, "RGB", where, max_pixels, enough)
    inks = _decode(data, "CMYK", where, max_pixels, enough)
    picture: np.ndarray = (inks[:, :, :3].astype(np.uint16) * inks[:, :, 3:] // 255).astype(np.uint8)
    return picture


def decode_jpeg_scaled(data: bytes | memoryview, at_least: Size, where: object = None) -> np.ndarray:
    """Decode to RGB at the smallest DCT scale (1/8 ... 8/8) that still is ``at_least`` wide and high."""
    return _decode(data, "RGB", where, None, at_least)


def decode_jpeg_luma(data: bytes | memoryview, where: object = None) -> np.ndarray:
    """Decode the luma plane alone, uint8 (H, W), full range; chroma is skipped."""
    return _decode(data, "GRAY", where, None, (0, 0))[:, :, 0]


def _has_inks(data: bytes | memoryview) -> bool:
    """Whether a JPEG is one of four inks; False for one that cannot be read."""
    try:
        return simplejpeg.decode_jpeg_header(data)[2] in ("CMYK", "YCCK")
    except ValueError:
        return False


def _decode(
    data: bytes | memoryview, colours: str, where: object, max_pixels: int | None, at_least: Size
) -> np.ndarray:
    if max_pixels is not None:
        width, height = jpeg_size(data, where)
        if width * height > max_pixels:
            raise MediaError(
                f"a picture of at most {max_pixels:,} pixels is accepted, found {width}x{height}",
                where=where,
                reason="pixels",
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
