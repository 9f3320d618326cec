"""The door of a search: words, a picture, or both, and the items that are nearest to them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from pydantic import Field, field_validator

from rushes.errors import QuestionError
from rushes.media.limits import Limits
from rushes.runs.door.contract import Answered, Asked, Decode, Decoded, Door, Part, Reply, Verb
from rushes.runs.door.here import require_here

if TYPE_CHECKING:
    from rushes.predict.remote import Engine
    from rushes.runs.run import Run
    from rushes.runs.search import Search

IMAGE = "image"
"""Form field of the picture that is asked."""

PICTURE = "picture.png"
"""Member that holds it, decoded."""

_QUICK = 1  # of zlib: the file lives for a second


class FindAsked(Asked):
    """What is to be found.

    Attributes:
        words: what the item is, as "grey oak sideboard".
        k: how many items are answered.
        where: field -> value that an item must have; as text, a JSON object.
        weight: of the words where there is a picture too, 0 to 1.
    """

    words: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    k: Annotated[int, Field(ge=1, le=100)] = 10
    where: Annotated[Mapping[str, str], Field(max_length=16)] = {}
    weight: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5

    @field_validator("where", mode="before")
    @classmethod
    def _of_text(cls, where: Any) -> Any:
        return json.loads(where) if isinstance(where, str) else where


class FoundItem(Answered):
    """An item.

    Attributes:
        key: of the item.
        rank: from 1.
        score: cosine, -1 to 1.
        fields: title and metadata.
        picture: where the service shows it.
    """

    key: str
    rank: int
    score: float
    fields: Mapping[str, Any]
    picture: str


class Found(Answered):
    """What was found.

    Attributes:
        hits: best first; equal scores in order of their keys.
        said: how they were found, where that misses some; empty where every item was looked at.
    """

    hits: Sequence[FoundItem]
    said: str = ""


@dataclass(frozen=True, slots=True)
class DecodePicture:
    """A picture of any format that is read, as PNG of the same pixels, upright and on white."""

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """See `Decode`."""
        from PIL import Image

        from rushes.media.picture import read_picture

        pixels = read_picture(files[IMAGE].read_bytes(), IMAGE, limits.max_pixels)
        limits.check(IMAGE, decoded_bytes=pixels.nbytes)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=_QUICK)
        part = Part(IMAGE, {PICTURE: file.getvalue()})
        return Decoded({"duration_s": None, "fps": None, "parts": 1}, iter([part]))


class FindDoor(Door):
    """See `Door`: what ``rushes search`` answers.

    A file is decoded in a process of its own; what is searched with is the PNG that it made.

    Args:
        search: opens the items of a finished run.
    """

    verb = "search"
    summary = "Find items by words, by a picture, or by both."
    asked = FindAsked
    answered = Found
    files: Mapping[str, bool] = {IMAGE: False}
    preload = ("numpy", "rushes.media.picture", "rushes.runs.door.find")

    def __init__(self, search: Callable[[], Search]) -> None:
        self._open = search

    @cached_property
    def _search(self) -> Search:
        return self._open()

    def decode(self, asked: FindAsked) -> Decode:
        """See `Door.decode`."""
        return DecodePicture()

    def load(self) -> None:
        """See `Door.load`: the weights and all vectors, by a first question."""
        self._search.find("a", None, 1)

    def answer(self, parts: Sequence[Part]) -> Sequence[bytes]:
        """See `Door.answer`: nothing yet, since words belong to the question as well."""
        return [bytes(part.members[PICTURE]) for part in parts]

    def reply(self, asked: FindAsked, about: Mapping[str, Any]) -> Reply:
        """See `Door.reply`.

        Raises:
            QuestionError: neither words nor a picture.
        """
        if not asked.words and not about:
            raise QuestionError(
                "nothing is asked", cure='give words, as "grey oak sideboard", or a picture, or both'
            )
        return _FindReply(self._search, asked)

    def picture(self, key: str) -> bytes:
        """The JPEG of an item.

        Raises:
            QuestionError: there is no such item.
        """
        return self._search.picture(key)


class _FindReply(Reply):
    """See `Reply`; the model is asked when all is there."""

    def __init__(self, search: Search, asked: FindAsked) -> None:
        self._search, self._asked = search, asked
        self._picture: bytes | None = None

    def add(self, part: Part, said: bytes) -> None:
        """See `Reply.add`."""
        self._picture = said

    def finish(self) -> Found:
        """See `Reply.finish`."""
        asked = self._asked
        hits = self._search.find(asked.words, self._picture, asked.k, where=asked.where, weight=asked.weight)
        told = [
            FoundItem(
                key=hit.key,
                rank=hit.rank,
                score=hit.score,
                fields=hit.fields,
                picture=f"/items/{quote(hit.key, safe='')}.jpg",
            )
            for hit in hits
        ]
        return Found(hits=told, said=self._search.said)


def find_door(run: Run[Any], engine: Engine | None) -> Mapping[Verb, Door]:
    """The doors of a task whose items can be found, see `Task.doors`.

    Raises:
        RecipeError: another server is to answer.
    """
    require_here(run, engine)
    return {"search": FindDoor(partial(run.task.search, run))}
