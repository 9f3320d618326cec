"""Write the drawn shop: ``products.csv`` with pictures, and below ``other/`` the same of the second domain.

Units depend on nothing but the settings and their own number, so any of them can be drawn again, anywhere, to the
same bytes. A table is a unit too: what it says follows from the same draws, without a picture.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator, Mapping
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
from rushes.media.things import look, pick
from rushes.runs.drawing import Written, seeded
from rushes.stages import new_folder, write_atomic
from rushes.tasks.catalog.recipe import ShopTwin
from rushes.tasks.catalog.sources.products import OTHER
from rushes.tasks.catalog.twin import other
from rushes.tasks.catalog.twin.shop import VIEWS, Product, families, family, row

TABLE, PICTURES = "products.csv", "pictures"
BLOCK = 20
"""Families, or things of the second domain, in a unit."""

_QUALITY = 92
_LYING = (3, 6, 8)
_TAKEN: Mapping[Literal["cut", "lying", "plain"], float] = {"cut": 0.2, "lying": 0.1, "plain": 0.7}
"""Shares of pictures: cut out with transparency, as a camera held sideways stores them, and others."""


@dataclass(frozen=True, slots=True)
class ShopUnit:
    """What is drawn at a time.

    Attributes:
        what: pictures of some families or of some other things, or the table of one of them.
        block: number of these families or things, in blocks of `BLOCK`.
    """

    what: Literal["shop", "other", "table", "other-table"]
    block: int = 0

    def numbers(self, count: int) -> range:
        """Of the families or things, ``count`` in all."""
        return range(self.block * BLOCK, min((self.block + 1) * BLOCK, count))


def units(settings: ShopTwin) -> dict[str, ShopUnit]:
    """All of the twin, by key."""
    pictures = [ShopUnit("shop", block) for block in range(-(-settings.products // BLOCK))]
    pictures += [ShopUnit("other", block) for block in range(-(-settings.other // BLOCK))]
    tables = [ShopUnit("table"), *([ShopUnit("other-table")] if settings.other else [])]
    return {f"{unit.what}-{unit.block:05d}": unit for unit in (*pictures, *tables)}


def count(settings: ShopTwin) -> int:
    """Products of the shop."""
    return sum(map(len, families(settings)))


def write_unit(root: Path, unit: ShopUnit, settings: ShopTwin) -> Written:
    """Draw one unit below ``root``."""
    if unit.what == "table":
        products = [product for of in families(settings) for product in of]
        return _write_table(root, TABLE, (row(one, settings.noise, *_names(one)) for one in products))
    if unit.what == "other-table":
        rows = [_other_row(settings, number) for number in range(settings.other)]
        return _write_table(root, f"{OTHER}/{TABLE}", rows)
    if unit.what == "shop":
        pictures = _pictures_of_shop(unit.numbers(settings.products), settings)
        place = f"{PICTURES}/{unit.block:05d}"
    else:
        pictures = _other_pictures(unit.numbers(settings.other), settings)
        place = f"{OTHER}/{PICTURES}/{unit.block:05d}"
    with new_folder(
        root / place
    ) as folder:  # thousands of small files are not fsynced one by one: their unit is hashed
        frames = 0
        for name, data in pictures:
            (folder / Path(name).name).write_bytes(data)
            frames += 1
    return Written((place,), frames)


def _write_table(root: Path, name: str, rows: Iterable[Mapping[str, str]]) -> Written:
    table = list(rows)
    write_atomic(root / name, write_rows(list(table[0]), [list(one.values()) for one in table]))
    return Written((name,))


def _names(product: Product) -> tuple[str, list[str]]:
    """Names of a product's picture and views below the root."""
    suffix = "png" if _how_taken(product) == "cut" else "jpg"
    place = f"{PICTURES}/{product.family // BLOCK:05d}/{product.key}"
    return f"{place}.{suffix}", [f"{place}-view{number}.jpg" for number in range(VIEWS)]


def _how_taken(product: Product) -> Literal["cut", "lying", "plain"]:
    rng = seeded(product.seed, "picture", product.key)
    return rng.choice(list(_TAKEN), p=list(_TAKEN.values()))  # type: ignore[no-any-return]


def _pictures_of_shop(numbers: Iterable[int], settings: ShopTwin) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every picture and view of some families."""
    side = settings.picture_px
    for product in (product for number in numbers for product in family(settings, number)):
        solids, surfaces, taken = product.solids(), product.surfaces(), _how_taken(product)
        name, views = _names(product)
        rng = seeded(product.seed, "camera", product.key)
        camera = look(rng)
        if taken == "cut":
            picture, covered = render(solids, surfaces, Look(camera.azimuth, camera.elevation), side)
            yield name, _png(np.dstack([picture, covered]))
        else:
            picture, _ = render(solids, surfaces, camera, side)
            yield name, as_stored(picture, pick(rng, _LYING) if taken == "lying" else 1)
        for number, view in enumerate(views):
            camera = look(rng, turned_by=(70.0, -110.0)[number % 2], studio=0.3)
            yield view, as_stored(render(solids, surfaces, camera, side)[0])


def _other_pictures(numbers: Iterable[int], settings: ShopTwin) -> Iterator[tuple[str, bytes]]:
    for number in numbers:
        key = f"X{number:06d}"
        yield f"{key}.jpg", as_stored(other.picture(settings.seed, key, settings.picture_px))


def _other_row(settings: ShopTwin, number: int) -> dict[str, str]:
    key = f"X{number:06d}"
    thing = other.thing(settings.seed, key)
    return {
        "id": key,
        "name": thing.caption,
        "image_path": f"{PICTURES}/{number // BLOCK:05d}/{key}.jpg",
        "clean_title": thing.kind,
        "object_type": thing.kind,
        "material": thing.made.material,
        "color": thing.made.colour,
    }


def _png(picture: NDArray[np.uint8]) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return sink.getvalue()


def as_stored(picture: NDArray[np.uint8], orientation: int = 1) -> bytes:
    """A JPEG whose pixels lie as ``orientation``, a number of EXIF, says."""
    how = EXIF_ORIENTATIONS[orientation]
    stored = picture[:: -1 if how.flipped else 1, :: -1 if how.mirrored else 1]
    data = encode_jpeg(stored.swapaxes(0, 1) if how.transposed else stored, _QUALITY)
    if orientation == 1:
        return data
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    block = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
