"""Times as label files write them, and as they are written: exact fractions, never floats."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from rushes.errors import SourceError
from rushes.recipe.annotation import Unit

MAX_S = 10**9
"""Thirty years: what is longer is no time on a recording, and may be too large to compute with."""

TOLERANCE_S = Fraction(1, 10**9)
"""Times that are nearer to each other are the same."""

_NUMBER = re.compile(r"[+-]?(\d{1,15}([.,]\d{0,18})?|[.,]\d{1,18})([eE][+-]?\d{1,2})?")
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,4}):(\d{1,2})([.,]\d{1,18})?")
_SMPTE = re.compile(r"(\d{1,6}):(\d{1,2}):(\d{1,2})[:;](\d{1,3})")
_FORMS = "seconds such as 62.5, 01:02.5, 0:01:02.500, or 00:01:02:12 with a frame rate"


def number_of(text: str) -> Fraction | None:
    """A decimal number with a point or a comma; None for anything else.

    >>> number_of("0,5"), number_of("1e-3"), number_of("01:02")
    (Fraction(1, 2), Fraction(1, 1000), None)
    """
    text = text.strip()
    return Fraction(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def seconds_of(text: str, where: str, *, unit: Unit = "s", fps: Fraction | None = None) -> Fraction:
    """A time as text, in seconds.

    >>> float(seconds_of("01:02", "a")), float(seconds_of("0:0:05,5", "a"))
    (62.0, 5.5)
    >>> float(seconds_of("00:00:05:12", "a", fps=Fraction(25)))
    5.48

    Args:
        text: a number of ``unit``, or hours, minutes and seconds with colons.
        where: the place in the file.
        unit: of a bare number.
        fps: frames a second, for frame numbers and for ``HH:MM:SS:FF``.

    Raises:
        SourceError: none of these forms, a frame number without a rate, or beyond thirty years.
    """
    text = text.strip()
    value = number_of(text)
    if value is not None and unit == "frames":
        value = value / require_fps(fps, where)
    elif value is not None and unit == "ms":
        value = value / 1000
    elif value is None and (found := _CLOCK.fullmatch(text)) is not None:
        hours, minutes, seconds, part = found.groups(default="0")
        _require_sixty(text, where, seconds, *([minutes] if found[1] else []))
        value = 3600 * int(hours) + 60 * int(minutes) + int(seconds) + Fraction(part.replace(",", "."))
    elif value is None and (found := _SMPTE.fullmatch(text)) is not None:
        _require_sixty(text, where, found[2], found[3])
        value = _time_code(found, require_fps(fps, where), where)
    if value is None:
        raise SourceError(f"not a time: {text[:80]!r}", where=where, cure=f"write {_FORMS}")
    return require_bounded(Fraction(value), where)


def _time_code(found: re.Match[str], fps: Fraction, where: str) -> Fraction:
    """Time of the frame that a time code ``HH:MM:SS:FF`` counts, in seconds of round(fps) frames.

    With ``;`` at a rate of NTSC, round(fps / 15) numbers are left out a minute but for every tenth
    (drop frame, SMPTE ST 12-1).
    """
    hours, minutes, seconds, frame = (int(part) for part in found.groups())
    nominal = round(fps)
    if frame >= nominal:
        raise SourceError(
            f"{found[0]!r} has frame {frame} in a second of {nominal}",
            where=where,
            cure="correct it, or give the frame rate that it was written with: annotation.fps",
        )
    total = (3600 * hours + 60 * minutes + seconds) * nominal + frame
    if ";" in found[0] and nominal != fps:
        past = 60 * hours + minutes
        total -= round(fps / 15) * (past - past // 10)
    return total / fps


def _require_sixty(text: str, where: str, *parts: str) -> None:
    if any(int(part) >= 60 for part in parts):
        raise SourceError(
            f"not a time: {text!r} has 60 or more minutes or seconds", where=where, cure=f"write {_FORMS}"
        )


def require_fps(fps: Fraction | None, where: str) -> Fraction:
    """The frame rate.

    Raises:
        SourceError: nobody says it.
    """
    if fps is None:
        raise SourceError(
            "frames are counted here, and nobody says how many make a second",
            where=where,
            cure="give the rate that the frames were counted with, as annotation.fps: 29.97",
        )
    return fps


def require_bounded(value: Fraction, where: str) -> Fraction:
    """A time that a recording can have.

    Raises:
        SourceError: it is beyond thirty years.
    """
    if abs(value) > MAX_S:
        raise SourceError(
            f"a time of {str(value)[:40]} s lies beyond any recording",
            where=where,
            cure="correct it, or say the unit: annotation.unit",
        )
    return value


def seconds_from(value: Any, where: str) -> Fraction:
    """A time in seconds that stands in JSON: a number, or text that `seconds_of` reads.

    A float is taken for the decimal number that it prints as.

    Raises:
        SourceError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise SourceError(f"not a time: {str(value)[:80]!r}", where=where, cure=f"write {_FORMS}")
    if isinstance(value, int):
        return require_bounded(Fraction(value), where)
    return seconds_of(value if isinstance(value, str) else repr(value), where)


def decimal(value: Fraction, places: int = 9) -> str:
    """A time rounded to ``places`` decimals, without zeros at its end.

    >>> decimal(Fraction(5, 2)), decimal(Fraction(1, 3), 3), decimal(Fraction(-1, 2))
    ('2.5', '0.333', '-0.5')
    """
    scaled = round(abs(value) * 10**places)
    whole, part = divmod(scaled, 10**places)
    text = f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".") if places else str(whole)
    return f"-{text}" if value < 0 and scaled else text


def clock(value: Fraction, point: str = ".", places: int = 3) -> str:
    """A time as ``HH:MM:SS.mmm``.

    >>> clock(Fraction(7325, 2)), clock(Fraction(1, 2), ",")
    ('01:01:02.500', '00:00:00,500')
    """
    scaled = round(value * 10**places)
    seconds, part = divmod(scaled, 10**places)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{part:0{places}d}"
