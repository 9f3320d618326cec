"""The verbs of one run: all of its stages, each by itself, and looks at it that change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.cli.app import app
from rushes.cli.options import (
    FAULTY,
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
    wide_console,
)
from rushes.errors import RecipeError, SourceError, StageError
from rushes.tasks import TASKS

ELSEWHERE = ("export",)
"""Stages whose verb does more than the stage, and stands in a module of its own."""

if TYPE_CHECKING:
    from rushes.cli.progress import Progress
    from rushes.engine import Engine


def open_recipe(
    recipe: Path,
    overrides: Sequence[str] | None,
    workspace: str,
    cache: Path | None,
    cache_gb: float | None = None,
    engine: Engine | None = None,
) -> Any:
    """The run of a recipe, as the options say."""
    from rushes.engine import LOCAL
    from rushes.storage import open_workspace
    from rushes.tasks import load_recipe, open_run

    where = open_workspace(workspace, cache, cache_bytes(cache_gb))
    return open_run(load_recipe(recipe, overrides or ()), where, engine or LOCAL)


def _require(run: Any, name: str, recipe: Path, engine: str) -> None:
    """A stage that this run has, and that this engine can do."""
    if name not in run.stages:
        raise RecipeError(
            f"this recipe has no stage {name}; it has {', '.join(run.stages)}",
            where=recipe,
            cure="a source with a root of its own needs no twin" if name == "twin" else None,
        )
    if engine != "local" and not run.stages[name].units:
        takers = ", ".join(stage.name for stage in run.stages.values() if stage.units)
        raise RecipeError(
            f"{name} runs in this process, asked for --engine {engine}",
            cure=f"leave it out; {takers} take it",
        )


def _aimed(run: Any, name: str) -> tuple[Any, tuple[str, ...]]:
    """A run, and what of it the verb of a stage does: that stage, and before one that is apart what leads to it."""
    if any(stage.name == name and stage.apart for stage in run.task.stages):
        run = run.towards(name)
        return run, tuple(run.stages)
    return run, (name,)


def _do(run: Any, names: Sequence[str]) -> list[Any]:
    """Do stages and say how far they are; what came of each."""
    from rushes.cli.progress import Progress
    from rushes.runs.do import do

    outcomes = []
    with Progress(names) as progress:
        for name in names:
            outcome = do(run, name, progress.tell)
            skipped = f"skipped: {outcome.reason}"
            progress.end(name, outcome.seconds, "finished" if outcome.state == "ran" else skipped)
            outcomes.append(outcome)
            for line in _closing(name, outcome.folder):
                progress.say(line)
    return outcomes


def _closing(name: str, folder: Path) -> Iterator[str]:
    """What a reader must not miss of a finished stage: which of its recordings gave no sample."""
    from rushes.stages import read_done

    done = read_done(folder)
    if done is None:
        return
    if bad := done["counts"].get("quarantined"):
        yield f"{name}: {bad} of {done['counts']['planned']} in quarantine, see {folder / 'quarantine.jsonl'}"
    yield from (f"{name}: {line}" for line in done["summary"].get("account", ()))


def _result(run: Any, recipe: Path, outcomes: Sequence[Any]) -> dict[str, Any]:
    """What ``--json`` prints."""
    result: dict[str, Any] = {"recipe": str(recipe), "stages": [outcome.to_json() for outcome in outcomes]}
    made = {stage.makes for stage in run.stages.values()}
    if "figures" in made and run.status(run.maker("figures")).state == "done":
        result |= run.scorecard().summary()
    if "page" in made and run.status(run.maker("page")).state == "done":
        result["report"] = str(run.report)
    if file := _file_of(outcomes[-1]):
        result["file"] = str(file)
    return result


def _file_of(outcome: Any) -> Path | None:
    """The page of a finished stage that has one and is no report; None of any other.

    Raises:
        StageError: it was taken away since.
    """
    from rushes.runs.stage import REPORT_FILE
    from rushes.stages import read_done

    name = (read_done(outcome.folder) or {}).get("summary", {}).get("file")
    if name in (None, REPORT_FILE):
        return None
    page: Path = outcome.folder / name
    if not page.is_file():
        raise StageError(
            "the page is missing", where=page, cure=f"delete {outcome.folder}, then type the same again"
        )
    return page


def _print_result(run: Any, outcomes: Sequence[Any]) -> None:
    console = wide_console()
    makes = run.stages[outcomes[-1].name].makes
    if makes in ("figures", "page"):
        from rushes.evaluate.tables import print_scorecard

        print_scorecard(run.scorecard(), console)
    last = run.report if makes == "page" else _file_of(outcomes[-1]) or outcomes[-1].folder
    console.print(f"{outcomes[-1].name}: {last}", soft_wrap=True, highlight=False)


def _add_verb(name: str, purpose: str, only: str | None) -> None:
    """A verb that does all stages of a recipe, or ``only`` one of them."""

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
        run = open_recipe(recipe, overrides, workspace, cache, cache_gb, engine_of(engine, address))
        do_stages(run, recipe, only, engine, as_json)


def do_stages(run: Any, recipe: Path, only: str | None, engine: str, as_json: bool) -> None:
    """Do all stages of a run, or ``only`` one of them, and print what came of it."""
    names = tuple(run.stages)
    if only is not None:
        run, names = _aimed(run, only)
        _require(run, only, recipe, engine)
    outcomes = _do(run, names)
    if as_json:
        typer.echo(json.dumps(_result(run, recipe, outcomes), allow_nan=False))
    else:
        _print_result(run, outcomes)


def _purposes() -> dict[str, str]:
    """Name of every stage that a task has -> what it is for; of several tasks that have it the first says so."""
    found: dict[str, str] = {}
    for task in TASKS.values():
        for stage in task.stages:
            found.setdefault(stage.name, stage.purpose)
    return found


_add_verb("run", "Do all stages of a recipe; what is done already is skipped.", None)
for _name, _purpose in _purposes().items():
    if _name not in ELSEWHERE:
        _add_verb(_name, _purpose, _name)


@contextmanager
def recordings_at_fault() -> Iterator[None]:
    """End with `FAULTY` where the recordings are not even a copy of their layout."""
    try:
        yield
    except SourceError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(FAULTY) from None


@app.command()
@failing_well
def plan(
    recipe: RecipePath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say what would run, what is done already and why, with sizes, memory and time; do nothing.

    Ends with 4 where something does not hold in the recordings.
    """
    from rushes.runs.plan import plan_run

    with recordings_at_fault():
        found = plan_run(open_recipe(recipe, overrides, workspace, cache))
    typer.echo(json.dumps({"recipe": str(recipe), **found.to_json()}) if as_json else found.text())
    if found.fault:
        raise typer.Exit(FAULTY)


@app.command()
@failing_well
def audit(
    recipe: RecipePath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Look through the recordings: what is there, what is masked, what is wrong, what becomes of every file.

    Reads all files that a SHA256SUMS beside the recordings names. Ends with 4 where something does not hold.
    """
    from rushes.cli.progress import Progress
    from rushes.runs.look import look

    run = open_recipe(recipe, overrides, workspace, cache)
    with Progress(("audit",)) as progress, recordings_at_fault():
        found = look(run, partial(_hashing, progress, "audit"))
    typer.echo(json.dumps(found.to_json()) if as_json else found.text())
    if found.fault:
        raise typer.Exit(FAULTY)


def _hashing(progress: Progress, name: str, done: int, total: int, file: str) -> None:
    if total:
        progress.tell(name, done, total, f"hashing {file}" if file else "hashed")


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

    run = open_recipe(recipe, overrides, workspace, cache)
    with Progress(tuple(run.stages)) as progress:
        checked = verify_run(run, repair=repair, tell=progress.tell)
    typer.echo(json.dumps(checked.to_json()) if as_json else checked.text())
    if not checked.whole:
        raise typer.Exit(1)
