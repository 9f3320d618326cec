"""How the offline service answers: from what it can see and read, and null where it can tell nothing."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MediaError
from rushes.media.image import jpeg_size
from rushes.media.picture import read_picture

MODEL = "offline-words-and-colour"

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "black": (25, 25, 25),
    "grey": (128, 128, 128),
    "white": (240, 240, 240),
    "red": (190, 40, 40),
    "orange": (225, 130, 40),
    "yellow": (230, 205, 60),
    "green": (60, 140, 70),
    "teal": (40, 140, 140),
    "blue": (50, 85, 180),
    "purple": (120, 65, 150),
    "pink": (225, 140, 170),
    "brown": (120, 80, 45),
    "beige": (215, 195, 160),
}
MATERIALS = ("oak", "pine", "walnut", "wood", "steel", "metal", "leather", "velvet", "linen", "fabric", "glass",
             "marble", "plastic", "rattan")  # fmt: skip
STYLES = ("modern", "rustic", "industrial", "classic", "vintage", "scandinavian", "minimalist", "baroque")
TYPES = ("armchair", "bed", "bench", "bookcase", "cabinet", "chair", "couch", "desk", "dresser", "lamp", "shelf",
         "sideboard", "sofa", "stool", "table", "wardrobe")  # fmt: skip
_NOISE = frozenset({"item", "new", "sale", "free", "shipping", "set", "of", "pcs", "offer", "best", "top", "the", "a",
                    "usd", "eur", "off", "deal", "hot", "gray"})  # fmt: skip
_WHITE, _ALIKE = (255, 255, 255), 24.0  # distance in RGB


def main_colour(picture: NDArray[np.uint8]) -> str:
    """Name that most pixels are nearest to, those apart that look like the corners: the ground of a shop's picture.

    Args:
        picture: RGB, uint8 (H, W, 3).
    """
    step = max(1, max(picture.shape) // 64)
    few = picture[::step, ::step].astype(np.float64)
    pixels, names = few.reshape(-1, 3), list(COLOURS)
    corners = few[[0, 0, -1, -1], [0, -1, 0, -1]]
    ground = (np.linalg.norm(pixels[:, None] - np.vstack((corners, _WHITE)), axis=2) < _ALIKE).any(axis=1)
    shown = pixels if ground.all() else pixels[~ground]
    far = np.linalg.norm(shown[:, None] - np.array(list(COLOURS.values())), axis=2)
    return names[int(np.bincount(far.argmin(axis=1), minlength=len(names)).argmax())]


def answer(title: str, colour: str | None, schema: Mapping[str, Any]) -> dict[str, str | None]:
    """Attributes of an item.

    Args:
        title: as it was written.
        colour: of its picture; None where that was not sent.
        schema: JSON schema of an object, as it was asked for.
    """
    words = [word for word in re.findall(r"\w+", title.lower()) if word.isalpha() and word not in _NOISE]
    told: dict[str, str | None] = {}
    for name, kind in schema["properties"].items():
        rule = next((rule for part, rule in _RULES.items() if part in name.lower()), _nothing)
        told[name] = _chosen(rule(words, colour), words, kind.get("enum"))
    return told


def _chosen(found: str | None, words: Sequence[str], choices: Sequence[str | None] | None) -> str | None:
    if not choices or (found is not None and found in choices):
        return found
    return next((choice for choice in choices if choice and choice.lower() in words), None)


def _colour(words: Sequence[str], colour: str | None) -> str | None:
    return colour


def _material(words: Sequence[str], colour: str | None) -> str | None:
    return next((word for word in words if word in MATERIALS), None)


def _style(words: Sequence[str], colour: str | None) -> str | None:
    return next((word for word in words if word in STYLES), None)


def _type(words: Sequence[str], colour: str | None) -> str | None:
    known = (*COLOURS, *MATERIALS, *STYLES)
    plain = [word for word in words if word not in known]
    return next((word for word in plain if word in TYPES), plain[-1] if plain else None)


def _title(words: Sequence[str], colour: str | None) -> str | None:
    shown = [word for word in words if word not in COLOURS]
    return " ".join(filter(None, (colour, *shown))) or None


def _nothing(words: Sequence[str], colour: str | None) -> str | None:
    return None


_RULES: Mapping[str, Callable[[Sequence[str], str | None], str | None]] = {
    "title": _title,
    "color": _colour,
    "colour": _colour,
    "material": _material,
    "style": _style,
    "type": _type,
}
"""By a part of the attribute's name."""


def read_question(body: Mapping[str, Any]) -> tuple[str, str | None]:
    """Title of a request, and colour of its picture; of one behind a URL nothing is known: nothing is fetched.

    Raises:
        ValueError: its picture cannot be read.
    """
    title, colour = "", None
    for role, part in _parts(body):
        if part["type"] == "text":
            title = part["text"].removeprefix("Title: ") if role == "user" else title
        elif (data := _bytes_of(part)) is not None:
            try:
                colour = main_colour(read_picture(data))
            except MediaError as error:
                raise ValueError(f"invalid image: {error.message}") from error
    return title, colour


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """About what a tokenizer would count: a quarter of the letters, and 1.5 for 32 x 32 pixels."""
    tokens = len(json.dumps(body.get("response_format", {}))) / 4
    for _, part in _parts(body):
        tokens += len(part.get("text", "")) / 4
        if part["type"] == "image_url":
            tokens += 1.5 * _patches(_bytes_of(part))
    return round(tokens)


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Role and part, text or picture, of a conversation."""
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        yield from ((message["role"], part) for part in parts)


def _bytes_of(part: Mapping[str, Any]) -> bytes | None:
    """Of a picture that was sent; None of one behind a URL."""
    head, _, data = part["image_url"]["url"].partition(",")
    if not head.startswith("data:"):
        return None
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"invalid image: {error}") from error


def _patches(data: bytes | None) -> int:
    try:
        width, height = (512, 512) if data is None else jpeg_size(data)
    except MediaError:
        width, height = 512, 512
    return -(-width // 32) * -(-height // 32)


def schema_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a request asks for.

    Raises:
        ValueError: it has none, or one that ``strict`` does not allow.
    """
    asked = body["response_format"]["json_schema"]
    schema: Mapping[str, Any] = asked["schema"]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", asked["name"]):
        raise ValueError(f"Invalid name of a schema: {asked['name']!r}")
    if schema.get("additionalProperties") is not False:
        raise ValueError("Invalid schema for response_format: 'additionalProperties' is required to be false")
    if sorted(schema.get("required", ())) != sorted(schema["properties"]):
        raise ValueError("Invalid schema for response_format: 'required' must name every key of 'properties'")
    return schema
