"""What products look like, which of them belong together, and on which side they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rushes.media.dhash import Look, look_of
from rushes.media.picture import read_picture
from rushes.prepare.captions import plain, stated
from rushes.prepare.near import NearGroups, Seen, names_of_groups, near_groups
from rushes.recipe.near import NearDuplicates
from rushes.runs.kept_sides import earlier_sides
from rushes.runs.labelled.sides import Place, Sides, listed
from rushes.runs.together import dealt, held_by, kept_together
from rushes.tasks.catalog.recipe import ProductSource
from rushes.tasks.catalog.sources.item import Item
from rushes.tasks.catalog.sources.rows import LABEL

PROBE: Final = "probe"
"""Side of all products of the other domain."""

AT_LEAST: Final = 64
"""Pixels that a picture must keep, both ways, to be hashed; a large JPEG is decoded no finer."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where products stand.

    Attributes:
        group_of: key of a product -> its group.
        sides: who stands where, and who is left out.
        near: what was decided by how pictures look; numbers are those of the products, in order.
        joined: in words, families that were put on different sides and are one group.
    """

    group_of: Mapping[str, str]
    sides: Sides
    near: NearGroups
    joined: tuple[str, ...] = ()


def look_at(item: Item) -> dict[str, Any]:
    """The look of an item's picture and the hash of its bytes, as JSON.

    Raises:
        MediaError: the picture cannot be read; says in which line the item stands.
    """
    data = item.picture.read()
    look = look_of(read_picture(data, item.where, at_least=AT_LEAST))
    return {
        "bits": look.bits.hex(),
        "variance": round(look.variance, 3),
        "colour": look.colour.hex(),
        "content": hashlib.sha256(data).hexdigest()[:16],
    }


def seen_of(item: Item, told: Mapping[str, Any]) -> Seen:
    """An item with what `look_at` told of it."""
    look = Look(bytes.fromhex(told["bits"]), told["variance"], bytes.fromhex(told["colour"]))
    return Seen(look, told["content"], plain(stated(item.title)), item.size_cm, item.group)


def label_of(item: Item) -> str:
    """Type of object; empty where it is not known."""
    return plain(stated(item.fields.get(LABEL, "")))


def said_sides(items: Iterable[Item], source: ProductSource) -> Sides:
    """Sides as the table or the recipe says them; where they are dealt none is said, and nobody is left out."""
    if isinstance(source.split, Mapping):
        return listed({item.key: Place(item.title, item.group) for item in items}, source.split)
    if source.split != "column":
        return Sides({})
    side_of = {item.key: item.side for item in items if item.side is not None}
    return Sides(side_of, {item.key: "no side in the table" for item in items if item.key not in side_of})


def places_of(
    items: Sequence[Item],
    seen: Sequence[Seen],
    probe: Collection[str],
    said: Mapping[str, str],
    source: ProductSource,
    near: NearDuplicates,
) -> Places:
    """Group products, and put each group on a side.

    Args:
        items: of the shop and of the other domain.
        seen: what each looks like.
        probe: keys of those of the other domain; one in a group with a product of the shop is left out.
        said: key of a product -> side as the table or the recipe says it.
        source: how sides are made.
        near: what counts as a near-duplicate.

    Raises:
        SourceError: ``source.sides`` names no table of sides.
    """
    found = near_groups(seen, **near.model_dump())
    keys = [item.key for item in items]
    group_of = dict(zip(keys, names_of_groups(found, keys, [item.group for item in items]), strict=True))
    shop = {item.key: (item, one) for item, one in zip(items, seen, strict=True) if item.key not in probe}
    held = {key: side for key, side in said.items() if key in shop}
    if source.sides is not None:
        marks = {
            key: {"id": key, "picture": one.content, "group": item.group} for key, (item, one) in shop.items()
        }
        held |= earlier_sides(source.sides, marks)
    side_of_group = held_by(group_of, held)
    if source.split in ("stratified", "shares"):
        side_of_group = dealt(
            {key: group_of[key] for key in shop},
            {key: label_of(item) for key, (item, _) in shop.items()},
            source.shares,
            side_of_group,
            balanced=source.split == "stratified",
        )
    others = {key: PROBE for key in keys if key in probe}
    side_of_group = {group_of[key]: PROBE for key in others} | side_of_group
    return Places(
        group_of, kept_together(group_of, side_of_group, held | others), found, _joined(items, group_of, held)
    )


def _joined(items: Iterable[Item], group_of: Mapping[str, str], held: Mapping[str, str]) -> tuple[str, ...]:
    """In words: families that were put on different sides, and are one group by what they look like."""
    families: dict[str, dict[str, str]] = {}
    for item in items:
        if item.group and item.key in held:
            families.setdefault(group_of[item.key], {})[item.group] = held[item.key]
    return tuple(
        " and ".join(f"{family} ({side})" for family, side in sorted(of.items()))
        for of in families.values()
        if len(set(of.values())) > 1
    )
