"""A recipe that a task proposes for a folder, each assumed line with its reason; and as a file that people read."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import yaml

from rushes.stages.inventory import printable

WIDTH = 118


class Line(NamedTuple):
    """A key of a recipe.

    Attributes:
        key: dotted: ``preprocessing.clip_s``.
        value: plain data.
        why: the reason, where the folder does not say it; empty where it does.
    """

    key: str
    value: Any
    why: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a task would make of a folder.

    Attributes:
        fits: how much of what is there the task takes, 0 to 1.
        because: why it is this task, in a few words.
        lines: of the recipe behind ``task`` and ``name``, ``source.kind`` first.
        doubts: what somebody should look at, one sentence each.
        kind: of recording that the task takes.
    """

    fits: float
    because: str
    lines: tuple[Line, ...]
    doubts: tuple[str, ...] = ()
    kind: Literal["video", "sound", "picture"] = "video"


def recipe_text(head: Sequence[str], lines: Sequence[Line]) -> str:
    """A recipe as YAML, with the reasons as comments above their lines.

    >>> print(recipe_text(["Seven videos."], [Line("task", "lamps"), Line("train.steps", 9, "they are few")]), end="")
    # Seven videos.
    task: lamps
    <BLANKLINE>
    train:
      # they are few
      steps: 9

    Args:
        head: of the file, one comment each.
        lines: all of it; those of a section come together where it is named first.
    """
    rows = [row for text in head for row in _comment(text, "")]
    for key, part in _nested(lines, lambda line: line).items():
        if rows and not isinstance(part, Line):
            rows.append("")
        rows += _written(key, part, "")
    return "\n".join(rows) + "\n"


def tree_of(lines: Sequence[Line]) -> dict[str, Any]:
    """What `recipe_text` says, as plain values."""
    return _nested(lines, lambda line: line.value)


def _nested(lines: Sequence[Line], leaf: Callable[[Line], Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for line in lines:
        *sections, key = line.key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[key] = leaf(line)
    return tree


def _written(key: str, part: Line | Mapping[str, Any], indent: str) -> Iterator[str]:
    """A line with its reason, or a section with all that is in it."""
    if isinstance(part, Line):
        yield from _comment(part.why, indent)
        yield from _pair(key, part.value, indent)
        return
    yield f"{indent}{key}:"
    for name, inner in part.items():
        yield from _written(name, inner, f"{indent}  ")


def _comment(text: str, indent: str) -> Iterator[str]:
    """A text as comments; names of files in it may hold whatever."""
    if text:
        yield from textwrap.wrap(
            printable(text),
            WIDTH,
            initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}# ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _pair(key: str, value: Any, indent: str) -> list[str]:
    """A key with its value in one line; a list that is longer has a line for each item."""
    for flow in (None, False):  # None: whatever holds plain values only stands in one line
        pair = yaml.safe_dump(
            {key: value},
            default_flow_style=flow if isinstance(value, list | dict) else False,
            sort_keys=False,
            allow_unicode=True,
            width=math.inf,
        )
        rows = [f"{indent}{row}" for row in pair.splitlines()]
        if max(map(len, rows)) <= WIDTH:
            break
    return rows


def assumed(lines: Sequence[Line]) -> list[Mapping[str, Any]]:
    """The lines that have a reason, as ``--json`` prints them."""
    return [{"key": line.key, "value": line.value, "why": line.why} for line in lines if line.why]
