"""What the columns of a table of items with pictures are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from rushes.recipe.sections import Section

Column = Annotated[str, Field(min_length=1)]

PICTURES = ("image_path", "local_path", "image", "filename", "file_name", "path", "url")
"""Columns that a picture may stand in, the first that is there, where the recipe names none."""


class Columns(Section):
    """What the columns of the table are called.

    Attributes:
        id: of the shop's own number of a product; null where there is none.
        name: of the title.
        picture: of the path or URL of the picture; null takes whichever of image_path, local_path, image, filename,
            file_name, path and url is there.
        views: of further pictures, separated by ``|``; they are asked with, and not found.
        group: of whatever must not stand on two sides: a product family.
        side: of train, val or test, for ``split: column``.
        label: of the type of object, by which sides are balanced and figures are told apart.
        size: of width, depth and height in cm.
        languages: language -> column of the title in it.
        fields: attribute -> column that has it, such as ``color: Farbe``; any other column is an attribute of its own
            name.
    """

    id: Column | None = "id"
    name: Column = "name"
    picture: Column | None = None
    views: Column | None = "views"
    group: Column | None = "group"
    side: Column | None = "side"
    label: Column = "object_type"
    size: tuple[Column, ...] = ()
    languages: Mapping[str, Column] = Field(default_factory=dict)
    fields: Mapping[str, Column] = Field(default_factory=dict)
