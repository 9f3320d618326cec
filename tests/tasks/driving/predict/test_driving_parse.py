from __future__ import annotations

import doctest
import json
import math

import numpy as np
import pytest

from rushes.errors import AnswerError
from rushes.predict import free_text
from rushes.tasks.driving.predict import parse
from rushes.tasks.driving.predict.parse import parse_answer
from rushes.tasks.driving.preprocessing import QUANTITIES, RigPreprocessing

ANSWER = {"mean_speed_mps": 8.5, "final_speed_mps": 9, "displacement_m": 12.5, "yaw_deg": -3.25}
VALUES = {name: float(value) for name, value in ANSWER.items()}
BARE = {"mean_speed": "30.6 km/h", "final_speed": "9 m/s", "displacement": "12.5 m", "yaw": "-3.25°"}


def as_text(answer) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer)


def read(answer):
    return parse_answer(as_text(answer))


def refused(answer, *words):
    with pytest.raises(AnswerError) as caught:
        read(answer)
    for word in words:
        assert word in str(caught.value)


def without(answer, name):
    return {key: value for key, value in answer.items() if key != name}


@pytest.mark.parametrize("module", [free_text, parse])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


# What is read


WRAPPINGS = {
    "json": ["@", "  @\n", "<think>Fast. {\"yaw_deg\": 90}</think>\n@"],
    "fence": ["```json\n@\n```", "Here:\n```\n@\n```\nI hope this helps.", "<think>?</think>```JSON  \n@```"],
    "object": ["Sure! @", "@ Does that help?", "Seen [a bend] and a 5\" curb {so}: @", "@ @"],
}  # fmt: skip


@pytest.mark.parametrize(("stage", "wrapping"), [(s, w) for s, ways in WRAPPINGS.items() for w in ways])
def test_stages(stage, wrapping):
    reading = read(wrapping.replace("@", json.dumps(ANSWER)))
    assert (dict(reading.quantities), reading.reasoning, reading.stage) == (VALUES, None, stage)


@pytest.mark.parametrize("reasoning", ["none", "words", "numbers"])
def test_every_answer_that_the_contract_can_give_is_read(reasoning):
    preprocessing = RigPreprocessing(reasoning=reasoning)
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = [rng.choice(slot.choices) for slot in preprocessing.slots()]
        turn = preprocessing.turn(*map(str, values))
        text = "".join(part if isinstance(part, str) else part.text for part in turn.answer)
        reading = read(text)
        assert list(reading.quantities.values()) == [float(value) for value in values[-4:]]
        assert (reading.reasoning is None) == (reasoning == "none")


BY_NAME = [
    "{'mean_speed_mps': 8.5, 'final_speed_mps': 9, 'displacement_m': 12.5, 'yaw_deg': -3.25}",
    json.dumps(ANSWER)[:-1] + ",}",
    "Mean speed: 30.6 km/h\nFinal speed: 9 m/s\nDisplacement: 12.5 m.\nYaw: −3.25 degrees",
    "mean_speed_mps = 8.5; final_speed_mps = 9.0; displacement_m = 12.5; yaw_deg = −3.25",
    "mean speed mps: 8.5, mean_speed_mps: 8.50, final_speed_mps: 9, displacement_m: +12.5, yaw_deg: -3.25.",
]


@pytest.mark.parametrize("text", BY_NAME)
def test_fields_by_name(text):
    reading = read(text)
    assert reading.stage == "fields"
    assert dict(reading.quantities) == pytest.approx(VALUES)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("mean_speed", "36 km/h", 10.0),
        ("mean_speed", "36KPH", 10.0),
        ("mean_speed", "10 mph", 4.4704),
        ("final_speed", "+1.5e1 mps", 15.0),
        ("displacement", "250 cm", 2.5),
        ("displacement", "0 metres", 0.0),
        ("displacement", "-0.0 m", 0.0),
        ("yaw", "−90 deg", -90.0),
        ("yaw", "1 rad", math.degrees(1)),
        ("yaw", "180 degrees", 180.0),
        ("mean_speed_mps", "8.5 m/s", 8.5),
        ("yaw_deg", "-3°", -3.0),
    ],
)
def test_units_that_are_stated(name, text, value):
    quantity = next(known for known in QUANTITIES if known.startswith(name))
    answer = without(ANSWER, quantity) | {name: text}
    assert read(answer).quantities[quantity] == pytest.approx(value)


def test_words_beside_the_numbers_are_kept():
    assert read(ANSWER | {"reasoning": "It turns."}).reasoning == "It turns."
    refused(ANSWER | {"reasoning": 3}, "expected words", "reasoning")


# What is refused


@pytest.mark.parametrize("number", ["8,5", "1,200", "1'200", '1"5', "1,200 m/s"])
def test_a_number_in_another_countrys_writing_is_not_read_in_part(number):
    refused(f"Mean speed: {number}\n" + BY_NAME[2].partition("\n")[2], "a comma or a quote", "mean_speed")
    refused(BY_NAME[3].replace("12.5", number), "a comma or a quote", "displacement_m")


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_quantity_is_needed(name):
    refused(without(ANSWER, name), f"lacks {name}")
    refused("\n".join(f"{key}: {value}" for key, value in ANSWER.items() if key != name), f"lacks {name}")


@pytest.mark.parametrize("name", list(BARE))
def test_a_unit_is_never_guessed(name):
    assert dict(read(BARE).quantities) == pytest.approx(VALUES)
    refused(BARE | {name: 5}, "without its unit", name)
    for text in ("5", "", "m/s", "5 parsecs", "five m", "5 m/s 6 m/s", "5 m m", "1,5 m", "4-6 m", "~5 m"):
        refused(BARE | {name: text}, name)


@pytest.mark.parametrize(
    ("name", "text"),
    [("mean_speed", "5 m"), ("displacement", "5 m/s"), ("yaw", "5 m"), ("final_speed", "5 deg")],
)
def test_a_unit_of_another_kind(name, text):
    refused(BARE | {name: text}, "expected one of", name)


@pytest.mark.parametrize(("name", "text"), [("mean_speed_mps", "30.6 km/h"), ("yaw_deg", "1 rad")])
def test_name_and_value_that_say_two_units(name, text):
    refused(ANSWER | {name: text}, "another", name)


@pytest.mark.parametrize(
    "value", ["8.5", None, True, [8.5], {"m/s": 8.5}, float("nan"), float("inf"), 10**400]
)
def test_numbers_are_numbers(value):
    for name in QUANTITIES:
        refused(ANSWER | {name: value}, name)


@pytest.mark.parametrize("name", ["mean_speed_mps", "final_speed_mps", "displacement_m"])
def test_what_has_no_direction_is_not_below_zero(name):
    """The earlier system's model moved by -1.73 m."""
    refused(ANSWER | {name: -1.73}, "below zero", name)


def test_more_than_half_a_turn_could_be_two_turns():
    for value in (180.1, -181, 359):
        refused(ANSWER | {"yaw_deg": value}, "half", "yaw_deg")
    refused(BARE | {"yaw": "3.2 rad"}, "half")


def test_two_answers_are_none():
    other = ANSWER | {"yaw_deg": 3.25}
    for text in ("@ or #", "```\n@\n```\n```\n#\n```"):
        refused(text.replace("@", json.dumps(ANSWER)).replace("#", json.dumps(other)), "two different")
    refused(ANSWER | {"yaw": "-3.25 deg"}, "twice")
    refused(json.dumps(ANSWER)[:-1] + ', "yaw_deg": -3.25}', "twice")
    refused(BY_NAME[2] + "\nYaw: 3 degrees", "two different", "yaw")


def test_no_other_keys():
    refused(ANSWER | {"velocity": 3}, "nobody asked for", "velocity")
    refused({"answer": ANSWER})
    refused([ANSWER])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "8.5",
        "I cannot tell from the pictures.",
        "Clip 25cd4769: Velocity 18.4 m/s. Displacement 2.761 m.",
        "Action: Displacement: 10 m",
        "<think>" + json.dumps(ANSWER),
        json.dumps(ANSWER) + "<think>or not",
        "but </think>" + json.dumps(ANSWER),
        "The displacement is in m: answer with mean_speed_mps: number, yaw_deg: number",
    ],
)
def test_prose_and_thoughts_are_no_answer(text):
    refused(text)


def test_a_cut_answer_is_no_answer():
    for answer in (ANSWER, BARE):
        text = json.dumps(answer)
        for length in range(len(text)):
            refused(text[:length])


@pytest.mark.parametrize(
    "text",
    [
        "{" * 19_000,
        '{"a":' * 3_000 + "1" + "}" * 3_000,
        "mean_speed" * 1_900,
        "yaw: " * 3_900,
        "yaw: " + "1" * 19_000,
        "mean speed" + " " * 19_000 + ":",
        '{"yaw_deg": ' + "9" * 15_000 + "}",
        "<think>" * 2_000 + "</think>" * 500,
        "x" * 20_001,
    ],
)
def test_hostile_text_is_a_failure(text):
    refused(text)


def test_thousands_of_damaged_answers_give_an_answer_or_a_failure():
    """Whatever is read is what stands in the text; nothing else is ever raised."""
    rng = np.random.default_rng(0)
    pieces = [
        *'{}[]":,',
        "```",
        "\n",
        "yaw_deg",
        "mean_speed",
        "NaN",
        "null",
        "1",
        "-",
        "km/h",
        "</think>",
        " ",
    ]
    texts = [as_text(ANSWER), as_text(BARE), *BY_NAME, "Sure!\n" + as_text(ANSWER)]
    read_count = 0
    for number in range(6_000):
        text = texts[number % len(texts)]
        for _ in range(int(rng.integers(1, 5))):
            start, size = rng.integers(0, len(text)), rng.integers(0, 6)
            text = text[:start] + str(rng.choice(pieces)) * int(rng.random() < 0.7) + text[start + size :]
        try:
            reading = read(text)
        except AnswerError:
            continue
        read_count += 1
        assert tuple(reading.quantities) == QUANTITIES
        assert all(math.isfinite(value) for value in reading.quantities.values())
        assert min(list(reading.quantities.values())[:3]) >= 0.0
    assert 20 < read_count < 3_000
