"""Drawings of the sounds report: confusion, wearers, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rushes.evaluate.markup import Markup, tag
from rushes.evaluate.plots import ACCENT, BAD, GRID, INK, MUTED, SERIES, Plane, drawing, words
from rushes.tasks.sounds.report.curves import Curves, Points

Figure = Mapping[str, Any]


def confusion(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    """Counts of (true, answered) pairs, shaded by their share of the true class.

    Args:
        labels: the K classes.
        counts: K rows of K, rows are the truth.
    """
    k, longest = len(labels), 7.2 * max(map(len, labels))
    wide, high = max(24.0, min(104.0, 700.0 / k)), max(20.0, min(58.0, 560.0 / k))
    upright = longest < wide
    left, top = 10.0 + longest, 26.0 if upright else 16.0 + 0.82 * longest
    drawn = []
    for column, label in enumerate(labels):
        x = left + (column + 0.5) * wide
        if upright:
            drawn.append(words(x, top - 8, label, anchor="middle"))
        else:
            drawn.append(
                tag("g", words(0, 0, label), transform=f"translate({x:.1f} {top - 6:.1f}) rotate(-55)")
            )
    for row, (label, line) in enumerate(zip(labels, counts, strict=True)):
        y, total = top + row * high, sum(line)
        drawn.append(words(left - 8, y + high / 2 + 4, label, anchor="end"))
        for column, count in enumerate(line):
            drawn += _cell(
                (left + column * wide, y, wide, high),
                count,
                total,
                f"{label} taken for {labels[column]}: {count} of {total}",
                right=row == column,
            )
        drawn.append(words(left + k * wide + 10, y + high / 2 + 4, f"{total:,}", colour=MUTED))
    width, height = left + k * wide + max(66.0, 0.0 if upright else 0.58 * longest), top + k * high + 8
    return drawing(width, height, *drawn, label="confusion matrix, rows are the truth")


def _cell(
    place: tuple[float, float, float, float], count: int, total: int, said: str, *, right: bool
) -> list[Markup]:
    x, y, wide, high = place
    share = count / total if total else 0.0
    look = {"fill": ACCENT if right else BAD, "fill_opacity": f"{0.03 + 0.82 * share:.3f}"}
    drawn = [tag("rect", tag("title", said), x=x + 1, y=y + 1, width=wide - 2, height=high - 2, rx=3, **look)]
    ink = "#ffffff" if share > 0.72 else INK if count else "#c5ccd1"
    middle = x + wide / 2
    if wide > 60:
        drawn.append(words(middle, y + high / 2 - 1, f"{share:.0%}", anchor="middle", colour=ink, size=15))
        drawn.append(words(middle, y + high / 2 + 15, f"{count:,}", anchor="middle", colour=ink, size=11))
    elif wide > 30:
        drawn.append(words(middle, y + high / 2 + 4, f"{count}", anchor="middle", colour=ink, size=10))
    return drawn


def group_rows(groups: Sequence[tuple[str, Figure]], overall: float, *, figure: str) -> Markup:
    """A line for each group: its figure with its interval, beside that of all clips.

    Args:
        groups: name, and its figures; drawn in this order.
        overall: the figure of all clips, a line through all rows.
        figure: which.
    """
    left, line = 20.0 + 7.2 * max(len(name) for name, _ in groups), 22.0
    plane = Plane(left, 24, 900 - left, line * len(groups), (0.0, 1.0), (0.0, 1.0))
    bottom = plane.top + plane.height
    drawn = []
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x = plane.x(value)
        drawn.append(tag("line", x1=x, x2=x, y1=plane.top, y2=bottom, stroke=GRID))
        drawn.append(words(x, bottom + 16, f"{value:g}", anchor="middle", colour=MUTED))
    x = plane.x(overall)
    drawn.append(tag("line", x1=x, x2=x, y1=plane.top, y2=bottom, stroke=MUTED, stroke_dasharray="4 4"))
    drawn.append(words(x, 16, f"all {overall:.3f}", anchor="middle", colour=MUTED))
    for number, (name, group) in enumerate(groups):
        y, found = plane.top + (number + 0.5) * line, group[figure]
        drawn.append(words(left - 10, y + 4, name, anchor="end"))
        if found["low"] is not None:
            ends = {"x1": plane.x(found["low"]), "x2": plane.x(found["high"]), "y1": y, "y2": y}
            drawn.append(tag("line", **ends, stroke=ACCENT, stroke_width=6, stroke_opacity=0.3))
        title = tag("title", f"{name}: {found['value']:.3f}, n={group['n']}")
        drawn.append(tag("circle", title, cx=plane.x(found["value"]), cy=y, r=5, fill=ACCENT))
        drawn.append(words(915, y + 4, f"{found['value']:.3f}"))
        drawn.append(words(1010, y + 4, f"n={group['n']:,}", anchor="end", colour=MUTED))
    return drawing(1020, bottom + 26, *drawn, label=f"{figure} of each group")


def losses(curves: Curves) -> Markup:
    """Loss of training and of validation over steps."""
    lines = {"training": curves.training, "validation": curves.validation}
    highest = max((loss for points in lines.values() for _, loss in points), default=1.0)
    return _curves(lines, "loss", (0.0, highest * 1.05 or 1.0))


def scores(curves: Curves, baseline: float | None) -> Markup:
    """Macro-F1 on the validation side over steps, the kept epoch marked.

    Args:
        curves: of the training.
        baseline: macro-F1 of the best trivial baseline on the reported side; None draws none.
    """
    marks = {} if baseline is None else {"trivial baseline": baseline}
    return _curves({"validation": curves.f1_macro}, "macro-F1", (0.0, 1.0), best=curves.best, marks=marks)


def _curves(
    lines: Mapping[str, Points],
    name: str,
    span: tuple[float, float],
    *,
    best: tuple[int, float] | None = None,
    marks: Mapping[str, float] | None = None,
) -> Markup:
    last = max((points[-1][0] for points in lines.values() if points), default=1)
    plane = Plane(46, 30, 430, 230, (0.0, float(last)), span)
    drawn = plane.axes("step", name)
    for said, value in (marks or {}).items():
        drawn.append(plane.line([(0, value), (last, value)], MUTED, stroke_dasharray="4 4", stroke_width=1.2))
        drawn.append(words(470, plane.y(value) - 5, said, anchor="end", colour=MUTED, size=11))
    place = 476.0
    for number, (said, points) in reversed(list(enumerate(lines.items()))):
        if points:
            drawn.append(plane.line(points, SERIES[number]))
            drawn += [
                tag("circle", cx=plane.x(x), cy=plane.y(y), r=2.4, fill=SERIES[number])
                for x, y in points
                if len(points) <= 60
            ]
            drawn.append(words(place, 18, said, anchor="end", colour=SERIES[number]))
            place -= 16 + 6.6 * len(said)
    if best is not None:
        x, y = plane.x(best[0]), plane.y(best[1])
        title = tag("title", f"kept: step {best[0]}, {best[1]:.3f}")
        drawn.append(tag("circle", title, cx=x, cy=y, r=6, fill="none", stroke=INK, stroke_width=1.6))
    return drawing(500, 304, *drawn, label=f"{name} over steps")
