"""What a recipe and a table say of sides, held against each other before anything is prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rushes.errors import SourceError
from rushes.recipe_file import near
from rushes.tasks.catalog.recipe import ProductSource
from rushes.tasks.catalog.sources.item import Item

TOLD = 5
"""Names that an error lists."""


def require_sides(items: Sequence[Item], asked: ProductSource, where: Path) -> None:
    """See that the table says the sides that the recipe takes from it, and has each family that it lists.

    Raises:
        SourceError: no product says its side, or a family that is listed has no product.
    """
    if asked.split == "column" and not any(item.side for item in items):
        raise SourceError(
            f"source.split is column, and no product says its side{_under('side', asked.columns.side)}",
            where=where,
            cure="write what the column of train, val and test is called: source.columns.side: COLUMN; or "
            "source.split: stratified, which deals sides out",
        )
    if isinstance(asked.split, Mapping):
        _require_families(items, [name for names in asked.split.values() for name in names], asked, where)


def _require_families(
    items: Sequence[Item], listed: Sequence[str], asked: ProductSource, where: Path
) -> None:
    families = {item.group for item in items if item.group}
    alone = {word for item in items if not item.group for word in (item.key, item.title)}
    if not (absent := [name for name in listed if name not in families | alone]):
        return
    under = _under("group", asked.columns.group)
    more = f" and {len(absent) - TOLD:,} more" if len(absent) > TOLD else ""
    likely = near(absent[0], sorted(families)) if families else "no product has a family"
    raise SourceError(
        f"source.split lists {', '.join(map(repr, absent[:TOLD]))}{more}, and no product is of such a family{under}; "
        f"{likely}",
        where=where,
        cure="list families as the table has them"
        if families
        else "write what the column of families is called: source.columns.group: COLUMN",
    )


def _under(key: str, column: str | None) -> str:
    return (
        f" under {column!r}, which is source.columns.{key}" if column else f": source.columns.{key} is null"
    )
