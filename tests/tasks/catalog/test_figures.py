"""Figures of a search: against the model before training, on other domains, in other languages, by view."""

from __future__ import annotations

import numpy as np
import pytest
import shop_vectors as shop

from rushes.errors import MetricError
from rushes.evaluate.scorecard import Scorecard, read_scorecard
from rushes.evaluate.search_figures import OTHER_TEXT, PICTURE, TEXT, VIEW
from rushes.predict.vectors import Vectors
from rushes.recipe.retrieval import EvaluateRetrieval
from rushes.tasks.catalog.evaluate.measure import compare, evaluate, shop_of
from rushes.tasks.catalog.evaluate.names import FIGURES

COLOURS = {
    key: np.eye(64, dtype=np.float16)[[number, number, (number + 4) % 60]]
    for number, key in enumerate(shop.items(60, 0)["id"])
}
"""Every picture is of a colour of its own, the first view as well, and the second of that of another family."""


def measure(vectors: Vectors, **settings: object) -> Scorecard:
    return evaluate(shop_of(vectors, EvaluateRetrieval(**settings)), COLOURS, provenance={"seed": 0})


def part(card: Scorecard, name: str):
    return next(one for one in card.parts if one.name == name)


@pytest.fixture(scope="module")
def card(tmp_path_factory) -> Scorecard:
    vectors = shop.vectors(tmp_path_factory.mktemp("shop"), views=True, languages=("de",), untrained=True)
    return measure(vectors, languages=("de",))


def test_the_scorecard_has_every_kind_of_question_and_every_system(card, tmp_path):
    assert [one.name for one in card.of_kind("subset")] == [
        PICTURE,
        VIEW,
        "de to picture",
        OTHER_TEXT,
        "other domain, picture to text",
    ]
    assert list(card.systems) == ["model", "base", "untrained", "popular", "random", "colour"]
    assert {one.name: set(one.estimates) for one in card.parts} == {
        "": {"model", "base", "untrained", "popular", "random"},
        PICTURE: {"model", "base", "untrained", "popular", "random"},
        VIEW: {"model", "base", "popular", "random", "colour"},
        "de to picture": {"model", "base", "popular", "random"},
        OTHER_TEXT: {"model", "base", "random"},
        "other domain, picture to text": {"model", "base", "random"},
        "chair": {"model", "base", "untrained", "popular", "random"},
        "lamp": {"model", "base", "untrained", "popular", "random"},
        "shelf": {"model", "base", "untrained", "popular", "random"},
    }
    assert list(card.figures) == list(FIGURES)
    card.write(tmp_path / "metrics.json")
    assert read_scorecard(tmp_path / "metrics.json") == card


def test_a_better_model_is_said_to_be_better_than_what_learnt_nothing_and_than_before(card):
    whole = card.all
    assert (whole.n, whole.clusters.by, whole.clusters.count) == (30, "group", 15)
    assert {one.verdict for one in whole.standings.values()} == {"better"}
    assert {one["base"].verdict for one in whole.against.values()} == {"better"}
    assert card.details["questions"][TEXT] == {"asked": 30, "unanswerable": 0}
    assert card.details["gallery"] == 30
    assert not card.remarks


def test_a_random_order_has_exactly_its_expectation(card):
    # Two of thirty pictures are right: 1 - C(28, 10) / C(30, 10)
    assert card.all.estimates["random"]["hit_rate_10"].value == pytest.approx(1 - 19 * 20 / 30 / 29)
    assert card.all.estimates["random"]["recall_10"].value == pytest.approx(1 / 3)


def test_popular_answers_with_the_most_frequent_type_of_the_training_side(tmp_path):
    table = shop.items()
    table["label"] = [
        "lamp" if side == "train" else label
        for side, label in zip(table["side"], table["label"], strict=True)
    ]
    found = measure(shop.vectors(tmp_path, table=table))
    lamp, chair = (part(found, name).estimates["popular"] for name in ("lamp", "chair"))
    assert lamp["hit_rate_1"].value == pytest.approx(2 / part(found, "lamp").n)  # two of a family are right
    assert chair["hit_rate_5"].value == 0.0


def test_the_colour_of_a_view_finds_the_picture_of_its_colour(card):
    assert (
        part(card, VIEW).estimates["colour"]["hit_rate_1"].value == 0.5
    )  # the first view, and not the second
    assert part(card, VIEW).standings["hit_rate_1"].rival == "colour"


def test_pictures_ask_for_words_and_words_for_pictures(tmp_path):
    vectors = shop.vectors(tmp_path, noise=2.0)
    pictures, texts = (
        each[vectors.sides == "test"].astype(float)
        for each in (vectors.picture("model"), vectors.text("model"))
    )
    found = measure(vectors)
    for name, scores in (("", texts @ pictures.T), (PICTURE, pictures @ texts.T)):
        best = scores.argmax(axis=1) // 2 == np.arange(30) // 2
        assert part(found, name).estimates["model"]["hit_rate_1"].value == pytest.approx(best.mean())


def test_titles_of_another_language_that_are_equal_answer_each_other(tmp_path):
    shown = shop_of(shop.vectors(tmp_path, languages=("de",)), EvaluateRetrieval(languages=("de",)))
    asked = next(one for one in shown.every({}) if one.name == "de to picture")
    relevant = asked.ranked["model"].relevant
    assert np.bincount(relevant.query)[:24].tolist() == [8] * 24
    assert len(np.unique(asked.family)) == 4


def test_a_model_that_was_not_trained_cannot_be_told_from_its_base(tmp_path):
    found = measure(shop.vectors(tmp_path, noise=0.5, base_noise=0.5))
    for one in found.parts:
        assert {rivals["base"].verdict for rivals in one.against.values()} <= {"cannot be told"}
    assert sum("cannot be told from base" in remark for remark in found.remarks) == 3
    assert not any(remark.startswith("forgetting") for remark in found.remarks)


def test_what_is_lost_on_the_other_domain_is_told_as_forgetting(tmp_path):
    table = shop.items(probe=60)
    found = measure(shop.vectors(tmp_path, table=table, noise=0.2, base_noise=0.5, other_noise=6.0))
    told = [remark for remark in found.remarks if remark.startswith(f"forgetting, {OTHER_TEXT}")]
    assert len(told) == 3
    assert "worse than base" in told[0]
    assert {one.verdict for one in found.all.standings.values()} == {"better"}


def test_equal_words_are_right_and_move_together(tmp_path):
    table = shop.items()
    table["text"] = [label.upper() for label in table["label"]]
    found = measure(shop.vectors(tmp_path, table=table))
    assert found.details["shared_words"] == 30
    assert found.all.clusters.by == "question"  # three families of words are too few
    assert found.all.estimates["model"]["recall_10"].value < found.all.estimates["model"]["hit_rate_10"].value
    assert any("share their words" in remark for remark in found.remarks)


def test_figures_that_no_model_could_miss_are_told(tmp_path):
    found = measure(shop.vectors(tmp_path), ks=(1, 30, 60))
    assert (
        "30 products are searched, so R@30 and R@60 are always 1: set evaluate.ks, such as [1]"
        in found.remarks
    )
    assert {
        found.all.estimates[name][f"hit_rate_{k}"].value for name in ("model", "base") for k in (30, 60)
    } == {1.0}


def test_the_whole_shop_can_be_searched(tmp_path):
    found = measure(shop.vectors(tmp_path, untrained=True), gallery="all")
    assert (found.all.n, found.details["gallery"]) == (30, 60)
    assert "untrained" not in found.systems  # random weights were asked about the side alone


def test_one_answer_to_every_question_is_told(tmp_path):
    vectors = shop.vectors(tmp_path / "sound")
    same = np.repeat(vectors.text("model")[:1], len(vectors), axis=0)
    columns = {
        name: vectors._items.parquet.read()[name].to_pylist()
        for name in ("id", "side", "group", "label", "title", "text")
    }
    with shop.writing_vectors(tmp_path / shop.VECTORS, shop.vectors_schema(shop.WIDTH, ())) as writer:
        writer.add(
            {
                **columns,
                "base_picture": vectors.picture("base"),
                "base_text": vectors.text("base"),
                "model_picture": vectors.picture("model"),
                "model_text": same,
            }
        )
    with shop.writing_vectors(tmp_path / shop.QUERIES, shop.queries_schema(shop.WIDTH)):
        pass
    found = measure(shop.read_vectors(tmp_path))
    assert found.details["hub"]["share"] == 1.0
    assert any(remark.startswith("collapsed: every question gets ") for remark in found.remarks)


def test_two_runs_are_compared_over_the_same_questions(tmp_path):
    ours, theirs = (shop.vectors(tmp_path / str(noise), noise=noise) for noise in (0.2, 2.5))
    settings = EvaluateRetrieval()
    found = compare(shop_of(ours, settings), shop_of(theirs, settings), "mrr")
    values = [measure(one).all.estimates["model"]["mrr"].value for one in (ours, theirs)]
    assert found.value == pytest.approx(values[0] - values[1])
    assert found.low is not None
    assert found.low > 0
    table = shop.items()
    table["text"][0] = "something else"
    other = shop.vectors(tmp_path / "other", table=table)
    with pytest.raises(MetricError, match="2 rows differ"):
        compare(shop_of(ours, settings), shop_of(other, settings), "mrr")


def test_a_view_is_answered_by_its_product_and_its_family_and_not_by_equal_words(tmp_path):
    table = shop.items()
    table["text"] = ["the same"] * len(table["id"])
    shown = shop_of(shop.vectors(tmp_path, table=table, views=True), EvaluateRetrieval())
    assert np.bincount(shown.views().ranked["model"].relevant.query).tolist() == [2] * 60
    assert np.bincount(shown.text_to_picture().ranked["model"].relevant.query).tolist() == [30] * 30


def test_a_language_that_nobody_wrote_in_says_what_to_change(tmp_path):
    with pytest.raises(MetricError, match="no item of side test has a title in it") as error:
        measure(shop.vectors(tmp_path, languages=("de",)), languages=("de", "fr"))
    assert "source.columns.languages" in str(error.value)


def test_a_side_without_products_says_what_to_type(tmp_path):
    with pytest.raises(MetricError, match="no product of side val") as error:
        measure(shop.vectors(tmp_path), split="val")
    assert "name a side that has products by evaluate.split" in str(error.value)
