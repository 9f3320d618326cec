"""Rows as a table or an archive has them, and what becomes of each: an item, or a fault with its line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rushes.annotations.rows import Table
from rushes.errors import SourceError
from rushes.recipe.columns import PICTURES, Columns
from rushes.recipe_file import near
from rushes.runs.pictured.row import Found, Row, key_of
from rushes.runs.shares import SIDE_OF_NAME
from rushes.tasks.catalog.sources.item import Item

LABEL = "object_type"
"""Field of the type of object, whatever its column is called."""

SAME = "wholly the same as another row"


@dataclass(slots=True)
class Reader:
    """Turns rows into items, and counts what is worth a note.

    Attributes:
        columns: what they are called.
        notes: what was read otherwise than written, in words -> how often.
        first: the same words -> the first row.
    """

    columns: Columns
    notes: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def item(self, row: Row, picture: Found, views: Sequence[Found]) -> Item:
        """The item of a row whose picture is there."""
        columns, cells = self.columns, row.cells
        title = cells.get(columns.name, "").strip()
        if not title:
            self._note("rows without a title, called by their type", row.where)
        said = cells.get(columns.side or "", "").strip()
        side = SIDE_OF_NAME.get(said.lower()) if said else row.side
        if said and side is None:
            self._note(f"rows on side {said[:40]!r}, which is none of train, val, test", row.where)
        own = {columns.name, columns.picture, columns.views, columns.group, columns.side}
        own |= {*PICTURES, *columns.size, *columns.languages.values()}
        cells_of = {name: cell for name, cell in cells.items() if name not in own}
        for name, column in columns.fields.items():
            cells_of[name] = cells.get(column, "")
        fields = {name: text for name, cell in cells_of.items() if (text := cell.strip())}
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
            size_cm=self._size(cells, row.where),
            group=cells.get(columns.group or "", "").strip(),
            side=side,
        )

    def _size(self, cells: Mapping[str, str], where: str) -> tuple[float, ...] | None:
        said = [cells.get(column, "").strip() for column in self.columns.size]
        if not any(said):
            return None
        try:
            size = tuple(float(text.replace(",", ".")) for text in said)
        except ValueError:
            size = ()
        if not size or not all(math.isfinite(value) and value > 0 for value in size):
            self._note(f"rows whose {', '.join(self.columns.size)} are no numbers above 0", where)
            return None
        return size

    def _note(self, words: str, where: str) -> None:
        self.notes[words] = self.notes.get(words, 0) + 1
        self.first.setdefault(words, where)


def require_columns(table: Table, columns: Columns) -> str:
    """The column of pictures, once all that a recipe names are there.

    Raises:
        SourceError: a column is missing; says which one may be meant.
    """
    named: dict[str, str | None] = {
        key: getattr(columns, key)
        for key in ("id", "name", "picture", "views", "group", "side", "label")
        if key == "name" or key in columns.model_fields_set
    }
    named |= {f"size[{place}]": column for place, column in enumerate(columns.size)}
    named |= {f"languages.{language}": column for language, column in columns.languages.items()}
    named |= {f"fields.{name}": column for name, column in columns.fields.items()}
    if missing := {key: name for key, name in named.items() if name is not None and name not in table.header}:
        key, name = next(iter(missing.items()))
        raise SourceError(
            f"no column {', '.join(map(repr, missing.values()))}; {near(name, table.header)}",
            where=table.place(1),
            cure=f"write what the column is called: source.columns.{key}: COLUMN",
        )
    found = columns.picture or next((name for name in PICTURES if name in table.header), None)
    if found is None:
        raise SourceError(
            f"no column of pictures; there are {', '.join(table.header)}",
            where=table.place(1),
            cure="write what it is called: source.columns.picture: COLUMN",
        )
    return found
