"""How a product becomes what a model sees: a square picture, and words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rushes.recipe.captions import Captions
from rushes.recipe.preprocessing import Preprocessing


class ProductPreprocessing(Preprocessing):
    """A picture on a white square, and captions.

    Attributes:
        task: whose preprocessing this is.
        size: side of the square, in pixels.
        jpeg_quality: of stored pictures.
        captions: how title and attributes become words.
    """

    task: Literal["catalog"] = "catalog"
    size: Annotated[int, Field(ge=16, le=1024)] = 224
    jpeg_quality: Annotated[int, Field(ge=30, le=100)] = 95
    captions: Captions = Captions()
