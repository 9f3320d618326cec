"""What is asked: the schema, the row id, shrinking, and what is taken for an answer."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from rushes.errors import LabelError, RecipeError
from rushes.label.question import LEVELS, Question
from rushes.label.row import Row
from rushes.media.image import decode_jpeg
from rushes.recipe.labelling import Labelling
from rushes.tasks import load_recipe

ROW = Row(
    "00ff",
    "  Oak\n chair ",
    "row 1",
    lambda: np.full((20, 40, 3), (200, 40, 40), np.uint8),
    "https://shop/1.jpg",
)


def question(**changed: object) -> Question:
    return Question.of(Labelling.model_validate({"model": "offline", **changed}))


def test_the_schema_is_one_that_strict_allows():
    asked = question(attributes={"color": {"choices": ["red", "blue"]}, "note": {"description": "Anything."}})
    assert asked.schema == {
        "type": "object",
        "properties": {
            "color": {"type": ["string", "null"], "enum": ["red", "blue", None]},
            "note": {"type": ["string", "null"], "description": "Anything."},
        },
        "required": ["color", "note"],
        "additionalProperties": False,
    }
    asked = asked.body(ROW)["response_format"]["json_schema"]
    assert (asked["name"], asked["strict"]) == ("attributes", True)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "another"},
        {"instructions": "Say."},
        {"attributes": {"color": {}}},
        {"attributes": {**Labelling().attributes, "color": {"description": "Main color."}}},
        {"picture": {"side_px": 256}},
        {"picture": {"quality": 80}},
        {"picture": {"by_url": True}},
        {"effort": "low"},
        {"max_tokens": 500},
    ],
)
def test_whatever_an_answer_follows_from_is_in_the_id_of_a_row(changed):
    assert question(**changed).id("k") != question().id("k")


def test_limits_are_not():
    assert question(limits={"attempts": 9, "file_bytes": 1_000_000}).id("k") == question().id("k")
    assert question().id("k") == question().id("k") != question().id("j")


def test_the_order_of_attributes_is_part_of_the_question():
    pairs = list(Labelling().attributes.items())
    assert question(attributes=dict(pairs[::-1])).digest != question(attributes=dict(pairs)).digest


def test_a_picture_is_sent_as_a_white_square_and_shrinks_with_the_level():
    asked = question(picture={"side_px": 128})
    sides = []
    for level in range(LEVELS):
        body = asked.body(ROW, level)
        text, picture = body["messages"][1]["content"]
        assert text["text"] == "Title: Oak chair"
        square = decode_jpeg(base64.b64decode(picture["image_url"]["url"].partition(",")[2]))
        sides.append(square.shape[0])
        assert square[0, 0].min() > 240  # the bar above it
        assert abs(int(square[square.shape[0] // 2, square.shape[1] // 2, 0]) - 200) < 12
        assert body["max_completion_tokens"] == 1000 << level
    assert sides == [128, 64, 32]


def test_a_url_is_sent_where_the_recipe_says_so_and_the_item_has_one():
    asked = question(picture={"by_url": True})
    assert asked.body(ROW)["messages"][1]["content"][1]["image_url"]["url"] == "https://shop/1.jpg"
    without = Row(ROW.key, ROW.title, ROW.where, ROW.picture)
    assert asked.body(without)["messages"][1]["content"][1]["image_url"]["url"].startswith(
        "data:image/jpeg;base64,"
    )


def test_a_model_that_does_not_reason_is_asked_without_an_effort():
    assert "reasoning_effort" not in question(effort=None).body(ROW)
    assert question().body(ROW)["reasoning_effort"] == "minimal"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "a text was to come, found NoneType"),
        ("", "Expecting value"),
        ("[]", "no JSON object"),
        ('{"color": "red"}', "other attributes than asked: note"),
        ('{"color": "red", "note": null, "more": 1}', "other attributes than asked: more"),
        ('{"color": "pink", "note": null}', "color is 'pink', none of the choices"),
        ('{"color": 7, "note": null}', "color is no text"),
        (json.dumps({"color": "red", "note": "x" * 3000}), "note is no text of at most 2000 characters"),
    ],
)
def test_what_is_no_answer_is_told(content, says):
    asked = question(attributes={"color": {"choices": ["red"]}, "note": {}})
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        asked.read(content)


def test_an_answer_is_one_line_of_plain_text_and_nothing_is_null():
    asked = question(attributes={"a": {}, "b": {}, "c": {}})
    assert asked.read('{"a": " dark\\n\\u0007 oak ", "b": "", "c": null}') == {
        "a": "dark oak",
        "b": None,
        "c": None,
    }


def test_estimated_tokens_are_those_of_the_pictures_patches_and_of_the_words():
    asked = question()
    assert asked.prompt_tokens("x" * 90, 1.5) - asked.prompt_tokens("", 1.5) == 30
    assert asked.prompt_tokens("", 2.5) - asked.prompt_tokens("", 1.5) == 256  # patches of 512 pixels
    assert asked.prompt_tokens("", 1.0) - asked.prompt_tokens("", 1.0, level=1) == 256 - 64


def test_an_attribute_may_not_take_the_name_of_another_column(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text("task: catalog\nlabel:\n  attributes:\n    color: {}\n    title: {}\n")
    with pytest.raises(RecipeError, match="'title' is a column of the result already"):
        load_recipe(path)


def test_an_attribute_that_is_told_twice_is_no_answer():
    with pytest.raises(ValueError, match="told twice"):
        question(attributes={"color": {}}).read('{"color": "red", "color": "blue"}')


@pytest.mark.parametrize(
    ("choices", "cure"),
    [
        *[
            ([odd], "write words with single spaces")
            for odd in ("dark  red", " red", "", "red\n", "a\u200bb")
        ],
        ([], "leave the key out where any text will do"),
        (["red", "blue", "red"], "'red' stands there twice: leave one of them"),
    ],
)
def test_choices_that_no_answer_could_meet_are_refused(choices, cure):
    with pytest.raises(ValueError, match=cure):
        question(attributes={"color": {"choices": choices}})


def test_no_model_is_nobodys_default() -> None:
    with pytest.raises(LabelError, match="no model is named"):
        Question.of(Labelling())
