"""What admission says of values alone: logs, figures, confusion matrices."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isclose, isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-9
"""By which a figure measured once more may differ, as a share of it: another processor or another numpy adds
in another order."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that keeps a run from being admitted.

    Attributes:
        check: which part of it.
        message: what was expected and what was found.
        where: the file.
        kind: ``collapsed`` where everything is whole and the run is worth nothing.
    """

    check: str
    message: str
    where: str | None = None
    kind: Literal["invalid", "collapsed"] = "invalid"

    def __str__(self) -> str:
        """One line; the folder of a file without what stands above it, so that it is the same everywhere."""
        place = "" if self.where is None else f" ({'/'.join(Path(self.where).parts[-2:])})"
        return f"{self.check}: {self.message}{place}"


def check_losses(path: Path) -> Iterator[Fault]:
    """A training log: whole lines, steps that rise, numbers that are finite, at least one loss.

    Args:
        path: an ``events.jsonl``.
    """
    where, last, losses = str(path), {"train": 0, "validation": 0}, 0
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            event = json.loads(line)
            kind, step = event["kind"], event["step"]
        except (ValueError, KeyError, TypeError):
            yield Fault("losses", f"line {number} is no event", where)
            return
        if odd := not_finite(event):
            yield Fault("losses", f"line {number}: {odd[0]} is not finite", where)
        if kind not in last or not isinstance(step, int) or step <= last[kind]:
            yield Fault("losses", f"line {number}: step {step} of {kind} does not rise", where)
            return
        last[kind] = step
        losses += kind == "train" and isinstance(event.get("loss"), float)
    if not losses:
        yield Fault("losses", "there is no loss", where)


def not_finite(value: Any, place: str = "") -> list[str]:
    """Places of all numbers in a JSON value that are NaN or infinite.

    >>> not_finite({"a": [1.0, float("nan")], "b": 2})
    ['a.1']
    """
    return [at for at, leaf in _leaves(value, place) if isinstance(leaf, float) and not isfinite(leaf)]


def contradictions(said: Any, found: Any) -> list[tuple[str, Any, Any]]:
    """Where two JSON values differ: place, the first's, the second's.

    Whole numbers and text are compared exactly, two floats to a share of 1e-9 (or, below 1e-3, to 1e-12).

    >>> contradictions({"a": 1, "b": [2, 3.0]}, {"a": 1, "b": [2, 3.0 + 1e-12]})
    []
    >>> contradictions({"a": 1, "b": [2, 3]}, {"a": 1, "b": [2, 4]})
    [('b.1', 3, 4)]
    """
    ours, theirs = dict(_leaves(said, "")), dict(_leaves(found, ""))
    places = [*ours, *(place for place in theirs if place not in ours)]
    absent = "(nothing)"
    return [
        (place, ours.get(place, absent), theirs.get(place, absent))
        for place in places
        if place not in ours or place not in theirs or not _agree(ours[place], theirs[place])
    ]


def _agree(said: Any, found: Any) -> bool:
    if type(said) is float and type(found) is float:
        return isclose(said, found, rel_tol=TOLERANCE, abs_tol=1e-3 * TOLERANCE)
    return type(said) is type(found) and said == found


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    items: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping) and value:
        items = value.items()
    elif isinstance(value, list) and value:
        items = enumerate(value)
    else:
        yield place, value
        return
    for name, inner in items:
        yield from _leaves(inner, f"{place}.{name}" if place else str(name))


def check_figures(metrics: Any, where: str, place: str = "") -> Iterator[Fault]:
    """Every figure with an interval: its ends are in order."""
    if isinstance(metrics, Mapping):
        low, high = metrics.get("low"), metrics.get("high")
        if isinstance(low, float) and isinstance(high, float) and low > high:
            yield Fault("figures", f"{place}: an interval from {low} to {high}", where)
        for name, inner in metrics.items():
            yield from check_figures(inner, where, f"{place}.{name}" if place else str(name))


def figures_of_confusion(counts: NDArray[np.int64]) -> dict[str, float]:
    """Figures that follow from a confusion matrix (K, K), rows true, written out once more on purpose.

    They are what the evaluation says by other code, so that a mistake there shows here.

    >>> found = figures_of_confusion(np.array([[3, 1], [0, 4]]))
    >>> found["accuracy"], round(found["f1_macro"], 4), found["balanced_accuracy"]
    (0.875, 0.873, 0.875)
    """
    k = len(counts)
    precision, recall, f1, heard = [], [], [], []
    for label in range(k):
        right, named, truly = counts[label, label], counts[:, label].sum(), counts[label].sum()
        precision.append(right / named if named else 0.0)
        recall.append(right / truly if truly else 0.0)
        f1.append(2 * right / (named + truly) if named + truly else 0.0)
        if truly:
            heard.append(recall[-1])
    return {
        "accuracy": float(np.trace(counts) / counts.sum()),
        "balanced_accuracy": float(sum(heard) / len(heard)),
        "f1_macro": float(sum(f1) / k),
        "precision_macro": float(sum(precision) / k),
        "recall_macro": float(sum(recall) / k),
    }


def check_keys(expected: Sequence[str], found: Sequence[str], where: str) -> Iterator[Fault]:
    """Everything that was asked is answered, once, and nothing else."""
    if len(found) != len(expected):
        yield Fault("predictions", f"{len(found)} answers to {len(expected)} samples of the split", where)
    if len(set(found)) != len(found):
        twice = next(key for key in found if found.count(key) > 1)
        yield Fault("predictions", f"{twice} is answered twice", where)
    if odd := sorted(set(expected) ^ set(found)):
        message = f"{len(odd)} keys are not those of the dataset, e.g. {odd[0]}"
        yield Fault("predictions", message, where)


def asked_of(keys: Sequence[str], most: int) -> Sequence[int]:
    """Numbers of the keys with the ``most`` lowest hashes, rising; of no more keys than that all.

    >>> asked_of(["a", "b", "c"], 3), asked_of(["a", "b", "c"], 2), asked_of(["c", "b", "a"], 2)
    (range(0, 3), [1, 2], [0, 1])
    """
    if len(keys) <= most:
        return range(len(keys))
    return sorted(sorted(range(len(keys)), key=lambda number: sha256(keys[number].encode()).digest())[:most])
