"""Which colours a picture has, as a vector: enough to find similar pictures without having learnt anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS = 4
"""Of each of red, green and blue."""

WHITE = 250
"""Pixels of at least so much red, green and blue are background, not colour."""


def colours(picture: NDArray[np.uint8]) -> NDArray[np.float16]:
    """The square roots of the shares of `LEVELS` ** 3 colours, a vector (64,) of length 1.

    The product of two such vectors is the Bhattacharyya coefficient of their histograms: 1 for equal ones, 0 for
    pictures without a colour in common. White pixels are left out; of a picture of nothing else they are what it has.

    Args:
        picture: (H, W, 3) red, green, blue, 0 to 255.

    >>> red, blue = (np.full((2, 2, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    >>> float(colours(red) @ colours(red)), float(colours(red) @ colours(blue))
    (1.0, 0.0)
    """
    pixels = picture.reshape(-1, 3)
    coloured = pixels[(pixels < WHITE).any(axis=1)]
    levels = (coloured if len(coloured) else pixels) // (256 // LEVELS)
    counts = np.bincount(levels @ np.array([LEVELS**2, LEVELS, 1]), minlength=LEVELS**3)
    roots: NDArray[np.float16] = np.sqrt(counts / counts.sum()).astype(np.float16)
    return roots
