"""What is asked about an item: the body of a request, its schema, and how its answer is read."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rushes.errors import LabelError
from rushes.label.prices import living
from rushes.label.row import Row
from rushes.media.image import encode_jpeg
from rushes.media.picture import letterbox_white
from rushes.recipe.labelling import AskedPicture, Attribute, Effort, Labelling
from rushes.stages import canonical_json

LEVELS = 3
"""How often a question may shrink, and once as it is."""

PATCH_PX = 32
_TITLE_CHARS = (2000, 400, 100)
_CHARS_PER_TOKEN = 3.0  # of English 4; fewer here, since a queue that overflows fails a whole batch
_MOST_CHARS = 2000  # of an attribute

Answer = Mapping[str, str | None]


@dataclass(frozen=True)
class Question:
    """The same question about every item.

    Attributes:
        model, instructions, attributes, picture, effort, max_tokens: as of `Labelling`.
    """

    model: str
    instructions: str
    attributes: Mapping[str, Attribute]
    picture: AskedPicture
    effort: Effort | None
    max_tokens: int

    @classmethod
    def of(cls, asked: Labelling, model: str | None = None) -> Question:
        """As a recipe says it, of another model where one is given.

        Raises:
            LabelError: neither names a model.
        """
        if (named := model or asked.model) is None:
            raise LabelError(
                "no model is named", cure=f"write label.model, or add --model, such as {living()}"
            )
        return cls(
            named,
            asked.instructions,
            asked.attributes,
            asked.picture,
            asked.effort,
            asked.max_tokens,
        )

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON schema of an answer, in the subset that ``strict`` allows: all required, nullable, nothing more."""
        properties = {}
        for name, one in self.attributes.items():
            kind: dict[str, Any] = {"type": ["string", "null"]}
            kind |= {"description": one.description} if one.description else {}
            kind |= {"enum": [*one.choices, None]} if one.choices else {}
            properties[name] = kind
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    @cached_property
    def digest(self) -> str:
        """12 hex digits of everything that an answer follows from, apart from the item."""
        parts = {
            "form": 1,
            "model": self.model,
            "instructions": self.instructions,
            "schema": list(self.schema["properties"].items()),
            "picture": self.picture.model_dump(mode="json"),
            "effort": self.effort,
            "max_tokens": self.max_tokens,
        }
        return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:12]

    def id(self, key: str) -> str:
        """``custom_id`` of the question about an item: an answer to another question never has it."""
        return f"{key}-{self.digest}"

    def body(self, row: Row, level: int = 0) -> dict[str, Any]:
        """A chat completion that asks about an item.

        Args:
            row: of the item.
            level: 0 as the recipe says; each further level halves the side of the picture, cuts the title shorter and
                gives the answer twice the room.

        Raises:
            MediaError: the picture cannot be read.
        """
        title = " ".join(row.title.split())[: _TITLE_CHARS[level]]
        shown = {"url": self._address(row, level), "detail": self.picture.detail}
        return {
            "model": self.model,
            "messages": [
                {"role": "system", "content": self.instructions},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": f"Title: {title}"},
                        {"type": "image_url", "image_url": shown},
                    ],
                },
            ],
            "max_completion_tokens": self.max_tokens << level,
            **({} if self.effort is None else {"reasoning_effort": self.effort}),
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "attributes", "strict": True, "schema": self.schema},
            },
        }

    def _address(self, row: Row, level: int) -> str:
        if self.picture.by_url and row.url:
            return row.url
        square = letterbox_white(row.picture(), self.picture.side_px >> level)
        jpeg = encode_jpeg(square, self.picture.quality)
        return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"

    def prompt_tokens(self, title: str, per_patch: float, level: int = 0) -> int:
        """Tokens of a request, rather too many than too few.

        Args:
            title: of the item.
            per_patch: tokens of 32 x 32 pixels, see `Price`.
            level: as of `body`.
        """
        words = len(self.instructions) + len(json.dumps(self.schema)) + min(len(title), _TITLE_CHARS[level])
        patches = (-(-(self.picture.side_px >> level) // PATCH_PX)) ** 2
        return round(words / _CHARS_PER_TOKEN + patches * per_patch) + 30

    def read(self, content: object) -> Answer:
        """The attributes of an answer; the text of none is empty.

        Raises:
            ValueError: says in what it is not what was asked for.
        """
        if not isinstance(content, str):
            raise ValueError(f"a text was to come, found {type(content).__name__}")
        found = json.loads(content, object_pairs_hook=_told_once)
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
        if found.keys() != self.attributes.keys():
            odd = sorted(found.keys() ^ self.attributes.keys())
            raise ValueError(f"other attributes than asked: {', '.join(map(str, odd))}")
        return {name: _text(name, found[name], one.choices) for name, one in self.attributes.items()}


def _told_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an attribute is told twice")
    return found


def _text(name: str, value: object, choices: tuple[str, ...] | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MOST_CHARS:
        raise ValueError(f"{name} is no text of at most {_MOST_CHARS} characters")
    plain = value if value.isprintable() else "".join(char if char.isprintable() else " " for char in value)
    text = " ".join(plain.split())
    if choices and text not in choices:
        raise ValueError(f"{name} is {text!r}, none of the choices")
    return text or None
