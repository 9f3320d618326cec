"""Drawings that only we have, as inline SVG: sharp at any size, with the exact figures under the pointer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

from rushes.evaluate.markup import tag
from rushes.evaluate.pages.theme import INK, LINE, MUTED

WIDE = 620  # pixels from which on a drawing is scrolled rather than shrunk on a telephone


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
            drawn.append(tag("line", x1=self.left, x2=right, y1=y, y2=y, stroke=LINE))
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
    """An SVG that is as wide as the page allows, at most ``width`` pixels; a wide one scrolls where it must."""
    return tag(
        "svg",
        *content,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        class_="wide" if width > WIDE else None,
        style=f"max-width:{width:g}px",
    )
