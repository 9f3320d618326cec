"""Search by words, picture or both, with filters; what people compare; the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pairs import SIZE, encoder, pair, picture

from rushes.errors import AnswerError, MediaError
from rushes.evaluate.pages import Head
from rushes.media.image import decode_jpeg, encode_jpeg
from rushes.models.clip import DualEncoder
from rushes.predict.embedding import Kind, embed_items, embed_queries
from rushes.predict.vectors import QUERIES, VECTORS, Vectors, read_vectors
from rushes.runs.search import Among, Hit
from rushes.runs.search_page import search_page
from rushes.runs.vector_contest import VectorContender
from rushes.runs.vector_search import Shop, VectorSearch

PAIRS = [pair(number, views=2 * (number == 8)) for number in range(12)]
SIDES = {"train": PAIRS[:6], "test": PAIRS[6:10], "probe": PAIRS[10:]}
BY_KEY = {one.key: one for one in PAIRS}


@cache
def model() -> DualEncoder:
    return encoder(1)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Vectors:
    folder = tmp_path_factory.mktemp("vectors")
    encoders = {"base": encoder(0), "model": model()}
    embed_items(folder / VECTORS, SIDES, encoders, 8, lambda done: None)
    views = Kind("view", lambda pair: pair.views, encoders)
    embed_queries(folder / QUERIES, SIDES["test"], [views], encoders, 8, lambda done: None)
    return read_vectors(folder)


def searched(vectors: Vectors, among: Among | None = None, index: Path | None = None) -> VectorSearch:
    shop = Shop(vectors, ("train", "test"), model, lambda key: BY_KEY[key].picture, index or Path("none"))
    return VectorSearch(shop, among or Among())


def cosines(vectors: NDArray[np.float16], query: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = query.astype(np.float64)
    return vectors.astype(np.float64) @ (wide / np.linalg.norm(wide))


def best(scores: NDArray[np.float64], k: int, among: Iterable[int] = range(10)) -> list[str]:
    """Keys of the best of the first ten items, which are not of the probe."""
    return [PAIRS[row].key for row in sorted(among, key=lambda row: (-scores[row], PAIRS[row].key))[:k]]


def keys(hits: Sequence[Hit]) -> list[str]:
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    return [hit.key for hit in hits]


def test_words_a_picture_and_both_find_the_items_of_the_nearest_vectors(vectors: Vectors) -> None:
    search, shown = searched(vectors), picture("green", 5)
    words = model().embed_texts(["green cup"])[0]
    seen = model().embed_pictures(decode_jpeg(shown)[None])[0]
    gallery = vectors.picture("model")
    assert keys(search.find("green cup", None, 4)) == best(cosines(gallery, words), 4)
    assert keys(search.find(None, shown, 4)) == best(cosines(gallery, seen), 4)
    mixed = 0.2 * words + 0.8 * seen
    hits = search.find("green cup", shown, 3, weight=0.2)
    assert keys(hits) == best(cosines(gallery, mixed), 3)
    assert hits[0].score == pytest.approx(cosines(gallery, mixed)[:10].max(), abs=1e-6)
    assert hits[0].fields["title"] == BY_KEY[hits[0].key].words.title
    assert hits[0].fields["color"] == BY_KEY[hits[0].key].words.fields["color"]


def test_a_picture_is_fitted_like_those_of_the_dataset_whatever_its_size(vectors: Vectors) -> None:
    pixels = np.repeat(np.repeat(decode_jpeg(PAIRS[3].picture), 3, axis=0), 3, axis=1)
    hit = searched(vectors).find(None, encode_jpeg(pixels[:, :60], 95), 1)[0]
    assert hit.score > 0.5
    own = searched(vectors).find(None, PAIRS[3].picture, 1)[0]
    assert (own.key, own.score) == (PAIRS[3].key, pytest.approx(1.0, abs=1e-3))


def test_items_can_be_found_by_picture_and_text_together_or_by_the_model_before(vectors: Vectors) -> None:
    query = model().embed_texts(["blue box"])[0]
    means = vectors.picture("model").astype(np.float32) + vectors.text("model")
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    both = searched(vectors, Among(of="both")).find("blue box", None, 5)
    assert keys(both) == best(cosines(means.astype(np.float16), query), 5)
    before = searched(vectors, Among(system="base")).find("blue box", None, 5)
    assert keys(before) == best(cosines(vectors.picture("base"), query), 5)


def test_filters_hold_together_and_take_columns_beside_the_fields(vectors: Vectors) -> None:
    search = searched(vectors)
    query = model().embed_texts(["box"])[0]
    scores = cosines(vectors.picture("model"), query)
    modern = [row for row in range(10) if PAIRS[row].words.fields["style"] == "modern"]
    assert keys(search.find("box", None, 9, where={"style": "Modern"})) == best(scores, 9, modern)
    found = search.find("box", None, 9, where={"style": "classic", "color": "red", "side": "test"})
    assert keys(found) == [PAIRS[8].key]
    assert len(search.find("box", None, 9, where={"label": "cup"})) == 5


def test_a_field_or_value_that_no_item_has_is_refused_with_those_that_there_are(vectors: Vectors) -> None:
    search = searched(vectors)
    with pytest.raises(AnswerError, match="no item has a field 'stil'") as field:
        search.find("box", None, 3, where={"stil": "modern"})
    assert "; did you mean style?" in field.value.message
    assert "style: classic (6), modern (4)" in field.value.message
    assert "side: train (6), test (4)" in field.value.message
    with pytest.raises(AnswerError, match=r"no item has style 'modrn'; .* classic \(6\), modern \(4\)"):
        search.find("box", None, 3, where={"style": "modrn"})


def test_what_cannot_be_asked_is_refused_before_any_weights_are_loaded(vectors: Vectors) -> None:
    def load() -> DualEncoder:
        raise AssertionError("nobody needs the model")

    shop = Shop(vectors, ("train",), load, lambda key: b"", Path("none"))
    search = VectorSearch(shop, Among())
    with pytest.raises(AnswerError, match="nothing is asked"):
        search.find(None, None, 3)
    with pytest.raises(AnswerError, match="nothing is asked"):
        search.find("", None, 3)
    with pytest.raises(MediaError, match="is read, found"):
        search.find("box", b"no picture", 3)
    with pytest.raises(AnswerError, match="no item has a field"):
        search.find("box", None, 3, where={"x": "y"})


def test_an_index_narrows_what_is_looked_at_and_a_filter_does_without_it(
    vectors: Vectors, tmp_path: Path
) -> None:
    pytest.importorskip("faiss", reason="FAISS is an extra")
    search = searched(vectors, Among(approximate=True), tmp_path / "of.faiss")
    exact = searched(vectors)
    assert keys(search.find("box", None, 2)) == keys(exact.find("box", None, 2))
    assert (tmp_path / "of.faiss").is_file()
    assert search.index.recall >= 0.95
    assert search.said.startswith(
        f"approximate: {search.index.recall:.3f} of the exact best 10 are found, in "
    )
    filtered = searched(vectors, Among(approximate=True), tmp_path / "other.faiss")
    modern = {"style": "modern"}
    assert keys(filtered.find("box", None, 9, where=modern)) == keys(exact.find("box", None, 9, where=modern))
    assert not (tmp_path / "other.faiss").exists()
    assert filtered.said == exact.said == ""


def contender(vectors: Vectors, system: str = "model") -> VectorContender:
    def shown(key: str, view: int | None) -> bytes:
        return BY_KEY[key].picture if view is None else BY_KEY[key].views[view]

    return VectorContender(vectors, "test", system, "picture", shown, "abc")


def test_each_item_of_the_side_is_asked_by_words_and_by_view_or_by_its_own_picture(vectors: Vectors) -> None:
    model, base = contender(vectors), contender(vectors, "base")
    questions = model.questions()
    assert questions == base.questions()
    assert model.signature() != base.signature()
    assert len({question.key for question in questions}) == len(questions) == 4 * 2 + 1
    by_words = [question for question in questions if question.picture is None]
    assert [question.text for question in by_words] == [one.words.text for one in SIDES["test"]]
    assert [question.cluster for question in by_words] == [one.group for one in SIDES["test"]]
    assert [question.stratum for question in by_words] == [one.label for one in SIDES["test"]]
    views = [question for question in questions if ":view" in question.key]
    assert [model.picture(question.picture) for question in views] == list(PAIRS[8].views)
    assert model.picture(PAIRS[8].key) == PAIRS[8].picture


def test_ranked_items_are_those_of_the_side_and_never_the_one_whose_picture_is_asked(
    vectors: Vectors,
) -> None:
    asked = contender(vectors)
    side = range(6, 10)
    for question in asked.questions():
        ranked = asked.ranked(question, 4)
        if question.picture is None:
            query = model().embed_texts([question.text])[0]
            assert list(ranked) == best(cosines(vectors.picture("model"), query), 4, side)
        elif ":view" in question.picture:
            assert len(ranked) == 4
        else:
            assert set(ranked) == {PAIRS[row].key for row in side} - {question.picture}


def test_the_page_holds_what_was_asked_and_found_and_fetches_nothing(vectors: Vectors) -> None:
    search = searched(vectors)
    hits = search.find("red <box>", None, 3)
    head = Head(
        title="red <box>",
        what="search",
        date=datetime(2026, 12, 1, tzinfo=UTC),
        command="",
        model="",
        sizes={},
    )
    text = search_page(head, "red <box>", picture("red", 1), hits, search.picture)
    assert text.count('src="data:image/jpeg;base64,') == 4
    assert not re.search(r"(src|href)=\"?(https?:)?//", text)
    assert "<box>" not in text
    for hit in hits:
        assert hit.fields["title"] in text
        assert f"{hit.score:.3f}" in text
    assert decode_jpeg(search.picture(hits[0].key)).shape[0] == SIZE
