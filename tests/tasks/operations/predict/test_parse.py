import json
from fractions import Fraction

import numpy as np
import pytest

from rushes.errors import AnswerError
from rushes.predict.free_text import MAX_CHARACTERS
from rushes.tasks.operations.predict.parse import Reading, parse_answer

LABELS = ("Box Setup", "Inner Packing", "Tape", "Put Items", "Pack", "Wrap", "Label", "Final Check", "Idle")
OURS = {"operation": "Tape", "start": 1.2, "end": 5.0, "next": "Label"}
EARLIER = {
    "clip_id": "req_1",
    "dominant_operation": "Tape",
    "temporal_segment": {"start_frame": 31, "end_frame": 125},
    "anticipated_next_operation": "Label",
    "confidence": 0.87,
}


def read(text) -> Reading:
    return parse_answer(text if isinstance(text, str) else json.dumps(text), LABELS, 5.0)


def refused(text, *words):
    with pytest.raises(AnswerError) as caught:
        read(text)
    for word in words:
        assert word in str(caught.value)


def without(answer, *names):
    return {name: value for name, value in answer.items() if name not in names}


WRAPPINGS = {
    "json": ["{}", "  {}\n"],
    "fence": ["```json\n{}\n```", "Here it is:\n```\n{}\n```\nI hope this helps.", "```JSON  \n{}```"],
    "object": ["Sure! {}", "{} Does that help?", 'I saw [a hand] and a 5" box {{so}}: {}', "{} {}"],
}


@pytest.mark.parametrize(("stage", "wrapping"), [(s, w) for s, ways in WRAPPINGS.items() for w in ways])
@pytest.mark.parametrize("answer", [OURS, EARLIER], ids=["ours", "earlier"])
def test_stages(stage, wrapping, answer):
    text = wrapping.replace("{}", "@").replace("{{", "{").replace("}}", "}")
    reading = read(text.replace("@", json.dumps(answer)))
    confidence = answer.get("confidence")
    assert reading == Reading("Tape", 1.2, 5.0, "Label", confidence, stage)


BY_NAME = [
    "{'operation': 'Tape', 'start': 1.2, 'end': 5.0, 'next': 'Label'}",
    '{"operation": "Tape", "start": 1.2, "end": 5.0, "next": "Label",}',
    "Operation: Tape\nStart: 1.2 s\nEnd: 5 seconds\nNext operation: label",
    "operation = Tape; start = 1.2; end = 5; next = Label",
    '"operation": "Tape", "start": 1.2, "end": 5.0, "next": "Label"',
    '{"dominant_operation": "Tape", "temporal_segment": {"start_frame": 31, "end_frame": 125},'
    ' "anticipated_next_operation": "Label",}',
    'operation: Tape, operation: "Tape", start: 1.2, end: 5, next: Label',
]


@pytest.mark.parametrize("text", BY_NAME)
def test_fields_by_name(text):
    assert read(text) == Reading("Tape", 1.2, 5.0, "Label", None, "fields")


# What the earlier four-stage parser made of each of these is in the name or the comment.


def test_prose_before_an_object_keeps_the_label():
    """It took the inner segment for the answer: Unknown, 1..125, 0.5."""
    reading = read("Sure! " + json.dumps(EARLIER))
    assert (reading.operation, reading.start_s, reading.end_s) == ("Tape", 1.2, 5.0)


@pytest.mark.parametrize(
    "answer",
    [
        EARLIER | {"temporal_segment": {"start_frame": None, "end_frame": 125}},
        EARLIER | {"confidence": "high"},
        EARLIER | {"confidence": "0.9"},
        [EARLIER],
        [OURS, OURS],
    ],
)
def test_null_text_and_lists_are_failures_not_crashes(answer):
    refused(answer)
    refused("Sure! " + json.dumps(answer))
    refused("```json\n" + json.dumps(answer) + "\n```")


def test_a_confidence_that_is_no_number_is_not_certainty():
    """NaN became 1.0."""
    for value in ("NaN", "Infinity", "-Infinity", "1e999", "1.01", "-0.1", "true", "null"):
        refused(json.dumps(EARLIER).replace("0.87", value), "confidence")


@pytest.mark.parametrize(("start", "end"), [(60, 31), (125, 1), (0, 10), (1, 126), (-5, 10), (1, 10**400)])
def test_an_impossible_segment_is_not_rewritten(start, end):
    """start >= end became start + 10; frames were clamped."""
    refused(EARLIER | {"temporal_segment": {"start_frame": start, "end_frame": end}})


@pytest.mark.parametrize(("start", "end"), [(3.0, 3.0), (4.0, 3.0), (-0.1, 3.0), (1.0, 5.1), (1e300, 2.0)])
def test_an_impossible_segment_in_seconds_is_a_failure(start, end):
    refused(OURS | {"start": start, "end": end})


@pytest.mark.parametrize("label", ["Taping", "Tape the box", "Tap", "", "Unknown", "one of 10", "Pack/Wrap"])
def test_an_unknown_label_is_not_the_first_that_it_contains(label):
    """The first class that was a substring was taken: Pack, for "Inner Packing materials"."""
    refused(OURS | {"operation": label}, "not a label", "operation")
    refused(EARLIER | {"dominant_operation": label}, "not a label", "dominant_operation")
    assert read(OURS | {"operation": "Inner Packing"}).operation == "Inner Packing"


@pytest.mark.parametrize("label", ["tape", "TAPE", "  Tape ", "inner  packing", "INNER PACKING"])
def test_case_and_spaces_do_not_matter(label):
    assert read(OURS | {"operation": label}).operation == (
        "Tape" if "ape" in label.lower() else "Inner Packing"
    )


@pytest.mark.parametrize("value", ["Unreadable", None, 3, ["Label"], {"label": "Label"}])
def test_an_unreadable_next_operation_is_not_taken_from_a_grammar(value):
    refused(OURS | {"next": value}, "next")
    refused(EARLIER | {"anticipated_next_operation": value}, "anticipated_next_operation")
    refused(without(OURS, "next"), "lacks next")


@pytest.mark.parametrize(
    "text",
    [
        "The worker is taping the box, the next is Label",  # dominant = Label
        "next label",  # compared with the literal text "next.*label"
        "next.*label",
        "asdf qwer",  # Unknown, 1..125, 0.5
        "",
        "   ",
        "null",
        "3",
        '"Tape"',
        "true",
        "{}",
        "[]",
        "[1, 2]",
        "I cannot see the video.",
    ],
)
def test_prose_and_garbage_are_failures(text):
    refused(text)


def test_the_classes_in_an_echoed_prompt_are_no_answer():
    """Another parser read the class list of the prompt: always Box Setup."""
    refused(
        f"Answer with operation: one of {', '.join(LABELS)}; start: seconds; end: seconds; next: one of them"
    )


# Strictness


@pytest.mark.parametrize(
    "text",
    [
        '{"operation": "Tape", "operation": "Label", "start": 0, "end": 1, "next": "Label"}',
        '{"operation": "Tape", "start": 0, "start": 0, "end": 1, "next": "Label"}',
        json.dumps(EARLIER).replace('"start_frame": 31', '"start_frame": 31, "start_frame": 3'),
    ],
)
def test_a_key_that_stands_twice(text):
    refused(text, "twice")
    refused("Well: " + text, "twice")


@pytest.mark.parametrize("name", [*OURS])
def test_every_field_is_needed(name):
    refused(without(OURS, name), f"lacks {name}")
    refused("\n".join(f"{key}: {value}" for key, value in OURS.items() if key != name))


@pytest.mark.parametrize("name", ["dominant_operation", "temporal_segment", "anticipated_next_operation"])
def test_every_field_of_the_earlier_contract_is_needed(name):
    refused(without(EARLIER, name))


def test_no_other_keys():
    refused(OURS | {"reason": "tape in hand"}, "reason")
    refused(OURS | EARLIER)
    refused({"answer": OURS})
    refused(EARLIER | {"temporal_segment": EARLIER["temporal_segment"] | {"fps": 25}}, "fps")


@pytest.mark.parametrize("value", ["1.2", None, True, [1.2], {"s": 1.2}, float("nan"), float("inf"), 10**400])
def test_times_are_numbers(value):
    refused(OURS | {"start": value}, "start")


@pytest.mark.parametrize("number", ["1,5", "1'5", '1"5'])
def test_a_number_in_another_countrys_writing_is_not_read_in_part(number):
    refused(f"operation: Tape\nstart: {number}\nend: 3\nnext: Label", "a comma or a quote", "start")


@pytest.mark.parametrize("value", [31.0, 31.5, "31", True])
def test_frames_are_whole_numbers(value):
    refused(EARLIER | {"temporal_segment": {"start_frame": value, "end_frame": 125}}, "start_frame")


def test_two_answers_are_none():
    other = OURS | {"operation": "Label"}
    for text in ("{} or {}", "```\n{}\n```\n```\n{}\n```"):
        refused(text.replace("{}", json.dumps(OURS), 1).replace("{}", json.dumps(other)), "two different")
    refused("operation: Tape\noperation: Label\nstart: 0\nend: 1\nnext: Label", "two different")


def test_a_cut_answer_is_no_answer():
    for answer in (OURS, EARLIER):
        text = json.dumps(without(answer, "confidence"))
        for length in range(len(text) - 1):
            refused(text[:length])


def test_frames_are_inclusive_and_count_from_one():
    one = EARLIER | {"temporal_segment": {"start_frame": 1, "end_frame": 1}}
    assert (read(one).start_s, read(one).end_s) == (0.0, 0.04)
    whole = EARLIER | {"temporal_segment": {"start_frame": 1, "end_frame": 125}}
    assert (read(whole).start_s, read(whole).end_s) == (0.0, 5.0)
    ntsc = parse_answer(json.dumps(whole), LABELS, 5.0, Fraction(30000, 1001))
    assert ntsc.end_s == pytest.approx(125 * 1001 / 30000)


def test_confidence_is_never_invented():
    assert read(OURS).confidence is None
    assert read(without(EARLIER, "confidence")).confidence is None
    assert read(EARLIER | {"confidence": 0}).confidence == 0.0


# Hostile text


@pytest.mark.parametrize(
    "text",
    [
        "{" * 19_000,
        "[" * 19_000,
        '{"a":' * 3_000,
        '{"a":' * 3_000 + "1" + "}" * 3_000,
        "[" * 9_000 + "]" * 9_000,
        '"' * 19_000,
        "```\n" * 4_000,
        '{"start": ' + "9" * 15_000 + "}",
        "operation" * 2_000,
        "operation: " * 1_500,
        "start: " + "1" * 19_000,
        "next operation" + " " * 19_000 + ":",
        "\x00\ud800\N{BOM}" * 100,
        "x" * (MAX_CHARACTERS + 1),
    ],
)
def test_hostile_text_is_a_failure(text):
    refused(text)


def test_thousands_of_damaged_answers_give_an_answer_or_a_failure():
    """Whatever is read is an answer that stands in the text; nothing else is ever raised."""
    rng = np.random.default_rng(0)
    pieces = [*'{}[]":,', "```", "\n", "operation", "next", "start", "NaN", "null", "1", "-", "Tape", " "]
    texts = [json.dumps(OURS), json.dumps(EARLIER), BY_NAME[0], BY_NAME[2], "Sure!\n" + json.dumps(OURS)]
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
        assert reading.operation.casefold() in text.casefold()
        assert reading.next.casefold() in text.casefold()
        assert 0.0 <= reading.start_s < reading.end_s <= 5.0
    assert 20 < read_count < 3_000
