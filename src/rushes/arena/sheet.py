"""Pictures of a study put together: thumbnails on white, both lists of a pair as one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rushes.arena.study import Pair, Slot, picture_path
from rushes.media.image import decode_jpeg

THUMB, GAP, GROUND = 96, 6, 244


def sheet(folder: Path, pair: Pair, upper: Slot) -> NDArray[np.uint8]:
    """Both lists of a pair as one picture, (H, W, 3) RGB, the query's picture on the left where it has one.

    Args:
        folder: of the study.
        pair: that is shown.
        upper: slot of the upper row.
    """
    step = THUMB + GAP
    left = 2 * step if pair.picture else 0
    canvas = np.full((2 * step - GAP, left + 4 * step - GAP, 3), GROUND, np.uint8)
    if pair.picture:
        top = (canvas.shape[0] - 2 * THUMB) // 2
        canvas[top : top + 2 * THUMB, : 2 * THUMB] = thumb(folder, pair.picture, 2 * THUMB)
    for row, items in enumerate((pair.lists[upper], pair.lists[1 - upper])):
        for rank, token in enumerate(items):
            x, y = left + rank * step, row * step
            canvas[y : y + THUMB, x : x + THUMB] = thumb(folder, token, THUMB)
    return canvas


def thumb(folder: Path, token: str, side: int) -> NDArray[np.uint8]:
    """A picture as large as fits on a white square, (side, side, 3) RGB."""
    picture = decode_jpeg(picture_path(folder, token).read_bytes(), token)
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    canvas = np.full((side, side, 3), 255, np.uint8)
    x, y = (side - width) // 2, (side - height) // 2
    small = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    canvas[y : y + height, x : x + width] = np.asarray(small)
    return canvas
