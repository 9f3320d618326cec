"""From a YAML file to a `Recipe`; a wrong one is refused with all its faults at once."""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rushes.recipe import Recipe
from rushes.recipe_file.document import Document, line_of, read_tree, refuse

Keys = tuple[str, ...]
Model = TypeVar("Model", bound=BaseModel)


class Schema(Protocol):
    """What must be known of a task to read a recipe of it."""

    @property
    def recipe(self) -> type[Recipe]:
        """What can be asked for."""
        ...

    def faults(self, recipe: Any) -> Iterable[tuple[str, str]]:
        """What a schema cannot see of a recipe that fits it: dotted keys, and what is wrong there."""
        ...


Schemas = Mapping[str, Schema]
"""Name of each task -> how its recipes look."""


@dataclass(frozen=True, slots=True)
class Override:
    """A value in place of a file's own.

    Attributes:
        key: dotted, e.g. ``train.seed``; ``phases.0.steps`` reaches into a list that the file spells out.
        value: plain data.
        origin: where it was asked for, as faults name it, e.g. ``--set train.seed=3``.
    """

    key: str
    value: Any
    origin: str


def load_recipe(path: Path, overrides: Sequence[str], tasks: Schemas) -> Recipe:
    """Read, override and check a recipe.

    Args:
        path: the YAML file.
        overrides: ``section.key=value`` texts, values in YAML, applied in order; ``list.0.key=value`` reaches
            into a list that the file spells out.
        tasks: that a recipe may name; each is asked about a recipe that has no other fault.

    Raises:
        RecipeError: with every fault, its line (or the override it stands in), and the near name for a
            misspelt key.
    """
    document = read_tree(Path(path))
    asked, faults = _parse_overrides(overrides)
    recipe, more = resolve(document, asked, tasks)
    refuse([*document.repeated(), *faults, *more], document)
    assert recipe is not None
    return recipe


def resolve(
    document: Document, overrides: Sequence[Override], tasks: Schemas
) -> tuple[Recipe | None, list[str]]:
    """The recipe of a document with overrides, applied in order; and all its faults.

    The document stays as it is. There is a recipe where there are no faults.

    Args:
        document: the file.
        overrides: of its keys.
        tasks: that a recipe may name; each is asked about a recipe that has no other fault.
    """
    tree = copy.deepcopy(document.tree)
    faults = _override(tree, overrides)
    asked = {tuple(override.key.split(".")): override.origin for override in overrides}
    if {"campaign", "phases"} <= tree.keys():
        return None, ["this is the manifest of a campaign, no recipe: type `rushes campaign run` with it"]
    named = tree.get("task", next(iter(tasks)))
    if not isinstance(named, str) or named not in tasks:
        where = _where(["task"], document, asked)
        return None, [*faults, f"{where}: task: no task {_short(named)}; {near(str(named), tasks)}"]
    task = tasks[named]
    recipe, more = validate(task.recipe, document, tree, asked)
    faults += more
    if recipe is not None and not faults:
        for key, what in task.faults(recipe):
            place = [int(part) if part.isdecimal() else part for part in key.split(".")]
            faults.append(f"{_where(place, document, asked)}: {key}: {what}")
    return (None if faults else recipe), faults


def validate(
    schema: type[Model], document: Document, tree: Mapping[str, Any], asked: Mapping[Keys, str] | None = None
) -> tuple[Model | None, list[str]]:
    """``tree`` as a ``schema``, or every fault of it as ``file:line: place: what, and the near name``.

    Args:
        schema: what it must be.
        document: where ``tree`` comes from.
        tree: its values, overridden or not.
        asked: origins of overridden keys.
    """
    try:
        return schema.model_validate(tree), []
    except ValidationError as error:
        details = (detail for detail in error.errors(include_url=False) if not _is_echo(detail))
        return None, [_fault(detail, schema, document, asked or {}) for detail in details]


def near(name: str, known: Iterable[str]) -> str:
    """What somebody who wrote ``name`` may have meant.

    >>> near("tran", ["train", "evaluate"])
    'did you mean train?'
    >>> near("x", ["train", "evaluate"])
    'known are train, evaluate'
    """
    known = list(known)
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {found[0]}?" if found else f"known are {', '.join(known) or 'none'}"


# --- overrides --------------------------------------------------------------------------------------------


def _parse_overrides(texts: Sequence[str]) -> tuple[list[Override], list[str]]:
    """``a.b=c`` texts as overrides; and what was wrong with them."""
    overrides, faults = [], []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not all(key.split(".")):
            faults.append(f"--set {text}: write it as section.key=value")
            continue
        if not value.strip():
            faults.append(f"--set {text}: no value; write null where none is meant")
            continue
        try:
            overrides.append(Override(key, _value(value), f"--set {text}"))
        except (ValueError, yaml.YAMLError) as error:
            problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
            faults.append(f"--set {text}: {problem}")
    return overrides, faults


def _value(text: str) -> Any:
    """What ``text`` is in YAML; but words are taken whole, where a file would begin a comment at `` #``."""
    value = yaml.safe_load(text)
    return text.strip() if isinstance(value, str) and text.lstrip()[0] not in "'\"|>&!" else value


def _override(tree: dict[str, Any], overrides: Sequence[Override]) -> list[str]:
    """Write overrides into ``tree``; returns what was wrong with them."""
    faults = []
    for override in overrides:
        try:
            put(tree, override.key.split("."), copy.deepcopy(override.value))
        except ValueError as error:
            faults.append(f"{override.origin}: {error}")
    return faults


def put(tree: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Set a nested value; sections that the file leaves out are begun.

    Raises:
        ValueError: a key reaches into a value that has no keys, or behind the end of a list.
    """
    node: Any = tree
    for depth, key in enumerate(keys):
        here, last = ".".join(keys[:depth]), depth == len(keys) - 1
        at: str | int = key
        if isinstance(node, list):
            if not key.isdecimal() or int(key) >= len(node):
                raise ValueError(f"{here} is a list of {len(node)} in this recipe, found no item {key}")
            at = int(key)
        elif not isinstance(node, dict):
            raise ValueError(f"{here} is {node!r} in this recipe, which has no keys")
        if last:
            node[at] = value
        elif isinstance(node, dict) and node.get(key) is None:
            if keys[depth + 1].isdecimal():
                raise ValueError(
                    f"{'.'.join(keys[: depth + 1])} is not spelt out in this recipe: set all of it"
                )
            node[at] = {}
        node = node[at]


# --- faults -----------------------------------------------------------------------------------------------


def _fault(
    detail: ErrorDetails, schema: type[BaseModel], document: Document, asked: Mapping[Keys, str]
) -> str:
    """One pydantic error as ``file:line: place: what, and the near name``."""
    # Pydantic adds "[key]" for a key, and recipe/ marks the branches of a union with "<...>".
    place = [part for part in detail["loc"] if not str(part).startswith(("[", "<"))]
    where, what = _where(place, document, asked), _what(detail, schema, place)
    return f"{where}: {'.'.join(map(str, place)) or document.what}: {what}"


def _is_echo(detail: ErrorDetails) -> bool:
    """Whether a list is called too short only because its items have faults of their own."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _where(place: Sequence[str | int], document: Document, asked: Mapping[Keys, str]) -> str:
    """The override that wrote ``place``, or that began it where the file has none; else its line."""
    keys = tuple(map(str, place))
    line, depth = line_of(document.root, place)
    for override in sorted(asked, key=len, reverse=True):
        wrote, began = keys[: len(override)] == override, override[: len(keys)] == keys and depth < len(keys)
        if wrote or began:
            return asked[override]
    return f"{document.path.name}:{line}"


def _what(detail: ErrorDetails, schema: type[BaseModel], place: Sequence[str | int]) -> str:
    kind, found = detail["type"], detail.get("input")
    if kind in ("extra_forbidden", "invalid_key"):
        known = _siblings(schema, place[:-1])
        found = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        return "unknown key; " + (f"did you mean {found[0]}?" if found else f"known here: {', '.join(known)}")
    if kind in ("model_type", "model_attributes_type"):
        keys = ", ".join(_siblings(schema, place)[:4])
        return f"expected keys such as {keys}, found {'nothing' if found is None else _short(found)}"
    message = detail["msg"].removeprefix("Value error, ")
    return message if kind == "value_error" else f"{message}, found {_short(found)}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping | list | tuple):
        return f"a {'mapping' if isinstance(value, Mapping) else 'list'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _siblings(schema: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """Keys that the section at ``place`` knows, its own before those that it shares with other tasks."""
    section: Any = schema
    for part in place:
        if isinstance(part, str) and part in section.model_fields:
            section = next(iter(_models(section.model_fields[part].annotation)), section)
    named_by = [inspect.get_annotations(base) for base in section.__mro__]
    depth = {
        name: next(d for d, names in enumerate(named_by) if name in names) for name in section.model_fields
    }
    return sorted(section.model_fields, key=depth.__getitem__)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Pydantic models anywhere inside a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
