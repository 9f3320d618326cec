"""The verb that begins a job: from a folder of recordings, or from nothing, to a recipe that runs."""

from __future__ import annotations

import glob
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from rushes.cli.app import app
from rushes.cli.options import AsJson, failing_well
from rushes.errors import RecipeError
from rushes.tasks import TASKS

if TYPE_CHECKING:
    from rushes.recipe.annotation import Column
    from rushes.runs.begin.find import Asked
    from rushes.runs.begin.found import Found

Folder = Annotated[
    Path | None, typer.Argument(metavar="[FOLDER]", help="Recordings, with label files among them.")
]
Out = Annotated[Path | None, typer.Option(help="The recipe; without it, one here named after the folder.")]
Demo = Annotated[
    str | None, typer.Option(metavar="TASK", help="Write the recipe of a task's drawn recordings instead.")
]
Task = Annotated[
    str | None, typer.Option(help="What is to be learnt; without it, what fits the folder best.")
]
Labels = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Label file in the folder to take, or a pattern of some; repeatable."),
]
Fps = Annotated[str | None, typer.Option(help="Rate by which labels count frames: 25, or 30000/1001.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="WHAT=HEADER", help="What a column of a table says: label=sign; repeatable."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a recipe that stands there.")]


@app.command()
@failing_well
def init(
    folder: Folder = None,
    out: Out = None,
    demo: Demo = None,
    task: Task = None,
    labels: Labels = None,
    fps: Fps = None,
    columns: Columns = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Look at a folder of recordings, say what is in it, and write a recipe that runs.

    Reads names, headers and label files; decodes nothing.
    """
    if (demo is None) == (folder is None):
        raise RecipeError(
            "asked for a folder and a demo" if folder else "asked for neither a folder nor a demo",
            cure=f"rushes init FOLDER, or rushes init --demo TASK, which is one of {', '.join(TASKS)}",
        )
    for name, option in ((demo, "--demo"), (task, "--task")):
        _require_task(name, option)
    if demo is not None:
        _write_demo(demo, out, force, as_json)
    elif folder is not None:
        _begin(
            folder,
            out or Path(f"{folder.resolve().name or 'recipe'}.yaml"),
            task,
            _asked(folder, labels or [], fps, columns or []),
            force,
            as_json,
        )


def _require_task(name: str | None, option: str) -> None:
    from rushes.recipe_file import near

    if name is not None and name not in TASKS:
        raise RecipeError(f"no task {name}; {near(name, TASKS)}", where=option)


def _write_demo(name: str, out: Path | None, force: bool, as_json: bool) -> None:
    from rushes.runs.begin.demo import demo_name, demo_text

    path = out or Path(demo_name(TASKS[name]))
    _require_free(path, force)
    _write(path, demo_text(TASKS[name], path))
    typer.echo(json.dumps({"recipe": str(path), "task": name}) if as_json else _next(path))


def _begin(folder: Path, out: Path, task: str | None, asked: Asked, force: bool, as_json: bool) -> None:
    from rushes.recipe_file import document_of, recipe_of
    from rushes.runs.begin.choose import proposal_for, recipe_for
    from rushes.runs.begin.proposal import assumed

    _require_free(out, force)
    found = _look(folder, asked)
    if not as_json:
        typer.echo(found.text())
    name, proposal = proposal_for(found, TASKS if task is None else {task: TASKS[task]})
    text, lines = recipe_for(found, name, proposal, out)
    recipe_of(document_of(text.encode(), out), (), TASKS)
    _write(out, text)
    if as_json:
        told = {"recipe": str(out), "task": name, "because": proposal.because, "assumed": assumed(lines)}
        typer.echo(
            json.dumps(told | {"doubts": list(proposal.doubts), "found": found.to_json()}, allow_nan=False)
        )
        return
    typer.echo(f"\ntask {name}: {proposal.because}")
    for doubt in proposal.doubts:
        typer.echo(f"doubt: {doubt}")
    typer.echo(_next(out))


def _look(folder: Path, asked: Asked) -> Found:
    from rushes.cli.progress import Progress
    from rushes.runs.begin.find import find

    with Progress(("look",)) as progress:
        return find(folder, asked, lambda done, total, note: progress.tell("look", done, total, note))


def _asked(folder: Path, labels: list[Path], fps: str | None, columns: list[str]) -> Asked:
    from fractions import Fraction

    from rushes.recipe.annotation import Column, rate_of
    from rushes.runs.begin.find import Asked

    try:
        rate: Fraction | None = None if fps is None else rate_of(fps)
    except ValueError as error:
        raise RecipeError(str(error), where="--fps") from None
    said = dict(map(_column, columns))
    ours: dict[Column, str] = {word: said[word] for word in get_args(Column) if word in said}
    if len(ours) < len(said):  # words that only a task's own table has: so it is none of labels
        ours = {}
    return Asked(tuple(_below(folder, path) for path in labels), rate, ours, said)


def _column(text: str) -> tuple[str, str]:
    """What a column says, of labels or of a task's own table, and its header."""
    from rushes.recipe.annotation import Column
    from rushes.recipe_file import near

    said, _, header = text.partition("=")
    if not header.strip():
        raise RecipeError(f"no header in {text!r}", where="--column", cure="write --column label=HEADER")
    known = dict.fromkeys([*get_args(Column), *(word for task in TASKS.values() for word in task.columns)])
    if said not in known:
        raise RecipeError(f"no table says {said!r}; {near(said, known)}", where="--column")
    return said, header.strip()


def _below(folder: Path, path: Path) -> str:
    """A label file, or a pattern of some, as a pattern below the folder; it may be named from here, too."""
    for place in (path, folder / path):
        if place.is_file() and place.resolve().is_relative_to(folder.resolve()):
            return glob.escape(place.resolve().relative_to(folder.resolve()).as_posix())
    if glob.has_magic(str(path)):
        return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
    raise RecipeError(
        "no such label file in the folder of the recordings",
        where=path,
        cure=f"move it into {folder}: a recipe names label files below its root",
    )


def _require_free(path: Path, force: bool) -> None:
    """A recipe that stands there is replaced with ``--force`` alone."""
    if not force and (path.exists() or path.is_symlink()):
        raise RecipeError(
            "a file stands there already",
            where=path,
            cure="name another by --out, or add --force to replace it",
        )


def _write(path: Path, text: str) -> None:
    from rushes.stages.files import write_atomic

    write_atomic(path, text)


def _next(path: Path) -> str:
    """What was written, and what to type next."""
    named = shlex.quote(str(path))
    return f"wrote {path}; next:\n  rushes plan {named}\n  rushes run  {named}"
