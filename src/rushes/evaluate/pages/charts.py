"""Charts that more than one task shows: calibration, and whatever runs over the steps of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
from markupsafe import Markup

from rushes.evaluate.pages.tables import Cell, interval, number, table
from rushes.evaluate.pages.theme import ACCENT, INK, MUTED, SERIES
from rushes.evaluate.pages.vega import drawn, framed_chart, layer_of

HEIGHT = 240
WIDTH = 420
"""Pixels of a plot without its axes."""

POINTS = 400
"""Of one line; more are thinned, which nobody sees."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of similar confidence.

    Attributes:
        confidence: their mean, in [0, 1].
        right: share of right ones.
        low, high: its interval; None where nothing tells it.
        n: how many.
    """

    confidence: float
    right: float
    low: float | None
    high: float | None
    n: int


def reliability(bins: Sequence[Bin]) -> Markup:
    """Share of right answers over confidence, with intervals; on the diagonal they agree."""
    rows = [
        {
            "confidence": one.confidence,
            "right": one.right,
            "low": one.right if one.low is None else one.low,
            "high": one.right if one.high is None else one.high,
            "n": one.n,
            "said": f"confidence {one.confidence:.2f}: {one.right:.2f} of n={one.n:,} are right",
        }
        for one in bins
    ]
    unit = alt.Scale(domain=[0, 1])
    x = alt.X("confidence:Q", scale=unit, title="confidence", axis=alt.Axis(tickCount=5))
    base = layer_of(rows).encode(x=x)
    diagonal = (
        layer_of({"confidence": end, "right": end} for end in (0, 1))
        .mark_line(color=MUTED, strokeDash=[4, 4], strokeWidth=1.2, aria=False)
        .encode(x=x, y="right:Q")
    )
    spread = base.mark_rule(color=ACCENT, opacity=0.4, strokeWidth=2, aria=False).encode(
        y=alt.Y("low:Q", scale=unit, title="share right", axis=alt.Axis(tickCount=5)), y2="high:Q"
    )
    most = max((one.n for one in bins), default=1)
    size = alt.Size("n:Q", scale=alt.Scale(domain=[0, most], range=[28, 260]), legend=None)
    dots = base.mark_circle(opacity=0.9).encode(y="right:Q", size=size, description="said:N")
    chart = alt.layer(diagonal, spread, dots).properties(width=WIDTH, height=HEIGHT)
    behind = table(
        ["confidence", "share right", "n"],
        [
            [
                number(one.confidence),
                Cell(number(one.right), one.right, (interval(one.low, one.high),)),
                one.n,
            ]
            for one in bins
        ],
    )
    return framed_chart(
        drawn(chart, label="share of right answers over confidence", width=540), behind=behind
    )


# --- training ---------------------------------------------------------------------------------------------

Points = Sequence[tuple[float, float]]


def loss_curve(phases: Mapping[str, Points]) -> Markup:
    """Loss over optimizer steps, one line for each phase of training, one phase after the other.

    Args:
        phases: for each its (step, loss) points; steps count from the phase's beginning.
    """
    lines, breaks, before = {}, [], 0.0
    for name, points in phases.items():
        if points:
            lines[name] = [(before + step, loss) for step, loss in points]
            before += points[-1][0]
            breaks.append(before)
    return curves(lines, "loss", breaks=breaks[:-1])


def curves(
    lines: Mapping[str, Points],
    y: str,
    *,
    x: str = "step",
    y_range: tuple[float, float] | None = None,
    breaks: Sequence[float] = (),
    marks: Mapping[str, float] | None = None,
    kept: tuple[float, float] | None = None,
) -> Markup:
    """Something over steps, a line for each name.

    Args:
        lines: name -> (step, value) points, steps rising.
        y, x: names of the axes.
        y_range: from 0 to a little above the highest if None.
        breaks: steps at which something else begins, as upright lines.
        marks: name -> value that a dashed line marks, e.g. a baseline.
        kept: a point that is ringed, e.g. the epoch that was kept.
    """
    shown = {name: _thinned(points) for name, points in lines.items() if points}
    values = [value for points in shown.values() for _, value in points]
    low, high = y_range or (min([0.0, *values]), max([*values, *(marks or {}).values()], default=1.0) * 1.05)
    x_axis = alt.X("x:Q", title=x, axis=alt.Axis(tickCount=6), scale=alt.Scale(nice=False, zero=True))
    y_axis = alt.Y(
        "y:Q", title=y, axis=alt.Axis(tickCount=5), scale=alt.Scale(domain=[low, high], nice=False)
    )
    last = max((points[-1][0] for points in shown.values()), default=1.0)
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(domain=list(shown), range=[SERIES[n % len(SERIES)] for n in range(len(shown))]),
        legend=alt.Legend(symbolType="stroke") if len(shown) > 1 else None,
    )
    rows = [{"name": name, "x": at, "y": value} for name, points in shown.items() for at, value in points]
    layers: list[alt.Chart] = [
        layer_of({"x": at} for at in breaks)
        .mark_rule(color=MUTED, strokeDash=[3, 4], strokeWidth=1, aria=False)
        .encode(x=x_axis),
        layer_of({"x": 0, "x2": last, "y": value} for value in (marks or {}).values())
        .mark_rule(color=MUTED, strokeDash=[4, 4], strokeWidth=1.2, aria=False)
        .encode(x=x_axis, x2="x2:Q", y=y_axis),
        layer_of({"x": last, "y": value, "said": name} for name, value in (marks or {}).items())
        .mark_text(color=MUTED, align="right", dy=-7, aria=False)
        .encode(x=x_axis, y=y_axis, text="said:N"),
        layer_of(rows).mark_line(strokeWidth=1.7, aria=False).encode(x=x_axis, y=y_axis, color=colour),
    ]
    if len(rows) <= 120:
        said = [row | {"said": f"{row['name']}: {x} {row['x']:g}, {y} {row['y']:.4g}"} for row in rows]
        dots = layer_of(said).mark_circle(size=24, opacity=1)
        layers.append(dots.encode(x=x_axis, y=y_axis, color=colour, description="said:N"))
    if kept is not None:
        ring = layer_of([{"x": kept[0], "y": kept[1], "said": f"kept: {x} {kept[0]:g}, {y} {kept[1]:.4g}"}])
        ring = ring.mark_point(size=150, color=INK, strokeWidth=1.6)
        layers.append(ring.encode(x=x_axis, y=y_axis, description="said:N"))
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    behind = table(
        ["line", x, y],
        [
            [name, Cell(f"{at:g}", at), Cell(f"{value:.4g}", value)]
            for name, points in lines.items()
            for at, value in _thinned(points, 24)
        ],
    )
    return framed_chart(drawn(chart, label=f"{y} over {x}", width=540), behind=behind)


def _thinned(points: Points, most: int = POINTS) -> Points:
    """Points at even distances with the last one, at most about so many.

    >>> _thinned([(n, 0.0) for n in range(10)], 4)
    [(0, 0.0), (3, 0.0), (6, 0.0), (9, 0.0)]
    >>> _thinned([])
    []
    """
    every = max(1, -(-len(points) // most))
    kept = list(points[::every])
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]
