"""What a language model is asked about items, and within which limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from rushes.recipe.sections import Count, Seconds, Section

AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Effort = Literal["none", "minimal", "low", "medium", "high"]

RESERVED = ("id", "title", "model", "question", "finish", "shrunk")
"""Columns of the result beside the attributes."""

INSTRUCTIONS = """\
You clean the entry of a shop. You see the title that a seller wrote and the picture of the item.
Describe what the picture shows. Where title and picture disagree, the picture is right.
Leave out brand, article number, price, shipping and the number of pieces in a set.
Answer in lower case English. Answer null where neither picture nor title tells.
"""


class Attribute(Section):
    """One thing that is asked.

    Attributes:
        description: for the model.
        choices: the only answers beside null; null where any text is one.
    """

    description: str = ""
    choices: tuple[str, ...] | None = None

    @field_validator("choices")
    @classmethod
    def _can_be_answered(cls, choices: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """An answer is kept without spaces around it: a choice with some would never be met, and be paid for."""
        if choices is None:
            return None
        if not choices:
            raise ValueError(
                "nothing is left to choose: name choices, or leave the key out where any text will do"
            )
        if odd := [
            one for one in choices if not one or not one.isprintable() or one != " ".join(one.split())
        ]:
            raise ValueError(
                f"{odd[0]!r} is no choice: write words with single spaces between them and none around"
            )
        if twice := [one for one, count in Counter(choices).items() if count > 1]:
            raise ValueError(f"{twice[0]!r} stands there twice: leave one of them")
        return choices


ATTRIBUTES: Mapping[str, Attribute] = {
    "clean_title": Attribute(description="What it is, in two to six words."),
    "style": Attribute(description="Style of its design, such as modern, rustic, industrial."),
    "material": Attribute(description="Main visible material, such as oak, steel, velvet."),
    "color": Attribute(description="Main colour in one or two words."),
    "object_type": Attribute(description="Type of object in one or two words, such as chair."),
}


class AskedPicture(Section):
    """How the picture of an item is sent.

    Attributes:
        side_px: side of the white square into which it is scaled, in pixels.
        quality: of the JPEG, 1 to 100.
        detail: what the model is to make of it; several models ignore it.
        by_url: send its URL in place of its bytes, where an item has one.
    """

    side_px: Annotated[int, Field(ge=32, le=2048)] = 512
    quality: Annotated[int, Field(ge=1, le=100)] = 85
    detail: Literal["low", "high", "auto"] = "low"
    by_url: bool = False


class LabelLimits(Section):
    """How much at a time; no answer depends on these.

    Attributes:
        file_bytes, file_requests: of one file of requests; OpenAI takes 200 MB and 50,000.
        queue_tokens: prompt tokens that may wait in all batches together, as the account allows.
        attempts: how often an item is asked at most.
        poll_s: seconds between two looks at batches.
        settle_s: seconds after which a batch that was asked for, and is not in the server's list, was never made.
        concurrency: requests side by side, with ``--provider chat``.
        requests_per_minute, tokens_per_minute: likewise.
    """

    file_bytes: Annotated[int, Field(ge=100_000, le=200_000_000)] = 90_000_000
    file_requests: Annotated[int, Field(ge=1, le=50_000)] = 49_000
    queue_tokens: Count = 2_000_000
    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    poll_s: Seconds = 60.0
    settle_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 20.0
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    requests_per_minute: Count = 500
    tokens_per_minute: Count = 200_000


class Labelling(Section):
    """What ``rushes label`` asks a vision language model about every item.

    Attributes:
        model: as its provider calls it; which one answered stands in every row of the result. Null is none: models
            come and go, so nobody's recipe should begin with one that is shut down by the time it is run.
        instructions: ahead of every question.
        attributes: name -> what is asked.
        picture: how the picture is sent.
        effort: of models that reason; null leaves it out for those that do not.
        max_tokens: of an answer, its reasoning included.
        limits: how much at a time.
    """

    model: Annotated[str, Field(min_length=1)] | None = None
    instructions: Annotated[str, Field(min_length=1)] = INSTRUCTIONS
    attributes: Annotated[Mapping[AttributeName, Attribute], Field(min_length=1, max_length=50)] = ATTRIBUTES
    picture: AskedPicture = AskedPicture()
    effort: Effort | None = "minimal"
    max_tokens: Annotated[int, Field(ge=16, le=100_000)] = 1000
    limits: LabelLimits = LabelLimits()

    @field_validator("attributes")
    @classmethod
    def _are_free(cls, attributes: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
        if taken := [name for name in attributes if name in RESERVED]:
            raise ValueError(f"{taken[0]!r} is a column of the result already; call the attribute otherwise")
        return attributes
