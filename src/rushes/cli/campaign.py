"""The verbs of campaigns: many runs, with gates between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rushes.cli.app import app
from rushes.cli.options import (
    WORKSPACE,
    Address,
    AsJson,
    Cache,
    CacheGb,
    EngineKind,
    Workspace,
    cache_bytes,
    engine_of,
    failing_well,
    wide_console,
)
from rushes.errors import RushesError, StageError

verbs = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Many runs, with gates between them.")
app.add_typer(verbs, name="campaign")

ManifestPath = Annotated[
    Path, typer.Argument(metavar="MANIFEST", help="YAML file that says everything about the campaign.")
]
Workers = Annotated[int, typer.Option(min=1, help="Runs side by side.")]
Track = Annotated[
    list[str] | None,
    typer.Option("--track", metavar="TRACKER", help="tensorboard, mlflow or wandb; repeatable."),
]


def _open(
    manifest: Path, workspace: str, cache: Path | None, cache_gb: float | None = None
) -> tuple[Any, Any]:
    from rushes.campaign.manifest.trials import open_campaign
    from rushes.storage import open_workspace

    return open_campaign(manifest), open_workspace(workspace, cache, cache_bytes(cache_gb))


def _runner(
    manifest: Path, workspace: str, cache: Path | None, cache_gb: float | None = None, **how: Any
) -> Any:
    from rushes.campaign.live import Show
    from rushes.campaign.runner import Runner

    campaign, where = _open(manifest, workspace, cache, cache_gb)
    runner = Runner(campaign, where, Show(campaign.manifest.metric), **how)
    runner.folder.path.mkdir(parents=True, exist_ok=True)
    return runner


def _say(runner: Any, as_json: bool) -> None:
    from rushes.campaign.pages.tables import print_standings, summary

    if as_json:
        typer.echo(json.dumps(summary(runner), allow_nan=False))
    else:
        print_standings(runner, wide_console())


@verbs.command()
@failing_well
def plan(
    manifest: ManifestPath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    workers: Workers = 2,
    as_json: AsJson = False,
) -> None:
    """Say which runs there are, what they share, what is done, and how long the rest takes; do nothing."""
    from rushes.campaign.folder import CampaignFolder
    from rushes.campaign.plan import plan_campaign
    from rushes.campaign.status import decided
    from rushes.campaign.work import UNSEEN

    campaign, where = _open(manifest, workspace, cache)
    winners = decided(campaign, CampaignFolder.of(where, campaign.name))
    found = plan_campaign(campaign, where, workers=workers, winners=winners, without=UNSEEN)
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        found.print(wide_console())


@verbs.command()
@failing_well
def run(
    manifest: ManifestPath,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    cache_gb: CacheGb = None,
    workers: Workers = 2,
    engine: EngineKind = "local",
    address: Address = None,
    track: Track = None,
    as_json: AsJson = False,
) -> None:
    """Do all runs, gates and measurements of a campaign; what is done already is skipped.

    Ends with 3 where a gate failed for good, with 1 where runs failed or something else is not done.
    """
    from rushes.stages import locked

    how = {"workers": workers, "engine": engine_of(engine, address), "trackers": tuple(track or ())}
    runner = _runner(manifest, workspace, cache, cache_gb, **how)
    with locked(runner.folder.path), runner.show:
        failure = runner.run()
    _say(runner, as_json)
    if failure is not None:
        raise failure
    if runner.unfinished:
        raise StageError(
            f"the campaign is not finished: {'; '.join(runner.unfinished)}",
            where=runner.folder.path,
            cure="negative-results.md says why runs failed; the same command tries them again",
        )


@verbs.command()
@failing_well
def status(
    manifest: ManifestPath, workspace: Workspace = WORKSPACE, cache: Cache = None, as_json: AsJson = False
) -> None:
    """Say how far a campaign is, from what stands on disk."""
    from rushes.campaign.status import status_of, table

    rows = status_of(*_open(manifest, workspace, cache))
    typer.echo(json.dumps([row.to_json() for row in rows]) if as_json else table(rows))


@verbs.command()
@failing_well
def report(
    manifest: ManifestPath, workspace: Workspace = WORKSPACE, cache: Cache = None, as_json: AsJson = False
) -> None:
    """Write leaderboard, logs and page again from the finished stages; nothing is trained or opened.

    Ends with 1 where a run is below its baseline and the manifest gives no reason.
    """
    from rushes.stages import locked

    runner = _runner(manifest, workspace, cache, work=False)
    with locked(runner.folder.path):
        runner.run()
    _say(runner, as_json)
    if missing := runner.missing_reasons:
        raise StageError(
            f"{len(missing)} runs did not do what they are there for, and nobody says why",
            where=runner.campaign.path,
            cure="add a line each under reasons: " + ", ".join(missing),
        )


@verbs.command("import")
@failing_well
def import_(
    leaderboard: Annotated[Path, typer.Argument(metavar="FILE.csv", help="As an earlier system wrote it.")],
    picked: Annotated[str | None, typer.Option(help="The run that was presented as the best.")] = None,
    task: Annotated[
        str | None, typer.Option(help="Whose earlier system it was, where several have one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a leaderboard of an earlier system and hold its rows against what a campaign admits.

    Ends with 1 where something was found.
    """
    from rushes.tasks import TASKS

    readers = {name: one.read_earlier for name, one in TASKS.items() if one.read_earlier is not None}
    if task is None and len(readers) == 1:
        (task,) = readers
    if task not in readers:
        raise RushesError(
            f"no leaderboard of an earlier system is known of {task or 'an unnamed task'}",
            cure=f"write --task with one of {', '.join(readers)}",
        )
    found = readers[task](leaderboard, picked)
    typer.echo(json.dumps(found.to_json()) if as_json else found.text())
    if found.findings:
        raise typer.Exit(1)
