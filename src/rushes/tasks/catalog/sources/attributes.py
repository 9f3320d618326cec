"""Attributes that `rushes label` wrote, joined to items by their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rushes.errors import SourceError
from rushes.label.answers import read_answers
from rushes.tasks.catalog.sources.item import Item
from rushes.tasks.catalog.sources.rows import LABEL


@dataclass(frozen=True, slots=True)
class Joined:
    """What a table of attributes made of items.

    Attributes:
        items: in the order in which they came.
        strays: rows of the table that are of none of them.
        unknown: attribute -> items that lost the value that they had, since the answer is that it is not known.
        types: how many types of object there were before, and how many there are now.
    """

    items: tuple[Item, ...]
    strays: int
    unknown: Mapping[str, int]
    types: tuple[int, int]


def join(items: Iterable[Item], path: Path) -> Joined:
    """Give items what a table of attributes says of them.

    A row is the answer about an item. What it leaves empty is not known: the value that the shop's table had goes as
    well, for it is what the answer was to mend. Items without a row stay as they are.

    Args:
        items: in any order.
        path: see `rushes.label.answers.read_answers`.

    Raises:
        SourceError: no such table, no column ``id``, or an item stands there twice.
    """
    if not path.is_file():
        raise SourceError(
            "no such table of attributes",
            where=path,
            cure="type `rushes label collect RECIPE`, or correct source.attributes",
        )
    told, items, unknown = read_answers(path), tuple(items), Counter[str]()
    strays = len(told.keys() - {item.key for item in items})
    joined = []
    for item in items:
        answer = told.get(item.key, {})
        unknown.update(name for name, text in answer.items() if not text and item.fields.get(name))
        fields = {name: text for name, text in {**item.fields, **answer}.items() if text}
        joined.append(replace(item, fields=fields))
    return Joined(tuple(joined), strays, dict(sorted(unknown.items())), (_types(items), _types(joined)))


def _types(items: Iterable[Item]) -> int:
    """How many types of object there are."""
    return len({item.fields.get(LABEL, "") for item in items} - {""})
