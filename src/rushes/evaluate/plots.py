"""The reports' earlier pictures, for reports that are not yet made of `rushes.evaluate.pages`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from markupsafe import Markup

from rushes.evaluate.markup import tag
from rushes.evaluate.pages.draw import Plane, drawing, ticks, words
from rushes.evaluate.pages.theme import ACCENT, BAD, INK, MUTED, NOTHING, SERIES, ink_on, palette
from rushes.evaluate.pages.theme import LINE as GRID

__all__ = [
    "ACCENT",
    "BAD",
    "GRID",
    "INK",
    "MUTED",
    "SERIES",
    "Plane",
    "drawing",
    "heat",
    "ink_on",
    "interval_bar",
    "legend",
    "loss_curve",
    "palette",
    "reliability",
    "strips",
    "ticks",
    "words",
]

_LINE_S = 240.0  # seconds of a session in one line of its strips


def interval_bar(model: Mapping[str, Any], marks: Mapping[str, float]) -> Markup:
    """A figure between 0 and 1 with its interval on a line, and the baselines' figures as ticks on it."""
    plane = Plane(6, 6, 288, 18, (0.0, 1.0), (0.0, 1.0))
    middle = 15.0
    drawn = [
        tag("line", x1=6, x2=294, y1=middle, y2=middle, stroke=GRID, stroke_width=6, stroke_linecap="round")
    ]
    for name, value in marks.items():
        x = plane.x(value)
        title = tag("title", f"{name} {value:.3f}")
        drawn.append(tag("line", title, x1=x, x2=x, y1=7, y2=23, stroke=MUTED, stroke_width=2))
    low, high = plane.x(model["low"]), plane.x(model["high"])
    drawn.append(
        tag("line", x1=low, x2=high, y1=middle, y2=middle, stroke=ACCENT, stroke_width=6, stroke_opacity=0.35)
    )
    title = tag("title", f"model {model['value']:.3f} [{model['low']:.3f}, {model['high']:.3f}]")
    drawn.append(tag("circle", title, cx=plane.x(model["value"]), cy=middle, r=6, fill=ACCENT))
    return drawing(300, 30, *drawn, label="the model's figure with its interval; ticks are baselines")


def loss_curve(losses: Mapping[str, Sequence[tuple[int, float]]]) -> Markup:
    """Loss over optimizer steps, one line for each phase of training, one phase after the other.

    Args:
        losses: for each phase its (step, loss) points; steps count from the phase's beginning.
    """
    phases = {name: points for name, points in losses.items() if points}
    total = sum(points[-1][0] for points in phases.values()) or 1
    highest = max((loss for points in phases.values() for _, loss in points), default=1.0)
    plane = Plane(46, 28, 430, 232, (0.0, float(total)), (0.0, highest * 1.05 or 1.0))
    drawn, before = plane.axes("step", "loss"), 0
    for number, (name, points) in enumerate(phases.items()):
        colour = SERIES[number % len(SERIES)]
        if before:
            x = plane.x(before)
            drawn.append(
                tag("line", x1=x, x2=x, y1=28, y2=260, stroke=MUTED, stroke_dasharray="3 4", stroke_width=1)
            )
        drawn.append(plane.line([(before + step, loss) for step, loss in points], colour))
        x = plane.x(before + points[-1][0] / 2)
        drawn.append(words(x, 44, name, anchor="middle", colour=colour))
        before += points[-1][0]
    return drawing(500, 300, *drawn, label="loss over steps")


def reliability(bins: Sequence[Mapping[str, Any]]) -> Markup:
    """Accuracy of answers of similar confidence with their intervals; on the diagonal they agree."""
    plane = Plane(46, 28, 430, 232, (0.0, 1.0), (0.0, 1.0))
    drawn = plane.axes("confidence", "accuracy")
    drawn.append(plane.line([(0, 0), (1, 1)], MUTED, stroke_dasharray="4 4", stroke_width=1.2))
    most = max((bin["accuracy"]["n"] for bin in bins), default=1)
    for bin in bins:
        share = bin["accuracy"]
        x, y = plane.x(bin["confidence"]), plane.y(share["value"])
        said = f"confidence {bin['confidence']:.2f}: {share['value']:.2f} right of n={share['n']}"
        low, high = plane.y(share["low"]), plane.y(share["high"])
        drawn.append(
            tag("line", x1=x, x2=x, y1=low, y2=high, stroke=ACCENT, stroke_opacity=0.4, stroke_width=2)
        )
        radius = 3.0 + 6.0 * (share["n"] / most) ** 0.5
        drawn.append(tag("circle", tag("title", said), cx=x, cy=y, r=radius, fill=ACCENT, fill_opacity=0.85))
    return drawing(500, 300, *drawn, label="reliability diagram")


def strips(session: Mapping[str, Any], colours: Mapping[str, str]) -> Markup:
    """Truth, raw labels and smoothed labels of a session over time, in lines of four minutes.

    Args:
        session: ``truth``, ``raw`` and ``smoothed``, each (start_s, end_s, label or None) in seconds.
        colours: of the labels.
    """
    rows = (("truth", 22), ("raw", 14), ("smoothed", 22))
    end_s = max(span[1] for name, _ in rows for span in session[name])
    begin_s = min(span[0] for name, _ in rows for span in session[name])
    lines = max(ceil((end_s - begin_s) / _LINE_S), 1)
    length_s = (end_s - begin_s) / lines
    drawn, top = [], 4.0
    for line in range(lines):
        from_s = begin_s + line * length_s
        plane = Plane(76, top, 980, 1, (from_s, from_s + length_s), (0, 1))
        for name, height in rows:
            drawn.append(words(68, top + height / 2 + 4, name, anchor="end", colour=MUTED))
            drawn += _spans(session[name], plane, top, height, colours, name)
            top += height + 3
        for value in ticks(*plane.x_range, count=12):
            x = plane.x(value)
            drawn.append(words(x, top + 12, f"{value:g} s", anchor="middle", colour=MUTED, size=11))
            drawn.append(tag("line", x1=x, x2=x, y1=top - 2, y2=top + 2, stroke=MUTED))
        top += 30
    return drawing(1080, top, *drawn, label=f"timeline of {session['key']}")


def _spans(
    spans: Sequence[Sequence[Any]],
    plane: Plane,
    top: float,
    height: float,
    colours: Mapping[str, str],
    name: str,
) -> list[Markup]:
    low, high = plane.x_range
    drawn = [
        tag("rect", x=plane.left, y=top, width=plane.width, height=height, fill=NOTHING, rx=2),
    ]
    for start_s, end_s, label in spans:
        left, right = plane.x(max(start_s, low)), plane.x(min(end_s, high))
        if right > left and label is not None:
            title = tag("title", f"{name}: {label}, {start_s:.1f} to {end_s:.1f} s")
            fill = colours.get(label, NOTHING)
            look = {"stroke": "#ffffff", "stroke_width": 0.6}
            drawn.append(
                tag("rect", title, x=left, y=top, width=right - left, height=height, fill=fill, **look)
            )
    return drawn


def legend(colours: Mapping[str, str]) -> Markup:
    """The labels with their colours."""
    return tag(
        "div",
        *(tag("span", tag("i", style=f"background:{colour}"), label) for label, colour in colours.items()),
        class_="legend",
    )


def heat(share: float) -> str | None:
    """Style of a cell of the confusion matrix for a share in [0, 1]; None for an empty one."""
    if share <= 0:
        return None
    ink = "#fff" if share > 0.55 else INK
    return f"background:rgba(31,111,139,{0.06 + 0.8 * share:.2f});color:{ink}"
