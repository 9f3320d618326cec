"""From stored pixels to the picture that a player shows, and from there into a frame of fixed size.

    geometry = Geometry((720, 576), Fraction(16, 15))     # what the decoder gave, its codec's crop applied
    geometry.displayed                                    # (768, 576)
    geometry.letterbox((336, 336))                        # where the shown picture stands inside of a frame

The order is that of FFmpeg and of players: crop, shape of a pixel, orientation, letterbox.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from rushes.errors import MediaError

Size = tuple[int, int]
"""Width, height in pixels; arrays are (height, width)."""

MAX_PIXEL_ASPECT = 8
"""Real pixels are at most twice as wide as high, or half; a header that says more than this is wrong."""

OBLIQUE = 0.02
"""Tangent of the angle, a good degree, by which a picture may be off the upright, as encoders round."""


class Orientation(NamedTuple):
    """One of the eight ways a picture can lie: first transposed, then mirrored, then flipped."""

    transposed: bool
    mirrored: bool
    flipped: bool

    def upright(self, plane: np.ndarray) -> np.ndarray:
        """``plane``, (h, w) or (h, w, channels), as it is shown; a view."""
        if self.transposed:
            plane = plane.swapaxes(0, 1)
        return plane[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]


UPRIGHT = Orientation(False, False, False)
EXIF_ORIENTATIONS = {
    1: UPRIGHT,
    2: Orientation(False, True, False),
    3: Orientation(False, True, True),
    4: Orientation(False, False, True),
    5: Orientation(True, False, False),
    6: Orientation(True, True, False),
    7: Orientation(True, True, True),
    8: Orientation(True, False, True),
}
"""By the number in the tag 0x0112 of TIFF 6.0 and EXIF 2.3."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a decoded picture is to be shown.

    Attributes:
        stored: size of the decoded picture, the codec's crop applied.
        pixel_aspect: width of a pixel over its height.
        orientation: how the picture lies.
        displayed: size of the shown picture in square pixels: the stored height is kept, the width stretched.
    """

    stored: Size
    pixel_aspect: Fraction = Fraction(1)
    orientation: Orientation = UPRIGHT
    displayed: Size = field(init=False)

    def __post_init__(self) -> None:
        width = max(1, round(self.stored[0] * self.pixel_aspect))
        object.__setattr__(self, "displayed", self.turned((width, self.stored[1])))

    def turned(self, size: Size) -> Size:
        """A size of the shown picture as one of the stored picture, or the other way round."""
        return size[::-1] if self.orientation.transposed else size

    def letterbox(self, target: Size) -> Letterbox:
        """Where the shown picture stands in a frame of ``target``; raises as ``letterbox``."""
        return letterbox(self.displayed, target)


def declared_geometry(
    stored: Size, pixel_aspect: Fraction | None, matrix: bytes | None, where: object
) -> Geometry:
    """The geometry of a stream by what its container and its codec declare.

    Args:
        stored: size of a decoded picture.
        pixel_aspect: None where none is declared.
        matrix: the display matrix, see ``matrix_orientation``; None where none is declared.
        where: named in errors.

    Raises:
        MediaError: pixels of a shape that cannot be, or a picture that lies oblique.
    """
    aspect = pixel_aspect or Fraction(1)
    if not Fraction(1, MAX_PIXEL_ASPECT) <= aspect <= MAX_PIXEL_ASPECT:
        raise MediaError(
            f"pixels are at most {MAX_PIXEL_ASPECT} times as wide as high, or as high as wide; "
            f"the file declares {aspect.numerator}:{aspect.denominator}",
            where=where,
            cure="write their true shape, if they are square: ffmpeg -i IN -c:v libx264 -vf setsar=1 OUT.mp4",
        )
    return Geometry(stored, aspect, UPRIGHT if matrix is None else matrix_orientation(matrix, where))


def matrix_orientation(matrix: bytes, where: object) -> Orientation:
    """The orientation that a display matrix says: nine int32 of the machine's byte order, as FFmpeg has it.

    ``a b u, c d v, x y w`` shows the point (p, q) at ``(a p + c q, b p + d q)``, ``a`` to ``d`` in units of
    2^-16. Only signs count: FFmpeg makes the shape of a pixel of two unequal scales.

    Raises:
        MediaError: the picture lies oblique, or is squeezed into a line.
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if not any((a, b, c, d)):
        return UPRIGHT
    transposed = abs(b) > abs(a)
    (across, down), rest = ((c, b), (a, d)) if transposed else ((a, d), (b, c))
    if max(map(abs, rest)) > OBLIQUE * min(abs(across), abs(down)):
        raise MediaError(
            "a picture lies upright, turned by 90, 180 or 270 degrees, or mirrored; the display matrix says "
            f"[[{a / 65536:g}, {c / 65536:g}], [{b / 65536:g}, {d / 65536:g}]]",
            where=where,
            cure="turn it for good: ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4",
        )
    return Orientation(transposed, across < 0, down < 0)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A picture scaled into the middle of a frame of fixed size, black around it, aspect kept.

    Attributes:
        source: size of the picture as displayed, pixels.
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
