"""Questions and answers: rows of values between fixed pieces of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """A part of an answer that carries information: a label, a number."""

    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer, or the beginning of one for the model to continue."""

    question: str
    answer: tuple[str | Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """A place of an answer where one of several values stands.

    Attributes:
        name: what stands there.
        before: the text in front of it.
        choices: every value that may stand there.
    """

    name: str
    before: str
    choices: tuple[str, ...]


def fill(question: str, slots: Sequence[Slot], values: Sequence[str | None], end: str) -> Turn:
    """A question with its answer, cut short in front of the first value that is not known.

    >>> slots = Slot("now", '{"now": "', ("Tape", "Label")), Slot("next", '", "next": "', ("Tape", "Label"))
    >>> fill("What?", slots, ("Tape", None), '"}').answer
    ('{"now": "', Value(text='Tape'))
    """
    answer: tuple[str | Value, ...] = ()
    for slot, value in zip(slots, values, strict=True):
        if value is None:
            return Turn(question, answer)
        answer += (slot.before, Value(value))
    return Turn(question, (*answer, end))
