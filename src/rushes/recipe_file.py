"""From a YAML file to a `Recipe`; a wrong one is refused with all its faults at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rushes.errors import RecipeError
from rushes.recipe import RECIPES, Recipe

MAX_RECIPE_BYTES = 100_000
MAX_FAULTS = 50
MAX_DEPTH = 20

Keys = tuple[str, ...]


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe.

    Args:
        path: the YAML file.
        overrides: ``section.key=value`` texts, values in YAML, applied in order; ``list.0.key=value`` reaches
            into a list that the file spells out.

    Raises:
        RecipeError: with every fault, its line (or the override it stands in), and the near name for a
            misspelt key.
    """
    path = Path(path)
    tree, root = _parse(_read(path), path)
    faults = [f"{path.name}:{line}: {fault}" for line, fault in _repeated(root)]
    faults += _override(tree, overrides)
    asked = {tuple(text.partition("=")[0].split(".")): text for text in overrides}
    task = tree.get("task", "operations")
    if not isinstance(task, str) or task not in RECIPES:
        near = difflib.get_close_matches(str(task), RECIPES, n=1, cutoff=0.5)
        known = f"did you mean {near[0]}?" if near else f"known are {', '.join(RECIPES)}"
        where = _where(["task"], root, path.name, asked)
        raise RecipeError.of([*faults, f"{where}: task: no task {_short(task)}; {known}"], path)
    schema = RECIPES[task]
    try:
        recipe = schema.model_validate(tree)
    except ValidationError as error:
        details = (detail for detail in error.errors(include_url=False) if not _is_echo(detail))
        faults += [_fault(detail, schema, root, path.name, asked) for detail in details]
    if faults:
        if len(faults) > MAX_FAULTS:
            faults = [*faults[:MAX_FAULTS], f"and {len(faults) - MAX_FAULTS} more"]
        raise RecipeError.of(faults, path)
    return recipe


# --- YAML -------------------------------------------------------------------------------------------------


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECIPE_BYTES + 1)
        if len(data) > MAX_RECIPE_BYTES:
            raise RecipeError.of([f"a recipe is at most {MAX_RECIPE_BYTES} bytes long"], path)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise RecipeError.of([f"cannot be read: {error.strerror}"], path) from None
    except UnicodeDecodeError as error:
        raise RecipeError.of([f"not a text in UTF-8: {error.reason} at byte {error.start}"], path) from None


def _parse(text: str, path: Path) -> tuple[dict[str, Any], yaml.Node]:
    """Plain values, and the nodes that know their lines."""
    try:
        _refuse_traps(text, path)
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            tree = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"{path.name}:{error.problem_mark.line + 1}: "
        raise RecipeError.of([f"{line}not YAML: {error.problem or error.context}"], path) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that cannot be
        raise RecipeError.of([f"not YAML: {str(error).splitlines()[0]}"], path) from None
    if not isinstance(tree, dict):
        found = "an empty file" if tree is None else type(tree).__name__
        raise RecipeError.of([f"expected keys such as task and source, found {found}"], path)
    return tree, root


def _refuse_traps(text: str, path: Path) -> None:
    """Refuse, before anything is built of it, what a small file can grow without bound with."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        fault = None
        if isinstance(event, yaml.AliasEvent):
            fault = f"*{event.anchor}: write the value out, a recipe has no aliases"
        elif depth > MAX_DEPTH:
            fault = f"nested more than {MAX_DEPTH} deep"
        if fault is not None:
            raise RecipeError.of([f"{path.name}:{event.start_mark.line + 1}: {fault}"], path)


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


def _override(tree: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Write ``a.b=c`` texts into ``tree``; returns what was wrong with them."""
    faults = []
    for text in overrides:
        place, equals, value = text.partition("=")
        keys = place.split(".")
        if not equals or not all(keys):
            faults.append(f"--set {text}: write it as section.key=value")
            continue
        try:
            _put(tree, keys, yaml.safe_load(value))
        except (ValueError, yaml.YAMLError) as error:
            problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
            faults.append(f"--set {text}: {problem}")
    return faults


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Set a nested value; sections that the file leaves out are begun."""
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
    detail: ErrorDetails, schema: type[Recipe], root: yaml.Node, name: str, asked: Mapping[Keys, str]
) -> str:
    """One pydantic error as ``file:line: place: what, and the near name``."""
    # Pydantic adds "[key]" for a key, and recipe/ marks the branches of a union with "<...>".
    place = [part for part in detail["loc"] if not str(part).startswith(("[", "<"))]
    where, what = _where(place, root, name, asked), _what(detail, schema, place)
    return f"{where}: {'.'.join(map(str, place)) or 'recipe'}: {what}"


def _is_echo(detail: ErrorDetails) -> bool:
    """Whether a list is called too short only because its items have faults of their own."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _where(place: Sequence[str | int], root: yaml.Node, name: str, asked: Mapping[Keys, str]) -> str:
    """The override that wrote ``place``, or that began it where the file has none; else its line."""
    keys = tuple(map(str, place))
    line, depth = _line(root, place)
    for override in sorted(asked, key=len, reverse=True):
        wrote, began = keys[: len(override)] == override, override[: len(keys)] == keys and depth < len(keys)
        if wrote or began:
            return f"--set {asked[override]}"
    return f"{name}:{line}"


def _what(detail: ErrorDetails, schema: type[Recipe], place: Sequence[str | int]) -> str:
    kind, found = detail["type"], detail.get("input")
    if kind in ("extra_forbidden", "invalid_key"):
        known = _siblings(schema, place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        return "unknown key; " + (f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}")
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


def _siblings(schema: type[Recipe], place: Sequence[str | int]) -> list[str]:
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
