"""The verbs.

    rushes run RECIPE
    rushes campaign run MANIFEST

Every verb takes a recipe, or a manifest of many runs. Progress goes to standard error, results to standard
output. A verb imports what it needs when it is asked for, so that ``rushes --help`` is instant.
"""

from __future__ import annotations

import typer

from rushes.cli import apply, arena, campaign, export, init, label, runs, search, serve
from rushes.cli.app import app
from rushes.tasks import broken_tasks

__all__ = [
    "app",
    "apply",
    "arena",
    "campaign",
    "export",
    "init",
    "label",
    "main",
    "runs",
    "search",
    "serve",
]


def main() -> None:
    """Entry point of the ``rushes`` command; says first which registered tasks it has to do without."""
    for error in broken_tasks().values():
        typer.echo(f"{type(error).__name__}: {error}", err=True)
    app(prog_name="rushes")
