"""Captions follow from the item and the recipe alone, and say nothing twice."""

from __future__ import annotations

from collections import Counter

import pytest

from rushes.prepare.captions import words_of
from rushes.recipe.captions import Captions

ONE = Captions(templates=("a photo of a {attributes} {title}",))
FIELDS = {"style": "Modern", "color": "red", "material": "Oak", "object_type": "chair"}


def caption(title: str, fields: dict[str, str], asked: Captions = ONE) -> str:
    return words_of("k", title, fields, asked).captions[0]


def test_attributes_stand_before_the_title_in_plain_words() -> None:
    words = words_of("k", "Lund  CHAIR", FIELDS, ONE, titles={"de": "Stuhl", "fr": "nan"}, where="a.csv:3")
    assert words.captions == ("a photo of a modern red oak lund chair",)
    assert words.text == "modern red oak lund chair"
    assert (words.title, words.original_title, words.where) == ("Lund  CHAIR", "Lund  CHAIR", "a.csv:3")
    assert (words.titles, words.fields) == ({"de": "Stuhl"}, FIELDS)


@pytest.mark.parametrize(
    ("title", "fields", "wanted"),
    [
        ("bordered rug", {"color": "red"}, "red bordered rug"),
        ("Red rug", {"color": "red"}, "red rug"),
        ("red-rimmed rug", {"color": "Red"}, "red-rimmed rug"),
        ("mid century sofa", {"style": "Mid-Century"}, "mid century sofa"),
        ("oak table, light top", {"color": "light oak"}, "light oak oak table, light top"),
        ("table in light oak", {"color": "light oak"}, "table in light oak"),
        ("table", {"color": "oak", "material": "oak"}, "oak table"),
        ("table", {"style": "unknown", "color": " NaN ", "material": "None"}, "table"),
        ("table", {"style": "Empty", "color": ""}, "table"),
        ("{title} table", {"color": "{attributes}"}, "{attributes} {title} table"),
    ],
)
def test_what_the_title_says_is_not_said_again(title: str, fields: dict[str, str], wanted: str) -> None:
    assert words_of("k", title, fields, ONE).text == wanted
    assert caption(title, fields) == f"a photo of a {wanted}"


def test_the_title_falls_back() -> None:
    assert caption("SALE!! chair 39", {"clean_title": "chair"}) == "a photo of a chair"
    assert caption("chair", {"clean_title": "unknown"}) == "a photo of a chair"
    assert caption("nan", {"color": "red"}) == "a photo of a red object"
    assert words_of("k", "nan", {}, ONE, label="Lamp").title == "Lamp"
    assert words_of("k", "", {}, ONE, label="unknown").text == "object"
    assert words_of("k", "SALE!! chair 39", {"clean_title": "chair"}, ONE).original_title == "SALE!! chair 39"


def test_templates_are_drawn_by_key_and_seed() -> None:
    drawn = [words_of(f"key {number}", "chair", {}, Captions()).captions for number in range(400)]
    again = [words_of(f"key {number}", "chair", {}, Captions()).captions for number in reversed(range(400))]
    other = [words_of(f"key {number}", "chair", {}, Captions(seed=1)).captions for number in range(400)]

    assert drawn == again[::-1]
    assert 20 < sum(one == two for one, two in zip(drawn, other, strict=True)) < 90  # one of eight by chance
    counts = Counter(drawn).values()
    assert len(counts) == 8
    assert min(counts) > 25


def test_several_captions_have_templates_of_their_own_and_fields_stand_alone() -> None:
    asked = Captions(per_item=3, fields=("material", "style", "nothing"))
    captions = words_of("k", "chair", {"material": "Oak ", "style": "unknown"}, asked).captions
    assert len(captions) == 4
    assert len(set(captions[:3])) == 3
    assert captions[3] == "oak"
    assert captions[:1] == words_of("k", "chair", {"material": "Oak "}, Captions()).captions
    assert len(words_of("k", "chair", {}, Captions(per_item=64)).captions) == 8
    repeated = Captions(templates=("{title}", "{attributes} {title}"), per_item=2)
    assert words_of("k", "chair", {}, repeated).captions == ("chair",)
