"""The pictures of this task as inline SVG: errors on a line, truth against answer, clips over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.markup import Markup, tag
from rushes.evaluate.plots import ACCENT, BAD, GRID, INK, MUTED, SERIES, Plane, drawing, ticks, words
from rushes.tasks.driving.evaluate.names import Quantity, shown

TRUTH = INK
RIVAL = SERIES[1]
FAINT = "#b4bdc5"
MOST_POINTS = 1500  # in one scatter plot; more only make the page slow

Figure = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """A system's error on a line: ``best`` rival, other rival, or ``privileged``."""

    name: str
    value: float
    best: bool = False
    privileged: bool = False


def error_bar(model: Figure, marks: Sequence[Mark]) -> Markup:
    """The model's error with its interval on a line from 0, and the baselines' errors as ticks on it."""
    highest = max([model["high"] or model["value"], *(mark.value for mark in marks)]) * 1.04 or 1.0
    plane = Plane(6, 6, 288, 18, (0.0, highest), (0.0, 1.0))
    drawn = [
        tag("line", x1=6, x2=294, y1=15, y2=15, stroke=GRID, stroke_width=6, stroke_linecap="round"),
        *_marks(marks, plane, 15.0, 8.0),
        *_dot(model, plane, 15.0, 6.0),
        words(6, 38, "0", colour=MUTED, size=11),
        words(294, 38, shown(highest), anchor="end", colour=MUTED, size=11),
    ]
    return drawing(300, 42, *drawn, label="the model's error with its interval; ticks are baselines")


def _marks(marks: Iterable[Mark], plane: Plane, y: float, reach: float) -> list[Markup]:
    drawn = []
    for mark in sorted(marks, key=lambda mark: mark.best):
        x, look = plane.x(mark.value), {"stroke": MUTED, "stroke_width": 2.0}
        if mark.best:
            look = {"stroke": RIVAL, "stroke_width": 3.0}
        elif mark.privileged:
            look = {"stroke": MUTED, "stroke_width": 1.2, "stroke_dasharray": "2 2"}
        kind = "privileged: " if mark.privileged else "best baseline: " if mark.best else ""
        title = tag("title", f"{kind}{mark.name} {shown(mark.value)}")
        drawn.append(tag("line", title, x1=x, x2=x, y1=y - reach, y2=y + reach, **look))
    return drawn


def _dot(figure: Figure, plane: Plane, y: float, radius: float) -> list[Markup]:
    drawn, spread = [], ""
    if figure["low"] is not None:
        low, high = plane.x(figure["low"]), plane.x(figure["high"])
        look = {"stroke": ACCENT, "stroke_width": radius, "stroke_opacity": 0.35}
        drawn.append(tag("line", x1=low, x2=high, y1=y, y2=y, **look))
        spread = f" [{shown(figure['low'])}, {shown(figure['high'])}]"
    title = tag("title", f"model {shown(figure['value'])}{spread} n={figure['n']}")
    return [*drawn, tag("circle", title, cx=plane.x(figure["value"]), cy=y, r=radius, fill=ACCENT)]


def error_rows(
    groups: Mapping[str, Sequence[tuple[str, Figure, Sequence[Mark]]]], quantity: Quantity
) -> Markup:
    """The model's mean absolute error with its interval in each part, beside those of the baselines.

    Args:
        groups: for each condition its (part, the model's figure, the baselines' marks), top to bottom.
        quantity: whose errors they are.
    """
    rows = [row for group in groups.values() for row in group]
    highest = max(figure["high"] or figure["value"] for _, figure, _ in rows)
    highest = max([highest, *(mark.value for _, _, marks in rows for mark in marks if mark.best)]) * 1.08
    height = 24 * len(rows) + 10 * (len(groups) - 1)
    plane = Plane(118, 8, 330, height, (0.0, highest or 1.0), (0.0, 1.0))
    bottom, top, drawn = plane.top + height, plane.top + 12.0, []
    for value in ticks(*plane.x_range):
        x = plane.x(value)
        drawn.append(tag("line", x1=x, x2=x, y1=plane.top, y2=bottom, stroke=GRID))
        drawn.append(words(x, bottom + 16, f"{value:g}", anchor="middle", colour=MUTED, size=11))
    for group in groups.values():
        for part, figure, marks in group:
            drawn.append(words(74, top + 4, part, anchor="end"))
            drawn.append(words(108, top + 4, str(figure["n"]), anchor="end", colour=FAINT, size=11))
            shown_marks = [mark for mark in marks if mark.value <= highest]
            drawn += [*_marks(shown_marks, plane, top, 7.0), *_dot(figure, plane, top, 5.0)]
            top += 24
        top += 10
    drawn.append(words(448, bottom + 32, quantity.symbol, anchor="end", colour=MUTED, size=11))
    return drawing(460, bottom + 36, *drawn, label=f"error of {quantity.title} in parts")


def scatter(truth: NDArray[np.float64], answers: Sequence[float | None], quantity: Quantity) -> Markup:
    """Answers over truths with the diagonal on which they agree; red ticks below are failures."""
    given = np.array([np.nan if value is None else value for value in answers])
    there = ~np.isnan(given)
    low, high = _range([*truth, *given[there]])
    plane = Plane(46, 24, 390, 300, (low, high), (low, high))
    drawn = plane.axes(f"truth ({quantity.symbol})", f"answer ({quantity.symbol})")
    drawn.append(plane.line([(low, low), (high, high)], MUTED, stroke_dasharray="4 4", stroke_width=1.2))
    chosen = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), MOST_POINTS)).astype(int))
    for row in chosen:
        x = plane.x(float(truth[row]))
        if there[row]:
            y = plane.y(float(given[row]))
            drawn.append(tag("circle", cx=x, cy=y, r=2.6, fill=ACCENT, fill_opacity=0.45))
        else:
            drawn.append(tag("line", x1=x, x2=x, y1=316, y2=324, stroke=BAD, stroke_width=1.4))
    return drawing(450, 366, *drawn, label=f"{quantity.title}: answers against truth")


def _range(values: Iterable[float]) -> tuple[float, float]:
    """The range of the values with a little room, never empty."""
    found = np.array([*values])
    low, high = float(found.min()), float(found.max())
    room = 0.04 * (high - low) or 0.5
    return (low - room if low < 0 else min(low, 0.0)), high + room


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One quantity over the windows of a clip.

    Attributes:
        times_s: (n,) middles of the windows on the clip's clock, rising.
        truth: (n,).
        answers: n numbers, None where the answer could not be read.
        intervals: (n, 2) the model's own 90 %, nan where it gave none.
    """

    times_s: NDArray[np.float64]
    truth: NDArray[np.float64]
    answers: Sequence[float | None]
    intervals: NDArray[np.float64]


def clip_over_time(speed: Track, yaw: Track, label: str) -> Markup:
    """Mean speed and yaw of a clip's windows over time: truth, answer, and the answer's own interval."""
    across = (float(speed.times_s[0]), float(speed.times_s[-1]))
    upper = Plane(46, 26, 460, 130, across, _track_range(speed, 1.0))
    lower = Plane(46, 196, 460, 70, across, _track_range(yaw, 5.0))
    drawn = [
        *_axes(upper, "mean speed (m/s)", None),
        *_track(speed, upper),
        *_axes(lower, "yaw (°), left up", "s"),
        *_track(yaw, lower),
    ]
    return drawing(520, 300, *drawn, label=label)


def _track_range(track: Track, least: float) -> tuple[float, float]:
    given = [value for value in track.answers if value is not None]
    ends = track.intervals[~np.isnan(track.intervals)]
    low, high = _range([*track.truth, *given, *ends])
    return low, max(high, low + least)


def _axes(plane: Plane, name: str, unit: str | None) -> list[Markup]:
    bottom, right = plane.top + plane.height, plane.left + plane.width
    drawn = [words(plane.left - 34, plane.top - 10, name, size=11)]
    for value in ticks(*plane.y_range, count=max(round(plane.height / 32), 4)):
        y = plane.y(value)
        drawn.append(tag("line", x1=plane.left, x2=right, y1=y, y2=y, stroke=GRID))
        drawn.append(words(plane.left - 8, y + 4, f"{value:g}", anchor="end", colour=MUTED, size=11))
    for value in ticks(*plane.x_range):
        x = plane.x(value)
        drawn.append(tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, stroke=MUTED))
        if unit is not None:
            said = f"{value:g} {unit}"
            drawn.append(words(x, bottom + 18, said, anchor="middle", colour=MUTED, size=11))
    return [*drawn, tag("line", x1=plane.left, x2=right, y1=bottom, y2=bottom, stroke=MUTED)]


def _track(track: Track, plane: Plane) -> list[Markup]:
    times, drawn = track.times_s.tolist(), []
    for run in _runs(~np.isnan(track.intervals).any(axis=1)):
        ends = [(times[row], track.intervals[row, 0]) for row in run]
        ends += [(times[row], track.intervals[row, 1]) for row in reversed(run)]
        places = " ".join(f"{plane.x(x):.1f},{plane.y(y):.1f}" for x, y in ends)
        drawn.append(tag("polygon", points=places, fill=ACCENT, fill_opacity=0.14))
    drawn.append(plane.line(list(zip(times, track.truth.tolist(), strict=True)), TRUTH))
    there = np.array([value is not None for value in track.answers])
    for run in _runs(there):
        drawn.append(plane.line([(times[row], track.answers[row]) for row in run], ACCENT))
    for row, value in enumerate(track.answers):
        x = plane.x(times[row])
        if value is None:
            bottom = plane.top + plane.height
            title = tag("title", f"{times[row]:.1f} s: no readable answer")
            drawn.append(tag("line", title, x1=x, x2=x, y1=bottom - 9, y2=bottom, stroke=BAD, stroke_width=2))
            continue
        title = tag("title", f"{times[row]:.1f} s: truth {track.truth[row]:.2f}, answer {value:.2f}")
        drawn.append(tag("circle", title, cx=x, cy=plane.y(value), r=2.6, fill=ACCENT))
    return drawn


def _runs(there: NDArray[np.bool_]) -> list[list[int]]:
    """Rows that are there, cut where some are missing.

    >>> _runs(np.array([True, True, False, True]))
    [[0, 1], [3]]
    """
    rows = np.flatnonzero(there)
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return [part.tolist() for part in parts if len(part)]
