"""What is labelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Row:
    """An item with its picture.

    Attributes:
        key: unique, and the same wherever the item stands: a content hash.
        title: as somebody wrote it.
        where: for people: the line of a table.
        picture: reads it, uint8 (H, W, 3) RGB, upright and on white; raises a MediaError where it cannot be read.
        url: of the picture, where the model can fetch it itself; empty where it has none.
    """

    key: str
    title: str
    where: str
    picture: Callable[[], NDArray[np.uint8]]
    url: str = ""
