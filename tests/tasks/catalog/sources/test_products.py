"""Products of tables, tars and folders: what becomes an item, what a fault, and that nothing is passed over."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rushes.errors import SourceError, StorageError
from rushes.label.ledger import Labelled
from rushes.label.question import Question
from rushes.label.result import write_result
from rushes.media.picture import read_picture
from rushes.recipe.columns import Columns
from rushes.recipe.labelling import Labelling
from rushes.runs.pictured import table
from rushes.stages import sha256_file, take_inventory
from rushes.tasks.catalog.recipe import ProductSource
from rushes.tasks.catalog.sources.attributes import join
from rushes.tasks.catalog.sources.item import Item
from rushes.tasks.catalog.sources.products import Products, ProductScan
from rushes.testing import source_checks


def picture(shade: int, kind: str = "PNG", size: tuple[int, int] = (12, 8)) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", size, (shade, 2 * shade % 256, 90)).save(sink, kind)
    return sink.getvalue()


def nowhere() -> None:
    raise AssertionError("nobody looks")


def write(root: Path, rows: list[dict[str, str]], name: str = "products.csv") -> None:
    root.mkdir(parents=True, exist_ok=True)
    with (root / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def shop(tmp_path) -> Path:
    """Three products, the first with a view."""
    root = tmp_path / "shop"
    (root / "pictures").mkdir(parents=True)
    for number in range(4):
        (root / f"pictures/{number}.png").write_bytes(picture(40 * number))
    write(
        root,
        [
            {
                "id": f"P{number}",
                "name": f"Chair {number}",
                "image_path": f"pictures/{number}.png",
                "views": "pictures/3.png" if number == 0 else "",
                "object_type": "chair",
                "material": "oak" if number else "",
            }
            for number in range(3)
        ],
    )
    return root


def scan(root: Path, **asked: object) -> ProductScan:
    return Products(ProductSource(**asked)).scan(root)


def with_rows(root: Path, *rows: dict[str, str]) -> None:
    """Add rows to the table."""
    with (root / "products.csv").open(newline="") as file:
        known = list(csv.DictReader(file))
    write(root, [*known, *(dict.fromkeys(known[0], "") | row for row in rows)])


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_a_table_keeps_the_contract_of_sources(check, shop, tmp_path):
    check(Products(ProductSource()), shop, tmp_path / "checked")


# --- tables -----------------------------------------------------------------------------------------------


def test_a_row_becomes_an_item(shop):
    found = scan(shop)
    item = next(one for one in found.items if one.title == "Chair 0")
    assert item.where == f"{shop / 'products.csv'}:2"
    assert item.fields == {"id": "P0", "object_type": "chair"}  # an empty cell is no attribute
    assert [view.read() for view in item.views] == [picture(120)]
    assert [one.key for one in found.items] == sorted(one.key for one in found.items)
    assert all(len(one.key) == 16 for one in found.items)


def test_a_key_follows_the_picture_and_the_row_wherever_they_lie(shop, tmp_path):
    before = {item.title: item.key for item in scan(shop).items}
    (shop / "products.csv").write_text(
        "\n".join(
            [(lines := (shop / "products.csv").read_text().splitlines())[0], *reversed(lines[1:])]
        )  # another order
    )
    moved = shop.rename(tmp_path / "elsewhere")
    assert {item.title: item.key for item in scan(moved).items} == before
    (moved / "pictures/1.png").write_bytes(picture(41))
    changed = {item.title: item.key for item in scan(moved).items}
    assert {title for title in before if before[title] != changed[title]} == {"Chair 1"}


def test_columns_of_another_name_sizes_languages_group_and_side(shop):
    write(
        shop,
        [
            {"Titel": "Stuhl", "title en": "Chair", "bild": "pictures/0.png", "w": "40,5", "h": "90", "art": "stool",
             "family": "F1", "split": "Validation", "Farbe": "rot"},
            {"Titel": "Tisch", "title en": "Table", "bild": "pictures/1.png", "w": "wide", "h": "1", "art": "table",
             "family": "F2", "split": "dev2", "Farbe": ""},
        ],
    )  # fmt: skip
    columns = Columns(
        name="Titel",
        picture="bild",
        label="art",
        group="family",
        side="split",
        size=("w", "h"),
        languages={"en": "title en"},
        fields={"color": "Farbe"},
    )
    found = scan(shop, columns=columns)
    first, second = sorted(found.items, key=lambda item: item.title)
    assert (first.size_cm, first.group, first.side, dict(first.titles)) == (
        (40.5, 90.0),
        "F1",
        "val",
        {"en": "Chair"},
    )
    assert first.fields == {"art": "stool", "object_type": "stool", "Farbe": "rot", "color": "rot"}
    assert (second.size_cm, second.side) == (None, None)
    assert sorted(found.notes) == [
        f"rows on side 'dev2', which is none of train, val, test: 1, the first: {shop}/products.csv:3",
        f"rows whose w, h are no numbers above 0: 1, the first: {shop}/products.csv:3",
    ]


def test_parquet_and_semicolons_say_the_same_as_commas(shop):
    import pyarrow.csv
    import pyarrow.parquet

    keys = [item.key for item in scan(shop).items]
    read = pyarrow.csv.read_csv(shop / "products.csv")
    semicolons = (shop / "products.csv").read_text().replace(",", ";")
    (shop / "products.csv").write_text(f"sep=;\n{semicolons}")
    assert [item.key for item in scan(shop).items] == keys
    (shop / "products.csv").unlink()
    pyarrow.parquet.write_table(read, shop / "products.parquet")
    assert [item.key for item in scan(shop).items] == keys


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "no picture is named"),
        ("pictures/9.png", "pictures/9.png: not there"),
        ("pictures", "pictures: a link that leads out of the folder or nowhere, or no file"),
        ("../secret.png", "a path that leads out of source.root: '../secret.png'"),
        ("/etc/hostname", "a path that leads out of source.root: '/etc/hostname'"),
        ("linked.png", "linked.png: a link that leads out of the folder or nowhere, or no file"),
        ("pictures/text.png", "a JPEG, PNG, WebP, GIF or BMP is read, found"),
        ("pictures/empty.png", "a JPEG, PNG, WebP, GIF or BMP is read, found 0 bytes"),
        ("pictures/huge.png", "a picture of at most 40,000,000 pixels is accepted, found more"),
        ("ftp://shop/a.png", "ftp:/shop/a.png: not there"),
    ],
)
def test_what_is_no_picture_is_a_fault_with_its_line(shop, cell, message):
    (shop.parent / "secret.png").write_bytes(picture(7))
    (shop / "linked.png").symlink_to(shop.parent / "secret.png")
    (shop / "pictures/text.png").write_text("<html>not found</html>")
    (shop / "pictures/empty.png").touch()
    head = b"IHDR" + (20_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    whole = picture(1)
    (shop / "pictures/huge.png").write_bytes(
        whole[:12] + head + zlib.crc32(head).to_bytes(4, "big") + whole[33:]
    )
    with_rows(shop, {"name": "bad", "image_path": cell})
    found = scan(shop)
    assert len(found.items) == 3
    [fault] = found.faults
    assert message in fault.message
    assert (fault.where, bool(fault.cure)) == (f"{shop / 'products.csv'}:5", True)


def test_rows_that_are_wholly_the_same_are_counted_and_left_out(shop):
    row = {
        "id": "P1",
        "name": "Chair 1",
        "image_path": "pictures/1.png",
        "object_type": "chair",
        "material": "oak",
    }
    with_rows(shop, row, row, row | {"name": "Chair one"})
    found = scan(shop)
    assert len(found.items) == 4
    assert list(found.skipped.values()) == ["wholly the same as another row"] * 2
    assert len(found.skipped.keys() | {item.key for item in found.items}) == 6


def test_a_view_that_cannot_be_read_is_a_note_and_the_item_stays(shop):
    with_rows(shop, {"name": "new", "image_path": "pictures/2.png", "views": "pictures/0.png|gone.png"})
    found = scan(shop)
    assert [len(item.views) for item in found.items if item.title == "new"] == [1]
    assert not found.faults
    assert found.notes == (
        f"views that cannot be read: 1, the first: gone.png: not there ({shop / 'products.csv'}:5)",
    )


def test_every_file_has_a_fate(shop):
    for name in ("nobody.webp", "bad.png", "bad view.png"):
        (shop / f"pictures/{name}").write_bytes(b"?")
    (shop / "README").touch()
    (shop / "labels").mkdir()
    write(shop / "labels", [{"id": "0" * 16, "style": "modern"}])
    with_rows(
        shop,
        {"name": "bad", "image_path": "pictures/bad.png"},
        {"name": "good", "image_path": "pictures/1.png", "views": "pictures/bad view.png"},
    )
    source = Products(ProductSource(attributes=shop / "labels/products.csv"))
    found = source.scan(shop)
    wrong = "a JPEG, PNG, WebP, GIF or BMP is read, found 1 bytes that begin b'?'"
    told = {(line.fate, line.reason): line.files for line in take_inventory(shop, source.claims(found)).lines}
    assert told == {
        ("used", "pictures"): 3,
        ("used", "views"): 1,
        ("read", "table"): 1,
        ("read", "attributes"): 1,
        ("faulty", f"pictures/bad.png: {wrong}"): 1,
        ("faulty", f"pictures/bad view.png: {wrong}"): 1,
        ("skipped", "no row names it"): 1,
        ("unread", "no suffix"): 1,
    }


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"columns": Columns(name="title")}, "no column 'title'; did you mean"),
        ({"columns": Columns(group="family")}, "no column 'family'"),
        ({"columns": Columns(size=("w",))}, "no column 'w'"),
        ({"columns": Columns(languages={"de": "name_de"})}, "no column 'name_de'; did you mean name?"),
        ({"columns": Columns(picture="photo")}, "no column 'photo'"),
        ({"columns": Columns(fields={"color": "Farbe"})}, "no column 'Farbe'"),
        ({"split": "column"}, "source.split is column, and no product says its side under 'side'"),
        (
            {"split": {"train": ["F1"], "val": ["F2"]}},
            "source.split lists 'F1', 'F2', and no product is of such",
        ),
        ({"table": "other.csv"}, "no such table"),
        ({"table": "../shop/products.csv"}, "no such table"),
        ({"kind": "webdataset"}, "no .tar in this folder"),
    ],
)
def test_a_recipe_that_does_not_fit_the_table_is_told_with_a_cure(shop, asked, message):
    with pytest.raises(SourceError) as told:
        scan(shop, **asked)
    assert message.split(";")[0] in told.value.message
    assert told.value.cure


def test_two_tables_have_to_be_told_apart(shop):
    (shop / "prices.csv").write_text("id,price\n")
    with pytest.raises(SourceError, match=r"found prices.csv, products.csv") as told:
        scan(shop)
    assert told.value.cure.endswith("source.table: prices.csv or source.table: products.csv")
    with pytest.raises(SourceError, match=r"no such table below source.root; did you mean products.csv\?"):
        scan(shop, table="produkts.csv")
    assert len(scan(shop, table="products.csv").items) == 3


def test_pictures_are_read_once(shop, tmp_path, monkeypatch):
    memory = tmp_path / "memory"
    memory.mkdir()
    source, asked = Products(ProductSource()).remembering(memory), []
    monkeypatch.setattr(table, "sha256_and_fault", lambda data, where: asked.append(where) or ("0" * 64, ""))
    first = source.scan(shop)
    assert len(asked) == 4
    assert source.scan(shop) == first
    assert len(asked) == 4
    (shop / "pictures/1.png").write_bytes(picture(77))
    source.scan(shop)
    assert asked[4:] == ["pictures/1.png"]


# --- attributes and the other domain ------------------------------------------------------------------------


def test_attributes_are_joined_by_key_and_strays_are_counted(shop, tmp_path):
    first, *others = scan(shop).items
    write(
        tmp_path,
        [
            {"id": first.key, "clean_title": "side chair", "style": "modern"},
            {"id": "0" * 16, "clean_title": "ghost", "style": ""},
        ],
        "labels.csv",
    )
    found = scan(shop, attributes=tmp_path / "labels.csv")
    assert found.joined.strays == 1
    assert found.items[0].fields == {**first.fields, "clean_title": "side chair", "style": "modern"}
    assert list(found.items[1:]) == others
    with pytest.raises(SourceError, match="no such table of attributes"):
        scan(shop, attributes=tmp_path / "none.csv")


def test_books_of_labelling_are_no_attributes(shop, tmp_path):
    question = Question.of(Labelling(model="asked", attributes={"style": {}}))
    first, second = (
        Item("k" + name, "row", "t", nowhere, fields={"model": "LAMP-7", "finish": "matt", "style": "old"})
        for name in "12"
    )
    answer = Labelled("k1", "t", "row", {"style": "new"}, "answered", "gpt", "stop", "", 1, 0)
    write_result(tmp_path, [answer], question)
    for name in ("attributes.parquet", "attributes.csv"):
        found = join([first, second], tmp_path / name)
        assert found.items[0].fields == {"model": "LAMP-7", "finish": "matt", "style": "new"}
        assert found.items[1] == second


def test_what_an_answer_does_not_know_is_not_what_the_shop_said(tmp_path):
    fields = {"color": "red", "object_type": "chair", "sku": "7"}
    items = [Item(f"k{number}", "row", "t", nowhere, fields=fields) for number in range(3)]
    rows = [
        {"id": "k0", "color": "", "style": "", "object_type": "side chair"},
        {"id": "k1", "color": "blue", "style": "", "object_type": "stool"},
    ]
    write(tmp_path, rows, "labels.csv")
    found = join(items, tmp_path / "labels.csv")
    assert [item.fields for item in found.items] == [
        {"object_type": "side chair", "sku": "7"},
        {"color": "blue", "object_type": "stool", "sku": "7"},
        fields,
    ]
    assert (found.unknown, found.types) == ({"color": 1}, (1, 3))


def test_products_of_another_domain_are_scanned_beside(shop, tmp_path):
    other = tmp_path / "other"
    (other / "p").mkdir(parents=True)
    (other / "p/1.jpg").write_bytes(picture(9, "JPEG"))
    write(other, [{"name": "A frog.", "image_path": "p/1.jpg"}])
    alone = Products(ProductSource())
    both = Products(ProductSource(), ProductSource(root=other))
    found = both.scan(shop)
    assert found.probe is not None
    assert [item.title for item in found.probe.items] == ["A frog."]
    before = both.fingerprint(found)
    assert before != alone.fingerprint(alone.scan(shop))
    (other / "p/1.jpg").write_bytes(picture(10, "JPEG"))
    assert both.fingerprint(both.scan(shop)) != before


# --- tars and folders ---------------------------------------------------------------------------------------


def tar(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def tars(tmp_path) -> Path:
    root = tmp_path / "tars"
    tar(
        root / "train" / "shard-000000.tar",
        {
            "000.jpg": picture(10, "JPEG"),
            "000.txt": b"a red chair",
            "000.json": json.dumps(
                {"object_type": "chair", "group": "F1", "price": 3, "none": None}
            ).encode(),
            "000.view0.jpg": picture(11, "JPEG"),
            "001.png": picture(12),
            "001.txt": b"a table",
            "001.cls": b"7",
        },
    )
    tar(
        root / "test" / "shard-000000.tar",
        {"002.webp": picture(13, "WEBP"), "002.json": b'{"name": "a lamp"}'},
    )
    return root


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_tars_keep_the_contract_of_sources(check, tars, tmp_path):
    check(Products(ProductSource(kind="webdataset")), tars, tmp_path / "checked")


def test_samples_of_tars_are_read_in_place(tars):
    found = scan(tars, kind="webdataset")
    by_title = {item.title: item for item in found.items}
    chair = by_title["a red chair"]
    assert (chair.side, chair.group, len(chair.views)) == ("train", "F1", 1)
    assert chair.fields == {"object_type": "chair", "price": "3"}
    assert chair.picture.path == tars / "train/shard-000000.tar"
    assert chair.picture.read() == picture(10, "JPEG")
    assert chair.views[0].read() == picture(11, "JPEG")
    assert read_picture(by_title["a lamp"].picture.read()).shape == (8, 12, 3)
    assert by_title["a lamp"].side == "test"
    assert found.notes == ("members .cls that are not read: 1",)
    assert not any(path.name.startswith("000") for path in tars.rglob("*"))  # nothing was unpacked


def test_tars_are_read_once(tars, tmp_path, monkeypatch):
    memory = tmp_path / "memory"
    memory.mkdir()
    source = Products(ProductSource(kind="webdataset")).remembering(memory)
    first = source.scan(tars)

    def refuse(*args: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("rushes.runs.pictured.samples.members", refuse)
    assert source.scan(tars) == first


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"000.txt": b"no picture"}, "a sample without a picture: txt"),
        ({"000.jpg": b"text", "000.txt": b"a"}, "000.jpg: a JPEG, PNG, WebP, GIF or BMP is read"),
        ({"000.png": picture(1), "000.json": b"{"}, "not JSON"),
        ({"000.png": picture(1), "000.json": b"[1]"}, "its JSON is no object"),
        ({"000.png": picture(1), "000.json": b'{"a":' * 100_000}, "not JSON"),
        ({"000.png": picture(1), "000.txt": b"\xff\xfe\xfa"}, "000.txt: not UTF-8"),
        ({"000.png": picture(1), "000.txt": bytes(1_000_001)}, "words of 1,000,001 bytes"),
        ({"../000.png": picture(1)}, "a member may not be called so"),
        ({"/000.png": picture(1)}, "a member may not be called so"),
    ],
)
def test_a_sample_that_does_not_hold_is_a_fault(tars, files, message):
    tar(tars / "bad.tar", files)
    found = scan(tars, kind="webdataset")
    assert len(found.items) == 3
    [fault] = found.faults
    assert message in fault.message
    assert str(tars / "bad.tar") in fault.where


def test_a_tar_with_a_link_or_that_is_cut_or_packed_is_a_fault_as_a_whole(tars):
    with tarfile.open(tars / "link.tar", "w") as archive:
        info = tarfile.TarInfo("000.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    whole = (tars / "train/shard-000000.tar").read_bytes()
    (tars / "cut.tar").write_bytes(whole[:700])
    with tarfile.open(tars / "packed.tar", "w:gz"):
        pass
    found = scan(tars, kind="webdataset")
    assert len(found.items) == 3
    told = {Path(fault.where.split(".tar")[0]).name: fault.message for fault in found.faults}
    assert told["link"].startswith("an archive holds files and folders only")
    assert "cut" in told["cut"]
    assert told["packed"].startswith("a compressed tar cannot be read in place")


def test_loose_pictures_with_words_beside_them(tmp_path):
    root = tmp_path / "loose"
    for name, data in {
        "chairs/red.v2.jpg": picture(10, "JPEG"),
        "chairs/red.v2.txt": b"a red chair",
        "chairs/blue.png": picture(11),
        "chairs/blue.json": b'{"name": "a blue chair", "object_type": "seat"}',
        "lamps/one.png": picture(12),
        "lamps/broken.jpg": b"?",
        "notes.txt": b"nobody's",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    source = Products(ProductSource(kind="folder"))
    found = source.scan(root)
    assert {(item.title, item.fields["object_type"]) for item in found.items} == {
        ("a red chair", "chairs"),
        ("a blue chair", "seat"),
        ("", "lamps"),
    }
    assert found.notes == (f"rows without a title, called by their type: 1, the first: {root}/lamps/one",)
    assert [fault.where for fault in found.faults] == [f"{root}/lamps/broken"]
    told = {(line.fate, line.reason): line.files for line in take_inventory(root, source.claims(found)).lines}
    assert told == {
        ("used", "pictures"): 3,
        ("read", "words"): 2,
        ("faulty", found.faults[0].message): 1,
        ("unread", ".txt"): 1,
    }


# --- addresses ----------------------------------------------------------------------------------------------


def test_pictures_at_addresses_need_the_owner_of_the_machine(shop, tmp_path):
    with_rows(shop, {"name": "far", "image_path": "http://127.0.0.1:9/a.png"})
    source = Products(ProductSource()).remembering(tmp_path)
    with pytest.raises(StorageError) as told:
        source.scan(shop)
    assert told.value.cure == "if you trust this table, type RUSHES_ALLOW=http before the same command"
    with pytest.raises(SourceError, match="need a workspace"):
        replace(source, memory=None).scan(shop)


def test_the_same_picture_by_an_address_and_by_a_file_differ_by_their_rows_alone(
    shop, tmp_path, served, monkeypatch
):
    monkeypatch.setenv("RUSHES_ALLOW", "http")
    (served.root / "a.png").write_bytes(picture(40))
    with_rows(
        shop,
        {
            "name": "far",
            "image_path": f"{served.url}/a.png",
            "views": f"{served.url}/a.png|{served.url}/gone.png",
        },
        {"name": "lost", "image_path": f"{served.url}/lost.png"},
    )
    source = Products(ProductSource()).remembering(tmp_path)
    found = source.scan(shop)
    far = next(item for item in found.items if item.title == "far")
    assert far.picture.read() == picture(40)
    assert len(far.views) == 1
    assert sha256_file(far.picture.path) == sha256_file(shop / "pictures/1.png")
    [fault] = found.faults
    assert fault.message == f"the server answers 404 File not found ({served.url}/lost.png)"
    assert fault.where == f"{shop / 'products.csv'}:6"
    asked = len(served.asked)
    assert source.scan(shop) == found
    assert len(served.asked) == asked  # neither pictures nor what is not there


def test_titles_of_any_language_and_cells_of_any_length(shop):
    long = "word " * 20_000
    with_rows(shop, {"name": f"стол 桌子 {long}", "image_path": "pictures/0.png"})
    assert np.any([len(item.title) > 99_000 for item in scan(shop).items])
