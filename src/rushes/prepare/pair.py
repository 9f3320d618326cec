"""A picture with its words, as a sample of a dataset."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from rushes.errors import ShardError

PICTURE, TEXT, META = "jpg", "txt", "json"
"""Members of a sample, by the names that readers of WebDataset know."""

VIEWS = "views"
"""Further pictures: each JPEG behind its length, four bytes in network order. Every sample has this member, as other
libraries want all rows of one form, and likewise what differs from item to item stands in the JSON as text."""

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Words:
    """Everything that is said of an item.

    Attributes:
        title: cleaned where somebody cleaned it, else as it was written.
        original_title: as it was written.
        text: attributes and title in plain words: what a person would type to find it.
        captions: at least one; training takes one of them at random each time.
        titles: language -> title in it.
        fields: attributes and other metadata.
        where: for people: the line of a table.
    """

    title: str
    original_title: str
    text: str
    captions: tuple[str, ...]
    titles: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    where: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """An item's picture with its words.

    Attributes:
        key: content hash of the item.
        picture: JPEG of a square.
        words: what is said of it.
        views: JPEGs of further pictures of the item.
        group: whatever must not stand on two sides.
        label: its class, such as a type of object; empty where it is not known.
    """

    key: str
    picture: bytes
    words: Words
    views: tuple[bytes, ...] = ()
    group: str = ""
    label: str = ""

    def members(self) -> dict[str, bytes]:
        """As a shard holds it; group and label stand in its index and in its JSON."""
        words = asdict(self.words)
        words |= {name: _json(words[name]) for name in _LOOSE}
        return {
            PICTURE: self.picture,
            TEXT: self.words.captions[0].encode(),
            META: _json({**words, "group": self.group, "label": self.label}).encode(),
            VIEWS: b"".join(_LENGTH.pack(len(view)) + view for view in self.views),
        }

    @classmethod
    def of(cls, key: str, members: Mapping[str, bytes | memoryview]) -> Self:
        """From a shard.

        Raises:
            ShardError: a member is missing or cut, or its JSON is of another form.
        """
        try:
            told = json.loads(bytes(members[META]))
            group, label = told.pop("group"), told.pop("label")
            loose = {name: json.loads(told[name]) for name in _LOOSE}
            words = Words(**{**told, **loose, "captions": tuple(told["captions"])})
            return cls(key, bytes(members[PICTURE]), words, _apart(bytes(members[VIEWS])), group, label)
        except (KeyError, TypeError, ValueError, struct.error) as error:
            raise ShardError(
                f"no picture with words: {error}", where=key, cure="prepare the dataset again"
            ) from error


_LOOSE = ("titles", "fields")
"""What other items have under other names."""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _apart(joined: bytes) -> tuple[bytes, ...]:
    views, place = [], 0
    while place < len(joined):
        (length,) = _LENGTH.unpack_from(joined, place)
        place += _LENGTH.size
        if len(view := joined[place : place + length]) < length:
            raise ValueError(f"a view of {length} bytes has {len(view)}")
        views.append(view)
        place += length
    return tuple(views)
