"""What a catalogue has before an hour of work: types, sides, languages, what products lack; nothing is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rushes.evaluate.search_figures import always
from rushes.recipe.sections import Side
from rushes.runs.source import Fault, told_alike
from rushes.stages import Claim
from rushes.tasks.catalog.prepare.places import said_sides
from rushes.tasks.catalog.recipe import CatalogRecipe, ProductSource
from rushes.tasks.catalog.sources.attributes import Joined
from rushes.tasks.catalog.sources.item import Item
from rushes.tasks.catalog.sources.products import ProductScan
from rushes.tasks.catalog.sources.rows import LABEL

SIDES: tuple[Side, ...] = ("train", "val", "test")
TYPES = 20
"""Types of object that are told to people; ``--json`` has all."""


@dataclass(frozen=True, slots=True)
class CatalogAudit:
    """What there is.

    Attributes:
        products: how many.
        types: type of object -> how many products, most first; ``""`` of those without.
        sides: side -> how many, where the table says it; empty elsewhere.
        groups: product families of more than one product.
        views: further pictures.
        languages: language -> how many products have a title in it.
        lacking: attribute -> how many products have none.
        attributes: what those of ``source.attributes`` changed, see `Joined`; None where there are none.
        skipped: rows that are wholly the same as another.
        probe: products of the other domain.
        notes: in words.
        faults: rows that give no product, those of the other domain too.
    """

    products: int
    types: Mapping[str, int]
    sides: Mapping[str, int]
    groups: int
    views: int
    languages: Mapping[str, int]
    lacking: Mapping[str, int]
    attributes: Mapping[str, Any] | None
    skipped: int
    probe: int
    notes: tuple[str, ...]
    faults: tuple[dict[str, str], ...]

    @property
    def samples(self) -> Mapping[str, int]:
        """See `rushes.runs.source.Audit`."""
        return self.sides or {"": self.products}

    @property
    def outcomes(self) -> Mapping[str, Claim]:
        """See `rushes.runs.source.Audit`."""
        return {}

    def to_json(self) -> Mapping[str, object]:
        """As the command line prints it."""
        return asdict(self)

    def summary(self) -> str:
        """One line for a plan."""
        told = f"{self.products:,} products of {len(self.types):,} types, {self.probe:,} of another domain"
        return "; ".join([told, *self.notes])

    def text(self) -> str:
        """For people: what there is, what is missing, and what is wrong."""
        told = [
            f"{self.products:9,} products, {self.views:,} further views, {self.groups:,} families of several"
        ]
        told += [
            f"{count:9,} {label or 'of no known type'}" for label, count in list(self.types.items())[:TYPES]
        ]
        if more := list(self.types.values())[TYPES:]:
            told.append(f"{sum(more):9,} of {len(more):,} more types")
        told += [f"{count:9,} on side {side}" for side, count in self.sides.items()]
        told += [f"{count:9,} with a title in {language}" for language, count in self.languages.items()]
        told += [f"{count:9,} without {name}" for name, count in self.lacking.items() if count]
        if self.probe:
            told.append(f"{self.probe:9,} of another domain")
        if self.skipped:
            told.append(f"{self.skipped:9,} rows wholly the same as another, left out")
        if self.attributes is not None:
            told += _of_attributes(**self.attributes)
        told += [f"note: {note}" for note in self.notes]
        return "\n".join([*told, *told_alike("fault", self.faults)])


def audit_of(scan: ProductScan, recipe: CatalogRecipe) -> CatalogAudit:
    """Count what a scan found."""
    items, probe = scan.items, scan.probe
    asked = dict.fromkeys((LABEL, *recipe.preprocessing.captions.attributes))
    by_side = Counter(item.side for item in items) if recipe.source.split == "column" else Counter()
    faults: Sequence[Fault] = (*scan.faults, *(() if probe is None else probe.faults))
    return CatalogAudit(
        products=len(items),
        types=dict(Counter(item.fields.get(LABEL, "") for item in items).most_common()),
        sides={side: by_side[side] for side in SIDES if by_side},
        groups=sum(count > 1 for group, count in Counter(item.group for item in items).items() if group),
        views=sum(len(item.views) for item in items),
        languages={
            language: sum(language in item.titles for item in items)
            for language in recipe.source.columns.languages
        },
        lacking={name: _without(name, items) for name in asked},
        attributes=None if scan.joined is None else _changed(scan.joined),
        skipped=len(scan.skipped),
        probe=0 if probe is None else len(probe.items),
        notes=(
            *scan.notes,
            *_doubts(by_side),
            *_amounts(_expected(items, recipe.source), recipe),
            *(() if probe is None else probe.notes),
        ),
        faults=tuple(fault.reason() for fault in faults),
    )


def _changed(joined: Joined) -> Mapping[str, Any]:
    return {"strays": joined.strays, "unknown": joined.unknown, "types": list(joined.types)}


def _of_attributes(strays: int, unknown: Mapping[str, int], types: Sequence[int]) -> Iterator[str]:
    """Of the table of attributes."""
    yield f"{strays:9,} rows of the attributes that are of no product"
    for name, count in unknown.items():
        yield f"{count:9,} lost their {name}: the answer is that it is not known"
    yield f"{types[1]:9,} types of object with the attributes, {types[0]:,} without"


def _without(name: str, items: Sequence[Item]) -> int:
    return sum(not item.fields.get(name) for item in items)


def _expected(items: Sequence[Item], source: ProductSource) -> Mapping[str, int]:
    """Side -> about how many products will stand on it."""
    if source.split == "column" or isinstance(source.split, Mapping):
        return Counter(said_sides(items, source).side_of.values())
    return {side: round(share * len(items)) for side, share in source.shares.of_sides.items()}


def _amounts(expected: Mapping[str, int], recipe: CatalogRecipe) -> Iterator[str]:
    """What so few products mean for training and figures."""
    pairs, asked = expected.get("train", 0), recipe.evaluate
    learns = pairs > 1 and recipe.model.scenario != "zero_shot"
    if learns and (told := recipe.train.whole_side(pairs, "about ")) is not None:
        yield told
    searched = expected.get(asked.split, 0) if asked.gallery == "side" else sum(expected.values())
    if searched and (told := always(searched, asked.ks, "about ")) is not None:
        yield f"evaluate: {told}"


def _doubts(by_side: Mapping[str | None, int]) -> Sequence[str]:
    """Of sides that the table tells."""
    nowhere = by_side.get(None, 0)
    return [f"products on no side, which are left out: {nowhere:,}"] if nowhere else []
