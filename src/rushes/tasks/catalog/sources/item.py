"""A product as its source describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rushes.runs.pictured.row import PicturePlace


@dataclass(frozen=True, slots=True)
class Item:
    """A product.

    Attributes:
        key: content hash, 16 hex digits, of the raw row and the bytes of the picture; it names the product in shards,
            vectors, labels and votes.
        where: the line of the table, or the member of the tar, for people.
        title: as the shop wrote it.
        picture: what is found.
        views: further pictures of the same product, with which is asked.
        fields: attributes that are known: style, material, color, object_type, clean_title and others of the table.
        titles: language -> title in it.
        size_cm: width, depth and height; None where they are not known.
        group: product family; empty where nobody said.
        side: as the table says; None where it does not.
    """

    key: str
    where: str
    title: str
    picture: PicturePlace
    views: tuple[PicturePlace, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    size_cm: tuple[float, ...] | None = None
    group: str = ""
    side: str | None = None
