"""The verb that writes a trained model for others to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from rushes.cli.app import app
from rushes.cli.options import (
    WORKSPACE,
    Address,
    AsJson,
    Cache,
    CacheGb,
    EngineKind,
    Overrides,
    RecipePath,
    Workspace,
    engine_of,
    failing_well,
)
from rushes.cli.runs import do_stages, open_recipe
from rushes.errors import RecipeError

if TYPE_CHECKING:
    from rushes.recipe.sections import Precision

STAGE = "export"


@app.command()
@failing_well
def export(
    recipe: RecipePath,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the checkpoint of a vision language model, new or an earlier export."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Of its weights: float32, bfloat16 or float16; as they were trained without it."),
    ] = None,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    cache_gb: CacheGb = None,
    overrides: Overrides = None,
    engine: EngineKind = "local",
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Write a trained model for others to run, and prove that it is the same.

    A vision language model becomes one checkpoint in FOLDER, its adapter merged, that vLLM, SGLang and transformers
    load. A small net becomes ONNX, also in 8 bits, in its own stage, with the verdict whether it fits its device.
    """
    run = open_recipe(recipe, overrides, workspace, cache, cache_gb, engine_of(engine, address))
    if STAGE in run.stages:
        if out is not None or precision is not None:
            raise RecipeError(
                f"--out and --precision are for vision language models; the task {run.task.name} exports in a stage",
                where=run.folder(STAGE),
                cure="leave them out; deploy in the recipe says what is written",
            )
        do_stages(run, recipe, STAGE, engine, as_json)
        return
    if engine != "local":
        raise RecipeError(f"export runs in this process, asked for --engine {engine}", cure="leave it out")
    _write(run, recipe, out, precision, as_json)


def _write(run: object, recipe: Path, out: Path | None, precision: str | None, as_json: bool) -> None:
    from rushes.cli.progress import Progress
    from rushes.recipe.sections import Precision
    from rushes.runs.run import Run

    assert isinstance(run, Run)
    known = get_args(Precision)
    if precision is not None and precision not in known:
        raise RecipeError(
            f"no precision {precision!r}", where="--precision", cure=f"one of {', '.join(known)}"
        )
    if out is None:
        raise RecipeError("export writes a checkpoint, and nobody said where", cure="add --out FOLDER")
    with Progress((STAGE,)) as progress:
        found = run.task.export(
            run,
            out,
            cast("Precision | None", precision),
            tell=lambda done, total, what: progress.tell(STAGE, done, total, what),
        )
    typer.echo(json.dumps({"recipe": str(recipe), **found.to_json()}) if as_json else found.text())
