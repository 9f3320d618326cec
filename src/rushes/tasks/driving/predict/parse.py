"""Free text of other models, read strictly: four quantities with their signs and units, or a typed failure.

Four stages, each only where the one before found no JSON: those of `rushes.predict.free_text`, and each field
by its name (``fields``). Nothing is repaired, and no unit is guessed: it stands in a field's name

    {"mean_speed_mps": 8.5, "final_speed_mps": 9.0, "displacement_m": 12.5, "yaw_deg": -3}

or behind its number, as the text ``"30.6 km/h"``; in neither place is a failure, and so are two that differ.
Speeds and the distance have no direction, so a negative one is no answer; a turn is positive to the left.
What a model thinks aloud between ``<think>`` and ``</think>``, before its answer, is not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rushes.predict.free_text import (
    Fields,
    Stage,
    as_number,
    failure,
    field_pattern,
    fields_by_name,
    find_object,
    require_keys,
)
from rushes.tasks.driving.preprocessing import QUANTITIES, QuantityName

REASONING = "reasoning"

_SPEED = {"m/s": 1.0, "mps": 1.0, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704}
_DISTANCE = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0, "cm": 0.01, "ft": 0.3048}
_TURN = {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "°": 1.0, "rad": math.degrees(1.0)}
_UNITS: Mapping[QuantityName, Mapping[str, float]] = MappingProxyType(
    {"mean_speed_mps": _SPEED, "final_speed_mps": _SPEED, "displacement_m": _DISTANCE, "yaw_deg": _TURN}
)
_BARE: Mapping[str, QuantityName] = MappingProxyType({name.rpartition("_")[0]: name for name in QUANTITIES})
"""Names without a unit: ``mean_speed`` for ``mean_speed_mps``."""

_NAMES = "|".join(name.replace("_", "[_ ]") for name in (*QUANTITIES, *_BARE))
_FIELD = field_pattern(_NAMES)
_NUMBER = r"[-+−]?\d{1,9}(?:\.\d{1,12})?(?:e[-+]?\d{1,2})?"
_WITH_UNIT = re.compile(rf"({_NUMBER})\s*([a-z°][a-z/]*)", re.IGNORECASE)
_PLAIN = re.compile(_NUMBER, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer that was read from text.

    Attributes:
        quantities: in m/s, m and degrees to the left.
        reasoning: the words that the answer holds beside them; None where it holds none.
        stage: what it took to find the answer.
    """

    quantities: Mapping[QuantityName, float]
    reasoning: str | None
    stage: Stage


def parse_answer(text: str) -> Reading:
    """Read one answer from the text of a model.

    Raises:
        AnswerError: there is no answer, more than one, or one that cannot be: quantities missing, numbers
            that are none, without a unit, with one of another kind or with two, keys twice or unheard of,
            speeds or distances below zero, more than half a turn; or it is cut short.

    >>> reading = parse_answer('Sure! {"mean_speed": "36 km/h", "final_speed_mps": 9, '
    ...                        '"displacement_m": 14.5, "yaw": "-3.5°"}')
    >>> reading.quantities["mean_speed_mps"], reading.quantities["yaw_deg"], reading.stage
    (10.0, -3.5, 'object')
    """
    said = _after_thinking(text)
    stage, fields = find_object(said, {*QUANTITIES, *_BARE}) or ("fields", _by_name(said))
    reasoning = fields.pop(REASONING, None)
    if not isinstance(reasoning, str | None):
        raise failure(f"expected words, found {reasoning!r}", REASONING)
    return Reading(_quantities(fields), reasoning, stage)


def _after_thinking(text: str) -> str:
    """What is said when the thinking is over."""
    thought, end, said = text.rpartition("</think>")
    if "<think>" in (said if end else text):
        raise failure("the model thinks aloud and does not come to an end", "<think>")
    if end and "<think>" not in thought:
        raise failure("the model comes to an end with thinking that has no beginning", "</think>")
    return said if end else text


def _quantities(fields: Fields) -> dict[QuantityName, float]:
    """Each quantity in its own unit, by either of its names."""
    named: dict[str, tuple[str, Any]] = {}
    for name, value in fields.items():
        quantity = _BARE.get(name, name)
        if quantity in named:
            raise failure("a quantity stands twice", name)
        named[quantity] = (name, value)
    require_keys(named, QUANTITIES)
    return {quantity: _value(*named[quantity], quantity) for quantity in QUANTITIES}


def _value(name: str, value: Any, quantity: QuantityName) -> float:
    """A number in the unit of ``quantity``, which its name says or the value itself."""
    if isinstance(value, str):
        number, factor = _with_unit(value, name, quantity)
    elif name == quantity:
        number, factor = as_number(value, name), 1.0
    else:
        raise failure(f"a number without its unit: {as_number(value, name):g}", name)
    found = as_number(number, name) * factor
    if quantity != "yaw_deg" and found < 0.0:
        raise failure(f"a speed or a distance is not below zero, found {value!r}", name)
    if quantity == "yaw_deg" and abs(found) > 180.0:
        raise failure(f"at most half a turn to either side, found {value!r}", name)
    return found


def _with_unit(value: str, name: str, quantity: QuantityName) -> tuple[float, float]:
    """Number and factor of a text like ``30.6 km/h``."""
    units = _UNITS[quantity]
    match = _WITH_UNIT.fullmatch(value.strip())
    if match is None:
        raise failure(f"expected a number and its unit, found {value!r}", name)
    factor = units.get(match[2].lower())
    if factor is None:
        raise failure(f"expected one of {', '.join(units)}, found {match[2]!r}", name)
    if name == quantity and factor != 1.0:
        raise failure(f"the name says one unit and the value another: {value!r}", name)
    return float(match[1].replace("−", "-")), factor


def _by_name(text: str) -> Fields:
    """Each field by its name, written like ``name: value`` or ``"name" = value``; each must stand once."""
    if text.count("{") > text.count("}"):  # and with it, perhaps, its last number
        raise failure("an object that is cut short")
    return fields_by_name(text, _FIELD, lambda name: name.replace(" ", "_"), _bare)


def _bare(value: str) -> float | str:
    """A plain number, or else the text, without the full stop behind it."""
    value = value.removesuffix(".")
    return float(value.replace("−", "-")) if _PLAIN.fullmatch(value) else value
