"""Labels over time: strips that lie under each other, and a smoothed one that fell into one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from markupsafe import Markup

from rushes.evaluate.markup import join, tag
from rushes.evaluate.pages.draw import Plane, drawing, ticks, words
from rushes.evaluate.pages.render import block
from rushes.evaluate.pages.theme import MUTED, NOTHING

Span = tuple[float, float, str | None]
"""Start and end in seconds, half-open, and a label; None where there is none."""

LINE_S, LINES = 240.0, 16
"""Seconds in one line of strips, or more where there would be more than so many lines."""

HOUR_S = 3600.0

ONE_CLASS = 0.95
"""Share of the labelled time from which on one class is all that there is."""


def fell_into_one_class(truth: Sequence[Span], labels: Sequence[Span]) -> str | None:
    """A sentence where labels are one class nearly all the time while the truth is not; else None.

    So it happens to a smoothing that trusts the usual order more than what was seen.

    >>> truth = [(0.0, 5.0, "Tape"), (5.0, 10.0, "Pack")]
    >>> fell_into_one_class(truth, [(0.0, 10.0, "Tape")])
    'fell into one class: Tape 100 % of the time, 50 % in truth'
    >>> fell_into_one_class(truth, truth) is None
    True
    """
    shares, true_shares = _shares(labels), _shares(truth)
    if not shares:
        return None
    label = max(shares, key=lambda name: (shares[name], name))
    if shares[label] < ONE_CLASS or max(true_shares.values(), default=1.0) >= ONE_CLASS:
        return None
    said = f"{label} {100 * shares[label]:.0f} % of the time"
    return f"fell into one class: {said}, {100 * true_shares.get(label, 0.0):.0f} % in truth"


def _shares(spans: Sequence[Span]) -> dict[str, float]:
    """Share of the labelled time of each label."""
    lengths: dict[str, float] = {}
    for start_s, end_s, label in spans:
        if label is not None:
            lengths[label] = lengths.get(label, 0.0) + end_s - start_s
    total = sum(lengths.values())
    return {label: length / total for label, length in lengths.items()} if total > 0 else {}


def timelines(
    recordings: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    colours: Mapping[str, str],
    *,
    noun: str,
    most: int,
) -> Markup:
    """Labels of recordings over time, each with its key, and what fell into one class.

    Args:
        recordings: each with its ``key``, and spans under ``truth`` and under every one of ``names``.
        names: of the systems, from top to bottom.
        colours: of the labels.
        noun: for a recording.
        most: recordings that are drawn.
    """
    drawn, rows = [], ("truth", *names)
    for one in recordings[:most]:
        flags = (
            block("pill", f"{name} {fallen}", "bad")
            for name in names
            if (fallen := fell_into_one_class(one["truth"], one[name]))
        )
        words_of = tag("figcaption", tag("code", one["key"]), *flags)
        picture = strips({name: one[name] for name in rows}, colours, f"timeline of {one['key']}")
        drawn.append(tag("figure", words_of, picture))
    if len(recordings) > most:
        drawn.append(block("note", f"The first {most} {noun}s are drawn."))
    present = {label for one in recordings[:most] for name in rows for *_, label in one[name]}
    there = {name: colour for name, colour in colours.items() if name in present}
    return join((block("legend", there), *drawn))


def strips(rows: Mapping[str, Sequence[Span]], colours: Mapping[str, str], label: str) -> Markup:
    """Labels of a recording over time, row under row, in lines of four minutes, or at most `LINES` longer ones.

    Args:
        rows: name -> spans, from top to bottom, e.g. truth, raw, smoothed.
        colours: of the labels.
        label: of the drawing.

    Raises:
        ValueError: no span at all.
    """
    ends = [moment for spans in rows.values() for start_s, end_s, _ in spans for moment in (start_s, end_s)]
    if not ends:
        raise ValueError("there is nothing to draw")
    begin_s, end_s = min(ends), max(ends)
    lines = min(max(ceil((end_s - begin_s) / LINE_S), 1), LINES)
    length_s = (end_s - begin_s) / lines
    drawn, top = [], 4.0
    for line in range(lines):
        from_s = begin_s + line * length_s
        plane = Plane(76, top, 980, 1, (from_s, from_s + length_s), (0, 1))
        for name, spans in rows.items():
            drawn.append(words(68, top + 15, name, anchor="end", colour=MUTED))
            drawn += _row(spans, plane, top, colours, name)
            top += 25
        for value in ticks(*plane.x_range, count=12):
            x = plane.x(value)
            drawn.append(
                words(
                    x,
                    top + 12,
                    clock(value) if end_s > HOUR_S else f"{value:g} s",
                    anchor="middle",
                    colour=MUTED,
                    size=11,
                )
            )
            drawn.append(tag("line", x1=x, x2=x, y1=top - 2, y2=top + 2, stroke=MUTED))
        top += 30
    return drawing(1080, top, *drawn, label=label)


def clock(seconds: float) -> str:
    """A moment of a long recording.

    >>> clock(26_405.0)
    '7:20:05'
    """
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _row(
    spans: Sequence[Span], plane: Plane, top: float, colours: Mapping[str, str], name: str
) -> list[Markup]:
    low, high = plane.x_range
    drawn = [tag("rect", x=plane.left, y=top, width=plane.width, height=22, fill=NOTHING, rx=2)]
    for start_s, end_s, label in spans:
        left, right = plane.x(max(start_s, low)), plane.x(min(end_s, high))
        if right > left and label is not None:
            title = tag("title", f"{name}: {label}, {start_s:.1f} to {end_s:.1f} s")
            look = {"fill": colours.get(label, NOTHING), "stroke": "#ffffff", "stroke_width": 0.6}
            drawn.append(tag("rect", title, x=left, y=top, width=right - left, height=22, **look))
    return drawn
