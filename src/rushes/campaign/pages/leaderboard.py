"""The leaderboard as a file: fixed columns, one row for each trial that was admitted.

The columns of a task are always the same, in the same order; those of time come last, and a file less those
is a function of the finished stages alone. What is not admitted has no row: it stands in
``negative-results.md``. A collapsed run has one, with its state, and no rank.

``difference`` is of a row's own seed; ``test_difference`` is the mean over the seeds of the run, with
Student's t interval, the same in each row of the run that counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from rushes.campaign.judging.standing import Board, Spread, aggregate, baseline_of, difference_by_seed
from rushes.campaign.records import Result
from rushes.errors import StageError
from rushes.stages import canonical_json, write_atomic
from rushes.tasks import TASKS

FILE = "leaderboard.csv"

COSTS = (
    *("parameters", "macs", "macs_per_s", "bytes_fp32", "bytes_int8"),
    *("int8_drop", "parity", "fits"),
)
"""The costs that have columns; ``fits`` is 1 where the net fits its device, else 0."""

LATENCY = ("latency_p50_ms", "latency_p95_ms")
TIME = (*LATENCY, "seconds", "started", "ended")
"""The columns that differ between two runs of the same thing; they come last."""

FINGERPRINTS = ("dataset", "weights", "predictions")

ENDS = {"": "value", "_low": "low", "_high": "high"}
"""End of a column's name -> part of the figure that it holds."""

Kind = Literal["text", "whole", "real", "json"]
Value = str | int | float | dict[str, Any] | None
Row = dict[str, Value]


def figures_of(board: Board) -> tuple[str, ...]:
    """The figures of a leaderboard, the campaign's metric first."""
    known = (name for name, figure in TASKS[board.task].figures.items() if figure.on == "all")
    return tuple(dict.fromkeys((board.metric, *known)))


def columns(board: Board) -> dict[str, Kind]:
    """Name of each column of a leaderboard, in order -> what its cells hold; an empty cell is None."""
    figures = figures_of(board)

    def of_a_side(side: str) -> list[str]:
        return [f"{side}_{figure}{end}" for figure in figures for end in ENDS]

    parts: tuple[tuple[Kind, Sequence[str]], ...] = (
        ("text", ("campaign", "task", "metric", "name", "group", "phase")),
        ("whole", ("seed",)),
        ("text", ("state", "faults", "control")),
        ("json", ("overrides", "signatures")),
        ("text", [f"{name}_sha256" for name in FINGERPRINTS]),
        ("real", of_a_side("val")),
        ("text", ("baseline",)),
        ("real", ("baseline_value", "difference")),
        ("real", of_a_side("test")),
        ("real", [f"test_difference{end}" for end in ENDS]),
        ("text", ("collapsed",)),
        ("whole", ("best_epoch", "epochs")),
        ("real", (*COSTS, *LATENCY, "seconds")),
        ("text", ("started", "ended")),
    )
    return {name: kind for kind, names in parts for name in names}


def rows(board: Board, results: Sequence[Result]) -> list[Row]:
    """One row for each trial that was admitted or collapsed, by phase, name and seed.

    Phases keep the order in which they first stand among ``results``.

    Raises:
        StageError: two results are of one trial.
    """
    keys = [result.trial.key for result in results]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise StageError(
            f"two results of one trial: {', '.join(twice)}", cure="keep the newer file in results/ only"
        )
    phases = list(dict.fromkeys(result.trial.phase for result in results))
    counted = [result for result in results if result.state in ("done", "collapsed")]
    in_order = sorted(
        counted, key=lambda one: (phases.index(one.trial.phase), one.trial.name, one.trial.seed)
    )
    on_test = {one.name: one.test_difference for one in aggregate(board, results)}
    return [_row(board, result, results, on_test[result.trial.name]) for result in in_order]


def _row(board: Board, result: Result, results: Sequence[Result], on_test: Spread | None) -> Row:
    trial, costs = result.trial, result.costs or {}
    system, baseline = baseline_of(board, result)
    shown = on_test if result.state == "done" and result.test else None
    gain = (None, None, None) if shown is None else (shown.mean, shown.low, shown.high)
    cells: dict[str, Any] = {
        "campaign": board.campaign,
        "task": board.task,
        "metric": board.metric,
        **{name: getattr(trial, name) for name in ("name", "group", "phase", "seed", "control")},
        **{name: getattr(result, name) for name in ("state", "collapsed", "best_epoch", "epochs")},
        "faults": "; ".join(result.faults) or None,
        "overrides": dict(trial.overrides),
        "signatures": dict(result.signatures or {}),
        **{f"{name}_sha256": (result.fingerprints or {}).get(name) for name in FINGERPRINTS},
        **_figures("val", figures_of(board), result.figures),
        "baseline": system,
        "baseline_value": baseline,
        "difference": difference_by_seed(board, result, results),
        **_figures("test", figures_of(board), result.test),
        **dict(zip((f"test_difference{end}" for end in ENDS), gain, strict=True)),
        **{name: costs.get(name) for name in (*COSTS, *TIME)},
    }
    return {name: cells[name] for name in columns(board)}


def _figures(side: str, names: Sequence[str], figures: Mapping[str, Any] | None) -> dict[str, Any]:
    found = figures or {}
    return {
        f"{side}_{name}{end}": found.get(name, {}).get(part) for name in names for end, part in ENDS.items()
    }


def write_leaderboard(path: Path, board: Board, results: Sequence[Result]) -> None:
    """Write the leaderboard, whole or not at all.

    Raises:
        StageError: two results are of one trial, or a figure is not finite.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = columns(board)
    writer.writerow(head)
    for row in rows(board, results):
        where = f"{row['name']}-s{row['seed']}"
        writer.writerow(_written(name, kind, row[name], where) for name, kind in head.items())
    write_atomic(path, text.getvalue())


def _written(name: str, kind: Kind, value: Value, where: str) -> str:
    if value is None:
        return ""
    if kind == "json":
        return canonical_json(value)
    if kind == "real":
        assert isinstance(value, int | float)
        if not isfinite(value):
            raise StageError(f"{name} is {value}, not a finite number", where=where)
        return repr(float(value))
    return str(value)
