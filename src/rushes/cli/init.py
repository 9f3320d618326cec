"""The verb that begins a job: from a folder of recordings, or from nothing, to a recipe that runs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.app import app
from rushes.cli.options import AsJson, failing_well
from rushes.errors import RecipeError
from rushes.tasks import TASKS

Folder = Annotated[
    Path | None, typer.Argument(metavar="[FOLDER]", help="Recordings, with label files among or beside them.")
]
Out = Annotated[Path | None, typer.Option(help="The recipe; without it, one here named after the folder.")]
Demo = Annotated[
    str | None, typer.Option(metavar="TASK", help="Write the recipe of a task's drawn recordings instead.")
]
Force = Annotated[bool, typer.Option(help="Replace a recipe that stands there.")]


@app.command()
@failing_well
def init(
    folder: Folder = None,
    out: Out = None,
    demo: Demo = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Look at a folder of recordings, say what is in it, and write a recipe that runs."""
    if demo is not None and folder is None:
        _write_demo(demo, out, force, as_json)
    else:
        raise RecipeError(
            "asked for a folder and a demo" if folder else "asked for neither a folder nor a demo",
            cure=f"rushes init FOLDER, or rushes init --demo TASK, which is one of {', '.join(TASKS)}",
        )


def _write_demo(name: str, out: Path | None, force: bool, as_json: bool) -> None:
    from rushes.recipe_file.load import near
    from rushes.runs.demo import demo_name, demo_text

    if name not in TASKS:
        raise RecipeError(f"no task {name}; {near(name, TASKS)}", where="--demo")
    path = out or Path(demo_name(TASKS[name]))
    _write(path, demo_text(TASKS[name], path), force)
    if as_json:
        typer.echo(json.dumps({"recipe": str(path), "task": name}))
    else:
        typer.echo(_written(path))


def _write(path: Path, text: str, force: bool) -> None:
    """Write a recipe; one that stands there is replaced with ``--force`` alone."""
    from rushes.stages.files import write_atomic

    if not force and (path.exists() or path.is_symlink()):
        raise RecipeError(
            "a file stands there already",
            where=path,
            cure="name another by --out, or add --force to replace it",
        )
    write_atomic(path, text)


def _written(path: Path) -> str:
    """What was written, and what to type next."""
    named = shlex.quote(str(path))
    return f"wrote {path}; next:\n  rushes plan {named}\n  rushes run  {named}"
