"""What is wrong with a value, in the words of people who write recipes, with an example of what to write.

The library that checks the schema speaks of tuples, dictionaries and valid strings; a recipe has lists, keys
and texts. Every type of error that a schema of rushes can give has its words here.
"""

from __future__ import annotations

import difflib
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, MinLen, MultipleOf
from pydantic import BaseModel, Tag
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Place = Sequence[str | int]

NEAR = 0.7
"""How much alike two keys are, 0 to 1, of which one may be meant for the other."""

ANYTHING = "..."
"""Example of what has no type of its own."""

NAMES: Mapping[str, str] = {
    r"^[A-Za-z0-9_-]+$": "letters, digits, _ and - only, such as my-first-run",
    r"^[A-Za-z0-9][A-Za-z0-9_-]*$": "a letter or digit, then letters, digits, _ and - only, such as crnn-2",
    r"^[A-Za-z_]\w*(\.\w+)*$": "keys of a recipe with dots between them, such as train.epochs",
    r"^[A-Za-z0-9]": "the name of a run, a group or a gate, such as crnn-2",
}
"""Patterns of texts, in words."""


def wrong(detail: ErrorDetails, schema: type[BaseModel], place: Place, written: str | None) -> str:
    """What is wrong with a value.

    Args:
        detail: as the schema tells it.
        schema: what the file must be.
        place: of the value.
        written: as it stands in the file, where it is a plain one there.
    """
    kind, found, said = detail["type"], detail.get("input"), detail.get("ctx", {})
    branch = detail["loc"]  # the place, with the tags of the branches of a choice in it
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown_key(str(place[-1]), siblings(schema, branch[:-1]))
    if kind in ("model_type", "model_attributes_type"):
        keys = ", ".join(siblings(schema, branch)[:4])
        return f"expected keys such as {keys}, found {'nothing' if found is None else short(found)}"
    if kind == "missing":
        return f"missing; write one{_such_as(schema, branch)}"
    if kind == "union_tag_invalid":
        found = said["tag"]
    if kind in _WORDS:
        what = _WORDS[kind](said) + (_such_as(schema, branch) if kind in _WITH_EXAMPLE else "")
        return f"expected {what}, found {_found(kind, found, written)}"
    message = detail["msg"].removeprefix("Value error, ")
    return message if kind == "value_error" else f"{message}, found {short(found)}"


def either(wrongs: Sequence[str]) -> list[str]:
    """Faults of one value, those of the branches of a choice as one.

    >>> either(["expected 'balanced', found 3", "expected a list such as [0.5], found 3", "two, found one"])
    ["expected 'balanced' or a list such as [0.5], found 3", 'two, found one']
    """
    found: dict[str, list[str]] = {}
    for one in wrongs:
        what, _, tail = one.partition(", found ")
        key, part = (tail, what) if what.startswith("expected ") else (one, one)
        found.setdefault(key, []).append(part)
    return [
        whats[0]
        if tail == whats[0]
        else f"expected {' or '.join(dict.fromkeys(what.removeprefix('expected ') for what in whats))}, found {tail}"
        for tail, whats in found.items()
    ]


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": lambda said: "a text",
    "string_too_short": lambda said: f"a text of {_count(said['min_length'], 'character')} or more",
    "string_too_long": lambda said: f"a text of at most {_count(said['max_length'], 'character')}",
    "string_pattern_mismatch": lambda said: NAMES.get(said["pattern"], f"a text like {said['pattern']}"),
    "int_type": lambda said: "a whole number",
    "int_parsing": lambda said: "a whole number",
    "int_parsing_size": lambda said: "a whole number of fewer digits",
    "int_from_float": lambda said: "a whole number",
    "float_type": lambda said: "a number",
    "float_parsing": lambda said: "a number",
    "finite_number": lambda said: "a finite number",
    "bool_type": lambda said: "true or false",
    "bool_parsing": lambda said: "true or false",
    "literal_error": lambda said: said["expected"],
    "enum": lambda said: said["expected"],
    "union_tag_invalid": lambda said: said["expected_tags"],
    "list_type": lambda said: "a list",
    "tuple_type": lambda said: "a list",
    "dict_type": lambda said: "keys with values",
    "too_short": lambda said: f"a list of {_count(said['min_length'], 'item')} or more",
    "too_long": lambda said: f"a list of at most {_count(said['max_length'], 'item')}",
    "greater_than": lambda said: f"more than {said['gt']:g}",
    "greater_than_equal": lambda said: f"{said['ge']:g} or more",
    "less_than": lambda said: f"less than {said['lt']:g}",
    "less_than_equal": lambda said: f"{said['le']:g} or less",
    "multiple_of": lambda said: f"a multiple of {said['multiple_of']:g}",
}
_WITH_EXAMPLE = frozenset(
    {
        *("int_type", "int_parsing", "int_from_float", "float_type", "float_parsing", "finite_number"),
        *("list_type", "tuple_type", "dict_type", "too_short"),
    }
)


def _unknown_key(name: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(name, known, n=1, cutoff=NEAR)
    return "unknown key; " + (f"did you mean {found[0]}?" if found else f"known here: {', '.join(known)}")


def _found(kind: str, found: Any, written: str | None) -> str:
    """A value as it was read; where YAML made something else of a text, as it was written, and what to do."""
    if kind == "string_type" and isinstance(found, bool | int | float | date):
        text = str(found) if written is None else written
        read = str(found).lower() if isinstance(found, bool) else f"a {type(found).__name__}"
        read = {"a int": "a whole number", "a float": "a number"}.get(read, read)
        return f'{text}, which YAML reads as {read}: quote it, "{text}"'
    return "nothing" if found is None else short(found)


def short(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, Mapping):
        return f"{_count(len(value), 'key')} with values" if value else "no keys"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# --- the schema -------------------------------------------------------------------------------------------


def siblings(schema: type[BaseModel], place: Place) -> list[str]:
    """Keys that the section at ``place`` knows, its own before those that it shares with other tasks."""
    section: Any = schema
    annotation: Any = None
    for part in place:
        annotation, _ = _inside(section if annotation is None else annotation, part)
        section = next(iter(_models(annotation)), section)
    named_by = [inspect.get_annotations(base) for base in section.__mro__]
    depth = {
        name: next(d for d, names in enumerate(named_by) if name in names) for name in section.model_fields
    }
    return sorted(section.model_fields, key=depth.__getitem__)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Schemas anywhere inside a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _such_as(schema: type[BaseModel], place: Place) -> str:
    """What may stand at a place, as it would be written; nothing where anything may."""
    annotation: Any = schema
    marks: Sequence[Any] = ()
    for part in place:
        annotation, marks = _inside(annotation, part)
    found = example(annotation, marks)
    return "" if ANYTHING in found else f" such as {found}"


def _inside(annotation: Any, part: str | int) -> tuple[Any, Sequence[Any]]:
    """Type, and its bounds, of the item, the key or the branch ``part`` of a value of a type."""
    if part in (branches := _branches(annotation)):
        return branches[part], ()
    for model in _models(annotation) if isinstance(part, str) else ():
        if part in model.model_fields:
            field: FieldInfo = model.model_fields[part]
            return field.annotation, field.metadata
    inner = [one for one in get_args(_bare(annotation)) if one is not Ellipsis]
    if not inner:
        return annotation, ()
    item = inner[min(part, len(inner) - 1) if isinstance(part, int) else -1]
    return item, _marks(item)


def _branches(annotation: Any) -> dict[str | int, Any]:
    """The types of a choice by their tags; none of what is no choice, or one without tags."""
    return {mark.tag: one for one in get_args(annotation) for mark in _marks(one) if isinstance(mark, Tag)}


def _marks(annotation: Any) -> list[Any]:
    """Bounds that a type is marked with."""
    found = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return [mark for one in found for mark in (one.metadata if isinstance(one, FieldInfo) else [one])]


def _bare(annotation: Any) -> Any:
    """A type without its marks; of several possible ones the list or mapping, else the first."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        found = [_bare(one) for one in get_args(annotation) if one is not type(None)]
        return next((one for one in found if get_origin(one) in (tuple, list, dict)), found[0])
    return annotation


def example(annotation: Any, marks: Sequence[Any] = ()) -> str:
    """A value of a type, as it would be written in a recipe.

    >>> example(int, [Ge(28), MultipleOf(28)]), example(dict[Literal["train"], tuple[str, ...]])
    ('28', '{train: [name]}')
    """
    if get_origin(annotation) is Annotated:
        return example(get_args(annotation)[0], _marks(annotation))
    bare = _bare(annotation)
    origin, inner = get_origin(bare), get_args(bare)
    if origin is Literal:
        return str(inner[0])
    if origin in (tuple, list):
        least = max((mark.min_length for mark in marks if isinstance(mark, MinLen)), default=1)
        items = [example(one) for one in inner if one is not Ellipsis]
        return f"[{', '.join(items if len(items) > 1 else items * least)}]"
    if origin is dict:
        return f"{{{example(inner[0])}: {example(inner[1])}}}"
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        name, field = next(iter(bare.model_fields.items()))
        return f"{{{name}: {example(field.annotation, field.metadata)}}}"
    return {bool: "true", str: "name"}.get(bare) or _number(bare, marks)


def _number(kind: Any, marks: Sequence[Any]) -> str:
    """A number within bounds, near the least one."""
    bounds: dict[type, Any] = {type(mark): mark for mark in marks}
    least = bounds[Ge].ge if Ge in bounds else None
    above = bounds[Gt].gt if Gt in bounds else None
    step = bounds[MultipleOf].multiple_of if MultipleOf in bounds else 1
    if kind is float:
        return f"{least or 0.5:g}" if above is None else f"{above + 0.5:g}"
    if kind is int:
        return str(max(least or 1, step))
    return ANYTHING
