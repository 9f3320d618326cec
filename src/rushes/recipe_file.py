"""From a YAML file to a `Recipe`; a wrong one is refused with all its faults at once."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rushes.errors import RecipeError
from rushes.recipe import RECIPES, Recipe

MAX_RECIPE_BYTES = 100_000
MAX_FAULTS = 50
MAX_DEPTH = 20

KEYS = {"recipe": "task and source", "manifest": "campaign, recipe and phases"}
"""First keys of each kind of file."""

Keys = tuple[str, ...]
Check = Callable[[Recipe], Iterable[tuple[str, str]]]
"""What a schema cannot see of a recipe that fits it: dotted keys, and what is wrong there."""
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as it was read.

    Attributes:
        path: the file.
        tree: its plain values.
        root: the node of ``tree``; nodes know their lines.
        what: the file is to its reader: a recipe, say.
    """

    path: Path
    tree: dict[str, Any]
    root: yaml.Node
    what: str = "recipe"

    def where(self, place: Sequence[str | int]) -> str:
        """File and line of the deepest key of ``place`` that the file holds."""
        return f"{self.path.name}:{_line(self.root, place)[0]}"

    def repeated(self) -> list[str]:
        """A fault for each key that stands twice in one mapping."""
        return [f"{self.path.name}:{line}: {fault}" for line, fault in _repeated(self.root)]


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


def load_recipe(path: Path, overrides: Sequence[str] = (), check: Check | None = None) -> Recipe:
    """Read, override and check a recipe.

    Args:
        path: the YAML file.
        overrides: ``section.key=value`` texts, values in YAML, applied in order; ``list.0.key=value`` reaches
            into a list that the file spells out.
        check: asked about a recipe that has no other fault.

    Raises:
        RecipeError: with every fault, its line (or the override it stands in), and the near name for a
            misspelt key.
    """
    document = read_tree(Path(path))
    asked, faults = _parse_overrides(overrides)
    recipe, more = resolve(document, asked, check)
    refuse([*document.repeated(), *faults, *more], document)
    assert recipe is not None
    return recipe


def read_tree(path: Path, what: str = "recipe") -> Document:
    """Read a YAML file; nothing is checked but that it is one, and harmless.

    Raises:
        RecipeError: it cannot be read, is no YAML, or could grow without bound: aliases, size, depth.
    """
    tree, root = _parse(_read(path, what), path, what)
    return Document(path, tree, root, what)


def resolve(
    document: Document, overrides: Sequence[Override] = (), check: Check | None = None
) -> tuple[Recipe | None, list[str]]:
    """The recipe of a document with overrides, applied in order; and all its faults.

    The document stays as it is. There is a recipe where there are no faults.

    Args:
        document: the file.
        overrides: of its keys.
        check: asked about a recipe that has no other fault.
    """
    tree = copy.deepcopy(document.tree)
    faults = _override(tree, overrides)
    asked = {tuple(override.key.split(".")): override.origin for override in overrides}
    task = tree.get("task", "operations")
    if not isinstance(task, str) or task not in RECIPES:
        where = _where(["task"], document, asked)
        return None, [*faults, f"{where}: task: no task {_short(task)}; {near(str(task), RECIPES)}"]
    recipe, more = validate(RECIPES[task], document, tree, asked)
    faults += more
    if recipe is not None and not faults and check is not None:
        for key, what in check(recipe):
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


def refuse(faults: Sequence[str], document: Document) -> None:
    """Raise all faults of a document at once; nothing where there are none.

    Raises:
        RecipeError: there are faults.
    """
    if len(faults) > MAX_FAULTS:
        faults = [*faults[:MAX_FAULTS], f"and {len(faults) - MAX_FAULTS} more"]
    if faults:
        raise RecipeError.of(faults, document.path, document.what)


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


# --- YAML -------------------------------------------------------------------------------------------------


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECIPE_BYTES + 1)
        if len(data) > MAX_RECIPE_BYTES:
            raise RecipeError.of([f"a {what} is at most {MAX_RECIPE_BYTES} bytes long"], path, what)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise RecipeError.of([f"cannot be read: {error.strerror}"], path, what) from None
    except UnicodeDecodeError as error:
        fault = f"not a text in UTF-8: {error.reason} at byte {error.start}"
        raise RecipeError.of([fault], path, what) from None


def _parse(text: str, path: Path, what: str) -> tuple[dict[str, Any], yaml.Node]:
    """Plain values, and the nodes that know their lines."""
    try:
        _refuse_traps(text, path, what)
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            tree = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"{path.name}:{error.problem_mark.line + 1}: "
        raise RecipeError.of([f"{line}not YAML: {error.problem or error.context}"], path, what) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that cannot be
        raise RecipeError.of([f"not YAML: {str(error).splitlines()[0]}"], path, what) from None
    if not isinstance(tree, dict):
        found = "an empty file" if tree is None else type(tree).__name__
        raise RecipeError.of([f"expected keys such as {KEYS[what]}, found {found}"], path, what)
    return tree, root


def _refuse_traps(text: str, path: Path, what: str) -> None:
    """Refuse, before anything is built of it, what a small file can grow without bound with."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        fault = None
        if isinstance(event, yaml.AliasEvent):
            fault = f"*{event.anchor}: write the value out, a {what} has no aliases"
        elif depth > MAX_DEPTH:
            fault = f"nested more than {MAX_DEPTH} deep"
        if fault is not None:
            raise RecipeError.of([f"{path.name}:{event.start_mark.line + 1}: {fault}"], path, what)


def _repeated(node: yaml.Node, place: str = "") -> Iterator[tuple[int, str]]:
    """Line and text for each key that stands twice in one mapping: YAML would let the last one win."""
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeated(item, f"{place}{number}.")
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first:
                yield line, f"{place}{name}: stands here again, first in line {first[name]}"
            first.setdefault(name, line)
            yield from _repeated(value, f"{place}{name}.")


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
            overrides.append(Override(key, yaml.safe_load(value), f"--set {text}"))
        except (ValueError, yaml.YAMLError) as error:
            problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
            faults.append(f"--set {text}: {problem}")
    return overrides, faults


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
    line, depth = _line(document.root, place)
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
        known = ", ".join(_siblings(schema, place)[:4])
        return f"expected keys such as {known}, found {'nothing' if found is None else _short(found)}"
    message = detail["msg"].removeprefix("Value error, ")
    return message if kind == "value_error" else f"{message}, found {_short(found)}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping | list | tuple):
        return f"a {'mapping' if isinstance(value, Mapping) else 'list'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _line(node: yaml.Node, place: Sequence[str | int]) -> tuple[int, int]:
    """Line (from 1) of the deepest key of ``place`` that the file holds, and how deep that is."""
    line, depth = node.start_mark.line + 1, 0
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
        depth += 1
    return line, depth


def _siblings(schema: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """Keys that the section at ``place`` knows."""
    section: Any = schema
    for part in place:
        if isinstance(part, str) and part in section.model_fields:
            section = next(iter(_models(section.model_fields[part].annotation)), section)
    return list(section.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Pydantic models anywhere inside a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
