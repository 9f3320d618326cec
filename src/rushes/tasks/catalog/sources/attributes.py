"""Attributes that `rushes label` wrote, joined to items by their keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rushes.annotations.rows import read_rows
from rushes.errors import SourceError
from rushes.tasks.catalog.sources.item import Item

ID = "id"


def join(items: Iterable[Item], path: Path) -> tuple[tuple[Item, ...], int]:
    """Give items what a table of attributes says of them.

    Args:
        items: in any order; those that the table does not name stay as they are.
        path: Parquet or CSV with the column ``id``; an empty cell leaves the item's own value.

    Returns:
        The items, and how many rows of the table are of none of them.

    Raises:
        SourceError: no such table, no column ``id``, or an item stands there twice.
    """
    if not path.is_file():
        raise SourceError(
            "no such table of attributes",
            where=path,
            cure="type `rushes label collect RECIPE`, or correct source.attributes",
        )
    table = read_rows(path)
    key = table.column(ID)
    told: dict[str, dict[str, str]] = {}
    for where, cells in table.dicts():
        name = cells[table.header[key]].strip()
        if name in told:
            raise SourceError(f"the item {name!r} stands there twice", where=where, cure="leave one row")
        told[name] = {
            column: text for column, cell in cells.items() if column != ID and (text := cell.strip())
        }
    joined = tuple(
        replace(item, fields={**item.fields, **told.pop(item.key)}) if item.key in told else item
        for item in items
    )
    return joined, len(told)
