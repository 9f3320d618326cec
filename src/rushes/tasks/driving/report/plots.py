"""The drawings of this task alone: truth against answer, clips over time, one window on its axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.pages import Markup, Plane, drawing, tag, ticks, words
from rushes.evaluate.pages.theme import ACCENT, BAD, INK, LINE, MUTED
from rushes.evaluate.tables import shown
from rushes.metrics.egomotion import CIRCULAR, differences
from rushes.tasks.driving.evaluate.names import Quantity

TRUTH = INK
MOST_POINTS = 1500  # in one scatter plot; more only make the page slow


def scatter(truth: NDArray[np.float64], answers: Sequence[float | None], quantity: Quantity) -> Markup:
    """Answers over truths with the diagonal on which they agree; red ticks below are failures."""
    given = np.array([np.nan if value is None else value for value in answers])
    there = ~np.isnan(given)
    low, high = _range([*truth, *given[there]])
    plane = Plane(46, 24, 390, 300, (low, high), (low, high))
    drawn = plane.axes(f"truth ({quantity.unit})", f"answer ({quantity.unit})")
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
        drawn.append(tag("line", x1=plane.left, x2=right, y1=y, y2=y, stroke=LINE))
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
    for run in _runs(np.all(~np.isnan(track.intervals), axis=1)):
        ends = [(times[row], track.intervals[row, 0]) for row in run]
        ends += [(times[row], track.intervals[row, 1]) for row in reversed(run)]
        places = " ".join(f"{plane.x(x):.1f},{plane.y(y):.1f}" for x, y in ends)
        drawn.append(tag("polygon", points=places, fill=ACCENT, fill_opacity=0.14))
    drawn.append(plane.line(list(zip(times, track.truth.tolist(), strict=True)), TRUTH))
    there = np.array([value is not None for value in track.answers])
    for run in _runs(there):
        drawn.append(
            plane.line(
                [(times[row], value) for row in run if (value := track.answers[row]) is not None], ACCENT
            )
        )
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


def on_axis(
    row: Mapping[str, Any],
    quantity: Quantity,
    span: tuple[float, float],
    left: float,
    top: float,
    width: float,
) -> list[Markup]:
    """Truth and answer of one quantity of a window as marks on one axis, in figures above it.

    Args:
        row: of the predictions.
        quantity: which one.
        span: of the axis.
        left, top, width: where it stands in the drawing; it is 64 high.
    """
    truth, answer = row[f"truth_{quantity.column}"], row[quantity.column]
    plane = Plane(left + 6, top + 40, width - 12, 1, span, (0.0, 1.0))
    middle, end = plane.top, plane.left + plane.width
    groove = {"x1": plane.left, "x2": end, "y1": middle, "y2": middle, "stroke": LINE}
    drawn = [
        words(left, top + 12, f"{quantity.title} ({quantity.unit})", colour=MUTED),
        words(left, top + 28, f"truth {shown(truth)}"),
        tag("line", **groove, stroke_width=6, stroke_linecap="round"),
    ]
    low, high = row[f"{quantity.column}_low"], row[f"{quantity.column}_high"]
    if row["failure"] is not None or answer is None:
        drawn.append(words(left + width, top + 28, "no answer", anchor="end", colour=BAD))
    else:
        error = float(differences([answer], [truth], circular=quantity.column in CIRCULAR)[0])
        said = f"answer {shown(answer)} ({'+' if error >= 0 else ''}{shown(error)})"
        drawn.append(words(left + width, top + 28, said, anchor="end", colour=ACCENT))
        if low is not None and high is not None:
            ends = [plane.x(min(max(value, span[0]), span[1])) for value in (low, high)]
            title = tag("title", f"the model's 90 %: {shown(low)} to {shown(high)}")
            look = {"stroke": ACCENT, "stroke_width": 6, "stroke_opacity": 0.35}
            drawn.append(tag("line", title, x1=ends[0], x2=ends[1], y1=middle, y2=middle, **look))
        drawn.append(tag("circle", cx=plane.x(answer), cy=middle, r=5, fill=ACCENT))
    at = plane.x(truth)
    drawn.append(tag("line", x1=at, x2=at, y1=middle - 8, y2=middle + 8, stroke=TRUTH, stroke_width=2.4))
    for value, anchor, x in ((span[0], "start", left), (span[1], "end", left + width)):
        drawn.append(words(x, middle + 20, f"{value:.0f}", anchor=anchor, colour=MUTED, size=11))
    return drawn
