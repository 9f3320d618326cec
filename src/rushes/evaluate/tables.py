"""The scorecard on a console: all systems on the whole side, the model on its parts, and the remarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from rushes.evaluate.scorecard import FigureRow, Part, Scorecard, Value
from rushes.metrics.verdict import Verdict

MARKS: dict[Verdict, str] = {"better": " ✓", "worse": " ✗", "cannot be told": " ?"}
MOST_SYSTEMS = 5
"""Columns of a table of systems; more are cut into tables below each other."""

MOST_PARTS = 12
"""Rows of a table of parts; the page has all of them."""


def print_scorecard(card: Scorecard, console: Console) -> None:
    """Print tables of all systems on the side and on whole recordings, of the other parts, and the remarks."""
    for part in (card.all, *card.of_kind("timeline")):
        names = [name for name in card.systems if name in part.estimates]
        for start in range(0, len(names), MOST_SYSTEMS):
            console.print(_systems(card, part, names[start : start + MOST_SYSTEMS]))
    for title, parts in _kinds(card):
        console.print(_parts(card, title, parts))
    console.print("✓ better than the best baseline, ✗ worse, ? cannot be told", style="dim", highlight=False)
    for remark in card.remarks:
        console.print(f"! {remark}", style="yellow", highlight=False, markup=False)


def shown(value: float) -> str:
    """A figure with as many digits as a table needs.

    >>> shown(0.85714), shown(5.678), shown(56.02)
    ('0.857', '5.68', '56.0')
    """
    size = abs(value)
    return f"{value:.3f}" if size < 1 else f"{value:.2f}" if size < 10 else f"{value:.1f}"


def with_unit(figure: FigureRow) -> str:
    """Title of a column: a unit stands there once, and in no cell."""
    return f"{figure.title} ({figure.unit})" if figure.unit else figure.title


def _systems(card: Scorecard, part: Part, systems: Sequence[str]) -> Table:
    """A row for each figure, so that the table fits a narrow console."""
    what = f"Side {card.split}" if part is card.all else "Whole recordings"
    title = f"{what}: {part.n:,} answers, {part.clusters.count:,} × {part.clusters.by}"
    table = _titled(title, "", *systems)
    for name, figure in card.figures.items():
        if not any(name in part.estimates[system] for system in systems):
            continue
        cells = [
            _cell(part.estimates[system].get(name), interval=system == card.model)
            + (_mark(part, name) if system == card.model else "")
            for system in systems
        ]
        table.add_row(with_unit(figure), *cells, style="bold" if figure.headline else None)
    return table


def _kinds(card: Scorecard) -> Iterator[tuple[str, Sequence[Part]]]:
    """Parts that belong together, with the title of their table."""
    titles = {"subset": "Subsets", "class": "By class", "group": "By group"}
    for kind, title in titles.items():
        if parts := [part for part in card.parts if part.kind == kind]:
            yield title, parts
    for condition in dict.fromkeys(part.condition for part in card.parts if part.kind == "band"):
        yield f"By {condition}", card.of_kind("band", condition)


def _parts(card: Scorecard, title: str, parts: Sequence[Part]) -> Table:
    found = {name for part in parts for name in part.estimates.get(card.model, {})}
    columns = [name for name in card.figures if name in found and card.figures[name].headline]
    columns = columns or [name for name in card.figures if name in found][:4]
    more = f", the first {MOST_PARTS} of {len(parts)}" if len(parts) > MOST_PARTS else ""
    table = _titled(f"{title}{more}", "", "n", *(with_unit(card.figures[name]) for name in columns))
    for part in parts[:MOST_PARTS]:
        own = part.estimates.get(card.model, {})
        cells = (_cell(own.get(name), interval=True) + _mark(part, name) for name in columns)
        table.add_row(part.name, f"{part.n:,}", *cells)
    return table


def _titled(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _cell(value: Value | None, *, interval: bool) -> str:
    if value is None:
        return "·"
    if not interval or value.low is None or value.high is None:
        return shown(value.value)
    return f"{shown(value.value)} [{shown(value.low)}, {shown(value.high)}]"


def _mark(part: Part, figure: str) -> str:
    return MARKS[part.standings[figure].verdict] if figure in part.standings else ""
