"""What the verbs share: their arguments, and how they end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from rushes.errors import REFUSALS, RushesError

if TYPE_CHECKING:
    from rich.console import Console

    from rushes.engine import Engine
    from rushes.engine import EngineKind as Kind

WORKSPACE = "workspace"
FAULTY = 4  # exit code of a look at recordings in which something does not hold
PIPED_WIDTH = 140  # of tables where there is no terminal whose width they could take

RecipePath = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="YAML file that says everything about the job.")
]
Workspace = Annotated[str, typer.Option(help="Folder of all stages of all runs, or s3://bucket/prefix.")]
Cache = Annotated[
    Path | None, typer.Option(help="Folder of copies of a remote workspace; ~/.cache/rushes without it.")
]
CacheGb = Annotated[
    float | None,
    typer.Option(min=0.0, help="Room for shards among these copies, in GB; no bound without it."),
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


def cache_bytes(cache_gb: float | None) -> int | None:
    """``--cache-gb`` in bytes."""
    return None if cache_gb is None else round(cache_gb * 1e9)


def wide_console() -> Console:
    """Standard output, with tables as wide as its terminal, or as `PIPED_WIDTH` where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def engine_of(kind: str, address: str | None) -> Engine:
    """The engine that the options name; it refuses a kind that there is not."""
    from rushes.engine import Engine

    return Engine(cast("Kind", kind), address)


def failing_well(verb: Callable[..., None]) -> Callable[..., None]:
    """End with the error's text and exit code where a user can cure it, with a traceback where not."""

    @wraps(verb)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            verb(*args, **kwargs)
        except RushesError as error:
            typer.echo(f"{type(error).__name__}: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if error.errno is None or error.errno not in REFUSALS:
                raise
            where = error.filename2 or error.filename  # of a file that is renamed its new name
            refused = RushesError(
                f"the machine refuses: {error.strerror}", where=where, cure=REFUSALS[error.errno]
            )
            typer.echo(f"{type(error).__name__}: {refused}", err=True)
            raise typer.Exit(refused.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("interrupted; the same command resumes", err=True)
            raise typer.Exit(130) from None

    return guarded
