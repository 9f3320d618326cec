"""One JSON object in the free text of a model, found strictly: what contradicts itself is no answer.

Three stages, each only where the one before found no JSON: the whole text (``json``), a fenced block
(``fence``), the first balanced object in prose (``object``). Nothing is repaired.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Literal

from rushes.errors import AnswerError
from rushes.recipe.turns import Slot

MAX_CHARACTERS = 20_000

Stage = Literal["json", "fence", "object", "fields"]
"""What it took to find an answer; ``fields``: each by its name, which is the task's own business."""

Fields = dict[str, Any]

_WORD_BEFORE = re.compile(r"\w[^\S\n]+\Z")

_FENCE = re.compile(r"```[^\S\n]*\w*[^\S\n]*\n(.*?)```", re.DOTALL)


def failure(message: str, where: str | None = None) -> AnswerError:
    """An answer that cannot be read; texts of models are cut short before they get into a message."""
    return AnswerError(message[:200], where=where)


def find_object(text: str, asked: Collection[str]) -> tuple[Stage, Fields] | None:
    """The fields of the one object in ``text`` and the stage that found it; None where there is no JSON.

    Args:
        text: everything the model said.
        asked: names of fields by which an object is known to be an answer.

    Raises:
        AnswerError: the text is too long, what was found is no object or has a key twice, or there are two
            different answers.

    >>> find_object('Sure! {"yaw_deg": -3} It turns right.', {"yaw_deg"})
    ('object', {'yaw_deg': -3})
    """
    if len(text) > MAX_CHARACTERS:
        raise failure(f"an answer of {len(text)} characters, at most {MAX_CHARACTERS} are read")
    whole = _decode(text.strip())
    if whole is not None:
        return "json", as_object(whole)
    fenced = [value for block in _FENCE.findall(text) if (value := _decode(block.strip())) is not None]
    if fenced:
        return "fence", _one(fenced, asked)
    decoded = (_decode(text[start:end]) for start, end in _balanced(text))
    # Prose has brackets of its own: a list counts if it holds objects.
    objects = [value for value in decoded if isinstance(value, tuple) or _holds_objects(value)]
    return ("object", _one(objects, asked)) if objects else None


def field_pattern(names: str) -> re.Pattern[str]:
    """The pattern of one field for `fields_by_name`: ``name: value``, or ``"name" = value``.

    Args:
        names: the names, as alternatives of a regular expression without groups.
    """
    return re.compile(
        rf"(?<![\w.])[\"']?({names})[\"']?\s*[:=]\s*"
        r"(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s,;{}\"'][^,;{}\"'\n]*+)([,'\"]\d)?)",
        re.IGNORECASE,
    )


def fields_by_name(
    text: str, pattern: re.Pattern[str], name_of: Callable[[str], str], value_of: Callable[[str], Any]
) -> Fields:
    """Each field by its name; each must stand once.

    Args:
        text: everything the model said.
        pattern: of a field, see `field_pattern`.
        name_of: the field that a name in small letters means.
        value_of: what a value outside of quotes means; one in quotes is that text.

    Raises:
        AnswerError: there is no field, two different answers to one, half of a number, or a word before a name, which
            may turn its sense ("previous operation: ...").

    >>> fields_by_name("Start: 3", field_pattern("start|end"), str, int)
    {'start': 3}
    """
    fields: Fields = {}
    for match in pattern.finditer(text):
        name = name_of(match[1].lower())
        if before := _WORD_BEFORE.search(text, max(0, match.start() - 40), match.start()):
            raise failure(f"a field with a word before its name: {before[0].strip()} {match[1]}", name)
        if match[5] is not None:  # 8,5 and 1'200 are written in too many ways to be read as one
            raise failure(f"a number with a comma or a quote in it: {match[4]}{match[5]}", name)
        quoted = match[2] if match[2] is not None else match[3]
        value = quoted if quoted is not None else value_of(match[4].strip())
        if name in fields and fields[name] != value:
            raise failure("two different answers", name)
        fields[name] = value
    if not fields:
        raise failure("no answer in the text")
    return fields


def as_object(value: Any) -> Fields:
    """An object as a mapping.

    Raises:
        AnswerError: it is something else, or a key stands twice.
    """
    if not isinstance(value, tuple):
        raise failure(f"expected one JSON object, found a {type(value).__name__}")
    fields: Fields = {}
    for key, part in value:
        if key in fields:
            raise failure("a key stands twice", key)
        fields[key] = part
    return fields


def as_number(value: Any, name: str) -> float:
    """A finite number of sensible size, and no text, truth value or nothing.

    Raises:
        AnswerError: it is none.
    """
    if type(value) not in (int, float) or not abs(value) <= 1e9:  # which NaN is not either
        raise failure(f"expected a number, found {value!r}", name)
    return float(value)


def as_choice(value: Any, choices: Sequence[str], name: str) -> str:
    """The one of ``choices`` that ``value`` is, but for case and spaces.

    Raises:
        AnswerError: it is none of them.

    >>> as_choice(" tape ", ("Label", "Tape"), "operation")
    'Tape'
    """
    if isinstance(value, str):
        wanted = _plain(value)
        for choice in choices:
            if _plain(choice) == wanted:
                return choice
    raise failure(f"not a label: {value!r}", name)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def read_slots(text: str, slots: Sequence[Slot]) -> tuple[tuple[str, ...], Stage]:
    """The values of an answer that is one JSON object, in the order of its slots, and what it took to find them.

    Args:
        text: everything the model said.
        slots: names, with the choices of each.

    Raises:
        AnswerError: there is no answer, more than one, or one with other keys or values.

    >>> slots = (Slot("operation", "", ("Tape", "Label")), Slot("next", "", ("Tape", "Label")))
    >>> read_slots('Sure! {"operation": "Tape", "next": "Label"}', slots)
    (('Tape', 'Label'), 'object')
    """
    names = [slot.name for slot in slots]
    pattern = field_pattern("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    stage, fields = find_object(text, names) or ("fields", fields_by_name(text, pattern, str, str))
    require_keys(fields, names)
    return tuple(as_choice(fields[slot.name], slot.choices, slot.name) for slot in slots), stage


def require_keys(fields: Fields, needed: Collection[str], optional: Collection[str] = ()) -> None:
    """See to it that an answer has what it needs, and nothing that nobody asked for.

    Raises:
        AnswerError: it does not.
    """
    if absent := sorted(set(needed) - fields.keys()):
        raise failure(f"the answer lacks {', '.join(absent)}", absent[0])
    if strange := sorted(fields.keys() - set(needed) - set(optional)):
        raise failure(f"the answer has keys that nobody asked for: {', '.join(strange)}", strange[0])


def _decode(text: str) -> Any:
    """JSON with objects as tuples of pairs, so that a key that stands twice is seen; None if it is not JSON.

    ``null`` is None too: it says as little.
    """
    try:
        return json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None


def _holds_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(part, tuple | list) for part in value)


def _one(values: list[Any], asked: Collection[str]) -> Fields:
    """The first of several objects, if no other one answers differently."""
    first = as_object(values[0])
    for value in values[1:]:
        if value != values[0] and set(asked) & as_object(value).keys():
            raise failure("two different answers")
    return first


def _balanced(text: str) -> Iterator[tuple[int, int]]:
    """Outermost stretches between matching brackets; quotes count inside of them only. Linear in time."""
    open_at: list[int] = []
    quoted = escaped = False
    for place, sign in enumerate(text):
        if quoted:
            quoted, escaped = escaped or sign != '"', sign == "\\" and not escaped
        elif sign in "{[":
            open_at.append(place)
        elif open_at and sign == '"':
            quoted = True
        elif open_at and sign == {"{": "}", "[": "]"}[text[open_at[-1]]]:
            start = open_at.pop()
            if not open_at:
                yield start, place + 1
