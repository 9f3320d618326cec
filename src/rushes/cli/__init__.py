"""The verbs.

    rushes run RECIPE
    rushes campaign run MANIFEST

Every verb takes a recipe, or a manifest of many runs. Progress goes to standard error, results to standard
output. A verb imports what it needs when it is asked for, so that ``rushes --help`` is instant.
"""

from __future__ import annotations

from rushes.cli import campaign, runs
from rushes.cli.app import app

__all__ = ["app", "campaign", "main", "runs"]


def main() -> None:
    """Entry point of the ``rushes`` command."""
    app(prog_name="rushes")
