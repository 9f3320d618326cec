"""An export in another engine, and a hostile model's texts before our parser: rows of `benchmarks/serving.py`.

    python benchmarks/serving_engine.py [--quick] [--json]

Texts come with the answer that they hold, by construction: the parser may read that one or refuse, and never another.
The merge is measured on a tiny model with an adapter that was really trained.
"""

from __future__ import annotations

import json
import random
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rushes.errors import AnswerError
from rushes.predict.free_text import read_slots
from rushes.recipe.turns import Slot
from rushes.tasks.operations.predict.parse import parse_answer
from rushes.tasks.operations.preprocessing import NEXT, OPERATION

LABELS = (
    *("Picking", "Relocate Item Label", "Assemble Box", "Insert Items", "Close Box", "Attach Box Label"),
    *(
        "Scan Label",
        "Attach Shipping Label",
        "Put on Back Table",
        "Fill out Order",
        "Label",
        "Box",
        "Tape",
        "Pack",
    ),
)
CLIP_S = 5.0
SLOTS = (Slot(OPERATION, '{"operation": "', LABELS), Slot(NEXT, '", "next": "', LABELS))
TEXTS, QUICK = 10_000, 2_000

Answer = tuple[str, str]
"""Operation and next."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a model said.

    Attributes:
        kind: by which trick it was made.
        said: all of it.
        truth: the one answer in it; None where there is none, or more than one.
        must: whether it must be read, not only may.
    """

    kind: str
    said: str
    truth: Answer | None
    must: bool = False


Make = Callable[[random.Random, "Form"], Text]


@dataclass(frozen=True, slots=True)
class Form:
    """One of the three ways in which an answer is written.

    Attributes:
        name: of it.
        first, last: keys of the operation and of the next one.
    """

    name: str
    first: str
    last: str

    def fields(self, rng: random.Random, answer: Answer) -> dict[str, object]:
        """A legal answer."""
        now, then = answer
        if self.name == "slots":
            return {"operation": now, "next": then}
        start = rng.randrange(1, 60)
        if self.name == "ours":
            return {"operation": now, "start": start / 25, "end": (start + 50) / 25, "next": then}
        return {
            "dominant_operation": now,
            "temporal_segment": {"start_frame": start, "end_frame": start + 50},
            "anticipated_next_operation": then,
            "confidence": 0.5,
        }

    def read(self, text: str) -> Answer:
        """What our parser makes of a text."""
        if self.name == "slots":
            (now, then), _ = read_slots(text, SLOTS)
            return now, then
        reading = parse_answer(text, LABELS, CLIP_S)
        return reading.operation, reading.next


FORMS = (
    Form("slots", "operation", "next"),
    Form("ours", "operation", "next"),
    Form("earlier", "dominant_operation", "anticipated_next_operation"),
)


def two(rng: random.Random) -> Answer:
    """An operation and another one."""
    now, then = rng.sample(LABELS, 2)
    return now, then


def prose(rng: random.Random) -> str:
    """Words of a talkative model, with labels and brackets among them, and no answer."""
    return rng.choice(
        (
            f"The worker is busy with {rng.choice(LABELS)} here.",
            "Sure! Here is my answer:",
            f"I considered {', '.join(rng.sample(LABELS, 4))} and [more].",
            f"First {rng.choice(LABELS)}, then {rng.choice(LABELS)}; hard to tell {{really}}.",
            'A 5" box (see [1]).',
            f"taping the box, the next is {rng.choice(LABELS)}",
        )
    )


# --- texts with one answer, which must be read ------------------------------------------------------------------


def _plain(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    said = json.dumps(form.fields(rng, answer), indent=rng.choice((None, 2)))
    return Text("plain", rng.choice(("", "\n", "  ")) + said, answer, must=True)


def _fenced(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    block = f"```{rng.choice(('json', '', 'JSON'))}\n{json.dumps(form.fields(rng, answer))}\n```"
    return Text("fenced", f"{prose(rng)}\n{block}\n{prose(rng)}", answer, must=True)


def _in_prose(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    return Text(
        "in prose", f"{prose(rng)} {json.dumps(form.fields(rng, answer))} {prose(rng)}", answer, must=True
    )


def _said_twice(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    said = json.dumps(form.fields(rng, answer))
    return Text("said twice", f"{said}\n{said}", answer, must=True)


def _case(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    fields = form.fields(rng, answer)
    fields[form.first] = "  ".join(answer[0].upper().split())
    return Text("case and spaces", json.dumps(fields), answer, must=True)


# --- texts that may be refused, or read as the one answer in them -----------------------------------------------


def _by_name(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    parts = [
        f"{key}: {value}" for key, value in form.fields(rng, answer).items() if not isinstance(value, dict)
    ]
    rng.shuffle(parts)
    return Text("by name", rng.choice((", ", "\n", "; ")).join(parts), answer)


def _look_alikes(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    table = str.maketrans(rng.choice(({"e": "е"}, {"a": "а", "o": "о"}, {" ": "\u00a0"}, {"i": "і"})))
    fields = form.fields(rng, answer)
    fields[form.first] = answer[0].translate(table) + rng.choice(("", "\u200b", "\ufeff"))
    return Text("look-alikes", json.dumps(fields, ensure_ascii=bool(rng.randrange(2))), answer)


def _torn(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    said = json.dumps(form.fields(rng, answer))
    return Text("torn", said[: rng.randrange(len(said))], answer)


def _quoted_json(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    return Text("JSON in a string", json.dumps(json.dumps(form.fields(rng, answer))), answer)


def _nested(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    said: object = form.fields(rng, answer)
    for _ in range(rng.randrange(1, 4)):
        said = rng.choice(
            ({"answer": said}, [said], {"operation": said}, {form.first: said, form.last: two(rng)[1]})
        )
    return Text("nested", json.dumps(said), answer)


# --- texts without an answer, or with two -----------------------------------------------------------------------


def _contradicting(rng: random.Random, form: Form) -> Text:
    one, other = rng.sample([(now, then) for now in LABELS[:6] for then in LABELS[:6] if now != then], 2)
    texts = [json.dumps(form.fields(rng, answer)) for answer in (one, other)]
    glue = rng.choice((" ", "\nWait, no: ", "```\n```json\n", " or "))
    return Text("contradicting", glue.join(texts), None)


def _twice_in_one(rng: random.Random, form: Form) -> Text:
    one, other = rng.sample(LABELS, 2)
    said = json.dumps(form.fields(rng, (one, two(rng)[1])))
    return Text("duplicate key", said[:-1] + f', "{form.first}": "{other}"}}', None)


def _class_list(rng: random.Random, form: Form) -> Text:
    said = rng.choice((json.dumps(LABELS), ", ".join(LABELS), "\n".join(f"- {label}" for label in LABELS)))
    return Text("echoed classes", f"{prose(rng)}\n{said}", None)


def _echoed_prompt(rng: random.Random, form: Form) -> Text:
    asked = "Which operation is this, and what comes next?"
    shape = {form.first: "one of 10", form.last: "one of 10"}
    return Text("echoed prompt", f"user\n{asked}\nassistant\n{json.dumps(shape)}", None)


def _not_that(rng: random.Random, form: Form) -> Text:
    now, then = two(rng)
    said = rng.choice(
        (
            f"It is taping, the next is {then}",
            f"previous {form.first}: {now}, {form.last}: {then}",
            f"next {form.first}: {now}",
            f"It is not {form.first}: {now}. {form.last}: {then}",
            f"the expected {form.first} = {now}\n{form.last} = {then}",
            f"{now}",
            f"{form.last}: {then}",
        )
    )
    return Text("something else by name", f"{said}, start: 1.0, end: 2.0" if rng.randrange(2) else said, None)


def _numbers(rng: random.Random, form: Form) -> Text:
    fields = form.fields(rng, two(rng))
    bad = rng.choice(("NaN", "Infinity", "-Infinity", "null", '"3"', "true", "[1]", "1e999", "-1", "{}"))
    if form.name == "slots":
        fields[rng.choice((form.first, form.last))] = "@"
    elif form.name == "ours":
        fields[rng.choice(("start", "end"))] = "@"
    else:
        fields["temporal_segment"] = {"start_frame": "@", "end_frame": rng.choice(("@", 20))}
    return Text("no number", json.dumps(fields).replace('"@"', bad), None)


def _reversed(rng: random.Random, form: Form) -> Text:
    fields = form.fields(rng, two(rng))
    if form.name == "ours":
        fields |= {"start": 4.0, "end": rng.choice((4.0, 1.0, 99.0))}
    elif form.name == "earlier":
        fields["temporal_segment"] = {"start_frame": 80, "end_frame": rng.choice((79, 3, 900))}
    else:
        fields |= {"start": 4.0}
    return Text("impossible segment", json.dumps(fields), None)


def _frames_as_text(rng: random.Random, form: Form) -> Text:
    fields = form.fields(rng, two(rng))
    fields["temporal_segment"] = rng.choice(
        ("frames 3 to 90", {"start_frame": "3", "end_frame": "90"}, [3, 90])
    )
    return Text("frames as text", json.dumps(fields), None)


def _almost(rng: random.Random, form: Form) -> Text:
    now, then = two(rng)
    changed = rng.choice(
        (f"{now}s", f"the {now}", now[:-1], f"{now}/{then}", f"{now} and {then}", f"not {now}", "")
    )
    changed = (
        "Unknown"
        if " ".join(changed.split()).casefold() in {label.casefold() for label in LABELS}
        else changed
    )
    return Text("no label", json.dumps(form.fields(rng, (changed, then))), None)


def _lacking(rng: random.Random, form: Form) -> Text:
    fields = form.fields(rng, two(rng))
    del fields[rng.choice((form.first, form.last))]
    return Text("lacks a field", json.dumps(fields), None)


def _garbage(rng: random.Random, form: Form) -> Text:
    signs = string.printable + '{}[]"":,\\' * 3 + "é\u2028\U0001f4e6\x00\ud800"
    return Text("garbage", "".join(rng.choices(signs, k=rng.randrange(400))), None)


def _deep(rng: random.Random, form: Form) -> Text:
    depth = rng.choice((200, 3_000, 9_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('{"operation":', "}")))
    if len(opening) * depth > 19_000:
        depth = 19_000 // (len(opening) + 1)
    return Text("deep", opening * depth + rng.choice(("", "1" + closing * depth)), None)


def _huge(rng: random.Random, form: Form) -> Text:
    said = json.dumps(form.fields(rng, two(rng)))
    filler = rng.choice(("{", '"', "a", "\\", "operation: ", " ", "```\n"))
    return Text("huge", filler * (rng.choice((25_000, 60_000)) // len(filler)) + said, None)


def _huge_number(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    fields = form.fields(rng, answer)
    fields["start" if form.name == "ours" else "confidence"] = "@"
    return Text(
        "huge number", json.dumps(fields).replace('"@"', "9" * rng.choice((50, 4_000, 10_000))), answer
    )


MAKERS: tuple[Make, ...] = (
    *(_plain, _fenced, _in_prose, _said_twice, _case),
    *(_by_name, _look_alikes, _torn, _quoted_json, _nested),
    *(
        _contradicting,
        _twice_in_one,
        _class_list,
        _echoed_prompt,
        _not_that,
        _numbers,
        _reversed,
        _frames_as_text,
    ),
    *(_almost, _lacking, _garbage, _deep, _huge, _huge_number),
)


def texts(count: int, seed: int = 12) -> Iterator[tuple[Form, Text]]:
    """Texts of every kind in every form in turn, the same for the same seed."""
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)
        form = FORMS[number // len(MAKERS) % len(FORMS)]
        yield form, MAKERS[number % len(MAKERS)](rng, form)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of texts, by kind: exceptions other than a typed failure, wrong answers, and answers not read."""

    asked: int
    crashes: Mapping[str, int]
    wrong: Mapping[str, int]
    missed: Mapping[str, int]
    read: int
    examples: Sequence[tuple[Text, object]]


def judge(count: int) -> Judged:
    """Put so many texts before the parser."""
    crashes, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    examples: list[tuple[Text, object]] = []
    read = 0
    for form, text in texts(count):
        try:
            found: Answer | None = form.read(text.said)
        except AnswerError:
            found = None
        except Exception as error:  # what the row counts
            crashes[text.kind] += 1
            examples.append((text, error))
            continue
        read += found is not None
        if found is not None and found != text.truth:
            wrong[text.kind] += 1
            examples.append((text, found))
        elif found is None and text.must:
            missed[text.kind] += 1
            examples.append((text, found))
    return Judged(count, crashes, wrong, missed, read, examples)
