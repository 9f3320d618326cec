"""The report's pictures as inline SVG: sharp at any size, with the exact figures under the pointer."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from rushes.evaluate.markup import Markup, tag

INK, MUTED, GRID, ACCENT, BAD = "#22303c", "#7b8794", "#e6e8ea", "#1f6f8b", "#c2452d"
SERIES = (ACCENT, "#d98e32", "#5b8c5a", "#8a5a9e")
_TABLEAU = (
    *("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2"),
    *("#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#6b7a8f"),
)
_NOTHING = "#eef0f2"
_LINE_S = 240.0  # seconds of a session in one line of its strips


def palette(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label: ten that are easily told apart, further ones around the circle of hues."""
    extra = [
        "#"
        + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(0.13 + i * 0.618 % 1, 0.6, 0.45))
        for i in range(max(len(labels) - len(_TABLEAU), 0))
    ]
    return dict(zip(labels, (*_TABLEAU, *extra), strict=False))


def ink_on(colour: str) -> str:
    """Dark or white, whichever can be read on ``#rrggbb``.

    >>> ink_on("#edc948"), ink_on("#4e79a7")
    ('#22303c', '#ffffff')
    """
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 170 else "#ffffff"


@dataclass(frozen=True, slots=True)
class Plane:
    """A rectangle of the drawing, in its units, with the ranges of data that it shows."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        """Place of a value along the horizontal axis."""
        low, high = self.x_range
        return self.left + self.width * (value - low) / (high - low or 1.0)

    def y(self, value: float) -> float:
        """Place of a value along the vertical axis, which points up."""
        low, high = self.y_range
        return self.top + self.height * (1 - (value - low) / (high - low or 1.0))

    def line(self, points: Sequence[tuple[float, float]], colour: str, **style: object) -> Markup:
        """Points of data joined in order."""
        places = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        look: dict[str, object] = {"stroke_width": 1.6, "stroke_linejoin": "round", **style}
        return tag("polyline", points=places, fill="none", stroke=colour, **look)

    def axes(self, x_name: str, y_name: str) -> list[Markup]:
        """Grid, figures along both axes, and their names."""
        drawn = []
        bottom, right = self.top + self.height, self.left + self.width
        for value in ticks(*self.y_range):
            y = self.y(value)
            drawn.append(tag("line", x1=self.left, x2=right, y1=y, y2=y, stroke=GRID))
            drawn.append(words(self.left - 8, y + 4, f"{value:g}", anchor="end", colour=MUTED))
        for value in ticks(*self.x_range):
            x = self.x(value)
            drawn.append(tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, stroke=MUTED))
            drawn.append(words(x, bottom + 18, f"{value:g}", anchor="middle", colour=MUTED))
        drawn.append(tag("line", x1=self.left, x2=right, y1=bottom, y2=bottom, stroke=MUTED))
        drawn.append(words(right, bottom + 36, x_name, anchor="end", colour=INK))
        drawn.append(words(self.left - 34, self.top - 12, y_name, colour=INK))
        return drawn


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values inside of ``[low, high]``, about ``count`` of them.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(0.0, 300.0)
    [0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0]
    """
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** floor(log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(factor - rough / power))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def words(
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = INK, size: int = 12
) -> Markup:
    """A line of text in a drawing."""
    return tag("text", text, x=x, y=y, fill=colour, font_size=size, text_anchor=anchor)


def drawing(width: float, height: float, *content: object, label: str) -> Markup:
    """An SVG that is as wide as the page allows, at most ``width`` pixels."""
    return tag(
        "svg",
        *content,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        style=f"max-width:{width:g}px",
    )


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
        tag("rect", x=plane.left, y=top, width=plane.width, height=height, fill=_NOTHING, rx=2),
    ]
    for start_s, end_s, label in spans:
        left, right = plane.x(max(start_s, low)), plane.x(min(end_s, high))
        if right > left and label is not None:
            title = tag("title", f"{name}: {label}, {start_s:.1f} to {end_s:.1f} s")
            fill = colours.get(label, _NOTHING)
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
