"""A product as its source describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rushes.errors import MediaError, unreadable_as
from rushes.media.tarred import read_member

MAX_BYTES = 50_000_000
"""Of one picture as its file has it."""


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """Where the bytes of a picture lie.

    Attributes:
        path: of the file that holds them: the picture's own, one that was brought from a URL, or a tar.
        offset, length: of the bytes within it; length None is the whole file.
    """

    path: Path
    offset: int = 0
    length: int | None = None

    def read(self) -> bytes:
        """The bytes of the picture's file.

        Raises:
            MediaError: it cannot be read, or has more than `MAX_BYTES`.
            OSError: the machine refuses to read it.
        """
        if self.length is not None:
            return read_member(self.path, self.offset, self.length)
        with (
            unreadable_as(MediaError, "cannot be read", where=self.path, cure="copy the picture again"),
            self.path.open("rb") as file,
        ):
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise MediaError(
                f"a picture of at most {MAX_BYTES:,} bytes is read, found more",
                where=self.path,
                cure="scale it down, as with: magick IN -resize 4096x4096 OUT.jpg",
            )
        return data


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
