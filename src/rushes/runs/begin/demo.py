"""The recipe of a task's twin, as it travels with the package, written where somebody works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from rushes.errors import RecipeError
from rushes.runs.task import Task
from rushes.stages.inventory import printable

_OURS = re.compile(r"recipes/[\w-]+\.yaml")
"""How the recipe calls itself in the repository."""


def demo_name(task: Task[Any]) -> str:
    """The file name that a demo has unless another is asked for."""
    return f"{yaml.safe_load(_text(task))['name']}.yaml"


def demo_text(task: Task[Any], out: Path) -> str:
    """The recipe as it is written to ``out``: its first lines say the command that runs it there.

    Raises:
        RecipeError: the task has no demo.
    """
    return _OURS.sub(lambda _: printable(shlex.quote(str(out))), _text(task))


def _text(task: Task[Any]) -> str:
    text = task.demo
    if text is None:
        raise RecipeError(
            f"the task {task.name} brings no demo", cure="write a recipe by the pages of its package"
        )
    return text
