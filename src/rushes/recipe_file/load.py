"""From a YAML file to a `Recipe`; a wrong one is refused with all its faults at once."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rushes.recipe import Recipe
from rushes.recipe.sections import PLACES
from rushes.recipe_file.document import Document, line_of, read_tree, refuse, written_in
from rushes.recipe_file.words import Place, either, short, wrong

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
        folder: where a relative path in it begins: that of the shell, unless a file asks.
        typed: the value as YAML, where it was typed.
    """

    key: str
    value: Any
    origin: str
    folder: Path = Path()
    typed: str = ""


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
    return recipe_of(read_tree(Path(path)), overrides, tasks)


def recipe_of(document: Document, overrides: Sequence[str], tasks: Schemas) -> Recipe:
    """See `load_recipe`; of a document that need not be a file yet."""
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
    recipe, faults = _check(document, overrides, tasks)
    return recipe, [_told(fault, faults, document, overrides, tasks) for fault in faults]


def validate(
    schema: type[Model], document: Document, tree: Mapping[str, Any]
) -> tuple[Model | None, list[str]]:
    """``tree`` as a ``schema``, or every fault of it as ``file:line: place: what, and the near name``.

    Args:
        schema: what it must be.
        document: where ``tree`` comes from.
        tree: its values.
    """
    found, faults = _fitted(schema, document.written, tree)
    return found, [f"{document.where(fault.place)}: {fault.text(document.what)}" for fault in faults]


KNOWN = 50
"""Names that `near` tells of those that there are."""


def near(name: str, known: Iterable[str]) -> str:
    """What somebody who wrote ``name`` may have meant.

    >>> near("tran", ["train", "evaluate"])
    'did you mean train?'
    >>> near("x", ["train", "evaluate"])
    'known are train, evaluate'
    """
    known = list(known)
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    more = f" and {len(known) - KNOWN:,} more" if len(known) > KNOWN else ""
    return f"did you mean {found[0]}?" if found else f"known are {', '.join(known[:KNOWN]) or 'none'}{more}"


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
            overrides.append(Override(key, _value(value), f"--set {text}", typed=value))
        except (ValueError, yaml.YAMLError) as error:
            problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
            faults.append(f"--set {text}: {problem}")
    return overrides, faults


def _value(text: str) -> Any:
    """What ``text`` is in YAML; but words are taken whole, where a file would begin a comment at `` #``."""
    value = yaml.safe_load(text)
    return text.strip() if isinstance(value, str) and text.lstrip()[0] not in "'\"|>&!" else value


def _override(tree: dict[str, Any], overrides: Sequence[Override]) -> list[Fault]:
    """Write overrides into ``tree``; returns what was wrong with them."""
    faults = []
    for override in overrides:
        try:
            put(tree, override.key.split("."), copy.deepcopy(override.value))
        except ValueError as error:
            faults.append(Fault((), str(error), override.origin))
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


class Fault(NamedTuple):
    """What is wrong with a recipe.

    Attributes:
        place: keys and numbers down to the value; none where it is the whole.
        what: is wrong there.
        origin: who asked for it, where that is known.
    """

    place: tuple[str | int, ...]
    what: str
    origin: str = ""

    def text(self, whole: str) -> str:
        """Place and fault; ``whole`` is what the file is."""
        return f"{'.'.join(map(str, self.place)) or whole}: {self.what}"


def _check(
    document: Document, overrides: Sequence[Override], tasks: Schemas
) -> tuple[Recipe | None, list[Fault]]:
    """The recipe of a document with overrides, or its faults."""
    tree = copy.deepcopy(document.tree)
    faults = _override(tree, overrides)
    if {"campaign", "phases"} <= tree.keys():
        what = "this is the manifest of a campaign, no recipe: type `rushes campaign run` with it"
        return None, [Fault((), what)]
    named = tree.get("task", next(iter(tasks)))
    if not isinstance(named, str) or named not in tasks:
        return None, [*faults, Fault(("task",), f"no task {short(named)}; {near(str(named), tasks)}")]
    _anchor(tree, document.path.parent, overrides)
    recipe, more = _fitted(tasks[named].recipe, partial(_written, document, overrides), tree)
    faults += more
    if recipe is not None and not faults:
        faults = [Fault(_parts(key), what) for key, what in tasks[named].faults(recipe)]
    return (None if faults else recipe), faults


def _fitted(
    schema: type[Model], written: Callable[[tuple[str | int, ...]], str | None], tree: Mapping[str, Any]
) -> tuple[Model | None, list[Fault]]:
    try:
        return schema.model_validate(tree), []
    except ValidationError as error:
        details = [detail for detail in error.errors(include_url=False) if not _is_echo(detail)]
    wrongs: dict[tuple[str | int, ...], list[str]] = {}
    for detail in details:
        place = _place(detail, tree)
        wrongs.setdefault(place, []).append(wrong(detail, schema, place, written(place)))
    return None, [Fault(place, what) for place, whats in wrongs.items() for what in either(whats)]


def _written(document: Document, overrides: Sequence[Override], place: tuple[str | int, ...]) -> str | None:
    """A plain value as it was typed, in the last override that has it or else in the file."""
    for override in reversed(overrides):
        parts = _parts(override.key)
        if place[: len(parts)] == parts:
            return written_in(yaml.compose(override.typed), place[len(parts) :])
    return document.written(place)


def _place(detail: ErrorDetails, tree: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Keys and numbers down to a value, without the names that the library gives to branches of a choice."""
    place: list[str | int] = []
    node: Any = tree
    for number, part in enumerate(detail["loc"], 1):
        last = number == len(detail["loc"])
        keys = {str(key): key for key in node} if isinstance(node, Mapping) else {}
        if str(part) in keys:
            node = node[keys[str(part)]]
        elif isinstance(node, list | tuple) and isinstance(part, int) and part < len(node):
            node = node[part]
        elif not (last and detail["type"] == "missing"):
            continue
        place.append(part)
    return tuple(place)


def _is_echo(detail: ErrorDetails) -> bool:
    """Whether a list is called too short only because its items have faults of their own."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _parts(key: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdecimal() else part for part in key.split("."))


def _anchor(tree: dict[str, Any], folder: Path, overrides: Sequence[Override]) -> None:
    """Let relative places begin at the folder of whoever wrote them, so that a recipe can be read from anywhere."""
    for keys in PLACES:
        section = tree.get(keys[0])
        value = section.get(keys[1]) if isinstance(section, dict) else None
        if isinstance(section, dict) and isinstance(value, str) and "://" not in value:
            writers = [one.folder for one in overrides if _parts(one.key) in (keys, keys[:1])]
            section[keys[1]] = str([folder, *writers][-1] / Path(value).expanduser())


def _told(
    fault: Fault, faults: Sequence[Fault], document: Document, overrides: Sequence[Override], tasks: Schemas
) -> str:
    """A fault behind the override that caused it, or behind its line where none did."""
    where = fault.origin or _writer(fault.place, document, overrides)
    if not where:
        others = set(faults) - {fault}
        guilty = [
            one.origin
            for number, one in enumerate(overrides)
            if set(_check(document, [*overrides[:number], *overrides[number + 1 :]], tasks)[1]) <= others
        ]
        where = ", ".join(dict.fromkeys(guilty)) or document.where(fault.place)
    return f"{where}: {fault.what if fault.origin else fault.text(document.what)}"


def _writer(place: Place, document: Document, overrides: Sequence[Override]) -> str:
    """The override that wrote ``place``, or that began it where the file has none."""
    _, depth = line_of(document.root, place)
    for override in sorted(overrides, key=lambda one: one.key.count("."), reverse=True):
        keys = _parts(override.key)
        wrote, began = place[: len(keys)] == keys, keys[: len(place)] == place and depth < len(place)
        if wrote or began:
            return override.origin
    return ""
