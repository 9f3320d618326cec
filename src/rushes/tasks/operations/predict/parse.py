"""Free text of other models, read strictly: an answer with the stage that was needed, or a typed failure.

Four stages, each only where the one before found no JSON: those of `rushes.predict.free_text`, and each field
by its name (``fields``). What was found is then held against the schema, and nothing is repaired: an answer
that contradicts itself or the question is a failure, not a guess. Read are our own answers

    {"operation": "Tape", "start": 1.2, "end": 5.0, "next": "Label"}

in seconds on the clip's clock, and those of the earlier preprocessing in frames from 1, the last one included

    {"dominant_operation": "Tape", "temporal_segment": {"start_frame": 31, "end_frame": 125},
     "anticipated_next_operation": "Label", "confidence": 0.87}
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rushes.errors import MetricError
from rushes.metrics.temporal import frames_to_seconds
from rushes.predict.free_text import (
    Fields,
    Stage,
    as_choice,
    as_number,
    as_object,
    failure,
    field_pattern,
    fields_by_name,
    find_object,
    require_keys,
)

OPERATION, EARLIER = "operation", "dominant_operation"
OURS = frozenset({OPERATION, "start", "end", "next"})
SEGMENT = "temporal_segment"
THEIRS = frozenset({EARLIER, SEGMENT, "anticipated_next_operation"})
OPTIONAL = frozenset({"clip_id", "confidence"})  # of the earlier preprocessing
FRAMES = frozenset({"start_frame", "end_frame"})

_NAMES = (*sorted(OURS | THEIRS | FRAMES | OPTIONAL - {"clip_id"}), "next operation")
# "next operation: X" names the field next; everything else must be the name and nothing before it.
_FIELD = field_pattern("|".join(sorted(map(re.escape, _NAMES), key=len, reverse=True)))
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
        fps: frames per second behind the frame numbers of the earlier preprocessing.

    Raises:
        AnswerError: there is no answer, more than one, or one that cannot be: unknown labels, numbers that
            are none, a segment that ends before it starts or outside of the clip, keys twice or unheard of.

    >>> text = 'Sure! {"operation": "Tape", "start": 0, "end": 2.5, "next": "Label"}'
    >>> parse_answer(text, ("Tape", "Label"), 5.0)
    Reading(operation='Tape', start_s=0.0, end_s=2.5, next='Label', confidence=None, stage='object')
    """
    stage, fields = find_object(text, {OPERATION, EARLIER}) or ("fields", _by_name(text))
    earlier = EARLIER in fields
    if earlier:
        start_s, end_s, confidence = _earlier(fields, clip_s, fps)
        operation, follower = fields[EARLIER], fields["anticipated_next_operation"]
    else:
        require_keys(fields, OURS)
        start_s, end_s = (as_number(fields[name], name) for name in ("start", "end"))
        operation, follower, confidence = fields[OPERATION], fields["next"], None
    if not 0.0 <= start_s < end_s <= clip_s:
        raise failure(f"a segment from {start_s} to {end_s} s in a clip of {clip_s} s", "start, end")
    return Reading(
        as_choice(operation, labels, EARLIER if earlier else OPERATION),
        start_s,
        end_s,
        as_choice(follower, labels, "anticipated_next_operation" if earlier else "next"),
        confidence,
        stage,
    )


def _by_name(text: str) -> Fields:
    """Each field by its name, written like ``name: value`` or ``"name" = value``; each must stand once."""
    fields = fields_by_name(text, _FIELD, lambda name: name.replace("next operation", "next"), _bare)
    if fields.keys() >= FRAMES and SEGMENT not in fields:
        fields[SEGMENT] = tuple((name, fields.pop(name)) for name in sorted(FRAMES, reverse=True))
    return fields


def _bare(value: str) -> float | int | str:
    """A number, whole or not and perhaps in seconds, or else the text."""
    number = _NUMBER.fullmatch(value)
    if number is None:
        return value
    return float(number[1]) if "." in number[1] else int(number[1])


def _earlier(fields: Fields, clip_s: float, fps: Fraction | int) -> tuple[float, float, float | None]:
    """Start, end (seconds) and confidence of an answer in the earlier preprocessing."""
    require_keys(fields, THEIRS, OPTIONAL)
    segment = as_object(fields[SEGMENT])
    require_keys(segment, FRAMES)
    first, last = segment["start_frame"], segment["end_frame"]
    for name in sorted(FRAMES):
        if type(segment[name]) is not int:
            raise failure(f"a frame number is whole, found {segment[name]!r}", name)
    if last > clip_s * fps:
        raise failure(f"frame {last} in a clip of {float(clip_s * fps):g} frames", "end_frame")
    try:
        start_s, end_s = frames_to_seconds(first, last, fps)
    except MetricError as error:
        raise failure(error.message, "start_frame") from error
    confidence = None
    if "confidence" in fields:
        confidence = as_number(fields["confidence"], "confidence")
        if not 0.0 <= confidence <= 1.0:
            raise failure(f"confidence {confidence} is not in [0, 1]", "confidence")
    return float(start_s), float(end_s), confidence
