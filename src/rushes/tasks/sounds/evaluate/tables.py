"""Metrics as people read them: a headline, and tables on the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from rushes.tasks.sounds.evaluate.names import BASELINES, FIGURES, MODEL, TITLES, in_order, shown

Metrics = Mapping[str, Any]


def headline(metrics: Metrics) -> dict[str, Any]:
    """The plain figures of a run and of its baselines, for ``--json``.

    Returns:
        ``{"metrics": {figure: value}, "baselines": {system: {figure: value}}}``; a teacher is no baseline.
    """
    found = {
        name: {figure: entry["value"] for figure, entry in metrics["systems"][name].items()}
        for name in (MODEL, *BASELINES)
    }
    return {"metrics": found.pop(MODEL), "baselines": found}


def print_metrics(metrics: Metrics, console: Console) -> None:
    """Print the figures of all systems, each class, the worst groups, the confusion matrix and remarks."""
    for table in (_systems(metrics), _classes(metrics), _groups(metrics), _confusion(metrics)):
        if table is not None:
            console.print(table)
    for remark in metrics["remarks"]:
        console.print(f"! {remark}", style="yellow", highlight=False, markup=False)


def _titled(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _systems(metrics: Metrics) -> Table:
    """A row for each figure, so that the table fits a narrow console."""
    units, systems = metrics["clusters"], in_order(metrics["systems"])
    title = f"Side {metrics['split']}: {metrics['n']} clips, resampled by {units['count']} × {units['by']}"
    table = _titled(title, "", *systems)
    for figure in FIGURES:
        cells = [
            _cell(metrics["systems"][name].get(figure), interval=name == MODEL)
            + (_mark(metrics, figure) if name == MODEL else "")
            for name in systems
        ]
        table.add_row(TITLES[figure], *cells, style="bold" if figure == FIGURES[0] else None)
    return table


def _classes(metrics: Metrics) -> Table:
    columns = ("precision", "recall", "f1")
    table = _titled("By class", "class", "clips", *(name.replace("f1", "F1") for name in columns))
    for label in metrics["labels"]:
        part = metrics["per_class"][label]
        table.add_row(label, str(part["support"]), *(_cell(part[name], interval=True) for name in columns))
    return table


def _groups(metrics: Metrics, most: int = 5) -> Table | None:
    groups = metrics["by_group"]
    if not groups:
        return None
    worst = sorted(groups, key=lambda name: (groups[name]["f1_macro"]["value"], name))[:most]
    title = f"The worst {len(worst)} of {len(groups)} groups"
    table = _titled(title, "group", "clips", *(TITLES[name] for name in ("f1_macro", "accuracy")))
    for name in worst:
        cells = (_cell(groups[name][figure], interval=True) for figure in ("f1_macro", "accuracy"))
        table.add_row(name, str(groups[name]["n"]), *cells)
    return table


def _confusion(metrics: Metrics) -> Table:
    table = _titled("Truth (rows) and answer (columns)", "", *metrics["labels"])
    for label, row in zip(metrics["labels"], metrics["confusion"], strict=True):
        table.add_row(label, *map(str, row))
    return table


def _cell(entry: Mapping[str, float | None] | None, *, interval: bool = False) -> str:
    if entry is None:
        return "·"
    if not interval or entry["low"] is None:
        return shown(entry["value"])
    return f"{shown(entry['value'])} [{shown(entry['low'])}, {shown(entry['high'])}]"


def _mark(metrics: Metrics, figure: str) -> str:
    """A sign after the net's figure: whether it is better than its best baseline beyond doubt."""
    if figure not in metrics["best"]:
        return ""
    return " ✓" if metrics["best"][figure]["above"] else " !"
