"""Pictures of several cameras on one canvas, each in its own tile."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import simplejpeg

from rushes.media.frame import CompactFrame
from rushes.media.geometry import Size

Place = tuple[int, int]
"""Row, column."""

BLACK = (0, 128, 128)


def encode_tiles(tiles: Mapping[Place, CompactFrame], grid: Size, tile: Size, quality: int) -> bytes:
    """Encode a canvas as one JPEG; places without a picture stay black.

    The planes are joined as the decoder's scaler gave them: no tile is turned into RGB or encoded by itself.

    Args:
        tiles: pictures letterboxed for ``tile``, by place.
        grid: (columns, rows).
        tile: (w, h) in pixels of each place, both even.
        quality: 1..100, the scale of libjpeg.
    """
    (columns, rows), (width, height) = grid, tile
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    canvas = [
        np.full((rows * high, columns * wide), value, np.uint8)
        for (high, wide), value in zip(sizes, BLACK, strict=True)
    ]
    for (row, column), picture in tiles.items():
        box = picture.box
        for plane, (high, wide), content in zip(canvas, sizes, picture.planes(), strict=True):
            step = width // wide  # 2 for the chroma planes
            top, left = row * high + box.top // step, column * wide + box.left // step
            plane[top : top + content.shape[0], left : left + content.shape[1]] = content
    data: bytes = simplejpeg.encode_jpeg_yuv_planes(*canvas, quality=quality)
    return data
