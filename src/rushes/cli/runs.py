"""The verbs of one run: all of its stages, each by itself, and looks at it that change nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from rushes.cli.app import app
from rushes.cli.options import (
    PIPED_WIDTH,
    WORKSPACE,
    Address,
    AsJson,
    Cache,
    CacheGb,
    EngineKind,
    Overrides,
    RecipePath,
    Workspace,
    cache_bytes,
    engine_of,
    failing_well,
)
from rushes.errors import RushesError
from rushes.tasks import TASKS


def _open(
    recipe: Path,
    overrides: Sequence[str] | None,
    workspace: str,
    cache: Path | None,
    engine: str = "local",
    address: str | None = None,
    cache_gb: float | None = None,
) -> Any:
    from rushes.storage import open_workspace
    from rushes.tasks import load_recipe, open_run

    where = open_workspace(workspace, cache, cache_bytes(cache_gb))
    return open_run(load_recipe(recipe, overrides or ()), where, engine_of(engine, address))


def _do(recipe: Path, run: Any, as_json: bool, only: str | None) -> None:
    """Do all stages of a recipe, or ``only`` one of them, and say what came of it."""
    from rushes.cli.progress import Progress
    from rushes.runs.do import do
    from rushes.stages import read_done

    names = tuple(run.stages) if only is None else (only,)
    if only is not None and only not in run.stages:
        raise RushesError(
            f"this recipe has no stage {only}; it has {', '.join(run.stages)}",
            where=recipe,
            cure="a source with a root of its own needs no twin" if only == "twin" else None,
        )
    with Progress(names) as progress:
        outcomes = []
        for name in names:
            outcome = do(run, name, progress.tell)
            skipped = f"skipped: {outcome.reason}"
            progress.end(name, outcome.seconds, "finished" if outcome.state == "ran" else skipped)
            outcomes.append(outcome)
            if (done := read_done(outcome.folder)) and (bad := done["counts"].get("quarantined")):
                listing = outcome.folder / "quarantine.jsonl"
                progress.say(f"{name}: {bad} of {done['counts']['planned']} in quarantine, see {listing}")
    if as_json:
        typer.echo(json.dumps(_result(run, recipe, outcomes), allow_nan=False))
    else:
        _print_result(run, outcomes)


def _result(run: Any, recipe: Path, outcomes: Sequence[Any]) -> dict[str, Any]:
    """What ``--json`` prints."""
    result: dict[str, Any] = {"recipe": str(recipe), "stages": [outcome.to_json() for outcome in outcomes]}
    if run.status(run.maker("figures")).state == "done":
        result |= run.scorecard().summary()
    if run.status(run.maker("page")).state == "done":
        result["report"] = str(run.report)
    return result


def _print_result(run: Any, outcomes: Sequence[Any]) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    makes = run.stages[outcomes[-1].name].makes
    if makes in ("figures", "page"):
        from rushes.evaluate.tables import print_scorecard

        print_scorecard(run.scorecard(), console)
    last = run.report if makes == "page" else outcomes[-1].folder
    console.print(f"{outcomes[-1].name}: {last}", soft_wrap=True, highlight=False)


@app.command()
@failing_well
def run(
    recipe: RecipePath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    cache_gb: CacheGb = None,
    overrides: Overrides = None,
    engine: EngineKind = "local",
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Do all stages of a recipe; what is done already is skipped."""
    _do(recipe, _open(recipe, overrides, workspace, cache, engine, address, cache_gb), as_json, None)


def _verbs() -> dict[str, str]:
    """Name of every stage that a task has -> its purpose, in order; that of the first task where several do."""
    found: dict[str, str] = {}
    for task in TASKS.values():
        for stage in task.stages:
            found.setdefault(stage.name, stage.purpose)
    return found


def _stage_verb(name: str, purpose: str) -> None:
    @app.command(name, help=purpose)
    @failing_well
    def verb(
        recipe: RecipePath,
        workspace: Workspace = WORKSPACE,
        cache: Cache = None,
        cache_gb: CacheGb = None,
        overrides: Overrides = None,
        engine: EngineKind = "local",
        address: Address = None,
        as_json: AsJson = False,
    ) -> None:
        run = _open(recipe, overrides, workspace, cache, engine, address, cache_gb)
        if engine != "local" and name in run.stages and not run.stages[name].units:
            takers = ", ".join(stage.name for stage in run.stages.values() if stage.units)
            raise RushesError(
                f"{name} runs in this process, asked for --engine {engine}",
                cure=f"leave it out; {takers} take it",
            )
        _do(recipe, run, as_json, name)


for _name, _purpose in _verbs().items():
    _stage_verb(_name, _purpose)


@app.command()
@failing_well
def plan(
    recipe: RecipePath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say what would run, what is done already and why, with sizes and memory; do nothing."""
    from rushes.runs.plan import plan_run

    rows = plan_run(_open(recipe, overrides, workspace, cache))
    if as_json:
        typer.echo(json.dumps({"recipe": str(recipe), "stages": [row.to_json() for row in rows]}))
        return
    for row in rows:
        typer.echo(f"{row.name:9} {row.signature}  {row.state:8} {row.reason}")
        for note in row.notes:
            typer.echo(f"{'':9} {note}")


@app.command()
@failing_well
def audit(
    recipe: RecipePath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Look through the recordings: what is there, what is masked, what is wrong."""
    report = _open(recipe, overrides, workspace, cache).audit()
    typer.echo(json.dumps(report.to_json()) if as_json else report.text())


@app.command()
@failing_well
def verify(
    recipe: RecipePath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    repair: Annotated[bool, typer.Option(help="Rebuild what is broken.")] = False,
) -> None:
    """Hash shards, dataset and run again and compare them with their receipts."""
    from rushes.cli.progress import Progress
    from rushes.runs.verify import verify_run

    run = _open(recipe, overrides, workspace, cache)
    with Progress(tuple(run.stages)) as progress:
        checked = verify_run(run, repair=repair, tell=progress.tell)
    if as_json:
        typer.echo(json.dumps(checked.to_json()))
    else:
        typer.echo(checked.text())
    if not checked.whole:
        raise typer.Exit(1)
