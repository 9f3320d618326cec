"""How every benchmark speaks: one table for people, or one JSON list for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure against the bar that it must pass.

    Attributes:
        figure: what was measured, with its unit.
        value: the measurement, or why it could not be taken.
        bar: what it must be, e.g. ``>= 2``; None for a figure that is only told.
        holds: whether it is; None where there is no bar or no measurement.
    """

    figure: str
    value: float | str
    bar: str | None = None
    holds: bool | None = None


def at_least(figure: str, value: float, bar: float) -> Figure:
    """A figure that must not be less than ``bar``."""
    return Figure(figure, value, f">= {bar:g}", value >= bar)


def at_most(figure: str, value: float, bar: float) -> Figure:
    """A figure that must not be more than ``bar``."""
    return Figure(figure, value, f"<= {bar:g}", value <= bar)


NOT_MEASURED = "not measured: "


def not_measured(figure: str, bar: str | None, why: object) -> Figure:
    """A figure that could not be taken here; its bar stands."""
    return Figure(figure, f"{NOT_MEASURED}{why}", bar, None)


def emit(figures: Iterable[Figure], as_json: bool) -> None:
    """Print ``figures`` and nothing else on standard output."""
    figures = list(figures)
    if as_json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
        return
    header = ("figure", "value", "bar", "holds")
    rows = [header] + [(f.figure, _text(f.value), f.bar or "", _text(f.holds)) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for number, row in enumerate(rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def _text(value: float | str | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
