"""Still pictures: letterbox geometry that can be undone, JPEG in and out.

JPEG goes through libjpeg-turbo (``simplejpeg``): it takes the decoder's Y, U and V planes as they are, so no
frame is ever turned into RGB on its way into a shard.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import simplejpeg

from rushes.errors import MediaError

Size = tuple[int, int]
"""Width, height in pixels; arrays are (height, width)."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A picture scaled into the middle of a frame of fixed size, black around it, aspect kept.

    Attributes:
        source: size of the original picture, pixels.
        target: size of the frame it is put into, pixels.
        content: size of the scaled picture inside the frame; even numbers, so that planes with half the
            chroma resolution are cut at whole pixels.
        left, top: place of the scaled picture's upper left corner in the frame; even as well.

    The point (x, y) of the source lies at ``(x, y) * scale + (left, top)`` of the frame; points are continuous:
    (0, 0) is the upper left corner of the upper left pixel.

    >>> box = letterbox((1280, 720), (336, 336))
    >>> box.content, box.left, box.top
    ((336, 188), 0, 74)
    """

    source: Size
    target: Size
    content: Size
    left: int
    top: int

    @property
    def scale(self) -> tuple[float, float]:
        """Target pixels per source pixel, across and down; they differ by the rounding to even sizes only."""
        return self.content[0] / self.source[0], self.content[1] / self.source[1]


@lru_cache(maxsize=64)
def letterbox(source: Size, target: Size) -> Letterbox:
    """Geometry of ``source`` scaled as large as it fits into ``target``, centred.

    Raises:
        MediaError: a size is not positive, or the target's sides are not even.
    """
    if min(source) < 1 or min(target) < 2 or target[0] % 2 or target[1] % 2:
        raise MediaError(
            f"cannot letterbox {source[0]}x{source[1]} into {target[0]}x{target[1]}",
            cure="choose a frame size with even sides, 336x336 say",
        )
    scale = min(target[0] / source[0], target[1] / source[1])
    width, height = (
        min(limit, max(2, 2 * round(side * scale / 2))) for side, limit in zip(source, target, strict=True)
    )
    left, top = (target[0] - width) // 4 * 2, (target[1] - height) // 4 * 2
    return Letterbox(source, target, (width, height), left, top)


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
    """Width and height from a JPEG's header, nothing decoded.

    Raises:
        MediaError: not a JPEG.
    """
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise _unreadable(error, data, where) from error
    return width, height


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
