"""Figures with their intervals as dots on lines, one under the other, beside other systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import altair as alt
from markupsafe import Markup

from rushes.evaluate.pages.tables import Cell, Column, interval, number, places, table
from rushes.evaluate.pages.theme import ACCENT, INK, MUTED, RIVAL
from rushes.evaluate.pages.vega import drawn, framed_chart, layer_of
from rushes.evaluate.scorecard import Part, Scorecard

WIDTH, NARROW = 1060, 350
"""Pixels of the whole drawing, and of the one for a telephone."""

_ROW = 24


@dataclass(frozen=True, slots=True)
class Whisker:
    """A line of the drawing.

    Attributes:
        name: at its left.
        value: where its dot lies.
        low, high: its interval; None where nothing tells its spread.
        note: at its right, e.g. ``n=52``.
        colour: of dot and interval.
        others: further systems as ticks: name -> value.
        best: the one of them that is the best baseline, in orange.
        seeds: a small dot for each.
        mark: a hollow diamond beside, e.g. the test side.
        group: under which it stands; whiskers of one group must follow each other.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    colour: str = ACCENT
    others: Mapping[str, float] = field(default_factory=dict)
    best: str = ""
    seeds: Sequence[float] = ()
    mark: float | None = None
    group: str = ""


def of_parts(card: Scorecard, parts: Iterable[Part], figure: str, group: str = "") -> list[Whisker]:
    """The model on each part, beside all other systems there."""
    found = []
    for part in parts:
        own = part.estimates.get(card.model, {}).get(figure)
        if own is None:
            continue
        standing = part.standings.get(figure)
        found.append(
            Whisker(
                part.name,
                own.value,
                own.low,
                own.high,
                f"n={own.n:,}",
                others={
                    name: values[figure].value
                    for name, values in part.estimates.items()
                    if name != card.model and figure in values
                },
                best=standing.rival if standing else "",
                group=group,
            )
        )
    return found


def whiskers(
    lines: Sequence[Whisker],
    x: str,
    *,
    at: Mapping[str, float] | None = None,
    span: tuple[float, float] | None = None,
    width: float = WIDTH,
) -> Markup:
    """Dots with their intervals, and the table behind them.

    Args:
        lines: from top to bottom, at least one.
        x: name of the axis, with its unit.
        at: what an upright dashed line marks -> where it stands.
        span: of the axis; if None as wide as dots, intervals and best baselines need. What lies beyond is
            written at the edge, other systems there are left out.
        width: pixels of the drawing.

    Raises:
        ValueError: no line.
    """
    if not lines:
        raise ValueError("there is nothing to draw")
    span = span or _span(lines, (at or {}).values())
    decimals = places([line.value for line in lines])
    label = f"{x}: " + ", ".join(f"{line.name} {number(line.value, decimals)}" for line in lines[:12])
    wide, narrow = (_chart(lines, x, at or {}, span, pixels, decimals) for pixels in (width, NARROW))
    return framed_chart(drawn(wide, label=label, narrow=narrow), behind=_behind(lines, x, decimals))


def _span(lines: Sequence[Whisker], marked: Iterable[float]) -> tuple[float, float]:
    """What the lines of the usual colour need, with what is marked near to them."""
    usual = [line for line in lines if line.colour == ACCENT] or lines
    reach = [
        value
        for line in usual
        for value in (line.value, line.low, line.high, line.mark, line.others.get(line.best), *line.seeds)
        if value is not None
    ]
    near = max(max(reach) - min(reach), 0.02)
    low, high = min(reach) - near, max(reach) + near
    reach += [value for value in marked if low < value < high]
    pad = 0.06 * (max(reach) - min(reach)) or 0.05
    least = 0.0 if min(reach) >= 0 else -float("inf")
    return max(min(reach) - pad, least), max(reach) + pad


def _chart(
    lines: Sequence[Whisker],
    x: str,
    at: Mapping[str, float],
    span: tuple[float, float],
    width: float,
    decimals: int,
) -> alt.TopLevelMixin:
    small = width < 500
    rows, headings, below = _places(lines)
    left = min(7.5 * max(len(line.name) for line in lines) + 24, 0.36 * width)
    right = 12 + 7 * (decimals + 3) + (0 if small else 6.6 * max(len(line.note) for line in lines) + 10)
    plot = round(width - left - right)
    x_axis = alt.X(
        "x:Q",
        title=x,
        scale=alt.Scale(domain=list(span), nice=False, zero=False),
        axis=alt.Axis(grid=True, domain=False, tickCount=4 if small else 7),
    )
    y_axis = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[below, 0], nice=False))
    inside = [row for row in rows if span[0] <= row["x"] <= span[1]]
    clipped = [
        row | {"x": max(row["low"], span[0]), "x2": min(row["high"], span[1])}
        for row in inside
        if row["low"] is not None
    ]
    colour = alt.Color("colour:N", scale=None)
    room = {"x": alt.value(-left), "x2": alt.value(plot + right)}
    layers: list[alt.Chart] = [
        # What browsers write with may be wider than what Vega measures with: the room of names is kept.
        layer_of([{}]).mark_rect(opacity=0, aria=False).encode(**room),
        *_upright(at, span, x_axis),
        layer_of(clipped)
        .mark_rule(strokeWidth=6, opacity=0.3, aria=False)
        .encode(x=x_axis, x2="x2:Q", y=y_axis, color=colour),
        layer_of(_ticks(lines, rows, span))
        .mark_tick(thickness=2, size=14, orient="vertical")
        .encode(x=x_axis, y=y_axis, color=colour, description="said:N"),
        layer_of(
            {"x": value, "y": row["y"], "colour": row["colour"]} for row in inside for value in row["seeds"]
        )
        .mark_circle(size=18, opacity=0.5, aria=False)
        .encode(x=x_axis, y=y_axis, color=colour),
        layer_of(inside)
        .mark_circle(size=90, opacity=1)
        .encode(x=x_axis, y=y_axis, color=colour, description="said:N"),
        layer_of({**row, "x": row["mark"]} for row in inside if row["mark"] is not None)
        .mark_point(shape="diamond", size=80, color=INK, fill="#ffffff", strokeWidth=1.5, aria=False)
        .encode(x=x_axis, y=y_axis),
        *_beyond(rows, span, decimals, x_axis, y_axis),
        _text(rows, "name", alt.value(-10), y_axis, align="right", limit=left - 10),
        _text(rows, "shown", alt.value(plot + 12), y_axis, align="left"),
    ]
    if headings:
        layers.append(_text(headings, "name", alt.value(-10), y_axis, align="right", color=MUTED))
    if not small:
        layers.append(_text(rows, "note", alt.value(plot + right), y_axis, align="right", color=MUTED))
    # The page's type may be wider than the one that Vega measures names with.
    room = {"left": 14, "right": 5, "top": 5, "bottom": 5}
    return alt.layer(*layers).properties(width=plot, height=_ROW * below, padding=room)


def _places(lines: Sequence[Whisker]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
    """Lines and headings of groups with their places, in rows from the top, and the number of rows."""
    rows, headings, top = [], [], 0.0
    for group, found in groupby(lines, lambda line: line.group):
        if group:
            headings.append({"y": top + 0.5, "name": group})
            top += 1
        for line in found:
            rows.append(_row(line, top + 0.5))
            top += 1
    return rows, headings, top


def _row(line: Whisker, y: float) -> dict[str, Any]:
    decimals = places([line.value])
    ends = interval(line.low, line.high, decimals)
    said = f"{line.name}: {number(line.value, decimals)}{f' ({ends})' if ends else ''} {line.note}".rstrip()
    return {
        "y": y,
        "x": line.value,
        "low": line.low,
        "high": line.high,
        "name": line.name,
        "shown": number(line.value, decimals),
        "note": line.note,
        "colour": line.colour,
        "seeds": list(line.seeds),
        "mark": line.mark,
        "said": said,
    }


def _ticks(
    lines: Sequence[Whisker], rows: Sequence[Mapping[str, Any]], span: tuple[float, float]
) -> list[dict[str, Any]]:
    """Other systems inside of the axis, the best baseline last so that none covers it."""
    return [
        {
            "x": value,
            "y": row["y"],
            "colour": RIVAL if name == line.best else MUTED,
            "said": f"{name} {value:.3f}",
        }
        for line, row in zip(lines, rows, strict=True)
        for name, value in sorted(line.others.items(), key=lambda pair: pair[0] == line.best)
        if span[0] <= value <= span[1]
    ]


def _upright(at: Mapping[str, float], span: tuple[float, float], x_axis: alt.X) -> list[alt.Chart]:
    """Marked values; one that lies far away is named at the edge, or it would squeeze all others."""
    inside = [
        {"x": value, "said": f"{name} {value:.4g}"}
        for name, value in at.items()
        if span[0] <= value <= span[1]
    ]
    layers = [
        layer_of(inside).mark_rule(color=MUTED, strokeDash=[4, 3], aria=False).encode(x=x_axis),
        layer_of(inside)
        .mark_text(color=MUTED, fontSize=11, aria=False)
        .encode(x=x_axis, y=alt.value(-10), text="said:N"),
    ]
    for name, value in at.items():
        if not span[0] <= value <= span[1]:
            left = value < span[0]
            said = f"← {name} {value:.4g}" if left else f"{name} {value:.4g} →"
            mark = layer_of([{"x": span[0 if left else 1], "said": said}])
            mark = mark.mark_text(color=MUTED, fontSize=11, align="left" if left else "right", aria=False)
            layers.append(mark.encode(x=x_axis, y=alt.value(-10), text="said:N"))
    return layers


def _beyond(
    rows: Sequence[Mapping[str, Any]], span: tuple[float, float], decimals: int, x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    """Lines whose dots lie outside: an arrow at that edge with the value."""
    left = [
        {**row, "x": span[0], "said": f"← {number(row['x'], decimals)}"} for row in rows if row["x"] < span[0]
    ]
    right = [
        {**row, "x": span[1], "said": f"{number(row['x'], decimals)} →"} for row in rows if row["x"] > span[1]
    ]
    colour = alt.Color("colour:N", scale=None)
    marks = (
        layer_of(left).mark_text(align="left", aria=False),
        layer_of(right).mark_text(align="right", aria=False),
    )
    return [mark.encode(x=x, y=y, text="said:N", color=colour) for mark in marks]


def _text(rows: Sequence[Mapping[str, Any]], field_: str, x: Any, y: alt.Y, **look: Any) -> alt.Chart:
    marks: alt.Chart = layer_of(rows).mark_text(fontSize=12, aria=False, **look)
    return marks.encode(x=x, y=y, text=f"{field_}:N")


def _behind(lines: Sequence[Whisker], x: str, decimals: int) -> Markup:
    others = list(dict.fromkeys(name for line in lines for name in line.others))
    grouped = any(line.group for line in lines)
    rows = [
        [
            f"{line.group} {line.name}".strip() if grouped else line.name,
            Cell(
                number(line.value, decimals),
                line.value,
                tuple(filter(None, [interval(line.low, line.high, decimals)])),
            ),
            line.note,
            *(
                None
                if name not in line.others
                else Cell(number(line.others[name], decimals), line.others[name])
                for name in others
            ),
        ]
        for line in lines
    ]
    return table(["", x, Column("", text=True), *others], rows)
