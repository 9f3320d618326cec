"""Who or what is in recordings, as far as their names tell: persons, folders, days."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Who = Literal["person", "place", "folder", "day", "camera"]

PERSONS = (
    *(
        "person",
        "participant",
        "subject",
        "subj",
        "sub",
        "patient",
        "wearer",
        "worker",
        "operator",
        "speaker",
    ),
    *("signer", "actor", "driver", "child", "infant", "baby", "user", "part", "pt", "id", "p", "s", "u"),
)
"""Words before a number that mean somebody, the longer first: ``p01``, ``subject-3``."""

PLACES = ("session", "sess", "night", "drive", "trip", "site", "house", "room", "station", "line")
_CAMERAS = ("camera", "cam", "view", "c")

_NTU = r"S\d{3}C\d{3}(?P<group>P\d{3})R\d{3}A\d{3}"
_DAY = r"(?P<group>(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01]))"
_BEGINS, _ENDS = r"(?:.*[/_\-. ])?", r"(?:[/_\-. ].*)?"


@dataclass(frozen=True, slots=True)
class NamePattern:
    """Something that all names of recordings have, and that tells some of them apart.

    Attributes:
        who: what it seems to be.
        word: it is found by: ``p`` of ``p01``; empty where there is none.
        pattern: regular expression on the whole name, with the named group ``group``.
        of: name of each recording -> what it has there.
    """

    who: Who
    word: str
    pattern: str
    of: Mapping[str, str]

    @property
    def groups(self) -> Mapping[str, int]:
        """What the names have there -> of how many recordings, in order."""
        return dict(sorted(Counter(self.of.values()).items()))

    def text(self) -> str:
        """In a line: ``person, by "p01", "p02" ...: 4, with 3 to 5 recordings each``."""
        groups = self.groups
        shown = ", ".join(f'"{name}"' for name in list(groups)[:3])
        more = " ..." if len(groups) > 3 else ""
        least, most = min(groups.values()), max(groups.values())
        each = f"{least}" if least == most else f"{least} to {most}"
        noun = "recording" if most == 1 else "recordings"
        return f"{self.who}, by {shown}{more}: {len(groups)}, with {each} {noun} each"


def patterns_in(names: Sequence[str]) -> tuple[NamePattern, ...]:
    """What tells recordings apart, the likeliest to be who is in them first.

    >>> [found.text() for found in patterns_in(["p01_take1.mp4", "p01_take2.mp4", "p02_take1.mp4"])]
    ['person, by "p01", "p02": 2, with 1 to 2 recordings each']

    Args:
        names: of recordings, relative to their root, with ``/``.
    """
    found: dict[tuple[str, ...], NamePattern] = {}
    for who, word, pattern in _asked():
        told = [re.fullmatch(pattern, name) for name in names]
        values = [match["group"] for match in told if match is not None]
        if len(values) == len(names) and len(set(values)) > 1:
            of = dict(zip(names, values, strict=True))
            found.setdefault(tuple(values), NamePattern(who, word, pattern, of))
    return tuple(found.values())


def is_somebody(folder: str) -> bool:
    """Whether a folder is called like somebody, a place or a day: ``p01``, ``2024-05-01``."""
    numbered = any(re.fullmatch(_numbered(word), folder) for word in (*PERSONS, *PLACES))
    return numbered or re.fullmatch(_DAY, folder) is not None


def _asked() -> Iterator[tuple[Who, str, str]]:
    yield "person", "", rf"(?:.*/)?{_NTU}.*"
    words: tuple[tuple[Who, tuple[str, ...]], ...] = (("person", PERSONS), ("place", PLACES))
    for who, known in words:
        yield from ((who, word, _numbered(word)) for word in known)
    yield "folder", "", r"(?P<group>[^/]+)/.*"
    yield "day", "", rf"{_BEGINS}{_DAY}(?:[^0-9].*)?"
    yield from (("camera", word, _numbered(word)) for word in _CAMERAS)


def _numbered(word: str) -> str:
    """A word and a number between separators, in names whose case does not count."""
    either = "".join(f"[{letter}{letter.upper()}]" for letter in word)
    return rf"{_BEGINS}(?P<group>{either}[_-]?\d+){_ENDS}"
