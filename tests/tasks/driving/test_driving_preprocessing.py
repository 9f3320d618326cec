"""The driving preprocessing: named and spelt-out setups, scales, answers with and without reasoning."""

from __future__ import annotations

import json
import math
import re
from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from rushes.models import tiny
from rushes.recipe.turns import Value
from rushes.tasks.driving.preprocessing import (
    PACES,
    QUANTITIES,
    TRENDS,
    TURNS,
    CameraSetup,
    RigPreprocessing,
    Scale,
    camera_setups,
)
from rushes.tasks.driving.sources.physical_ai_av.layout import CAMERAS
from rushes.tasks.operations.preprocessing import ClipPreprocessing

FRONT, TELE, REAR = "camera_front_wide_120fov", "camera_front_tele_30fov", "camera_rear_tele_30fov"
OTHER = {"name": "mine", "reference": REAR, "rows": [[None, FRONT], [REAR, TELE]]}
SMALL = {
    "mean_speed_mps": {"low": 0, "high": 3, "step": 0.5},
    "final_speed_mps": {"low": 0, "high": 3, "step": 0.5},
    "displacement_m": {"low": 0, "high": 3, "step": 0.5},
    "yaw_deg": {"low": -3, "high": 3, "step": 1},
}

TARGET = {
    "mean_speed_mps": 8.3,
    "final_speed_mps": 11.26,
    "displacement_m": 12.4,
    "yaw_deg": -7.6,
    "start_speed_mps": 5.0,
}


# Setups


def test_named_setups_hold_cameras_of_the_dataset():
    setups = camera_setups()
    assert {"cruciform", "surround", "front"} <= setups.keys()
    assert all(set(setup.cameras) <= set(CAMERAS) for setup in setups.values())
    assert set(setups["surround"].cameras) == set(CAMERAS)
    assert {name: (len(setup.cameras), setup.grid) for name, setup in setups.items()} == {
        "cruciform": (4, (2, 2)),
        "surround": (7, (4, 2)),
        "front": (1, (1, 1)),
    }
    assert RigPreprocessing(setup="surround").setup == setups["surround"]


def test_a_setup_can_be_spelt_out():
    setup = RigPreprocessing(setup=OTHER).setup
    assert setup.cameras == (FRONT, REAR, TELE)  # row by row: the order of pictures and signals
    assert setup.grid == (2, 2)
    assert [setup.place(camera) for camera in setup.cameras] == [(0, 1), (1, 0), (1, 1)]
    assert setup.reference == REAR


def test_rows_may_differ_in_length():
    setup = CameraSetup(name="mine", reference=FRONT, rows=((FRONT,), (TELE, None, REAR)))
    assert setup.grid == (3, 2)
    assert setup.place(REAR) == (1, 2)


@pytest.mark.parametrize(
    ("setup", "says"),
    [
        ("cruzifix", "no camera setup 'cruzifix'; known are cruciform, surround, front, or spell one out"),
        ({**OTHER, "rows": [[FRONT, FRONT], [REAR, TELE]]}, "a camera stands in the grid twice"),
        ({**OTHER, "reference": "camera_x"}, f"the reference camera_x is not in the grid: {FRONT}, {REAR}"),
        ({**OTHER, "rows": []}, "at least 1 item"),
        ({**OTHER, "rows": [[None]]}, "is not in the grid"),
        ({**OTHER, "row": []}, "Extra inputs are not permitted"),
        (5, "Input should be a valid dictionary"),
    ],
)
def test_a_wrong_setup_is_refused(setup, says):
    with pytest.raises(ValidationError, match=re.escape(says)):
        RigPreprocessing(setup=setup)


def test_sizes_and_views_follow_from_setup_and_layout():
    tiled = RigPreprocessing(setup="surround", tile_size=(56, 28))
    assert (tiled.picture_size, tiled.views) == ((224, 56), ("",))
    separate = RigPreprocessing(setup="surround", tile_size=(56, 28), layout="separate")
    assert (separate.picture_size, separate.views) == ((56, 28), camera_setups()["surround"].cameras)
    with pytest.raises(ValidationError, match="separate pictures of several cameras need time_marks: true"):
        RigPreprocessing(layout="separate", time_marks=False)


# Scales


@pytest.mark.parametrize(("low", "high", "step"), [(0, 40, 0.5), (-60, 60, 1), (0.25, 8, 0.25), (-2, 1, 0.3)])
def test_every_value_of_a_scale_is_written_as_itself_and_as_no_other(low, high, step):
    scale = Scale(low=low, high=high, step=step)
    assert [float(text) for text in scale.texts] == list(scale.values)
    assert len(set(scale.texts)) == len(scale.values)
    assert all(scale.text(value) == text for value, text in zip(scale.values, scale.texts, strict=True))
    assert "-0" not in {text.rstrip("0").rstrip(".") for text in scale.texts}


def test_the_nearest_value_is_taken_and_the_ends_are_not_crossed():
    scale, rng = Scale(low=-3, high=7, step=0.5), np.random.default_rng(0)
    for value in rng.uniform(-6, 10, 500):
        nearest = min(scale.values, key=lambda known: abs(known - value))
        assert float(scale.text(float(value))) == nearest
    assert (scale.text(-1e9), scale.text(1e9)) == ("-3.0", "7.0")


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 1, "high": 1},
        {"low": 2, "high": 1},
        {"low": 0, "high": 1000, "step": 1},
        {"low": 0, "high": 1, "step": 1e-12},  # must not be spelt out to be refused
        {"low": 0, "high": 1, "step": 2},
        {"low": 0, "high": 1e-7, "step": 1e-8},
        {"low": 0, "high": 1, "step": 0},
        {"low": 0, "high": math.inf, "step": 1},
        {"low": math.nan, "high": 1, "step": 0.5},
        {"low": 0, "high": 1, "step": math.nan},
        {"low": 0, "high": math.inf, "step": math.inf},
    ],
)
def test_what_is_no_scale_is_refused(wrong):
    with pytest.raises(ValidationError):
        Scale(**{"step": 1, **wrong})


# Answers


def said(preprocessing: RigPreprocessing, target: dict[str, float]) -> str:
    """A whole answer as text."""
    answer = preprocessing.turn(*preprocessing.values(target)).answer
    return "".join(part.text if isinstance(part, Value) else part for part in answer)


@pytest.mark.parametrize("reasoning", ["none", "words", "numbers"])
def test_an_answer_is_json_with_four_numbers(reasoning):
    preprocessing = RigPreprocessing(reasoning=reasoning)
    read = json.loads(said(preprocessing, TARGET))
    assert {name: read[name] for name in QUANTITIES} == {
        "mean_speed_mps": 8.5,
        "final_speed_mps": 11.5,
        "displacement_m": 12.5,
        "yaw_deg": -8,
    }
    assert list(read) == ([] if reasoning == "none" else ["reasoning"]) + list(QUANTITIES)
    told = "The vehicle is driving at town speed, speeding up, turning right"
    expected = {"none": None, "words": f"{told}.", "numbers": f"{told}, at about 8.5 m/s."}
    assert read.get("reasoning") == expected[reasoning]


@pytest.mark.parametrize("reasoning", ["words", "numbers"])
def test_words_never_hold_a_number_and_numbers_do(reasoning):
    preprocessing = RigPreprocessing(reasoning=reasoning, **SMALL)
    for mean, gain, yaw in product((0.0, 0.4, 2.0, 9.0, 20.0), (-3.0, 0.0, 3.0), (-9.0, 0.0, 9.0)):
        target = TARGET | {"mean_speed_mps": mean, "start_speed_mps": 11.26 - gain, "yaw_deg": yaw}
        text = json.loads(said(preprocessing, target))["reasoning"]
        found = re.findall(r"\d[\d.]*", text.rstrip("."))
        assert found == ([] if reasoning == "words" else [preprocessing.mean_speed_mps.text(mean)])


def test_words_tell_pace_trend_and_turn():
    preprocessing = RigPreprocessing(reasoning="words")
    for number, mean in enumerate((0.2, 1.0, 9.0, 25.0)):
        assert preprocessing.values(TARGET | {"mean_speed_mps": mean})[0] == PACES[number]
    for number, start in enumerate((13.0, 11.0, 9.0)):
        assert preprocessing.values(TARGET | {"start_speed_mps": start})[1] == TRENDS[number]
    for number, yaw in enumerate((20.0, 0.0, -20.0)):  # left is positive
        assert preprocessing.values(TARGET | {"yaw_deg": yaw})[2] == TURNS[number]


@pytest.mark.parametrize("reasoning", ["none", "words", "numbers"])
def test_slots_and_values_go_together(reasoning):
    preprocessing = RigPreprocessing(reasoning=reasoning)
    slots, values = preprocessing.slots(), preprocessing.values(TARGET)
    assert [slot.name for slot in slots][-4:] == list(QUANTITIES)
    assert all(value in slot.choices for slot, value in zip(slots, values, strict=True))
    assert preprocessing.asking().answer == (slots[0].before,)
    assert preprocessing.turn(*preprocessing.values(TARGET)).answer[0] == slots[0].before
    cut = preprocessing.turn(values[0], *[None] * (len(slots) - 1)).answer
    assert cut == (slots[0].before, Value(values[0]))


@pytest.mark.parametrize(
    ("reasoning", "layout", "setup"),
    [("none", "tiled", "cruciform"), ("words", "separate", "surround"), ("numbers", "separate", OTHER)],
)
def test_every_piece_of_text_is_one_token_of_a_tiny_model(reasoning, layout, setup):
    preprocessing = RigPreprocessing(reasoning=reasoning, layout=layout, setup=setup)
    words = tiny.tokenizer(preprocessing)
    pieces = list(preprocessing.texts())
    assert {*preprocessing.moments(), *(view for view in preprocessing.views if view)} <= set(pieces)
    turn = preprocessing.turn(*preprocessing.values(TARGET))
    parts = [part.text if isinstance(part, Value) else part for part in turn.answer]
    for piece in {turn.question, *parts, *pieces} - {""}:
        ids = words.encode(piece, add_special_tokens=False)
        assert len(ids) == 1, piece
        assert words.decode(ids) == piece
    assert all(float(number) is not None for number in preprocessing.numbers())


def test_moments_go_from_the_first_frame_to_the_last():
    preprocessing = RigPreprocessing()
    assert preprocessing.span_s == 1.5
    assert preprocessing.moments() == tuple(f"{tenth / 10:.1f}" for tenth in range(16))
    assert (preprocessing.moment(1.5049), preprocessing.moment(1.7), preprocessing.moment(-0.02)) == (
        "1.5",
        "1.5",
        "0.0",
    )
    assert RigPreprocessing(frames=4, rate_hz=2.0).moments()[-1] == "1.5"


# JSON


@pytest.mark.parametrize(
    "preprocessing",
    [
        RigPreprocessing(),
        RigPreprocessing(setup="surround", layout="separate", reasoning="numbers", frames=8, rate_hz=5.0),
        RigPreprocessing(setup=OTHER, tile_size=(56, 56), yaw_deg={"low": -10, "high": 10, "step": 0.25}),
        ClipPreprocessing(labels=("a", "b")),
    ],
)
def test_a_preprocessing_comes_back_from_its_json(preprocessing):
    read = type(preprocessing).model_validate_json(preprocessing.model_dump_json())
    assert read == preprocessing
    assert tuple(read.texts()) == tuple(preprocessing.texts())


@pytest.mark.parametrize("text", ["", "[]", '{"task": "sailing"}', '{"task": "driving", "frames": 3}'])
def test_what_is_no_preprocessing_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's own words
        RigPreprocessing.model_validate_json(text)
