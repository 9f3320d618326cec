"""The leaderboard's own picture: figures against bytes, with names that cover nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from rushes.campaign.judging.standing import Spread
from rushes.evaluate.pages import Markup, Plane, drawing, tag, ticks, words
from rushes.evaluate.pages.theme import ACCENT, BAD, LINE, MUTED


@dataclass(frozen=True, slots=True)
class Priced:
    """A run in the plane of bytes and figure.

    Attributes:
        name: of the run.
        kilobytes: of its weights.
        found: the metric over its seeds.
        fits: whether it fits its device; None where nobody asked.
    """

    name: str
    kilobytes: float
    found: Spread
    fits: bool | None


def against_bytes(runs: Sequence[Priced], metric: str) -> Markup:
    """The metric over the bytes of the weights, on a logarithmic axis; what does not fit stands out."""
    spreads = [run.found for run in runs]
    values = [value for one in spreads for value in (one.mean, one.low, one.high) if value is not None]
    pad = 0.08 * (max(values) - min(values)) or 0.05
    sizes = [run.kilobytes for run in runs]
    left, right = min(sizes) / 1.25, max(sizes) * 1.6
    plane = Plane(60, 34, 960, 300, (log2(left), log2(right)), (min(values) - pad, max(values) + pad))
    drawn = []
    for value in ticks(*plane.y_range):
        y = plane.y(value)
        drawn.append(tag("line", x1=60, x2=1020, y1=y, y2=y, stroke=LINE))
        drawn.append(words(52, y + 4, f"{value:g}", anchor="end", colour=MUTED))
    for size in (2**n for n in range(-2, 24)):
        if left <= size <= right:
            x = plane.x(log2(size))
            drawn.append(tag("line", x1=x, x2=x, y1=334, y2=338, stroke=MUTED))
            drawn.append(words(x, 352, f"{size:g}", anchor="middle", colour=MUTED))
    drawn.append(tag("line", x1=60, x2=1020, y1=334, y2=334, stroke=MUTED))
    drawn.append(words(1020, 370, "weights, kB", anchor="end"))
    drawn.append(words(20, 20, metric))
    ranked = sorted(runs, key=lambda run: (-run.found.mean, run.name))
    places = [(plane.x(log2(run.kilobytes)), plane.y(run.found.mean)) for run in ranked]
    taken: list[tuple[float, float, float]] = []  # left, right and height of what is written
    for run, (x, y) in zip(ranked, places, strict=True):
        colour = BAD if run.fits is False else ACCENT
        if run.found.low is not None and run.found.high is not None:
            ends = {"x1": x, "x2": x, "y1": plane.y(run.found.low), "y2": plane.y(run.found.high)}
            drawn.append(tag("line", **ends, stroke=colour, stroke_width=3, stroke_opacity=0.3))
        hint = tag("title", f"{run.name}: {run.kilobytes:.1f} kB, {metric} {run.found.mean:.4f}")
        drawn.append(tag("circle", hint, cx=x, cy=y, r=5, fill=colour))
        left, right = x + 9, x + 12 + 6.4 * len(run.name)
        clear = all(right < a or b < left or abs(y - height) > 12 for a, b, height in taken)
        if clear and not any(left < a < right and abs(y - height) < 9 for a, height in places):
            drawn.append(words(left, y + 4, run.name, size=11))
            taken.append((left, right, y))
    return drawing(1070, 384, *drawn, label=f"{metric} against bytes of weights")
