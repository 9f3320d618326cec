"""Tables and chart of what a dataset holds: right, bounded, and safe whatever the names are."""

from __future__ import annotations

import pytest
from html_tree import Tree

from rushes.evaluate.contents import Contents, Place
from rushes.evaluate.pages.contents import BARS, ROWS, classes, groups, sides
from rushes.evaluate.pages.theme import palette

HOSTILE = (
    '<script>alert("x")</script>',
    "</text><image href='http://x'/>",
    "ひも 結び 🎗",
    "\u202eevil",
    "a" * 300,
)


def many(labels: int, groups: int) -> Contents:
    places = [
        Place(("train", "val", "test")[number % 3], f"group {number % groups}", f"class {number % labels}")
        for number in range(max(labels, groups) * 3)
    ]
    return Contents.of(places, [(place, 1.5) for place in places])


def test_tables_say_what_there_is():
    found = Contents.of(
        [Place("train", "a", "Tape")] * 1200 + [Place("test", "", "")],
        [
            (Place("train", "a", "Tape"), 61.25),
            (Place("test", "", ""), 3.0),
            (Place("test", "", "Walk"), 7.5),
        ],
    )
    said = Tree(str(sides(found)) + str(classes(found, palette(["Tape", "Pack"]))) + str(groups(found))).texts
    assert {
        "train",
        "test",
        "Tape",
        "Pack",
        "Walk",
        "no label",
        "a",
        "group unknown",
        "1,200",
        "61.2",
        "7.5",
    } <= set(said)


@pytest.mark.parametrize("draw", [lambda found: classes(found, {}), groups], ids=["classes", "groups"])
def test_thousands_of_names_take_a_bounded_room(draw):
    some, more = str(draw(many(700, 4000))), str(draw(many(1400, 8000)))
    assert len(more) < 1.2 * len(some) < 1_200_000
    assert some.count("<tr") <= 2 * (ROWS + 3)
    assert " others" in some


def test_the_chart_has_the_most_frequent_and_says_so():
    text = str(classes(many(700, 10), {}))
    assert f"The {BARS} most frequent of 700 classes." in text
    assert text.count("<title>") <= 2 * (3 * BARS + 2)  # for the page and for a telephone


def test_names_are_no_markup():
    found = Contents.of([Place("train", name, name) for name in HOSTILE for _ in range(3)], [])
    tree = Tree(str(classes(found, palette(HOSTILE))) + str(groups(found)))
    assert not {"script", "image"} & set(tree.tags)
    said = "".join(tree.texts)
    for name in HOSTILE[:4]:
        assert name in said
    assert not any(name in ("href", "onload", "onerror") for name, _ in tree.attributes)
