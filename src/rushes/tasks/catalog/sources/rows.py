"""Rows as a table or an archive has them, and what becomes of each: an item, or a fault with its line."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rushes.errors import RushesError
from rushes.records import hashed_key
from rushes.runs.shares import SIDE_OF_NAME
from rushes.stages import canonical_json
from rushes.tasks.catalog.recipe import Columns
from rushes.tasks.catalog.sources.item import Item, PicturePlace

LABEL = "object_type"
"""Field of the type of object, whatever its column is called."""

PICTURES = ("image_path", "local_path", "image", "filename", "file_name", "path", "url")
"""Columns that a picture may stand in, the first that is there, where the recipe names none."""

SEPARATOR = "|"
"""Between the views of a product."""

SAME = "wholly the same as another row"


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
class Row:
    """A row before it is an item.

    Attributes:
        where: the line of a table, or the sample of a tar, as errors tell it.
        name: of that below the root; it makes the key of a row that gives no item.
        cells: name of each column -> its text.
        picture: what is found, or why not.
        views: of those that hold; the others are faults of their own.
        side: that its place tells, where its cells do not.
    """

    where: str
    name: str
    cells: Mapping[str, str]
    picture: Found | RushesError
    views: tuple[Found | RushesError, ...] = ()
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


@dataclass(slots=True)
class Reader:
    """Turns rows into items, and counts what is worth a note.

    Attributes:
        columns: what they are called.
        notes: what was read otherwise than written, in words -> how often.
    """

    columns: Columns
    notes: dict[str, int] = field(default_factory=dict)

    def item(self, row: Row, picture: Found, views: Sequence[Found]) -> Item:
        """The item of a row whose picture is there."""
        columns, cells = self.columns, row.cells
        title = cells.get(columns.name, "").strip()
        if not title:
            self._note("rows have no title")
        said = cells.get(columns.side or "", "").strip()
        side = SIDE_OF_NAME.get(said.lower()) if said else row.side
        if said and side is None:
            self._note(f"rows name the side {said[:40]!r}, which is none of train, val, test")
        own = {columns.name, columns.picture, columns.views, columns.group, columns.side}
        own |= {*PICTURES, *columns.size, *columns.languages.values()}
        fields = {name: text for name, cell in cells.items() if name not in own and (text := cell.strip())}
        if label := cells.get(columns.label, "").strip():
            fields[LABEL] = label
        return Item(
            key=key_of(picture.sha256, cells),
            where=row.where,
            title=title,
            picture=picture.place,
            views=tuple(view.place for view in views),
            fields=fields,
            titles={
                language: text
                for language, column in columns.languages.items()
                if (text := cells.get(column, "").strip())
            },
            size_cm=self._size(cells),
            group=cells.get(columns.group or "", "").strip(),
            side=side,
        )

    def _size(self, cells: Mapping[str, str]) -> tuple[float, ...] | None:
        said = [cells.get(column, "").strip() for column in self.columns.size]
        if not any(said):
            return None
        try:
            size = tuple(float(text.replace(",", ".")) for text in said)
        except ValueError:
            size = ()
        if not size or not all(math.isfinite(value) and value > 0 for value in size):
            self._note(f"rows have a size that is no number above 0 in {', '.join(self.columns.size)}")
            return None
        return size

    def _note(self, words: str) -> None:
        self.notes[words] = self.notes.get(words, 0) + 1
