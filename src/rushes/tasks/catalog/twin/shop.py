"""The drawn shop: product families in colour variants, with titles as shops write them, and the truth beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import yaml

from rushes.media.solids import Solid, extent
from rushes.media.surfaces import COLOURS, Surface
from rushes.media.things import FINISHES, Finish, pick
from rushes.runs.drawing import seeded
from rushes.tasks.catalog.recipe import ShopTwin
from rushes.tasks.catalog.twin.furniture import STYLES, TYPES, Plan, Style

MOST_VARIANTS, VIEWS = 4, 2

_FEET = (Finish("wood", "brown"), Finish("wood", "beige"), Finish("metal", "black"), Finish("metal", "grey"))
_WORDS = yaml.safe_load(files(__package__).joinpath("shop.yaml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Product:
    """A variant of a family.

    Attributes:
        key: as the shop numbers it.
        family: the number of its model.
        kind, style: what is built.
        made: what it is called by; ``feet`` are beside it.
        seed: of the twin.
    """

    key: str
    family: int
    kind: str
    style: Style
    made: Finish
    feet: Finish
    seed: int

    def solids(self) -> list[Solid]:
        """The piece; variants of a family have the same shape."""
        return TYPES[self.kind].build(Plan(self.style, seeded(self.seed, "shape", str(self.family))))

    def surfaces(self) -> list[Surface]:
        """Its surfaces, by the places that the solids name."""
        rng = seeded(self.seed, "surface", self.key)
        linen = float(rng.uniform(0.82, 0.97))
        return [
            self.made.surface(rng),
            self.feet.surface(rng),
            Surface("plastic", (linen, linen * 0.98, linen * 0.9)),
        ]

    def size_cm(self) -> tuple[int, int, int]:
        """Width, depth and height."""
        low, high = extent(self.solids())
        width, depth, height = (max(1, round(100 * float(length))) for length in high - low)
        return width, depth, height


def family(settings: ShopTwin, number: int) -> list[Product]:
    """All variants of a model: one shape in one material, in a colour each."""
    rng = seeded(settings.seed, "family", str(number))
    kind = pick(rng, list(TYPES))
    style, material = pick(rng, STYLES), pick(rng, TYPES[kind].materials)
    colours = rng.permutation(len(FINISHES[material]))[: int(rng.integers(1, MOST_VARIANTS + 1))]
    feet = pick(rng, _FEET)
    return [
        Product(
            f"F{number:05d}-{variant}",
            number,
            kind,
            style,
            Finish(material, FINISHES[material][colour]),
            feet,
            settings.seed,
        )
        for variant, colour in enumerate(colours)
    ]


def row(product: Product, noise: float, picture: str, views: list[str]) -> dict[str, str]:
    """A line of the shop's table: what the shop says, and what is true.

    Args:
        product: whose.
        noise: share of titles that contradict the picture, or lack a property.
        picture, views: names of its files.
    """
    rng = seeded(product.seed, "title", product.key)
    kind, made, (width, depth, height) = TYPES[product.kind], product.made, product.size_cm()
    name = pick(rng, kind.names)
    brand, series = (names[product.family % len(names)] for names in (_WORDS["brands"], _WORDS["series"]))
    price = f"{int(rng.integers(19, 1999))}.{pick(rng, ('00', '95', '99'))}"
    sku = f"{product.kind[:2].upper()}{product.family:04d}{made.colour[:2].upper()}"
    words = {"name": name, "colour": made.colour, "material": made.material, "style": product.style}
    if rng.random() < noise:
        words |= _wrong(rng, product)
    title = _written(
        pick(rng, _WORDS["titles"]), words, brand=brand, series=series, price=price, sku=sku, width=width
    )
    of_german = _WORDS["german"]
    german = (
        of_german["materials"][made.material],
        of_german["colours"][made.colour],
        of_german["styles"][product.style],
    )
    return {
        "id": product.key,
        "name": title,
        "name_de": "{} aus {}, {}, {}".format(kind.german, *german),
        "image_path": picture,
        "views": "|".join(views),
        "brand": brand,
        "sku": sku,
        "price": price,
        "width_cm": str(width),
        "depth_cm": str(depth),
        "height_cm": str(height),
        "group": f"F{product.family:05d}",
        "clean_title": name,
        "object_type": product.kind,
        "style": product.style,
        "material": made.material,
        "color": made.colour,
    }


def _wrong(rng: np.random.Generator, product: Product) -> dict[str, str]:
    """One word that is not true, or that is left out."""
    what = pick(rng, ("colour", "material", "name", "style"))
    if rng.random() < 0.5:
        return {what: "" if what != "name" else "item"}
    choices: Mapping[str, list[str]] = {
        "colour": [colour for colour in COLOURS if colour != product.made.colour],
        "material": [material for material in FINISHES if material != product.made.material],
        "name": [kind for kind in TYPES if kind != product.kind],
        "style": [style for style in STYLES if style != product.style],
    }
    return {what: pick(rng, choices[what])}


def _written(template: str, words: Mapping[str, str], *, brand: str, **others: object) -> str:
    """A title, without the holes that left-out words leave."""
    loud = {name.upper(): word.upper() for name, word in words.items()}
    text = template.replace("{brand.upper}", brand.upper()).format(**words, **loud, brand=brand, **others)
    text = " ".join(text.replace("| |", "|").split())
    return text.replace(" ,", ",").replace(",,", ",").strip(" ,|")


def families(settings: ShopTwin) -> Iterator[list[Product]]:
    """All of the shop's."""
    return (family(settings, number) for number in range(settings.products))
