"""From what is known of an item to the words that are said of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from rushes.prepare.pair import Words
from rushes.recipe.captions import Captions

CLEAN_TITLE: Final = "clean_title"
"""Field of a title that somebody cleaned."""

NOTHING: Final = "object"
"""Title of an item that has neither title nor type."""

_UNKNOWN = frozenset({"", "nan", "none", "null", "unknown", "empty", "n/a"})
_PLACE = re.compile(r"\{(attributes|title)\}")
_WORD = re.compile(r"\w+")


def words_of(
    key: str,
    title: str,
    fields: Mapping[str, str],
    asked: Captions,
    *,
    titles: Mapping[str, str] | None = None,
    label: str = "",
    where: str = "",
) -> Words:
    """Words and captions of an item: a function of the item and of what is asked alone.

    Args:
        key: of the item; with ``asked.seed`` it draws the templates.
        title: as somebody wrote it.
        fields: attributes and other metadata; `CLEAN_TITLE` among them comes before ``title``.
        asked: how captions are made.
        titles: language -> title in it.
        label: its type, which is the title of an item that has none.
        where: for people: the line of a table.
    """
    told = known(fields)
    titles = known(titles or {})
    called = told.get(CLEAN_TITLE) or stated(title) or stated(label) or NOTHING
    plain_title = plain(called)
    attributes = " ".join(_unsaid((told.get(name, "") for name in asked.attributes), plain_title))
    said = {"attributes": attributes, "title": plain_title}
    order = sorted(range(len(asked.templates)), key=lambda number: _draw(asked.seed, key, number))
    filled = (_PLACE.sub(lambda place: said[place[1]], asked.templates[number]) for number in order)
    alone = (told[name] for name in asked.fields if name in told)
    captions = (*map(plain, list(filled)[: asked.per_item]), *map(plain, alone))
    text = plain(f"{attributes} {plain_title}")
    return Words(called, title, text, tuple(dict.fromkeys(captions)), titles, told, where)


def known(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields that say something, less the space around them.

    >>> known({"color": " Red ", "style": "unknown", "material": "NaN", "finish": ""})
    {'color': 'Red'}
    """
    return {name: value for name, text in fields.items() if (value := stated(text))}


def stated(text: str) -> str:
    """The text less the space around it; empty where it says nothing.

    >>> stated(" Oak "), stated("N/A")
    ('Oak', '')
    """
    stripped = text.strip()
    return "" if stripped.lower() in _UNKNOWN else stripped


def plain(text: str) -> str:
    """In lower case, with single spaces.

    >>> plain("  A photo of a  Chair ")
    'a photo of a chair'
    """
    return " ".join(text.lower().split())


def _unsaid(values: Iterable[str], said: str) -> Iterable[str]:
    """Those values of which neither ``said`` nor a value before holds all words in a row.

    >>> list(_unsaid(["red", "solid oak", "oak"], "bordered rug"))
    ['red', 'solid oak']
    """
    heard = [_WORD.findall(said)]
    for value in map(plain, values):
        words = _WORD.findall(value)
        if words and not any(_holds(sentence, words) for sentence in heard):
            heard.append(words)
            yield value


def _holds(sentence: list[str], words: list[str]) -> bool:
    return any(sentence[start : start + len(words)] == words for start in range(len(sentence)))


def _draw(seed: int, key: str, number: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{key}\0{number}".encode()).digest()
