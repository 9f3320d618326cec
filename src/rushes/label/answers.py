"""A table of attributes, read again."""

from __future__ import annotations

from pathlib import Path

from rushes.annotations.rows import read_rows
from rushes.errors import SourceError
from rushes.recipe.labelling import RESERVED

ID = "id"


def read_answers(path: Path) -> dict[str, dict[str, str]]:
    """Item -> attribute -> answer, empty where it is not known.

    Args:
        path: Parquet or CSV with the column ``id``. Of the others, those that `rushes label` writes for its own books
            are passed over, so that they never take the place of a shop's column of the same name.

    Raises:
        SourceError: no such column, or an item stands there twice.
    """
    table = read_rows(path)
    key = table.column(ID)
    told: dict[str, dict[str, str]] = {}
    for where, cells in table.dicts():
        name = cells[table.header[key]].strip()
        if name in told:
            raise SourceError(f"the item {name!r} stands there twice", where=where, cure="leave one row")
        told[name] = {column: cell.strip() for column, cell in cells.items() if column not in RESERVED}
    return told
