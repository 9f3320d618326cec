"""Metrics as people read them: a headline, a table on the console, several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from rushes.errors import MetricError
from rushes.tasks.operations.evaluate.names import LOWER_IS_BETTER, MODEL, TITLES, in_order, shown

CLIP_COLUMNS = ("oca", "tiou_50", "tiou_mean", "aa_1", "macro_f1", "boundary_error_s")
TIMELINE_COLUMNS = (
    "mof",
    "edit",
    "f1_10",
    "f1_25",
    "f1_50",
    "map",
    "map_50",
    "macro_f1_1hz",
    "boundary_error_s",
)

Metrics = Mapping[str, Any]


def headline(metrics: Metrics) -> dict[str, Any]:
    """The plain figures of a run and of its baselines, for ``--json``.

    Returns:
        ``{"metrics": {figure: value}, "baselines": {system: {figure: value}}}`` on all clips, ceilings left
        out; figures of the timeline carry the prefix ``timeline_`` and are those of the smoothed labels.
    """
    systems = {
        name: {figure: entry["value"] for figure, entry in found.items()}
        for name, found in metrics["all"]["systems"].items()
        if metrics["systems"][name]["role"] != "ceiling"
    }
    own = systems.pop(MODEL)
    if metrics["timeline"] is not None:
        smoothed = metrics["timeline"]["systems"]["smoothed"]
        own |= {f"timeline_{figure}": entry["value"] for figure, entry in smoothed.items()}
    return {"metrics": own, "baselines": systems}


def print_metrics(metrics: Metrics, console: Console) -> None:
    """Print the figures of all systems on all clips, the contract subset and whole sessions."""
    for part, title in (("all", "All clips"), ("contract", "Contract subset")):
        block = metrics[part]
        units = f"{block['clusters']['count']} × {block['clusters']['by']}"
        console.print(_clip_table(block, f"{title}: {block['n']} clips, resampled by {units}"))
    if metrics["timeline"] is not None:
        console.print(_timeline_table(metrics["timeline"]))
    for remark in metrics["all"]["remarks"]:
        console.print(f"! {remark}", style="yellow", highlight=False, markup=False)


def _clip_table(block: Mapping[str, Any], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("system")
    for figure in CLIP_COLUMNS:
        table.add_column(TITLES[figure], justify="right")
    for name in in_order(block["systems"]):
        found = block["systems"][name]
        cells = [
            _cell(found.get(figure), interval=name == MODEL) + _mark(block, name, figure)
            for figure in CLIP_COLUMNS
        ]
        table.add_row(name, *cells, style="bold" if name == MODEL else None)
    return table


def _timeline_table(timeline: Mapping[str, Any]) -> Table:
    ticks = f"{timeline['ticks']} ticks of {timeline['stride_s']:g} s"
    title = f"Whole sessions: {len(timeline['sessions'])}, {ticks}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("labels")
    for figure in TIMELINE_COLUMNS:
        table.add_column(TITLES[figure], justify="right")
    for name in in_order(timeline["systems"]):
        found = timeline["systems"][name]
        table.add_row(name, *(_cell(found.get(figure)) for figure in TIMELINE_COLUMNS))
    return table


def _cell(entry: Mapping[str, float] | None, *, interval: bool = False) -> str:
    if entry is None:
        return "·"
    if not interval or entry["low"] is None:
        return shown(entry["value"])
    return f"{shown(entry['value'])} [{shown(entry['low'])}, {shown(entry['high'])}]"


def _mark(block: Mapping[str, Any], name: str, figure: str) -> str:
    """A sign after the model's figure: whether it is above its best baseline beyond doubt."""
    if name != MODEL or figure not in block["best"]:
        return ""
    return " ✓" if block["best"][figure]["above"] else " !"


def compare(runs: Mapping[str, Metrics]) -> dict[str, dict[str, Any]]:
    """Several evaluated runs side by side, such as one for each frame sampler.

    Args:
        runs: metrics of each run; all must have been measured on the same clips.

    Returns:
        For each run its ``all`` figures of the model, and ``timeline_…`` for the smoothed labels.

    Raises:
        MetricError: no run, or runs that were measured on different numbers of clips.
    """
    if not runs:
        raise MetricError("there is no run to compare")
    sizes = {name: metrics["all"]["n"] for name, metrics in runs.items()}
    subsets = {tuple(metrics["contract"]["keys"]) for metrics in runs.values()}
    if len(set(sizes.values())) != 1 or len(subsets) != 1:
        raise MetricError(
            f"runs were measured on different clips: {sizes}", cure="evaluate them on the same split and seed"
        )
    table = {}
    for name, metrics in runs.items():
        table[name] = dict(metrics["all"]["systems"][MODEL])
        if metrics["timeline"] is not None:
            smoothed = metrics["timeline"]["systems"]["smoothed"]
            table[name] |= {f"timeline_{figure}": entry for figure, entry in smoothed.items()}
    return table


def comparison_table(runs: Mapping[str, Metrics], title: str) -> Table:
    """`compare` for the console: a row for each run, the best value of each column in bold."""
    compared = compare(runs)
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("run")
    for figure in CLIP_COLUMNS:
        table.add_column(TITLES[figure], justify="right")
    for name, found in compared.items():
        cells = [
            f"[bold]{_cell(found[figure])}[/]"
            if _is_best(compared, name, figure)
            else _cell(found.get(figure))
            for figure in CLIP_COLUMNS
        ]
        table.add_row(name, *cells)
    return table


def _is_best(compared: Mapping[str, Mapping[str, Any]], name: str, figure: str) -> bool:
    values = {run: found[figure]["value"] for run, found in compared.items() if figure in found}
    best = (min if figure in LOWER_IS_BETTER else max)(values.values(), default=None)
    return name in values and values[name] == best
