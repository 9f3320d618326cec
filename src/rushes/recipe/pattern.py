"""Patterns that a recipe gives, matched within a bound: a pattern can take longer than the universe lasts.

``regex`` reads what ``re`` reads, named groups and look-around among it, and stops when it is told to. The engines
that cannot hang (RE2) know no look-around; a process to kill for each match would cost more than all matches.
"""

from __future__ import annotations

from typing import Annotated

import regex
from pydantic import AfterValidator

from rushes.errors import RecipeError

MATCH_LIMIT_S = 1.0
"""Of the processor, for one text. An ordinary pattern needs microseconds."""


def _compiles(pattern: str) -> str:
    try:
        regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression, as a key of a recipe."""


def groups_of(pattern: str) -> frozenset[str]:
    """Names of the groups of a pattern.

    >>> sorted(groups_of("(?P<label>[^/]+)/(?P<group>[^/]+)/.*"))
    ['group', 'label']
    """
    return frozenset(regex.compile(pattern).groupindex)


def match_whole(pattern: str, text: str, key: str) -> dict[str, str | None] | None:
    """What the named groups of a pattern have of a text that fits it as a whole; None where it does not fit.

    >>> match_whole("(?P<label>[^/]+)/.*", "snore/a.wav", "source.pattern")
    {'label': 'snore'}

    Args:
        pattern: to fit.
        text: to look at.
        key: of the recipe, that gives the pattern.

    Raises:
        RecipeError: it takes longer than a second of the processor.
    """
    try:
        found = regex.fullmatch(pattern, text, timeout=MATCH_LIMIT_S)
    except TimeoutError:
        raise RecipeError(
            f"the pattern tries for more than {MATCH_LIMIT_S:g} s whether it fits {text[:200]!r}: {pattern}",
            where=key,
            cure="repeat nothing that repeats itself: write (a+)+ as a+, and [^/]* in place of .*",
        ) from None
    return None if found is None else found.groupdict()
