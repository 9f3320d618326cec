"""Write the drawn shop: ``products.csv`` with pictures, and below ``other/`` the same of the second domain.

Units depend on nothing but the settings and their own number, so any of them can be drawn again, anywhere, to the
same bytes. A table is a unit too: what it says follows from the same draws, without a picture.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rushes.annotations.rows import write_rows
from rushes.media.geometry import EXIF_ORIENTATIONS
from rushes.media.image import encode_jpeg
from rushes.media.solids import Look, render
from rushes.runs.drawing import Written, seeded
from rushes.stages import write_atomic
from rushes.tasks.catalog.recipe import ShopTwin
from rushes.tasks.catalog.sources.products import OTHER
from rushes.tasks.catalog.twin import other
from rushes.tasks.catalog.twin.shop import VIEWS, Product, families, family, row
from rushes.tasks.catalog.twin.things import look, pick

TABLE, PICTURES = "products.csv", "pictures"
BLOCK = 20
"""Things of the second domain in a unit."""

_QUALITY = 92
_LYING = (3, 6, 8)
_BACKGROUNDS: Mapping[Literal["cut", "lying", "plain"], float] = {"cut": 0.2, "lying": 0.1, "plain": 0.7}
"""Shares of pictures: cut out with transparency, as a camera held sideways stores them, and others."""


@dataclass(frozen=True, slots=True)
class ShopUnit:
    """What is drawn at a time.

    Attributes:
        what: a family of the shop, a block of the second domain, or the table of one of them.
        number: of the family or block.
    """

    what: Literal["family", "other", "table", "other_table"]
    number: int = 0


def units(settings: ShopTwin) -> dict[str, ShopUnit]:
    """All of the twin, by key."""
    found = {f"family-{number:05d}": ShopUnit("family", number) for number in range(settings.products)}
    found |= {
        f"other-{number:05d}": ShopUnit("other", number) for number in range(-(-settings.other // BLOCK))
    }
    found["table"] = ShopUnit("table")
    return found | ({"other-table": ShopUnit("other_table")} if settings.other else {})


def count(settings: ShopTwin) -> int:
    """Products of the shop."""
    return sum(map(len, families(settings)))


def write_unit(root: Path, unit: ShopUnit, settings: ShopTwin) -> Written:
    """Draw one unit below ``root``."""
    if unit.what == "family":
        products = family(settings, unit.number)
        for product in products:
            _draw_product(root, product, settings.picture_px)
        return Written((f"{PICTURES}/F{unit.number:05d}",), len(products) * (1 + VIEWS))
    if unit.what == "other":
        return _draw_block(root, unit.number, settings)
    if unit.what == "table":
        products = [product for of in families(settings) for product in of]
        return _write_table(root, TABLE, (row(one, settings.noise, *_names(one)) for one in products))
    rows = [_other_row(settings, number) for number in range(settings.other)]
    return _write_table(root, f"{OTHER}/{TABLE}", rows)


def _write_table(root: Path, name: str, rows: Iterable[Mapping[str, str]]) -> Written:
    table = list(rows)
    write_atomic(root / name, write_rows(list(table[0]), [list(one.values()) for one in table]))
    return Written((name,))


def _names(product: Product) -> tuple[str, list[str]]:
    """Names of a product's picture and views below the root."""
    suffix = "png" if _background(product) == "cut" else "jpg"
    place = f"{PICTURES}/F{product.family:05d}/{product.key}"
    return f"{place}.{suffix}", [f"{place}-view{number}.jpg" for number in range(VIEWS)]


def _background(product: Product) -> Literal["cut", "lying", "plain"]:
    rng = seeded(product.seed, "picture", product.key)
    return rng.choice(list(_BACKGROUNDS), p=list(_BACKGROUNDS.values()))  # type: ignore[no-any-return]


def _draw_product(root: Path, product: Product, side: int) -> None:
    """A product's picture and its views."""
    solids, surfaces, kind = product.solids(), product.surfaces(), _background(product)
    name, views = _names(product)
    rng = seeded(product.seed, "camera", product.key)
    taken = look(rng)
    if kind == "cut":
        picture, covered = render(solids, surfaces, Look(taken.azimuth, taken.elevation), side)
        write_atomic(root / name, _png(np.dstack([picture, covered])))
    else:
        picture, _ = render(solids, surfaces, taken, side)
        write_atomic(root / name, _jpeg(picture, pick(rng, _LYING) if kind == "lying" else 1))
    for number, view in enumerate(views):
        seen = look(rng, turned_by=(70.0, -110.0)[number % 2], studio=0.3)
        write_atomic(root / view, _jpeg(render(solids, surfaces, seen, side)[0]))


def _draw_block(root: Path, block: int, settings: ShopTwin) -> Written:
    numbers = range(block * BLOCK, min((block + 1) * BLOCK, settings.other))
    for number in numbers:
        picture = other.picture(settings.seed, f"X{number:06d}", settings.picture_px)
        write_atomic(root / _other_name(number), _jpeg(picture))
    return Written((f"{OTHER}/{PICTURES}/{block:05d}",), len(numbers))


def _other_name(number: int) -> str:
    return f"{OTHER}/{PICTURES}/{number // BLOCK:05d}/{number:06d}.jpg"


def _other_row(settings: ShopTwin, number: int) -> dict[str, str]:
    key = f"X{number:06d}"
    thing = other.thing(settings.seed, key)
    return {
        "id": key,
        "name": thing.caption,
        "image_path": _other_name(number).removeprefix(f"{OTHER}/"),
        "clean_title": thing.kind,
        "object_type": thing.kind,
        "material": thing.made.material,
        "color": thing.made.colour,
    }


def _png(picture: NDArray[np.uint8]) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return sink.getvalue()


def _jpeg(picture: NDArray[np.uint8], orientation: int = 1) -> bytes:
    """A JPEG whose pixels lie as ``orientation``, a number of EXIF, says."""
    how = EXIF_ORIENTATIONS[orientation]
    stored = picture[:: -1 if how.flipped else 1, :: -1 if how.mirrored else 1]
    data = encode_jpeg(stored.swapaxes(0, 1) if how.transposed else stored, _QUALITY)
    if orientation == 1:
        return data
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    block = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
