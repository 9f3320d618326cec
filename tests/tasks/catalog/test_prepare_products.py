"""A table of products and its pictures become a dataset whose sides share nothing."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from rushes.errors import QuarantineError, SourceError
from rushes.media.image import decode_jpeg
from rushes.prepare.pair import Pair
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.shards.read import ShardDataset
from rushes.shards.verify import verify_dataset
from rushes.storage import open_workspace
from rushes.tasks.catalog.recipe import CatalogRecipe
from rushes.tasks.catalog.task import Catalog

SIDES = ("train", "val", "test")
TYPES = ("chair", "lamp", "table")


def picture(seed: int, shape: tuple[int, int] = (60, 40)) -> Image.Image:
    """Large spots, so that no two seeds look alike."""
    spots = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    return Image.fromarray(spots).resize(shape, Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 products in pairs of near-duplicates, some with a view, of three types; and another domain of ten."""
    root = tmp_path_factory.mktemp("shop")
    (root / "raw" / "pictures").mkdir(parents=True)
    rows = []
    for number in range(240):
        of_pair, name = number // 2, f"pictures/{number}.{'png' if number % 3 else 'jpg'}"
        copy = picture(of_pair, (60, 40) if number % 2 == 0 else (90, 60))
        copy.save(root / "raw" / name, quality=92)
        views = ""
        if number % 4 == 0:
            views = f"pictures/{number}-side.png"
            picture(5000 + number).save(root / "raw" / views)
        rows.append(
            {
                "id": number,
                "name": f"Thing {number}",
                "image_path": name,
                "views": views,
                "object_type": TYPES[of_pair % 3],
                "color": "Red" if number % 5 else "unknown",
                "family": f"f{of_pair}" if of_pair < 4 else "",
            }
        )
    write(root / "raw" / "products.csv", rows)
    (root / "other" / "pictures").mkdir(parents=True)
    others = []
    for number in range(10):
        picture(9000 + number).save(root / "other" / "pictures" / f"{number}.png")
        others.append(
            {
                "id": number,
                "name": f"fish {number}",
                "image_path": f"pictures/{number}.png",
                "object_type": "fish",
            }
        )
    picture(7).save(root / "other" / "pictures" / "0.png")  # one that looks like a product of the shop
    write(root / "other" / "products.csv", others)
    return root


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def table(root: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((root / "raw" / "products.csv").read_text())))


def recipe_of(root: Path, prepare: Mapping[str, Any] | None = None, **source: Any) -> CatalogRecipe:
    return CatalogRecipe.model_validate(
        {
            "source": {"root": root / "raw", "columns": {"group": "family"}, **source},
            "probe": {"root": root / "other"},
            "preprocessing": {"size": 32},
            "prepare": {"workers": 0, "shard_samples": 50, **(prepare or {})},
        }
    )


def prepared(recipe: CatalogRecipe, workspace: Path | str, **options: Any) -> Run[CatalogRecipe]:
    run = Run(Catalog(), recipe, open_workspace(workspace, **options), aim="prepare")
    do(run, "prepare", lambda *_: None)
    return run


def content(run: Run[CatalogRecipe]) -> dict[str, bytes]:
    """All files of the dataset but its history."""
    folder = run.folder("prepare")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("DONE", "lock", "recipe.json") and path.parent.name != "units"
    }


def sides_csv(run: Run[CatalogRecipe]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((run.folder("prepare") / "sides.csv").read_text())))


def pairs(run: Run[CatalogRecipe], side: str) -> list[Pair]:
    samples = run.samples(side)
    return [Pair.of(key, samples.sample(number)) for number, key in enumerate(samples.keys())]


def group_of(run: Run[CatalogRecipe], number: int) -> str:
    """The group of a product of the shop, found by its title in any side."""
    return next(
        pair.group for side in SIDES for pair in pairs(run, side) if pair.words.title == f"Thing {number}"
    )


def told(run: Run[CatalogRecipe], name: str) -> Any:
    return json.loads((run.folder("prepare") / name).read_text())


@pytest.fixture(scope="session")
def whole(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Run[CatalogRecipe]:
    return prepared(recipe_of(shop), tmp_path_factory.mktemp("whole"))


def test_samples_are_pairs_on_white_squares(whole: Run[CatalogRecipe]) -> None:
    found = pairs(whole, "train")
    assert len(found) == 192
    for pair in found[:10]:
        number = int(pair.words.title.split()[1])
        square = decode_jpeg(pair.picture)
        assert square.shape == (32, 32, 3)
        assert square[0].min() > 240 > square[16].min()  # wide pictures have white above
        assert len(pair.views) == (number % 4 == 0)
        assert pair.label == TYPES[number // 2 % 3]
        assert pair.words.text == (f"red thing {number}" if number % 5 else f"thing {number}")
        assert pair.words.captions[0].endswith(pair.words.text) or "studio" in pair.words.captions[0]
        assert pair.words.where == f"products.csv:{number + 2}"
    tars = sorted((whole.folder("prepare") / "shards" / "train").glob("*.tar"))
    assert [len(ShardDataset.of_shards([tar])) for tar in tars] == [50, 50, 50, 42]
    assert told(whole, "mini.json") == {
        "shards": [f"shards/train/{tar.name}" for tar in tars],
        "samples": 192,
    }
    assert verify_dataset(whole.folder("prepare")) == []


def test_groups_stand_on_one_side_and_strata_are_balanced(whole: Run[CatalogRecipe]) -> None:
    rows = sides_csv(whole)
    shop = [row for row in rows if row["side"] != "probe"]
    assert Counter(row["side"] for row in rows) == {"train": 192, "val": 24, "test": 24, "probe": 9}
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(row["group"], set()).add(row["side"])
    assert all(len(sides) == 1 for sides in groups.values())
    assert len({row["group"] for row in shop}) == 120
    assert {"f0", "f3"} <= groups.keys()
    strata = Counter((row["label"], row["side"]) for row in shop)
    assert {strata[label, "test"] for label in TYPES} == {8}
    for side in ("train", "probe"):
        samples = whole.samples(side)
        told = {row["id"]: (row["group"], row["label"]) for row in rows}
        indexed = zip(samples.keys(), samples.groups(), samples.labels(), strict=True)
        assert all(told[key] == (group, label) for key, group, label in indexed)


def test_the_report_says_that_nothing_leaks(whole: Run[CatalogRecipe]) -> None:
    report = told(whole, "leakage.json")
    assert report["across"]["pairs"] == 0
    assert report["near"]["bits"] >= 120
    assert report["strata"]["fish"] == {"probe": 9}
    lines = whole.account()["recordings"]["lines"]
    skipped = [(line["reason"], line["recordings"]) for line in lines if line["fate"] == "skipped"]
    side = next(row["side"] for row in sides_csv(whole) if row["group"] == group_of(whole, 14))
    assert skipped == [(f"of one group with items of side {side}", 1)]


def test_workers_order_and_kills_change_no_byte(
    whole: Run[CatalogRecipe], shop: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(shop, {"workers": 2})
    killed = Run(Catalog(), recipe, open_workspace(tmp_path), aim="prepare")

    class Killed(Exception):
        pass

    for calls in (2, 2, 5):  # behind the look at pictures, before the first block, among the blocks
        left = iter(range(calls - 1))

        def tell(*_: object, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        with pytest.raises(Killed):
            do(killed, "prepare", tell)
    do(killed, "prepare", lambda *_: None)
    assert content(killed) == content(whole)


def test_a_remote_workspace_gets_the_same(whole: Run[CatalogRecipe], shop: Path, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/there"
    run = prepared(recipe_of(shop), url, cache=tmp_path / "cache")
    there = tmp_path / "there" / run.folder("prepare").name
    for name, data in content(whole).items():
        assert (there / name).read_bytes() == data
    shutil.rmtree(tmp_path / "cache")
    again = prepared(recipe_of(shop), url, cache=tmp_path / "cache")
    again.bring("prepare")
    assert len(pairs(again, "val")) == 24


def test_pictures_that_break_late_are_quarantined_with_their_line(shop: Path, tmp_path: Path) -> None:
    root = tmp_path / "shop"
    shutil.copytree(shop, root)
    file = root / "raw" / "pictures" / "6.jpg"
    file.write_bytes(file.read_bytes()[:-300])  # its head is whole
    (root / "raw" / "pictures" / "7.png").unlink()
    view = root / "raw" / "pictures" / "8-side.png"
    view.write_bytes(view.read_bytes()[:-40])
    run = prepared(recipe_of(root), tmp_path / "runs")

    listing = [
        json.loads(line) for line in (run.folder("prepare") / "quarantine.jsonl").read_text().splitlines()
    ]
    assert sorted(entry["reason"]["where"].rpartition("/")[2] for entry in listing) == [
        "products.csv:8",
        "products.csv:9",
    ]
    done = json.loads((run.folder("prepare") / "DONE").read_text())
    assert done["summary"]["views_left_out"] == 1
    assert {name: done["counts"][name] for name in ("planned", "quarantined")} == {
        "planned": 250,
        "quarantined": 2,
    }
    assert sum(len(pairs(run, side)) for side in SIDES) == 238

    for number in range(60):
        picture_file = next((root / "raw" / "pictures").glob(f"{20 + number}.*"))
        picture_file.write_bytes(picture_file.read_bytes()[:-300])
    with pytest.raises(QuarantineError, match=r"62 of 2\d\d"):
        prepared(recipe_of(root), tmp_path / "runs")


def test_an_earlier_table_keeps_its_sides(whole: Run[CatalogRecipe], shop: Path, tmp_path: Path) -> None:
    root = tmp_path / "shop"
    shutil.copytree(shop, root)
    rows = table(root)
    for row in rows[:40]:
        row["name"] += " now cheaper"  # its key is another, its picture is not
    for number in range(100):
        picture(700 + number).save(root / "raw" / "pictures" / f"new{number}.png")
        new = {"name": f"New {number}", "image_path": f"pictures/new{number}.png", "object_type": "chair"}
        rows.append(dict.fromkeys(rows[0], "") | new | {"id": str(1000 + number)})
    write(root / "raw" / "products.csv", rows)
    before = {row["picture"]: row["side"] for row in sides_csv(whole)}

    recipe = recipe_of(root, sides=whole.folder("prepare") / "sides.csv")
    after = {row["picture"]: row["side"] for row in sides_csv(prepared(recipe, tmp_path / "runs"))}

    assert before.items() <= after.items()
    new = Counter(side for picture, side in after.items() if picture not in before)
    assert new == {"train": 80, "val": 10, "test": 10}


def test_sides_as_the_table_says_them_are_kept_apart_all_the_same(shop: Path, tmp_path: Path) -> None:
    root = tmp_path / "shop"
    shutil.copytree(shop, root)
    rows = table(root)
    for number, row in enumerate(rows):
        row["side"] = "validation" if number < 20 else "test" if number < 40 else "train"
    rows[40]["side"] = "test"  # and its near-duplicate 41 on train
    rows[43]["side"] = ""
    write(root / "raw" / "products.csv", rows)
    run = prepared(recipe_of(root, split="column"), tmp_path / "runs")

    assert Counter(row["side"] for row in sides_csv(run)) == {"val": 20, "test": 21, "train": 197, "probe": 9}
    lines = run.account()["recordings"]["lines"]
    assert {line["reason"]: line["recordings"] for line in lines if line["fate"] == "skipped"} == {
        "of one group with items of side test": 1,
        "of one group with items of side val": 1,  # of the probe
        "no side in the table": 1,
    }
    assert told(run, "leakage.json")["across"]["pairs"] == 0


def test_groups_can_be_listed_and_hashed(shop: Path, tmp_path: Path) -> None:
    listed = {"train": ["f0", "f1"], "val": ["f2"], "test": ["f3"]}
    run = prepared(recipe_of(shop, split=listed), tmp_path)
    assert {row["group"]: row["side"] for row in sides_csv(run) if row["side"] != "probe"} == {
        name: side for side, names in listed.items() for name in names
    }
    hashed = sides_csv(prepared(recipe_of(shop, split="shares"), tmp_path))
    assert len({row["group"] for row in hashed}) == 120 + 9
    assert len({(row["group"], row["side"]) for row in hashed}) == 120 + 9


def test_families_that_near_duplicates_join_across_sides_are_named(shop: Path, tmp_path: Path) -> None:
    root = tmp_path / "shop"
    shutil.copytree(shop, root)
    rows = table(root)
    rows[40]["family"], rows[41]["family"] = "one", "other"  # near-duplicates
    write(root / "raw" / "products.csv", rows)
    split = {"train": ["one"], "val": ["f0"], "test": ["other"]}
    with pytest.raises(
        SourceError, match=r"side train; near-duplicates join .*: one \(train\) and other \(test\)"
    ):
        prepared(recipe_of(root, split=split), tmp_path / "runs")


def test_a_side_that_stays_empty_is_an_error(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="of 129 groups of products none came to side test"):
        prepared(recipe_of(shop, shares={"train": 0.9, "val": 0.1, "test": 0.0}), tmp_path)


def test_bits_of_similar_pictures_are_no_fewer_than_those_of_the_same() -> None:
    with pytest.raises(ValidationError, match="similar_bits is 8, less than same_bits, 16"):
        CatalogRecipe.model_validate({"prepare": {"near": {"similar_bits": 8}}})
