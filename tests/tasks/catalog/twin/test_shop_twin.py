"""The drawn shop: the same bytes each time, true columns, titles as noisy as asked, and pictures that are read."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rushes.media.dhash import look_of
from rushes.media.picture import read_picture
from rushes.media.surfaces import COLOURS, MATERIALS
from rushes.prepare.near import pairs_across
from rushes.recipe.columns import Columns
from rushes.recipe.near import NearDuplicates
from rushes.tasks.catalog.recipe import ProductSource, ShopTwin
from rushes.tasks.catalog.sources.products import Products
from rushes.tasks.catalog.twin import other
from rushes.tasks.catalog.twin.furniture import STYLES, TYPES
from rushes.tasks.catalog.twin.shop import VIEWS, families, row
from rushes.tasks.catalog.twin.writer import as_stored, count, units, write_unit

SETTINGS = ShopTwin(products=24, other=25, picture_px=48)


def draw(root: Path, settings: ShopTwin = SETTINGS, keys: tuple[str, ...] | None = None) -> Path:
    for key, unit in units(settings).items():
        if keys is None or key in keys:
            write_unit(root, unit, settings)
    return root


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    return draw(tmp_path_factory.mktemp("twin") / "raw")


def table(root: Path) -> list[dict[str, str]]:
    with (root / "products.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_unit_gives_the_same_bytes_whatever_else_was_drawn(raw, tmp_path):
    whole = hashes(raw)
    again = hashes(draw(tmp_path, keys=("shop-00001", "other-00001", "table-00000", "other-table-00000")))
    assert again
    assert again == {name: whole[name] for name in again}
    assert hashes(draw(tmp_path / "b", ShopTwin(products=24, other=25, picture_px=48, seed=1))) != whole


def test_the_source_reads_all_of_it(raw):
    columns = Columns(size=("width_cm", "depth_cm", "height_cm"), languages={"de": "name_de"})
    source = Products(ProductSource(columns=columns), drawn=True)
    found = source.scan(raw)
    assert found.probe is not None
    assert (len(found.items), len(found.probe.items)) == (count(SETTINGS), 25)
    assert (found.faults, found.skipped, found.notes, found.probe.notes) == ((), {}, (), ())
    claims = source.claims(found)
    assert {claims(name).fate for name in hashes(raw)} == {"used", "read"}
    assert all(item.size_cm and len(item.views) == VIEWS and "de" in item.titles for item in found.items)
    for item in (*found.items, *found.probe.items):
        assert read_picture(item.picture.read()).shape == (48, 48, 3)


def test_columns_tell_the_truth_and_variants_of_a_family_differ_in_colour_alone(raw):
    rows = table(raw)
    for one in rows:
        assert one["object_type"] in TYPES
        assert one["clean_title"] in TYPES[one["object_type"]].names
        assert (one["style"] in STYLES, one["material"] in MATERIALS, one["color"] in COLOURS) == (True,) * 3
    same = ("object_type", "style", "material", "width_cm", "depth_cm", "height_cm")
    for group in {one["group"] for one in rows}:
        of = [one for one in rows if one["group"] == group]
        assert len({tuple(one[name] for name in same) for one in of}) == 1
        assert len({one["color"] for one in of}) == len(of)
    assert max(Counter(one["group"] for one in rows).values()) > 1


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_titles_are_as_noisy_as_asked(noise):
    products = [product for of in families(ShopTwin(products=200)) for product in of]
    rows = [row(product, noise, "a.png", []) for product in products]
    true = sum(
        all(one[name] in one["name"].lower() for name in ("color", "material", "style", "clean_title"))
        for one in rows
    )
    assert abs(true / len(rows) - (1 - noise)) < 0.1


def test_pictures_are_stored_as_shops_and_cameras_do(raw):
    kinds: Counter[str] = Counter()
    for one in table(raw):
        with Image.open(raw / one["image_path"]) as picture:
            lies = picture.getexif().get(0x0112, 1)
            kinds["cut" if picture.mode == "RGBA" else "lying" if lies != 1 else "plain"] += 1
            if picture.mode == "RGBA":
                alpha = np.asarray(picture)[:, :, 3]
                assert alpha.min() == 0
                assert alpha.max() == 255
    assert min(kinds[kind] for kind in ("cut", "lying", "plain")) > 0


def test_lamps_and_mirrors_of_different_families_are_no_near_duplicates(tmp_path):
    """They are thin, or plain, on white: drawn straight, most of them had one hash, and stood on one side."""
    settings, near = ShopTwin(products=160, picture_px=48), NearDuplicates()
    families_of = [of for of in families(settings) if of[0].kind in ("lamp", "mirror")]
    draw(tmp_path, settings)
    looks, names = [], []
    for product in (product for of in families_of for product in of):
        (picture,) = (tmp_path / "pictures").glob(f"*/{product.key}.*")
        looks.append(look_of(read_picture(picture.read_bytes())))
        names.append(str(product.family))
    pairs = pairs_across(looks, names, near.same_bits, near.least_variance)
    joined = {name for one, other, _ in pairs for name in (names[one], names[other])}
    assert len(families_of) > 12
    assert len(joined) <= len(families_of) // 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_lies_is_the_one_that_stands(orientation):
    ramp = (
        np.linspace(0, 250, 24)[:, None, None]
        * np.linspace(0.2, 1, 40)[None, :, None]
        * np.array([1, 0.5, 0.2])
    )
    picture = ramp.astype(np.uint8)
    assert np.abs(read_picture(as_stored(picture, orientation)).astype(int) - picture).max() < 12


def test_pairs_of_the_other_domain_are_fixed_and_no_item_of_the_twin():
    first, again = list(other.pairs(6, 32, 3)), list(other.pairs(8, 32, 3))
    for (picture, words), (same, same_words) in zip(first, again, strict=False):
        assert picture.shape == (32, 32, 3)
        assert picture.dtype == np.uint8
        assert (words, picture.tobytes()) == (same_words, same.tobytes())
    twins = {other.picture(3, f"X{number:06d}", 32).tobytes() for number in range(25)}
    assert not twins & {picture.tobytes() for picture, _ in first}
    assert not set(other.TYPES) & set(TYPES)


def test_words_beside_pictures_name_what_is_seen():
    told = Counter(
        (thing.kind in thing.caption, thing.made.colour in thing.caption)
        for thing in (other.thing(0, f"pair{number}") for number in range(300))
    )
    assert told[(True, True)] > 200
    assert told[(True, False)] > 10
    assert set(told) == {(True, True), (True, False)}


def test_colours_are_seen():
    """The mean colour of what a thing covers is nearer to the one it is called by than to most others."""
    right = 0
    for number in range(60):
        thing = other.thing(5, f"pair{number}")
        picture = other.picture(5, f"pair{number}", 48).reshape(-1, 3) / 255
        centre = picture.reshape(48, 48, 3)[12:40, 12:36].reshape(-1, 3)
        seen = centre[np.abs(centre - picture[0]).sum(axis=1) > 0.25].mean(axis=0)
        ranked = sorted(COLOURS, key=lambda name: float(np.square(np.array(COLOURS[name]) - seen).sum()))
        right += thing.made.colour in ranked[:4]
    assert right > 42
