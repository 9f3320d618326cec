"""The verb that answers over HTTP with the trained model of a run."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rushes.cli.app import app
from rushes.cli.options import WORKSPACE, Cache, Overrides, RecipePath, Workspace, failing_well
from rushes.cli.runs import open_recipe
from rushes.errors import RecipeError

if TYPE_CHECKING:
    from rushes.predict.remote import Engine

PORT = 8000


@app.command()
@failing_well
def serve(
    recipe: RecipePath,
    host: Annotated[
        str, typer.Option(help="To listen at; 0.0.0.0 lets other machines in: give --api-key-file then.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="To listen at; 0 takes any that is free.")
    ] = PORT,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="Processes, each with the model in its memory and limits of its own."
        ),
    ] = 1,
    api_key_file: Annotated[
        Path | None, typer.Option(help="Keys, one a line; whoever brings none of them is refused.")
    ] = None,
    backend: Annotated[
        Literal["local", "openai"],
        typer.Option(help="What answers: this process, or a server that speaks as OpenAI's, at --url."),
    ] = "local",
    url: Annotated[str | None, typer.Option(help="Of the engine, up to and with /v1.")] = None,
    engine_model: Annotated[
        str | None, typer.Option(help="Name of the model there; the only one without it.")
    ] = None,
    engine_key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Environment variable that holds the engine's key.")
    ] = None,
    uploads: Annotated[
        Path | None,
        typer.Option(help="Folder of uploads while they are worked on; among temporary files without it."),
    ] = None,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
) -> None:
    """Answer over HTTP with the trained model of a recipe: a page at /, what programs need to know at /docs.

    Limits are the section serve of the recipe, as in --set serve.max_mb=100. SIGTERM or Ctrl-C refuses new
    requests, finishes what has begun, and ends with 0; a second one ends at once.
    """
    from rushes.runs.listening import address_of, listen
    from rushes.runs.run import RunJob
    from rushes.serve.bounds import bounds_text
    from rushes.serve.keys import EVERYBODY, read_keys
    from rushes.serve.of_run import OfRun, doors_of, require_trained
    from rushes.serve.process import serve as serve_until_stopped
    from rushes.serve.scratch import default_root, require_private

    keys = EVERYBODY if api_key_file is None else read_keys(api_key_file)
    engine = _engine(backend, url, engine_model, engine_key_env)
    run: Any = open_recipe(recipe, overrides, workspace, cache)
    require_trained(run, recipe)
    verbs = [f"/{verb}" for verb in doors_of(run, engine)]
    settings = run.recipe.serve
    folder = uploads or default_root()
    require_private(folder)
    service = OfRun(RunJob.of(run), engine, keys, folder, workers)
    with listen(host, port) as listening:
        typer.echo(f"{run.recipe.name}: {', '.join(verbs)} at {address_of(listening)}", err=True)
        for line in bounds_text(settings, workers):
            typer.echo(f"  {line}", err=True)
        if not keys and not _is_loopback(host):
            typer.echo(
                f"WARNING: {host} can be reached from other machines, and no key is needed: whoever can reach it "
                "can ask this model; give --api-key-file, or put something before it that knows who may come in",
                err=True,
            )
        code = serve_until_stopped(service, folder, listening, settings.drain_s, workers)
    if code:
        raise typer.Exit(code)


def _engine(backend: str, url: str | None, model: str | None, key_env: str | None) -> Engine | None:
    """The other server that answers; None where this process does.

    Raises:
        RecipeError: options that do not belong together, or a variable that is not there.
    """
    from rushes.predict.remote import Engine

    if backend == "local":
        if url or model or key_env:
            raise RecipeError(
                "--url, --engine-model and --engine-key-env say where another server is, and this process answers",
                cure="add --backend openai, or leave them out",
            )
        return None
    if url is None:
        raise RecipeError(
            "--backend openai needs the address of the server",
            cure="give it up to and with /v1, as --url http://127.0.0.1:8001/v1",
        )
    if key_env is not None and not os.environ.get(key_env):
        raise RecipeError(
            f"--engine-key-env names {key_env}, which is not set", cure=f"type: export {key_env}=..."
        )
    return Engine(url, model=model, key=os.environ[key_env] if key_env else None)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
