"""How runs stand, as a table for people and as one JSON object for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from rushes.campaign.judging.standing import Board, Spread, Standing, aggregate
from rushes.campaign.runner import Runner
from rushes.evaluate.tables import MARKS
from rushes.metrics.verdict import verdict as verdict_of


def print_standings(runner: Runner, console: Console) -> None:
    """Every run over its seeds, what the gates decided, what is not done, and where the files are."""
    board, results = runner.board, list(runner.results.values())
    table = Table("run", title=f"{board.campaign}: {board.metric}, validation side", title_justify="left")
    for column in ("seeds", "mean", "gain over its control", "test side", "state"):
        table.add_column(column, justify="right")
    for one in aggregate(board, results):
        table.add_row(one.name, *_cells(board, one))
    console.print(table)
    console.print("✓ better than its control, ✗ worse, ? cannot be told", style="dim", highlight=False)
    for gate, verdict in runner.verdicts.items():
        said = "passed" if verdict.passed else "FAILED"
        console.print(f"gate {gate}: {said}: {verdict.attempts[-1]}", highlight=False, markup=False)
    for name, why in runner.waiting.items():
        console.print(f"not done: {name}: {why}", highlight=False, markup=False)
    for name in runner.missing_reasons:
        console.print(f"! {name} is below its baseline: say why in reasons", style="yellow", markup=False)
    console.print(f"campaign: {runner.folder.path}", soft_wrap=True, highlight=False)


def _cells(board: Board, one: Standing) -> Sequence[str]:
    value, test = one.validation.get(board.metric), one.test.get(board.metric)
    gain = ""
    if one.difference is not None:
        mark = MARKS[verdict_of(one.difference.low, one.difference.high)]
        gain = f"{_shown(one.difference, sign=True)}{mark} {one.control}"
    states = ", ".join(f"{count} {state}" for state, count in one.states.items() if state != "done")
    return (
        f"{len(one.seeds)} of {one.asked}",
        "" if value is None else _shown(value),
        gain,
        "sealed" if test is None else _shown(test),
        states or "done",
    )


def _shown(found: Spread, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    ends = "" if found.low is None else f" [{found.low:{plus}.3f}, {found.high:{plus}.3f}]"
    return f"{found.mean:{plus}.4f}{ends}"


def summary(runner: Runner) -> dict[str, Any]:
    """As ``--json`` prints it."""
    return {
        "campaign": runner.campaign.name,
        "folder": str(runner.folder.path),
        "results": [
            {
                "name": result.trial.name,
                "group": result.trial.group,
                "seed": result.trial.seed,
                "state": result.state,
                "faults": list(result.faults),
                "metrics": {name: one["value"] for name, one in (result.figures or {}).items()},
                "test": {name: one["value"] for name, one in (result.test or {}).items()},
            }
            for result in runner.results.values()
        ],
        "verdicts": [verdict.to_json() for verdict in runner.verdicts.values()],
        "selected": [selection.name for selection in runner.selections],
        "not_done": dict(runner.waiting),
        "missing_reasons": runner.missing_reasons,
    }
