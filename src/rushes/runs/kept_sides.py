"""``sides.csv`` of a dataset: who stood on which side, so that a later dataset can leave them there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final, get_args

from rushes.annotations.rows import read_rows
from rushes.recipe.sections import Side

SIDES_FILE: Final = "sides.csv"


@dataclass(frozen=True, slots=True)
class SideRow:
    """A line of the table.

    Attributes:
        id: of the item.
        group: that stands on no other side.
        side: on which it stands.
        label: its class.
        picture: hash of the bytes of its picture, by which it is known where the rest of it has changed.
    """

    id: str
    group: str
    side: str
    label: str
    picture: str


def sides_table(rows: Iterable[SideRow]) -> str:
    """The table as CSV, in order of ids."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(field.name for field in fields(SideRow))
    writer.writerows(map(astuple, sorted(rows, key=lambda row: row.id)))
    return file.getvalue()


def earlier_sides(path: Path, items: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Item -> side on which it stood, for those that did.

    Args:
        path: of the table; ``picture`` may be missing.
        items: item -> what it can be known by, the surest first: ``id``, ``picture``, ``group`` -> value.

    Raises:
        SourceError: no such table, or it lacks a column.
    """
    table = read_rows(path)
    for column in ("id", "group", "side"):
        table.column(column)
    sides: dict[tuple[str, str], str] = {}
    for _, row in table.dicts():
        if row["side"] in get_args(Side):
            for column in ("id", "picture", "group"):
                sides.setdefault((column, row.get(column, "")), row["side"])
    found = {
        item: next((sides[mark] for mark in known.items() if mark[1] and mark in sides), None)
        for item, known in items.items()
    }
    return {item: side for item, side in found.items() if side is not None}
