"""Tiles: a headline figure, large, with its interval, its meaning, its place among the others, its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from rushes.evaluate.markup import tag
from rushes.evaluate.pages.draw import Plane, drawing, words
from rushes.evaluate.pages.render import block
from rushes.evaluate.pages.tables import number, places
from rushes.evaluate.pages.theme import ACCENT, LINE, LOOKS, MUTED, RIVAL
from rushes.evaluate.scorecard import FigureRow, Part, Scorecard, Standing, counted, standing_sentence


def tiles(card: Scorecard, part: Part | None = None, figures: Sequence[str] | None = None) -> Markup:
    """A tile for each headline figure of a part.

    Args:
        card: the scorecard.
        part: the whole side if None.
        figures: those of the headline if None; one that nothing could be measured for has no tile.
    """
    part = part or card.all
    measured = [name for name in figures or card.headline if name in part.estimates[card.model]]
    return block("grid", [_tile(card, part, name) for name in measured], 320)


def verdict(figure: FigureRow, standing: Standing, value: float) -> tuple[str, str, str]:
    """Look, verdict in words, and the rest of the one sentence, see `standing_sentence`.

    >>> from rushes.evaluate.scorecard import Value
    >>> row = FigureRow(title="accuracy", meaning="", unit="", better="higher", bounds=(0, 1), headline=True,
    ...                 compared=True)
    >>> off = Value(value=0.2, low=0.1, high=0.3, n=9, clusters=9)
    >>> verdict(row, Standing(rival="majority", value=0.5, difference=off, verdict="better"), 0.7)
    ('good', 'better than majority', '(0.500), difference +0.200 [+0.100, +0.300]')
    """
    said = standing_sentence(figure.model_copy(update={"title": ""}), standing, value).partition(": ")[2]
    words_, bracket, rest = said.partition(" (")
    return LOOKS[standing.verdict], words_, bracket.lstrip() + rest


def _tile(card: Scorecard, part: Part, name: str) -> Markup:
    figure, found = card.figures[name], part.estimates[card.model][name]
    bar = figure_bar(card, part, name)
    standing = part.standings.get(name)
    look, said, rest = verdict(figure, standing, found.value) if standing else ("", "", "")
    others = [values[name].value for values in part.estimates.values() if name in values]
    decimals = places(others)
    spread = None
    if found.low is not None and found.high is not None:
        spread = f"[{number(found.low, decimals)}, {number(found.high, decimals)}]"
    meaning = figure.meaning[:1].upper() + figure.meaning[1:]
    view = {
        "title": figure.title,
        "value": number(found.value, decimals),
        "unit": figure.unit,
        "interval": spread,
        "bar": bar,
        "look": look,
        "words": said,
        "rest": rest,
        "meaning": f"{meaning}; {figure.better} is better.",
        "counted": f"{counted(found.n, 'answer')}, {counted(found.clusters, part.clusters.by)}.",
    }
    return block("tile", view)


def figure_bar(card: Scorecard, part: Part, name: str) -> Markup:
    """The model's figure with its interval on a line, and every other system as a tick on it.

    The line runs between the bounds of the figure; where it has none, as far as there is something to show.
    """
    found = part.estimates[card.model][name]
    others = {
        system: values[name].value
        for system, values in part.estimates.items()
        if system != card.model and name in values
    }
    standing = part.standings.get(name)
    best = standing.rival if standing else None
    span = _span(card.figures[name], [found.value, found.low, found.high, *others.values()])
    plane, middle = Plane(6, 0, 288, 1, span, (0.0, 1.0)), 24.0
    drawn = [
        tag("line", x1=6, x2=294, y1=middle, y2=middle, stroke=LINE, stroke_width=6, stroke_linecap="round")
    ]
    decimals = places(span)
    for system in sorted(others, key=lambda one: one == best):
        x, look = plane.x(others[system]), {"stroke": MUTED, "stroke_width": 2.0}
        role = card.systems[system].role
        if system == best:
            look = {"stroke": RIVAL, "stroke_width": 3.0}
            anchor = "start" if x < 70 else "end" if x > 230 else "middle"
            shift = {"start": -3, "end": 3, "middle": 0}[anchor]
            drawn.append(words(x + shift, 11, system, anchor=anchor, colour=MUTED, size=11))
        elif role != "baseline":
            look = {"stroke": MUTED, "stroke_width": 1.4, "stroke_dasharray": "2 2"}
        title = tag("title", f"{role} {system} {others[system]:.3f}")
        drawn.append(tag("line", title, x1=x, x2=x, y1=middle - 8, y2=middle + 8, **look))
    said = f"{card.model} {found.value:.3f}"
    if found.low is not None and found.high is not None:
        ends = {"x1": plane.x(found.low), "x2": plane.x(found.high), "y1": middle, "y2": middle}
        drawn.append(tag("line", **ends, stroke=ACCENT, stroke_width=6, stroke_opacity=0.35))
        said += f" [{found.low:.3f}, {found.high:.3f}]"
    drawn.append(tag("circle", tag("title", said), cx=plane.x(found.value), cy=middle, r=6, fill=ACCENT))
    for value, x, anchor in ((span[0], 6, "start"), (span[1], 294, "end")):
        text = f"{value:g}" if value == int(value) else number(value, decimals)
        drawn.append(words(x, 45, text, anchor=anchor, colour=MUTED, size=11))
    named = ", ".join(f"{system} {value:.3f}" for system, value in others.items())
    return drawing(300, 49, *drawn, label=f"{card.figures[name].title}: {said}; {named}")


def _span(figure: FigureRow, shown: Sequence[float | None]) -> tuple[float, float]:
    """From bound to bound; where there is none, from or to 0 and a little further than what is shown."""
    values = [value for value in shown if value is not None]
    low, high = figure.bounds
    low = min(*values, 0.0) * 1.04 if low is None else low
    high = max(*values, 0.0) * 1.04 if high is None else high
    return float(low), float(high) if high > low else low + 1.0
