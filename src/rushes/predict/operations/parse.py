"""Free text of other models, read strictly: an answer with the stage that was needed, or a typed failure.

Four stages, each only where the one before found no JSON: the whole text (``json``), a fenced block
(``fence``), the first balanced object in prose (``object``), each field by its name (``fields``). What was
found is then held against the schema, and nothing is repaired: an answer that contradicts itself or the
question is a failure, not a guess. Read are our own answers

    {"operation": "Tape", "start": 1.2, "end": 5.0, "next": "Label"}

in seconds on the clip's clock, and those of the earlier contract in frames from 1, the last one included

    {"dominant_operation": "Tape", "temporal_segment": {"start_frame": 31, "end_frame": 125},
     "anticipated_next_operation": "Label", "confidence": 0.87}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from rushes.errors import AnswerError, MetricError
from rushes.metrics.temporal import frames_to_seconds

MAX_CHARACTERS = 20_000

Stage = Literal["json", "fence", "object", "fields"]
Fields = dict[str, Any]

OPERATION, EARLIER = "operation", "dominant_operation"
OURS = frozenset({OPERATION, "start", "end", "next"})
SEGMENT = "temporal_segment"
THEIRS = frozenset({EARLIER, SEGMENT, "anticipated_next_operation"})
OPTIONAL = frozenset({"clip_id", "confidence"})  # of the earlier contract
FRAMES = frozenset({"start_frame", "end_frame"})

_FENCE = re.compile(r"```[^\S\n]*\w*[^\S\n]*\n(.*?)```", re.DOTALL)
_NAMES = (*sorted(OURS | THEIRS | FRAMES | OPTIONAL - {"clip_id"}), "next operation")
# "next operation: X" names the field next; everything else must be the name and nothing before it.
_FIELD = re.compile(
    rf"(?<![\w.])[\"']?({'|'.join(sorted(map(re.escape, _NAMES), key=len, reverse=True))})[\"']?\s*[:=]\s*"
    r"(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s,;{}\"'][^,;{}\"'\n]*))",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"([-+]?\d{1,9}(?:\.\d{1,12})?)\s*(?:s|sec|seconds?)?\.?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer that was read from text.

    Attributes:
        operation: label under way at the asked moment.
        start_s, end_s: from when to when, seconds on the clip's clock.
        next: label that follows.
        confidence: as the text says it, in [0, 1]; None where it says nothing.
        stage: what it took to find the answer.
    """

    operation: str
    start_s: float
    end_s: float
    next: str
    confidence: float | None
    stage: Stage


def parse_answer(
    text: str, labels: Sequence[str], clip_s: float, fps: Fraction | int = Fraction(25)
) -> Reading:
    """Read one answer from the text of a model.

    Args:
        text: everything the model said.
        labels: the label set; case and spaces may differ, words may not.
        clip_s: length of the clip.
        fps: frames per second behind the frame numbers of the earlier contract.

    Raises:
        AnswerError: there is no answer, more than one, or one that cannot be: unknown labels, numbers that
            are none, a segment that ends before it starts or outside of the clip, keys twice or unheard of.

    >>> text = 'Sure! {"operation": "Tape", "start": 0, "end": 2.5, "next": "Label"}'
    >>> parse_answer(text, ("Tape", "Label"), 5.0)
    Reading(operation='Tape', start_s=0.0, end_s=2.5, next='Label', confidence=None, stage='object')
    """
    if len(text) > MAX_CHARACTERS:
        raise AnswerError(f"an answer of {len(text)} characters, at most {MAX_CHARACTERS} are read")
    stage, fields = _find(text)
    earlier = EARLIER in fields
    if earlier:
        start_s, end_s, confidence = _earlier(fields, clip_s, fps)
        operation, follower = fields[EARLIER], fields["anticipated_next_operation"]
    else:
        _require_keys(fields, OURS)
        start_s, end_s = (_number(fields[name], name) for name in ("start", "end"))
        operation, follower, confidence = fields[OPERATION], fields["next"], None
    if not 0.0 <= start_s < end_s <= clip_s:
        raise _failure(f"a segment from {start_s} to {end_s} s in a clip of {clip_s} s", "start, end")
    return Reading(
        _label(operation, labels, EARLIER if earlier else OPERATION),
        start_s,
        end_s,
        _label(follower, labels, "anticipated_next_operation" if earlier else "next"),
        confidence,
        stage,
    )


def _failure(message: str, where: str | None = None) -> AnswerError:
    return AnswerError(message, where=where)


def _find(text: str) -> tuple[Stage, Fields]:
    """The fields of the answer in ``text`` and the stage that found them."""
    whole = _decode(text.strip())
    if whole is not None:
        return "json", _object(whole)
    fenced = [value for block in _FENCE.findall(text) if (value := _decode(block.strip())) is not None]
    if fenced:
        return "fence", _one(fenced)
    decoded = (_decode(text[start:end]) for start, end in _balanced(text))
    # Prose has brackets of its own: a list counts if it holds objects.
    objects = [value for value in decoded if isinstance(value, tuple) or _holds_objects(value)]
    if objects:
        return "object", _one(objects)
    return "fields", _by_name(text)


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


def _object(value: Any) -> Fields:
    """An object as a mapping.

    Raises:
        AnswerError: it is something else, or a key stands twice.
    """
    if not isinstance(value, tuple):
        raise _failure(f"expected one JSON object, found a {type(value).__name__}")
    fields: Fields = {}
    for key, part in value:
        if key in fields:
            raise _failure("a key stands twice", key)
        fields[key] = part
    return fields


def _one(values: list[Any]) -> Fields:
    """The first of several objects, if no other one answers differently."""
    first = _object(values[0])
    for value in values[1:]:
        if value != values[0] and {OPERATION, EARLIER} & _object(value).keys():
            raise _failure("two different answers")
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


def _by_name(text: str) -> Fields:
    """Each field by its name, written like ``name: value`` or ``"name" = value``; each must stand once."""
    fields: Fields = {}
    for match in _FIELD.finditer(text):
        name = match[1].lower().replace("next operation", "next")
        quoted = match[2] if match[2] is not None else match[3]
        value = quoted if quoted is not None else match[4].strip()
        number = _NUMBER.fullmatch(value) if quoted is None else None
        found = value if number is None else float(number[1]) if "." in number[1] else int(number[1])
        if name in fields and fields[name] != found:
            raise _failure("two different answers", name)
        fields[name] = found
    if not fields:
        raise _failure("no answer in the text")
    if fields.keys() >= FRAMES and SEGMENT not in fields:
        fields[SEGMENT] = tuple((name, fields.pop(name)) for name in sorted(FRAMES, reverse=True))
    return fields


def _require_keys(fields: Fields, needed: frozenset[str], optional: frozenset[str] = frozenset()) -> None:
    if absent := sorted(needed - fields.keys()):
        raise _failure(f"the answer lacks {', '.join(absent)}", absent[0])
    if strange := sorted(fields.keys() - needed - optional):
        raise _failure(f"the answer has keys that nobody asked for: {', '.join(strange)}"[:200], strange[0])


def _earlier(fields: Fields, clip_s: float, fps: Fraction | int) -> tuple[float, float, float | None]:
    """Start, end (seconds) and confidence of an answer in the earlier contract."""
    _require_keys(fields, THEIRS, OPTIONAL)
    segment = _object(fields[SEGMENT])
    _require_keys(segment, FRAMES)
    first, last = segment["start_frame"], segment["end_frame"]
    for name in sorted(FRAMES):
        if type(segment[name]) is not int:
            raise _failure(f"a frame number is whole, found {segment[name]!r}"[:200], name)
    if last > clip_s * fps:
        raise _failure(f"frame {last} in a clip of {float(clip_s * fps):g} frames", "end_frame")
    try:
        start_s, end_s = frames_to_seconds(first, last, fps)
    except MetricError as error:
        raise _failure(error.message, "start_frame") from error
    confidence = None
    if "confidence" in fields:
        confidence = _number(fields["confidence"], "confidence")
        if not 0.0 <= confidence <= 1.0:
            raise _failure(f"confidence {confidence} is not in [0, 1]", "confidence")
    return float(start_s), float(end_s), confidence


def _number(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not abs(value) <= 1e9:  # which NaN is not either
        raise _failure(f"expected a number, found {value!r}"[:200], name)
    return float(value)


def _label(value: Any, labels: Sequence[str], name: str) -> str:
    """The label that ``value`` is, but for case and spaces."""
    if isinstance(value, str):
        wanted = _plain(value)
        for label in labels:
            if _plain(label) == wanted:
                return label
    raise _failure(f"not a label: {value!r}"[:200], name)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
