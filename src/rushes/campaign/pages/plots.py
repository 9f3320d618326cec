"""The leaderboard's pictures: runs with their intervals, gains over controls, figures against bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2

from markupsafe import Markup

from rushes.evaluate.markup import tag
from rushes.evaluate.plots import ACCENT, GRID, INK, MUTED, Plane, drawing, ticks, words

WARN = "#d98e32"
_ROW, _LEFT, _WIDTH, _TOP = 24, 350, 690, 34


@dataclass(frozen=True, slots=True)
class Whisker:
    """A line of a dot-and-whisker plot.

    Attributes:
        name: of the run.
        value: where its dot lies.
        low, high: its interval; None where nothing tells its spread.
        singles: a small dot for each seed.
        mark: a hollow mark beside, e.g. the test side; None where it is sealed.
        colour: of all of it.
        hint: shown under the pointer.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    singles: tuple[float, ...] = ()
    mark: float | None = None
    colour: str = ACCENT
    hint: str = ""


def whiskers(lines: Sequence[Whisker], x_name: str, at: Mapping[str, float], label: str) -> Markup:
    """Dots with their intervals, one line a run.

    Args:
        lines: from top to bottom, at least one.
        x_name: of the axis.
        at: what an upright line through all of them marks -> where it stands.
        label: of the picture.
    """
    inside = [line for line in lines if line.colour == ACCENT] or lines
    reach = [
        value
        for line in inside
        for value in (line.value, line.low, line.high, line.mark, *line.singles)
        if value is not None
    ]
    near = max(max(reach) - min(reach), 0.02)
    reach += [value for value in at.values() if min(reach) - near < value < max(reach) + near]
    pad = 0.06 * (max(reach) - min(reach)) or 0.05
    bottom = _TOP + _ROW * len(lines)
    plane = Plane(_LEFT, _TOP, _WIDTH, bottom - _TOP, (min(reach) - pad, max(reach) + pad), (0.0, 1.0))
    drawn: list[Markup] = []
    for value in ticks(*plane.x_range, count=6):
        x = plane.x(value)
        drawn.append(tag("line", x1=x, x2=x, y1=_TOP - 4, y2=bottom, stroke=GRID))
        drawn.append(words(x, bottom + 16, f"{value:g}", anchor="middle", colour=MUTED))
    for name, value in at.items():
        drawn += _upright(plane, name, value, bottom)
    drawn.append(words(_LEFT + _WIDTH, bottom + 34, x_name, anchor="end"))
    for number, line in enumerate(lines):
        y = _TOP + _ROW * (number + 0.5)
        drawn += _whisker(plane, line, y) if _shows(plane, line.value) else _far(plane, line, y)
    return drawing(_LEFT + _WIDTH + 30, bottom + 46, *drawn, label=label)


def _shows(plane: Plane, value: float) -> bool:
    low, high = plane.x_range
    return low <= value <= high


def _upright(plane: Plane, name: str, value: float, bottom: float) -> list[Markup]:
    """A marked value; one that lies far from all runs is named at the edge, or it would squeeze them."""
    if not _shows(plane, value):
        left = value < plane.x_range[0]
        said, anchor = (f"← {name} {value:.4g}", "start") if left else (f"{name} {value:.4g} →", "end")
        x = plane.left if left else plane.left + plane.width
        return [words(x, _TOP - 14, said, anchor=anchor, colour=MUTED, size=11)]
    x = plane.x(value)
    return [
        tag("line", x1=x, x2=x, y1=_TOP - 8, y2=bottom, stroke=MUTED, stroke_dasharray="4 3"),
        words(x, _TOP - 14, name, anchor="middle", colour=MUTED, size=11),
    ]


def _far(plane: Plane, line: Whisker, y: float) -> list[Markup]:
    """A run that lies outside of the drawing: its value at that edge."""
    left = line.value < plane.x_range[0]
    said, anchor = (f"← {line.value:.4f}", "start") if left else (f"{line.value:.4f} →", "end")
    x = plane.left if left else plane.left + plane.width
    return [_name_of(line, y), words(x, y + 4, said, anchor=anchor, colour=line.colour)]


def _name_of(line: Whisker, y: float) -> Markup:
    colour = INK if line.colour == ACCENT else line.colour
    return words(_LEFT - 12, y + 4, line.name, anchor="end", colour=colour)


def _whisker(plane: Plane, line: Whisker, y: float) -> list[Markup]:
    x = plane.x(line.value)
    drawn = [_name_of(line, y)]
    if line.low is not None and line.high is not None:
        ends = {"x1": plane.x(line.low), "x2": plane.x(line.high), "y1": y, "y2": y}
        drawn.append(tag("line", **ends, stroke=line.colour, stroke_width=4, stroke_opacity=0.35))
    for value in line.singles:
        drawn.append(tag("circle", cx=plane.x(value), cy=y, r=2.2, fill=line.colour, fill_opacity=0.5))
    title = tag("title", line.hint or f"{line.name} {line.value:.4f}")
    drawn.append(tag("circle", title, cx=x, cy=y, r=5, fill=line.colour))
    if line.mark is not None:
        at, size = plane.x(line.mark), 5.5
        corners = (
            f"{at:.1f},{y - size:.1f} {at + size:.1f},{y:.1f} {at:.1f},{y + size:.1f} {at - size:.1f},{y:.1f}"
        )
        hint = tag("title", f"{line.name} on the test side {line.mark:.4f}")
        drawn.append(tag("polygon", hint, points=corners, fill="#ffffff", stroke=INK, stroke_width=1.5))
    return drawn


@dataclass(frozen=True, slots=True)
class Priced:
    """A run in the plane of bytes and figure.

    Attributes:
        name: of the run.
        kilobytes: of its weights.
        value: of the metric; with its interval ``low``, ``high`` or None.
        fits: whether it fits its device; None where nobody asked.
    """

    name: str
    kilobytes: float
    value: float
    low: float | None
    high: float | None
    fits: bool | None


def against_bytes(runs: Sequence[Priced], metric: str) -> Markup:
    """The metric over the bytes of the weights, on a logarithmic axis; what does not fit stands out."""
    values = [value for run in runs for value in (run.value, run.low, run.high) if value is not None]
    pad = 0.08 * (max(values) - min(values)) or 0.05
    sizes = [run.kilobytes for run in runs]
    left, right = min(sizes) / 1.25, max(sizes) * 1.6
    plane = Plane(60, 34, 960, 300, (log2(left), log2(right)), (min(values) - pad, max(values) + pad))
    drawn = []
    for value in ticks(*plane.y_range):
        y = plane.y(value)
        drawn.append(tag("line", x1=60, x2=1020, y1=y, y2=y, stroke=GRID))
        drawn.append(words(52, y + 4, f"{value:g}", anchor="end", colour=MUTED))
    for size in (2**n for n in range(-2, 24)):
        if left <= size <= right:
            x = plane.x(log2(size))
            drawn.append(tag("line", x1=x, x2=x, y1=334, y2=338, stroke=MUTED))
            drawn.append(words(x, 352, f"{size:g}", anchor="middle", colour=MUTED))
    drawn.append(tag("line", x1=60, x2=1020, y1=334, y2=334, stroke=MUTED))
    drawn.append(words(1020, 370, "weights, kB", anchor="end"))
    drawn.append(words(20, 20, metric))
    ranked = sorted(runs, key=lambda run: (-run.value, run.name))
    places = [(plane.x(log2(run.kilobytes)), plane.y(run.value)) for run in ranked]
    taken: list[tuple[float, float, float]] = []  # left, right and height of what is written
    for run, (x, y) in zip(ranked, places, strict=True):
        colour = WARN if run.fits is False else ACCENT
        if run.low is not None and run.high is not None:
            ends = {"x1": x, "x2": x, "y1": plane.y(run.low), "y2": plane.y(run.high)}
            drawn.append(tag("line", **ends, stroke=colour, stroke_width=3, stroke_opacity=0.3))
        hint = tag("title", f"{run.name}: {run.kilobytes:.1f} kB, {metric} {run.value:.4f}")
        drawn.append(tag("circle", hint, cx=x, cy=y, r=5, fill=colour))
        left, right = x + 9, x + 12 + 6.4 * len(run.name)
        clear = all(right < a or b < left or abs(y - height) > 12 for a, b, height in taken)
        if clear and not any(left < a < right and abs(y - height) < 9 for a, height in places):
            drawn.append(words(left, y + 4, run.name, size=11))
            taken.append((left, right, y))
    return drawing(1070, 384, *drawn, label=f"{metric} against bytes of weights")
