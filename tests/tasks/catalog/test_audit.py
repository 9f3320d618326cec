"""What is told of a catalogue before an hour of work, and the rows that are labelled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from jobs import tell
from PIL import Image

from rushes.errors import RecipeError
from rushes.runs.run import Run
from rushes.storage import open_workspace
from rushes.tasks import TASKS, load_recipe, open_run

HEAD = "name,image_path,object_type,material,style,split,name_de,group"
ROWS = (
    "Red chair,a.png,chair,oak,,train,Roter Stuhl,F1",
    "Blue chair,b.png,chair,,,train,,F1",
    "Lamp,c.png,,steel,modern,test,Lampe,",
    "Lamp,c.png,,steel,modern,test,Lampe,",
    "Gone,gone.png,table,,,val,,",
    "Nowhere,a.png,table,,,,,",
)


@pytest.fixture
def recipe(tmp_path) -> Path:
    shop = tmp_path / "shop"
    shop.mkdir()
    for shade, name in enumerate("abc"):
        Image.new("RGBA", (6, 4), (90 * shade, 0, 0, 0 if name == "c" else 255)).save(shop / f"{name}.png")
    (shop / "products.csv").write_text("\n".join([HEAD, *ROWS]))
    path = tmp_path / "r.yaml"
    path.write_text(
        "task: catalog\nname: r\nsource:\n  root: shop\n  split: column\n"
        "  columns: {languages: {de: name_de}, side: split}\n"
    )
    return path


def opened(recipe: Path, *overrides: str) -> Run:
    return open_run(load_recipe(recipe, overrides), open_workspace(recipe.parent / "runs"))


def test_the_audit_counts_what_there_is(recipe):
    told = tell("audit", str(recipe), "--workspace", str(recipe.parent / "runs"), "--json")
    audit = json.loads(told.out)
    assert told.code == 4, told.out  # a fault
    assert {
        name: audit[name] for name in ("products", "types", "sides", "groups", "languages", "lacking")
    } == {
        "products": 4,
        "types": {"chair": 2, "": 1, "table": 1},
        "sides": {"train": 2, "val": 0, "test": 1},
        "groups": 1,
        "languages": {"de": 2},
        "lacking": {"object_type": 1, "style": 3, "color": 4, "material": 2},
    }
    assert (audit["skipped"], audit["probe"], audit["attributes"]) == (1, 0, None)
    assert audit["notes"] == [
        "products on no side, which are left out: 1",
        "train.batch_size is 1,024: the training side, about 2 pairs, is one batch",
        "evaluate: about 1 product is searched, so R@1 and R@5 and R@10 are always 1: measure on more",
    ]
    [fault] = audit["faults"]
    assert fault["message"] == "gone.png: not there"
    assert fault["where"].endswith("products.csv:6")
    assert sum(line["files"] for line in audit["inventory"]["lines"]) == 4


def test_the_audit_tells_what_attributes_changed(recipe):
    [first, *_] = (item for item in opened(recipe).scan.items if item.fields.get("material"))
    labels = recipe.parent / "labels.csv"
    labels.write_text(
        f"id,material,object_type,model\n{first.key},,side chair,gpt\n{'0' * 16},oak,stool,gpt\n"
    )
    audited = ("audit", str(recipe), "--workspace", str(recipe.parent / "runs"))
    audited += ("--set", f"source.attributes={labels}")
    found = json.loads(tell(*audited, "--json").out)
    assert found["attributes"] == {"strays": 1, "unknown": {"material": 1}, "types": [2, 3]}
    said = tell(*audited).out
    assert "1 lost their material: the answer is that it is not known" in said
    assert "3 types of object with the attributes, 2 without" in said


def test_the_audit_in_words(recipe):
    told = tell("audit", str(recipe), "--workspace", str(recipe.parent / "runs")).out
    for line in (
        "4 products, 0 further views, 1 families of several",
        "2 chair",
        "1 of no known type",
        "2 with a title in de",
        "4 without color",
        "1 rows wholly the same as another, left out",
        "fault: gone.png: not there",
    ):
        assert line in told


def test_rows_for_a_labelling_are_the_items_in_order_with_their_pictures(recipe):
    run = opened(recipe)
    rows = list(run.task.rows(run))
    assert [row.key for row in rows] == [item.key for item in run.scan.items]
    lamp = next(row for row in rows if row.title == "Lamp")
    assert lamp.where.endswith("products.csv:4")
    assert (lamp.picture() == 255).all()  # transparent, on white
    assert np.array_equal(lamp.picture().shape, (4, 6, 3))


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("probe.kind=table", "probe.root: give a folder of this machine"),
        ("probe.root=s3://bucket/x", "probe.root: give a folder of this machine"),
        ("source.attributes=none.csv", "source.attributes: there is no file"),
        ("source.sides=none.csv", "source.sides: there is no file"),
    ],
)
def test_files_that_are_not_there_are_told_before_anything_runs(recipe, override, fault):
    with pytest.raises(RecipeError, match=fault):
        opened(recipe, override)


def test_a_drawn_shop_has_its_own_probe(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("task: catalog\nprobe: {root: /tmp}\n")
    with pytest.raises(RecipeError, match="second domain of its own"):
        opened(path)


def test_the_content_of_attributes_is_signed_and_their_place_is_not(recipe):
    def signature(name: str) -> str:
        run = opened(recipe, f"source.attributes={recipe.parent / name}")
        return run.specs["prepare"].signature

    for name, text in (
        ("a.csv", "id,style\n0,x\n"),
        ("b.csv", "id,style\n0,x\n"),
        ("c.csv", "id,style\n0,y\n"),
    ):
        (recipe.parent / name).write_text(text)
    assert signature("a.csv") == signature("b.csv") != signature("c.csv")


def test_the_twin_is_drawn_and_audited_by_the_command(tmp_path):
    path, runs = tmp_path / "r.yaml", tmp_path / "runs"
    path.write_text("task: catalog\nname: t\ntwin: {products: 20, other: 5, picture_px: 32}\n")
    run = opened(path)
    drawn = run.task.drawn(run.recipe)
    assert drawn is not None
    told = tell("twin", str(path), "--workspace", str(runs))
    assert told.code == 0, told.err
    audit = json.loads(tell("audit", str(path), "--workspace", str(runs), "--json").out)
    assert audit["probe"] == drawn["probe"] == 5
    assert abs(audit["products"] - sum(drawn[side] for side in ("train", "val", "test"))) <= 2
    assert f"{audit['products']:,} products of 20 families" in TASKS["catalog"].to_draw(run.recipe)
    assert not audit["fault"]
