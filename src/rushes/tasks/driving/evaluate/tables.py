"""Metrics as people read them: a headline, and tables on the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from rushes.tasks.driving.evaluate.blocks import best_of
from rushes.tasks.driving.evaluate.names import (
    COMPARED,
    MODEL,
    QUANTITIES,
    TITLES,
    in_order,
    shown,
    values_in_order,
)

Metrics = Mapping[str, Any]

PARTS = (("by_speed", "speed"), ("by_turn", "turn"))


def headline(metrics: Metrics) -> dict[str, Any]:
    """The plain figures of a run and of its baselines on all windows, for ``--json``.

    Returns:
        ``{"metrics": {figure: value}, "baselines": {system: {figure: value}}}``; privileged baselines are
        left out, since no model has to beat them.
    """
    systems = {
        name: {figure: entry["value"] for figure, entry in found.items()}
        for name, found in metrics["all"]["systems"].items()
        if name == MODEL or not metrics["baselines"][name]["privileged"]
    }
    own = systems.pop(MODEL)
    return {"metrics": own, "baselines": systems}


def print_metrics(metrics: Metrics, console: Console) -> None:
    """Print the errors of all systems and by speed and turn, the coverage of intervals, and all remarks."""
    console.print(_systems_table(metrics))
    for part, name in PARTS:
        console.print(_parts_table(metrics, metrics[part], name))
    if metrics["calibration"] is not None:
        console.print(_coverage_table(metrics["calibration"]))
    for remark in [*failure_remarks(metrics), *metrics["all"]["remarks"]]:
        console.print(f"! {remark}", style="yellow", highlight=False, markup=False)


def _titled(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _systems_table(metrics: Metrics) -> Table:
    block = metrics["all"]
    units = f"{block['clusters']['count']} × {block['clusters']['by']}"
    title = f"All windows: {block['n']}, resampled by {units}; * privileged"
    table = _titled(title, "system", *(TITLES[figure] for figure in (*COMPARED, "parse_rate")))
    for name in in_order(block["systems"]):
        found = block["systems"][name]
        own = name == MODEL
        privileged = not own and metrics["baselines"][name]["privileged"]
        cells = [_cell(found[figure], interval=own) + _mark(block, name, figure) for figure in COMPARED]
        cells.append(_cell(found["parse_rate"]) if name in metrics["failures"]["systems"] else "·")
        look = "bold" if own else "dim italic" if privileged else None
        table.add_row(f"{name} *" if privileged else name, *cells, style=look)
    return table


def _parts_table(metrics: Metrics, parts: Mapping[str, Any], what: str) -> Table:
    """The model beside the best baseline in each part."""
    title = f"By {what}: the model, and the best baseline there"
    table = _titled(title, what, "windows", *(TITLES[figure] for figure in COMPARED))
    for value in values_in_order(parts):
        part = parts[value]
        cells = []
        for figure in COMPARED:
            name = best_rival(metrics, part["systems"], figure)
            rival = "" if name is None else f"\n{_cell(part['systems'][name][figure])} {name}"
            cells.append(_cell(part["systems"][MODEL][figure]) + rival)
        table.add_row(value, str(part["n"]), *cells)
    return table


def best_rival(metrics: Metrics, systems: Mapping[str, Any], figure: str) -> str | None:
    """The system of the least error among those that the model has to beat."""
    return best_of(
        {
            name: found[figure]["value"]
            for name, found in systems.items()
            if name != MODEL and not metrics["baselines"][name]["privileged"]
        }
    )


def _coverage_table(calibration: Mapping[str, Any]) -> Table:
    title = f"Truths inside the model's own {calibration['nominal']:.0%} intervals"
    table = _titled(title, "quantity", "windows", "inside", "below", "above", "mean width")
    for quantity in QUANTITIES:
        found = calibration["quantities"].get(quantity.column)
        if found is not None:
            inside = _cell(found["coverage"], interval=True)
            sides = (f"{found[side]:.3f}" for side in ("below", "above"))
            width = f"{shown(found['width'])} {quantity.symbol}"
            table.add_row(quantity.title, str(found["coverage"]["n"]), inside, *sides, width)
    return table


def failure_remarks(metrics: Metrics) -> list[str]:
    """In words: each system with answers that could not be read."""
    n = metrics["all"]["n"]
    return [
        f"{name}: {found['failed']} of {n} answers could not be read and were charged the error of "
        f"{metrics['failures']['charged']}"
        for name, found in metrics["failures"]["systems"].items()
        if found["failed"]
    ]


def _cell(entry: Mapping[str, float | None], *, interval: bool = False) -> str:
    if not interval or entry["low"] is None:
        return shown(entry["value"])
    return f"{shown(entry['value'])} [{shown(entry['low'])}, {shown(entry['high'])}]"


def _mark(block: Mapping[str, Any], name: str, figure: str) -> str:
    """A sign after the model's figure: whether it is better than its best baseline beyond doubt."""
    if name != MODEL or figure not in block["best"]:
        return ""
    return " ✓" if block["best"][figure]["above"] else " !"
