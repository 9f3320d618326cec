"""The verb that labels recordings with a trained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.app import app
from rushes.cli.options import (
    FAULTY,
    WORKSPACE,
    AsJson,
    Cache,
    Overrides,
    RecipePath,
    Workspace,
    failing_well,
)
from rushes.cli.runs import open_recipe, recordings_at_fault


@app.command()
@failing_well
def apply(
    recipe: RecipePath,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings without labels; only read.")],
    out: Annotated[Path, typer.Option(help="Folder for label files and the page; not FOLDER itself.")],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--as", metavar="FORMAT", help="Of label files: csv, eaf, vtt, labelstudio ...; repeatable."
        ),
    ] = None,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes, each with the model in its memory; 0 works in this one.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Label recordings with the trained model of a recipe: segments as label files, and a page to look at.

    Nothing is trained. The same command resumes, and labels recordings that came since. Ends with 4 where a
    recording does not hold, or there is none.
    """
    from rushes.cli.progress import Progress
    from rushes.runs.apply.labels import formats_of
    from rushes.runs.apply.work import apply_run

    asked = formats_of(formats or ["csv"])
    run = open_recipe(recipe, overrides, workspace, cache)
    with Progress(("apply",)) as progress, recordings_at_fault():
        found = apply_run(
            run,
            folder,
            out,
            asked,
            workers=workers,
            tell=lambda done, total, name: progress.tell("apply", done, total, name),
        )
    typer.echo(json.dumps({"recipe": str(recipe), **found.to_json()}) if as_json else found.text())
    if found.bad:
        raise typer.Exit(FAULTY)
    if found.written.refused:
        raise typer.Exit(1)
