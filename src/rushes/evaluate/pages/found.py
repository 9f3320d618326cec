"""What was asked, and what each system found, in rows under each other: right answers framed, near ones dashed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from rushes.evaluate.pages.render import block


@dataclass(frozen=True, slots=True)
class Found:
    """An item that a system found.

    Attributes:
        picture: of it.
        title: below.
        look: ``right`` where it answers the question, ``kin`` where it nearly does.
    """

    picture: Markup
    title: str
    look: Literal["", "kin", "right"] = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """A question with its answers.

    Attributes:
        asked: words, or a picture.
        said: why it is shown, and how the systems did.
        answers: system -> what it found, best first.
        heading: under which it stands; strips of one heading must follow each other.
    """

    asked: Markup | str
    said: str
    answers: Mapping[str, Sequence[Found]]
    heading: str


def found(strips: Sequence[Strip]) -> Markup:
    """Strips below each other, a heading before the first of its kind."""
    return block("found", strips)
