"""Who or what is in recordings, as far as their names tell: persons, folders, days."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Who = Literal["person", "folder", "somebody", "place", "day", "camera"]

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
    *("signer", "actor", "driver", "child", "infant", "baby", "user", "vehicle", "truck", "car"),
    *("pt", "id", "p", "u"),
)
"""Words before a number that mean somebody, the longer first: ``p01``, ``subject-3``."""

_UNSURE = ("s",)
"""The same where no plain word tells somebody: ``anna_s1`` is a session of hers."""

PLACES = ("session", "sess", "night", "drive", "trip", "site", "house", "room", "station", "line")
_CAMERAS = ("camera", "cam", "view", "c")
_WORDS = """
    monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun holiday weekend
    january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep oct nov dec day week month date today nacht tag early late am pm
    morning noon afternoon evening midnight before after pre post first second third last test train val
    take clip part trial rep run round visit rec recording video audio sound file scene segment chunk
    kitchen lab office home indoor outdoor inside outside front rear left right back side top near far
    wide rgb depth color
"""
_NOBODY = frozenset((*PLACES, *_CAMERAS, *_WORDS.split()))
"""Plain words that are mostly no names of somebody: days, takes, places, sides of a camera."""

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

    @property
    def is_somebody(self) -> bool:
        """Whether it may be who is in them: a person, or plain words that are mostly no day, take or place."""
        unlikely = [name for name in self.groups if _is_time_or_place(name)]
        return self.who == "person" or (
            self.who in ("folder", "somebody") and 2 * len(unlikely) < len(self.groups)
        )

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
    for who, word, pattern in _asked(names):
        told = [re.fullmatch(pattern, name) for name in names]
        values = [match["group"] for match in told if match is not None]
        told_apart = len({value.casefold() for value in values}) == len(set(values)) > 1
        if len(values) == len(names) and told_apart:
            of = dict(zip(names, values, strict=True))
            found.setdefault(tuple(values), NamePattern(who, word, pattern, of))
    likely = [one for one in found.values() if one.who != "somebody" or one.is_somebody]
    return tuple(sorted(likely, key=lambda one: not one.is_somebody))


def is_somebody(folder: str) -> bool:
    """Whether a folder is called like somebody, a place or a day: ``p01``, ``2024-05-01``."""
    numbered = any(re.fullmatch(_numbered(word), folder) for word in (*PERSONS, *_UNSURE, *PLACES))
    return numbered or re.fullmatch(_DAY, folder) is not None


def _is_time_or_place(name: str) -> bool:
    words = [word.rstrip("0123456789").casefold() for word in re.split(r"[_\-. ]", name)]
    return re.search(_DAY, name) is not None or any(word in _NOBODY for word in words) or not any(words)


def _asked(names: Sequence[str]) -> Iterator[tuple[Who, str, str]]:
    yield "person", "", rf"(?:.*/)?{_NTU}.*"
    yield from (("person", word, _numbered(word)) for word in PERSONS)
    yield "folder", "", r"(?P<group>[^/]+)/.*"
    yield from (("somebody", "", pattern) for pattern in _called(names))
    yield from (("person", word, _numbered(word)) for word in _UNSURE)
    yield from (("place", word, _numbered(word)) for word in PLACES)
    yield "day", "", rf"{_BEGINS}{_DAY}(?:[^0-9].*)?"
    yield from (("camera", word, _numbered(word)) for word in _CAMERAS)


def _called(names: Sequence[str]) -> Iterator[str]:
    """Parts of all names that are plain words, or somebody by a number, and the same in several recordings."""
    parts = [re.split(r"[/_\-. ]", str(PurePosixPath(name).with_suffix(""))) for name in names]
    for place, words in enumerate(zip(*parts, strict=False)):
        plain = [re.fullmatch(r"[^\W\d_]{2,}", word) is not None for word in words]
        numbered = [any(re.fullmatch(_numbered(known), word) for known in PERSONS) for word in words]
        if len(set(words)) < len(words) and any(plain) and all(map(max, plain, numbered)):
            letters = r"[^\W\d_]" if all(plain) else r"[^\W_]"
            yield rf"(?:[^/_\-. ]*[/_\-. ]){{{place}}}(?P<group>{letters}+){_ENDS}"


def _numbered(word: str) -> str:
    """A word and a number between separators, in names whose case does not count."""
    either = "".join(f"[{letter}{letter.upper()}]" for letter in word)
    return rf"{_BEGINS}(?P<group>{either}[_-]?\d+){_ENDS}"
