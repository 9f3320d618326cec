"""What a picture looks like in 256 bits, and a few numbers beside them that say how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rushes.media.picture import Picture

SIDE = 16
BITS = SIDE * SIDE


@dataclass(frozen=True, slots=True)
class Look:
    """A picture, very small.

    Attributes:
        bits: 32 bytes, the difference hash.
        variance: of the brightness that the bits were taken from, 0..255 squared.
        colour: mean of R, G and B, 0..255, over the quarters from the upper left to the lower right: 12 bytes.
    """

    bits: bytes
    variance: float
    colour: bytes


def look_of(picture: Picture) -> Look:
    """The look of a picture, RGB uint8 (H, W, 3).

    A bit says whether brightness rises from one cell to the next on its right, of 16 rows of 17 cells (dHash, Krawetz
    2013: http://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html).
    """
    image = Image.fromarray(picture)
    grey = np.asarray(image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.LANCZOS))
    rises: NDArray[np.bool_] = grey[:, 1:] > grey[:, :-1]
    quarters = np.asarray(image.resize((2, 2), Image.Resampling.BOX))
    return Look(np.packbits(rises).tobytes(), float(grey.var()), quarters.tobytes())
