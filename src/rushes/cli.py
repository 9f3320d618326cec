"""The verbs.

    rushes run recipes/operations-twin.yaml

Every verb takes a recipe. Progress goes to standard error, results to standard output. A verb imports what
it needs when it is asked for, so that ``rushes --help`` is instant.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from rushes.errors import RushesError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="From raw recordings to a fine-tuned, honestly measured, served model.",
)

RecipePath = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="YAML file that says everything about the job.")
]
Workspace = Annotated[str, typer.Option(help="Folder of all stages of all runs, or s3://bucket/prefix.")]
Cache = Annotated[
    Path | None, typer.Option(help="Folder of copies of a remote workspace; ~/.cache/rushes without it.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override a key of the recipe; repeatable.")
]
EngineKind = Annotated[
    str, typer.Option("--engine", metavar="KIND", help="Where units of work run: local, or ray.")
]
Address = Annotated[
    str | None,
    typer.Option(help="Of a running Ray cluster; without, one is started here."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

WORKSPACE = "workspace"
WITH_UNITS = ("twin", "prepare", "predict")  # stages whose work is cut into units
PIPED_WIDTH = 140  # of tables where there is no terminal whose width they could take


def _failing_well(verb: Callable) -> Callable:
    """End with the error's text and exit code where a user can cure it, with a traceback where not."""

    @wraps(verb)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            verb(*args, **kwargs)
        except RushesError as error:
            typer.echo(f"{type(error).__name__}: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("interrupted; the same command resumes", err=True)
            raise typer.Exit(130) from None

    return guarded


def _open(
    recipe: Path,
    overrides: Sequence[str] | None,
    workspace: str,
    cache: Path | None,
    engine: str = "local",
    address: str | None = None,
) -> Any:
    from rushes.engine import Engine
    from rushes.recipe_file import load_recipe
    from rushes.runs.tasks import open_run
    from rushes.storage import open_workspace

    where = open_workspace(workspace, cache)
    return open_run(load_recipe(recipe, overrides or ()), where, Engine(engine, address))


def _do(recipe: Path, run: Any, as_json: bool, only: str | None) -> None:
    """Do all stages of a recipe, or ``only`` one of them, and say what came of it."""
    from rushes.progress import Progress
    from rushes.runs.work import do

    names = run.stages if only is None else (only,)
    if only is not None and only not in run.stages:
        raise RushesError(
            f"this recipe has no stage {only}: its source has a root of its own", cure="leave source.root out"
        )
    with Progress(names) as progress:
        outcomes = []
        for name in names:
            outcome = do(run, name, progress.tell)
            skipped = f"skipped: {outcome.reason}"
            progress.end(name, outcome.seconds, "finished" if outcome.state == "ran" else skipped)
            outcomes.append(outcome)
    if as_json:
        typer.echo(json.dumps(_result(run, recipe, outcomes), allow_nan=False))
    else:
        _print_result(run, outcomes)


def _result(run: Any, recipe: Path, outcomes: Sequence[Any]) -> dict[str, Any]:
    """What ``--json`` prints."""
    result: dict[str, Any] = {"recipe": str(recipe), "stages": [outcome.to_json() for outcome in outcomes]}
    if run.status("evaluate").state == "done":
        result |= run.headline()
    if run.status("report").state == "done":
        result["report"] = str(run.report)
    return result


def _print_result(run: Any, outcomes: Sequence[Any]) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    if outcomes[-1].name in ("evaluate", "report"):
        run.print_metrics(console)
    last = run.report if outcomes[-1].name == "report" else outcomes[-1].folder
    console.print(f"{outcomes[-1].name}: {last}", soft_wrap=True, highlight=False)


@app.command()
@_failing_well
def run(
    recipe: RecipePath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    engine: EngineKind = "local",
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Do all stages of a recipe; what is done already is skipped."""
    _do(recipe, _open(recipe, overrides, workspace, cache, engine, address), as_json, None)


def _stage_verb(name: str, purpose: str) -> None:
    @app.command(name, help=purpose)
    @_failing_well
    def stage(
        recipe: RecipePath,
        workspace: Workspace = WORKSPACE,
        cache: Cache = None,
        overrides: Overrides = None,
        engine: EngineKind = "local",
        address: Address = None,
        as_json: AsJson = False,
    ) -> None:
        if engine != "local" and name not in WITH_UNITS:
            raise RushesError(
                f"{name} runs in this process, asked for --engine {engine}",
                cure=f"leave it out; {', '.join(WITH_UNITS)} take it",
            )
        _do(recipe, _open(recipe, overrides, workspace, cache, engine, address), as_json, name)


for _name, _purpose in {
    "twin": "Draw the synthetic recordings of a recipe.",
    "prepare": "Cut recordings into clips, choose frames, write shards.",
    "train": "Train the model on the prepared clips.",
    "predict": "Let the trained model answer about the test clips.",
    "evaluate": "Measure the answers against truth and baselines.",
    "report": "Write the HTML report.",
}.items():
    _stage_verb(_name, _purpose)


@app.command()
@_failing_well
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
@_failing_well
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
@_failing_well
def verify(
    recipe: RecipePath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    repair: Annotated[bool, typer.Option(help="Rebuild what is broken.")] = False,
) -> None:
    """Hash shards, dataset and run again and compare them with their receipts."""
    from rushes.progress import Progress
    from rushes.runs.verify import verify_run

    run = _open(recipe, overrides, workspace, cache)
    with Progress(run.stages) as progress:
        checked = verify_run(run, repair=repair, tell=progress.tell)
    if as_json:
        typer.echo(json.dumps(checked.to_json()))
    else:
        typer.echo(checked.text())
    if not checked.whole:
        raise typer.Exit(1)


def main() -> None:
    """Entry point of the ``rushes`` command."""
    app(prog_name="rushes")


if __name__ == "__main__":
    sys.exit(main())
