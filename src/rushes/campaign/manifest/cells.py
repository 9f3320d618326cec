"""From the groups of a manifest to runs with names, still without seeds."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rushes.campaign.manifest.schema import Group, Manifest

MAX_NAME = 100

Place = tuple[str | int, ...]
"""Keys from the root of the manifest, as faults name them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One run for all seeds.

    Attributes:
        name: unique in the campaign, e.g. ``cbam-reduction8-kernel3``.
        group: the entry of the manifest that it comes from.
        number: of its phase.
        entry: the group itself.
        values: what is its own among the runs of the group: key -> value.
        place: of the group in the manifest.
        places: of ``values``.
        optional: whether it belongs to a gate that may pass without it.
    """

    name: str
    group: str
    number: int
    entry: Group
    values: Mapping[str, Any]
    place: Place
    places: Mapping[str, Place]
    optional: bool = False


def cells_of(manifest: Manifest) -> tuple[Cell, ...]:
    """All runs of a campaign in order, whether or not a gate lets them begin."""
    return tuple(
        cell
        for number, phase in enumerate(manifest.phases)
        for name, group in phase.groups.items()
        for cell in _expand(number, name, group, tried=phase.gate is not None)
    )


def _expand(number: int, name: str, group: Group, *, tried: bool) -> Iterator[Cell]:
    way = ("gate", "otherwise", "runs") if tried else ("runs",)
    place: Place = ("phases", number, *way, name)
    for values, places in _several(group, place):
        yield Cell(_name(name, values), name, number, group, values, place, places, tried)


def _several(group: Group, place: Place) -> Iterator[tuple[dict[str, Any], dict[str, Place]]]:
    """Values of each run of a group, and where they stand; one without any for a single run."""
    if group.cells:
        for index, values in enumerate(group.cells):
            yield values, {key: (*place, "cells", index, key) for key in values}
        return
    indices = (range(len(values)) for values in group.grid.values())
    for chosen in itertools.product(*indices):
        at = dict(zip(group.grid, chosen, strict=True))
        values = {key: group.grid[key][index] for key, index in at.items()}
        yield values, {key: (*place, "grid", key, index) for key, index in at.items()}


def _name(group: str, values: Mapping[str, Any]) -> str:
    """The name of a run: its group, then the short of each key with its value.

    >>> _name("cbam", {"model.reduction": 8, "model.kernel": 3})
    'cbam-reduction8-kernel3'
    >>> _name("kd", {"distil.soft_weight": 0.3})
    'kd-soft_weight0.3'
    >>> _name("t", {"model.net": "crnn", "distil.teacher.model.net": None})
    't-model_netcrnn-teacher_model_netnone'
    """
    shorts = _shorts(list(values))
    parts = [f"{shorts[key]}{_text(value)}" for key, value in values.items()]
    name = "-".join([group, *parts])
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 9]}-{_hash(dict(values))}"


def _shorts(keys: Sequence[str]) -> dict[str, str]:
    """As few last parts of each key as tell it from the others."""
    parts = {key: key.split(".") for key in keys}
    shorts = {}
    for key in keys:
        others = [parts[other] for other in keys if other != key]
        count = 1
        while count < len(parts[key]) and any(o[-count:] == parts[key][-count:] for o in others):
            count += 1
        shorts[key] = "_".join(parts[key][-count:])
    return shorts


def _text(value: Any) -> str:
    """A value as part of a file's name, the same wherever it is computed.

    >>> [_text(value) for value in (0.3, 1e-5, None, True, "a/b", [1, 5.5])]
    ['0.3', '1e-05', 'none', 'true', 'a_b', '1_5.5']
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return _hash(value)
    if isinstance(value, list | tuple):
        return "_".join(_text(item) for item in value) or "empty"
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", str(value)) or "empty"


def _hash(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]  # YAML knows values that JSON does not
