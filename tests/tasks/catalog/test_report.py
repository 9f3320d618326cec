"""The page of a search: strips that are what was found, in one file that a browser shows without asking anybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import shop_vectors as shop

from rushes.evaluate.pages import Head, Strip
from rushes.evaluate.searched import Searched
from rushes.evaluate.strips import TOP, Pictures, chosen, strips_of
from rushes.media.image import encode_jpeg
from rushes.prepare.pair import Pair, Words
from rushes.recipe.retrieval import EvaluateRetrieval
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
from rushes.tasks.catalog.evaluate.measure import evaluate, shop_of
from rushes.tasks.catalog.report.page import write_report

LEAKAGE = {
    "across": {"pairs": 0, "bits": 16, "first": []},
    "near": {"bits": 2, "apart": 1},
    "closest": [
        {
            "bits": 3,
            "evidence": ["bits"],
            "items": [
                {"key": "0", "title": "Chair <b>0</b>", "side": "train"},
                {"key": "1", "title": "Chair 1", "side": ""},
            ],
        },
        {
            "bits": 4,
            "evidence": [],
            "items": [
                {"key": "2", "title": "A frog", "side": "probe"},
                {"key": "3", "title": "A toad", "side": "probe"},
            ],
        },
    ],
    "groups": {"count": 36, "largest": []},
    "equal_texts": {"texts": 1, "items": 2},
    "strata": {},
}
EVENTS = [
    {"kind": "train", "step": 1, "loss": 3.0},
    {"kind": "validation", "step": 1, "recall_1": 0.2, "recall_10": 0.5},
    {"kind": "train", "step": 2, "loss": 2.0},
    {"kind": "validation", "step": 2, "recall_1": 0.3, "recall_10": 0.4},
]


def picture(seed: int) -> bytes:
    return encode_jpeg(
        np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8).repeat(12, 0).repeat(12, 1)
    )


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> ShardDataset:
    """The products of `shop.items` as they were prepared, with two views each."""
    table, folder = shop.items(), tmp_path_factory.mktemp("shards")
    with ShardWriter(folder, "all") as writer:
        for number, key in enumerate(table["id"]):
            words = Words(
                table["title"][number], table["title"][number], table["text"][number], ("a caption",)
            )
            views = (picture(1000 + number), picture(2000 + number))
            pair = Pair(key, picture(number), words, views, table["group"][number], table["label"][number])
            writer.write(key, pair.members(), group=pair.group, label=pair.label)
        infos = writer.close()
    return ShardDataset([folder / info.name for info in infos], infos)


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Searched:
    vectors = shop.vectors(tmp_path_factory.mktemp("vectors"), noise=0.8, views=True)
    return shop_of(vectors, EvaluateRetrieval())


@pytest.fixture(scope="module")
def strips(searched, samples) -> list[Strip]:
    return list(strips_of(searched, Pictures([samples])))


@pytest.fixture(scope="module")
def page(searched, strips, tmp_path_factory) -> Path:
    colours = {key: np.eye(64, dtype=np.float16)[[0, 1, 2]] for key in shop.items()["id"]}
    path = tmp_path_factory.mktemp("page") / "report.html"
    head = Head(
        title="shop",
        what="report",
        date=datetime(2026, 1, 1, tzinfo=UTC),
        command="rushes",
        model="tiny",
        sizes={},
    )
    card = evaluate(searched, colours, provenance={"dataset": "abc"})
    write_report(path, head, card, strips=strips, leakage=LEAKAGE, events=EVENTS, preprocessing={"size": 48})
    return path


def test_strips_show_what_is_nearest_and_which_of_it_is_right(searched, strips):
    table = shop.items()
    one = strips[0]
    asked = table["text"].index(one.asked)
    own = searched.vectors.text("model")[asked].astype(np.float64)
    order = searched.side[
        np.argsort(-(searched.vectors.picture("model")[searched.side] @ own), kind="stable")
    ][:TOP]
    found = one.answers["model"]
    assert [item.title for item in found] == [table["title"][number] for number in order]
    looks = {asked: "right", **{n: "kin" for n in range(60) if n != asked and n // 2 == asked // 2}}
    assert [item.look for item in found] == [looks.get(int(number), "") for number in order]
    assert list(one.answers) == ["base", "model"]


def test_strips_are_drawn_by_seed_and_worst_first_and_of_families_apart(searched, strips):
    assert list(dict.fromkeys(strip.heading for strip in strips)) == [
        "Drawn at random with seed 0",
        "Worst of the model",
        "Most gained by training",
        "Views, drawn at random with seed 0",
    ]
    asked = searched.text_to_picture()
    for heading, numbers in chosen(asked):
        assert len({asked.family[number] for number in numbers}) == len(numbers), heading
    worst = dict(chosen(asked))["Worst of the model"]
    ranks = asked.ranked["model"].first_rank[np.searchsorted(asked.scored, worst)]
    assert ranks[0] == asked.ranked["model"].first_rank.max()
    assert (np.diff(ranks) <= 0).all()


def test_nothing_is_gained_or_lost_by_a_model_that_is_its_base(tmp_path):
    same = shop_of(shop.vectors(tmp_path, noise=0.5, base_noise=0.5), EvaluateRetrieval())
    assert [heading for heading, _ in chosen(same.text_to_picture())] == [
        "Drawn at random with seed 0",
        "Worst of the model",
    ]


def test_what_was_lost_is_shown_as_lost(tmp_path):
    worse = shop_of(shop.vectors(tmp_path, noise=4.0, base_noise=0.5), EvaluateRetrieval())
    headings = [heading for heading, _ in chosen(worse.text_to_picture())]
    assert headings == ["Drawn at random with seed 0", "Worst of the model", "Most lost by training"]


def test_the_page_holds_every_section_and_escapes_titles(page):
    text = page.read_text("utf-8")
    for title in (
        "Result",
        "Before and after",
        "Questions",
        "Kinds of question",
        "Forgetting",
        "Types",
        "All systems",
        "Split",
        "Training",
        "Preprocessing",
        "Provenance",
    ):
        assert f">{title}</h2>" in text, title
    assert "Chair &lt;b&gt;0&lt;/b&gt;" in text
    assert "ringed: the kept one, step 1" in text
    assert page.stat().st_size < 20e6


def test_close_pairs_within_the_other_domain_are_not_listed(page):
    text = page.read_text("utf-8")
    assert "The closest 1 of 1 close pair" in text
    assert "A frog" not in text


def test_a_model_that_was_not_trained_has_a_page_without_curves(page, searched, strips, tmp_path):
    card = evaluate(
        replace(searched),
        {key: np.eye(64, dtype=np.float16)[[0, 1, 2]] for key in shop.items()["id"]},
        provenance={},
    )
    head = Head(title="shop", what="report", date=None, command="", model="tiny", sizes={})
    write_report(tmp_path / "r.html", head, card, strips=[], leakage=LEAKAGE, events=[], preprocessing={})
    assert "Nothing was trained." in (tmp_path / "r.html").read_text("utf-8")


def test_a_browser_shows_all_pictures_and_asks_nobody(chromium, page, strips):
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    told, asked = [], []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page.as_uri())
    pictures = "[...document.querySelectorAll('.found img')]"
    assert tab.evaluate(f"{pictures}.every(one => one.complete && one.naturalWidth > 0)")
    assert tab.evaluate(f"{pictures}.length") == sum(2 * TOP + ("<img" in strip.asked) for strip in strips)
    assert tab.locator(".found li.right").count() > 0
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert told == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    tab.close()
