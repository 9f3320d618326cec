"""What `rushes init` makes of folders of products."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
import yaml
from jobs import tell
from PIL import Image

from rushes.recipe import frozen
from rushes.tasks import load_recipe


def picture(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), (shade, 90, 10)).save(path)


def proposed(root: Path) -> tuple[dict, str]:
    """The recipe as plain data, and its text; it opens, and its products are audited."""
    out = root.parent / "r.yaml"
    told = tell("init", str(root), "--out", str(out))
    assert told.code == 0, told.err
    assert load_recipe(out).task == "catalog"
    audited = tell("audit", str(out), "--workspace", str(root.parent / "runs"))
    assert "4 products" in audited.out, audited.out + audited.err
    return yaml.safe_load(out.read_text()), out.read_text()


@pytest.fixture
def shop(tmp_path) -> Path:
    root = tmp_path / "shop"
    for number in range(4):
        picture(root / f"img/{number}.jpg", 40 * number)
    return root


def test_a_table_with_columns_of_its_own(shop):
    rows = [
        f"{n};Sessel {n};img/{n}.jpg;40;50;90;chair;Armchair {n};{'train' if n else 'test'}" for n in range(4)
    ]
    head = "sku;title;photo;width_cm;depth_cm;height_cm;category;title_en;split"
    (shop / "stock.csv").write_text("\n".join([head, *rows]))
    (shop / "prices.csv").write_text("sku,price\n1,2\n")
    recipe, text = proposed(shop)
    assert recipe["source"] == {
        "kind": "table",
        "root": "shop",
        "table": "stock.csv",
        "columns": {
            "picture": "photo",
            "name": "title",
            "label": "category",
            "side": "split",
            "size": ["width_cm", "depth_cm", "height_cm"],
            "languages": {"en": "title_en"},
        },
        "split": "column",
    }
    assert recipe["evaluate"] == {"languages": ["en"]}
    assert "Doubt: 4 products are few" in text


def test_a_table_with_the_usual_columns_needs_no_line_for_them(shop):
    (shop / "products.csv").write_text(
        "name,image_path\n" + "".join(f"Chair {n},./img/{n}.jpg\n" for n in range(4))
    )
    recipe, _ = proposed(shop)
    assert recipe["source"] == {"kind": "table", "root": "shop"}


def test_pictures_with_words_beside_them(shop):
    for number in range(4):
        (shop / f"img/{number}.txt").write_text(f"chair {number}")
    recipe, _ = proposed(shop)
    assert recipe["source"] == {"kind": "folder", "root": "shop"}


def test_tars_of_samples(shop):
    with tarfile.open(shop / "a.tar", "w") as archive:
        for number in range(4):
            archive.add(shop / f"img/{number}.jpg", f"{number}.jpg")
            info = tarfile.TarInfo(f"{number}.txt")
            info.size = 5
            archive.addfile(info, io.BytesIO(b"chair"))
            (shop / f"img/{number}.jpg").unlink()
    recipe, _ = proposed(shop)
    assert recipe["source"] == {"kind": "webdataset", "root": "shop"}


def test_a_table_of_addresses_says_what_they_need(shop):
    (shop / "p.csv").write_text(
        "name,url\n" + "".join(f"Chair {n},https://shop.example/{n}.jpg\n" for n in range(4))
    )
    told = tell("init", str(shop), "--out", str(shop.parent / "r.yaml"))
    assert told.code == 0, told.err
    assert "RUSHES_ALLOW=https" in (shop.parent / "r.yaml").read_text()


def test_a_table_without_a_title_is_told(shop):
    (shop / "p.csv").write_text("nummer,image_path\n" + "".join(f"{n},img/{n}.jpg\n" for n in range(4)))
    told = tell("init", str(shop), "--out", str(shop.parent / "r.yaml"))
    assert told.code == 2
    assert "no column is called like a title: nummer, image_path" in told.err


def test_pictures_alone_are_not_products(shop):
    told = tell("init", str(shop), "--out", str(shop.parent / "r.yaml"))
    assert told.code == 2
    assert "4 pictures, and no video and no sound" in told.err


@pytest.mark.parametrize(("packages", "model"), [((), "tiny"), (("yaml",), "locked")])
def test_the_model_follows_what_is_installed(shop, monkeypatch, packages, model):
    for number in range(4):
        (shop / f"img/{number}.txt").write_text(f"chair {number}")
    monkeypatch.setattr(frozen, "PACKAGES", packages or ("no_such_package",))
    monkeypatch.setattr("rushes.tasks.catalog.propose.SENTENCE_PACKAGES", packages)
    recipe, _ = proposed(shop)
    assert recipe["model"]["name"] == model


def rows_of(shop: Path, head: str, cells: str = "Stuhl {n};img/{n}.jpg") -> None:
    (shop / "artikel.csv").write_text(
        "\n".join([head, *(cells.format(n=n) for n in range(4))]), encoding="utf-8"
    )


def test_headers_of_other_languages_are_known(shop):
    rows_of(
        shop,
        "Artikelbezeichnung;Bilddatei;Warengruppe;Farbe;Material;Stil;Breite;Tiefe;Höhe;Preis",
        "Stuhl {n};img/{n}.jpg;Möbel {n};rot;Eiche;modern;40;50;90;12,50",
    )
    recipe, text = proposed(shop)
    assert recipe["source"]["columns"] == {
        "picture": "Bilddatei",
        "name": "Artikelbezeichnung",
        "label": "Warengruppe",
        "fields": {"style": "Stil", "color": "Farbe", "material": "Material"},
        "size": ["Breite", "Tiefe", "Höhe"],
    }
    assert "no types apart" not in text


def test_columns_are_asked_for_where_no_header_is_usual(shop):
    rows_of(shop, "Was;Datei;Ort;Ton", "Stuhl {n};img/{n}.jpg;Lager {n};rot")
    out = shop.parent / "r.yaml"
    refused = tell("init", str(shop), "--out", str(out))
    assert "rushes init --column name=HEADER" in refused.err
    asked = [f"--column={word}" for word in ("name=Was", "label=Ort", "color=Ton", "picture=Datei")]
    told = tell("init", str(shop), "--out", str(out), *asked)
    assert told.code == 0, told.err
    assert yaml.safe_load(out.read_text())["source"]["columns"] == {
        "picture": "Datei",
        "name": "Was",
        "label": "Ort",
        "fields": {"color": "Ton"},
    }
    assert out.read_text().count("as --column says") == 4
    wrong = tell("init", str(shop), "--out", str(out), "--force", "--column", "name=Wass")
    assert wrong.code == 2
    assert "no column 'Wass'; did you mean Was?" in wrong.err
    assert "did you mean name?" in tell("init", str(shop), "--column", "nme=Was").err


def test_a_type_alone_may_be_asked_for(shop):
    """Of labels a column is called so, too."""
    rows_of(shop, "Titel;Bild;Ort", "Stuhl {n};img/{n}.jpg;Lager {n}")
    out = shop.parent / "r.yaml"
    told = tell("init", str(shop), "--out", str(out), "--column", "label=Ort")
    assert told.code == 0, told.err
    assert yaml.safe_load(out.read_text())["source"]["columns"]["label"] == "Ort"


def test_a_table_that_is_no_utf_8_is_told(shop):
    (shop / "artikel.csv").write_bytes("Titel;Bild\nGrün;img/0.jpg\n".encode("cp1252"))
    told = tell("init", str(shop), "--out", str(shop.parent / "r.yaml"))
    assert told.code == 2
    assert "neither UTF-8 nor UTF-16" in told.err
    assert "save the file as UTF-8" in told.err
    assert "video" not in told.err


@pytest.mark.parametrize(
    ("head", "cells", "doubt"),
    [
        ("Titel;Bild", "Stuhl {n};img/{n}.jpg", "no column is called like a type of object"),
        ("Titel;Bild;Typ", "Stuhl {n};img/{n}.jpg;Stuhl", "the column Typ says 'Stuhl' of every product"),
    ],
)
def test_a_type_that_tells_nothing_is_a_doubt(shop, head, cells, doubt):
    rows_of(shop, head, cells)
    told = tell("init", str(shop), "--out", str(shop.parent / "r.yaml"))
    assert doubt in told.out


def test_products_whose_picture_is_there_are_counted(shop):
    rows_of(shop, "Titel;Bild", "Stuhl {n};img/{n}.jpg")
    with (shop / "artikel.csv").open("a") as file:
        file.write("\n" + "\n".join(f"Weg {n};img/gone{n}.jpg" for n in range(3)))
    told = tell("init", str(shop), "--out", str(shop.parent / "r.yaml"))
    assert "doubt: 4 products are few" in told.out


def test_folders_of_tars_say_the_sides(shop):
    for side in ("train", "val", "test"):
        (shop / side).mkdir()
        with tarfile.open(shop / side / "a.tar", "w") as archive:
            archive.add(shop / "img/0.jpg", "0.jpg")
            info = tarfile.TarInfo("0.txt")
            info.size = 5
            archive.addfile(info, io.BytesIO(b"chair"))
    out = shop.parent / "r.yaml"
    assert tell("init", str(shop), "--out", str(out)).code == 0
    assert yaml.safe_load(out.read_text())["source"]["split"] == "column"
