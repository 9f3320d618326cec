"""The verb that finds items of a finished run by words, by a picture, or by both."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rushes.cli.app import app
from rushes.cli.options import (
    WORKSPACE,
    AsJson,
    Cache,
    Overrides,
    RecipePath,
    Workspace,
    failing_well,
    wide_console,
)
from rushes.cli.runs import open_recipe
from rushes.errors import AnswerError

if TYPE_CHECKING:
    from rushes.evaluate.pages import Head
    from rushes.runs.search import Hit

MAX_BYTES = 50_000_000
"""Of a picture that is asked."""

SHOWN = 4
"""Fields in the table on a terminal; a page and JSON have all."""


@app.command()
@failing_well
def search(
    recipe: RecipePath,
    words: Annotated[str | None, typer.Argument(metavar="WORDS", help='As "grey oak sideboard".')] = None,
    image: Annotated[Path | None, typer.Option(help="A picture: JPEG, PNG, WebP, GIF or BMP.")] = None,
    weight: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Of the words, where a picture is given as well.")
    ] = 0.5,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many are found.")] = 10,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Find those alone that have it; repeatable."),
    ] = None,
    system: Annotated[
        Literal["model", "base"], typer.Option(help="The trained model, or the one before training.")
    ] = "model",
    of: Annotated[
        Literal["picture", "both"],
        typer.Option(help="Whether an item is found by its picture, or by picture and title."),
    ] = "picture",
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Ask an index that may miss some; for millions of items.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with pictures instead of a table.")
    ] = None,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Find items of a finished run by words, by a picture, or by both."""
    from rushes.runs.search import Among

    fields = _fields(where or ())
    if page is not None:
        _require_place(page)
    asked = None if image is None else _read(image)
    run = open_recipe(recipe, overrides, workspace, cache)
    found = run.task.search(run, Among(system, of, approximate))
    hits = found.find(words, asked, k, where=fields, weight=weight)
    if found.said:
        typer.echo(found.said, err=True)
    if page is not None:
        from rushes.runs.search_page import search_page
        from rushes.stages import write_atomic

        head = _head(words or "a picture", system, len(hits), {"found by": of, **fields})
        write_atomic(page, search_page(head, words, asked, hits, found.picture))
    if as_json:
        question = {"words": words, "image": None if image is None else str(image), "where": fields}
        typer.echo(json.dumps({"recipe": str(recipe), **question, "hits": [_told(hit) for hit in hits]}))
    elif page is not None:
        typer.echo(page)
    else:
        _print(hits)


def _fields(where: Sequence[str]) -> dict[str, str]:
    """``FIELD=VALUE`` as a mapping."""
    parts = [(one, *one.partition("=")) for one in where]
    for one, name, equals, value in parts:
        if not (name and equals and value):
            raise AnswerError(f"--where {one}: no FIELD=VALUE", cure="write it as --where style=modern")
    return {name: value for _, name, _, value in parts}


def _require_place(page: Path) -> None:
    """A page goes into a folder that is there: a mistyped name makes none."""
    if page.is_dir() or not page.parent.is_dir():
        raise AnswerError(
            "no page can be written there: "
            + ("it is a folder" if page.is_dir() else "its folder is missing"),
            where=page,
            cure="name a file in a folder that is there with --page",
        )


def _read(image: Path) -> bytes:
    try:
        with image.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise AnswerError("no picture there", where=image, cure="name a file with --image") from None
    if len(data) > MAX_BYTES:
        raise AnswerError(
            f"a picture of at most {MAX_BYTES // 10**6} MB is read, this file is larger",
            where=image,
            cure="scale it down, as with: magick IN -resize 4096x4096 OUT.jpg",
        )
    return data


def _told(hit: Hit) -> Mapping[str, Any]:
    return {"key": hit.key, "rank": hit.rank, "score": round(hit.score, 6), "fields": hit.fields}


def _head(title: str, system: str, found: int, how: Mapping[str, str]) -> Head:
    from rushes.evaluate.pages import Head

    return Head(
        title=title,
        what="search of a run",
        date=datetime.now(UTC).replace(microsecond=0),
        command=shlex.join(["rushes", *sys.argv[1:]]),
        model={"model": "trained", "base": "before training"}[system],
        sizes={"found": found},
        more=how,
    )


def _print(hits: Sequence[Hit]) -> None:
    from rich.table import Table

    names = [name for name in dict.fromkeys(name for hit in hits for name in hit.fields) if name != "title"]
    table = Table("rank", "score", "title", *names[:SHOWN], "item", box=None, header_style="bold")
    for hit in hits:
        told = (str(hit.fields.get(name, "")) for name in ("title", *names[:SHOWN]))
        table.add_row(str(hit.rank), f"{hit.score:.3f}", *map(_plain, told), hit.key)
    wide_console().print(table)


def _plain(text: str) -> str:
    """Text that rich takes for no markup, and a terminal for no command."""
    from rich.markup import escape

    from rushes.stages.inventory import printable

    return escape(printable(text))
