"""A row with its pictures, before a task makes anything of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import MediaError, RushesError, unreadable_as
from rushes.media.picture import require_picture
from rushes.media.tarred import read_member
from rushes.records import hashed_key
from rushes.stages import canonical_json

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
class Found:
    """A picture that a row names.

    Attributes:
        place: of its bytes.
        sha256: of them, 64 hex digits.
        name: of its file below the root; empty where it came from elsewhere.
    """

    place: PicturePlace
    sha256: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """A picture that a row names, and that cannot be read.

    Attributes:
        error: why.
        name: of its file below the root; empty where there is none.
    """

    error: RushesError
    name: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row before it is an item.

    Attributes:
        where: the line of a table, or the sample of a tar, as errors tell it.
        name: of that below the root; it makes the key of a row that gives no item.
        cells: name of each column -> its text.
        picture: what is found.
        views: further ones.
        side: that its place tells, where its cells do not.
    """

    where: str
    name: str
    cells: Mapping[str, str]
    picture: Found | Lost
    views: tuple[Found | Lost, ...] = ()
    side: str | None = None

    @property
    def key(self) -> str:
        """Of a row that gives no item."""
        return hashed_key(self.name, self.name)


def key_of(picture_sha256: str, cells: Mapping[str, str]) -> str:
    """The key of an item: 16 hex digits of the SHA-256 of its picture's hash and its raw row.

    >>> key_of("00" * 32, {"name": "lamp"}) == key_of("00" * 32, {"name": "Lamp"})
    False
    """
    text = f"{picture_sha256}\0{canonical_json(cells)}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def sha256_and_fault(data: bytes, where: object) -> tuple[str, str]:
    """Hash of a picture's file, and what is wrong with its head; empty where nothing is."""
    try:
        require_picture(data, where)
    except MediaError as error:
        return "", error.message
    return hashlib.sha256(data).hexdigest(), ""
