"""What a run looks like to all trackers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rushes.stages import canonical_json

TrackerName = Literal["tensorboard", "mlflow", "wandb"]
Step = Mapping[str, Any]
"""``step``, a whole number, perhaps ``kind``, and figures by name; what is not a number is passed over."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended, as it goes to a tracker.

    Attributes:
        campaign: its name.
        name: unique in the campaign, and fit to be that of a file.
        config: what was asked, nested; plain data.
        steps: what was measured on the way.
        summary: what came of it.
    """

    campaign: str
    name: str
    config: Mapping[str, Any]
    steps: Sequence[Step]
    summary: Mapping[str, float]


def flat(config: Mapping[str, Any], above: str = "") -> dict[str, str | float | bool]:
    """Nested data by dotted key; what is no plain value as JSON.

    >>> flat({"train": {"epochs": 3, "class_weights": [1.0, 5.5]}, "distil": None})
    {'train.epochs': 3, 'train.class_weights': '[1.0,5.5]', 'distil': 'null'}
    """
    found: dict[str, str | float | bool] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value if isinstance(value, str | int | float) else canonical_json(value)
    return found


def ordered(steps: Iterable[Step]) -> list[tuple[int, dict[str, float]]]:
    """Figures by step, in order, each under its event's kind; an event without a step is passed over.

    Of a log steps never fall, and those of one kind rise. Where they do not another phase of the training
    begins, and where there are several each has its number before its figures. What a step says twice
    counts as it was said last.

    >>> ordered([{"kind": "train", "step": 5, "loss": 1}, {"kind": "validation", "step": 5, "loss": 2.5}])
    [(5, {'train/loss': 1.0, 'validation/loss': 2.5})]
    >>> ordered([{"kind": "train", "step": 9, "loss": 1}, {"kind": "train", "step": 5, "loss": 2}])
    [(5, {'phase2/train/loss': 2.0}), (9, {'phase1/train/loss': 1.0})]
    """
    told: list[tuple[int, int, str, float]] = []
    phase, last = 1, {"": 0}
    for event in steps:
        step, kind = event.get("step"), event.get("kind")
        if not isinstance(step, int) or isinstance(step, bool):
            continue
        if step < last[""] or (isinstance(kind, str) and step <= last.get(kind, step - 1)):
            phase, last = phase + 1, {"": 0}
        last[""] = step
        if isinstance(kind, str):
            last[kind] = step
        above = f"{kind}/" if isinstance(kind, str) else ""
        told += [
            (step, phase, f"{above}{name}", float(value))
            for name, value in event.items()
            if name != "step" and isinstance(value, int | float) and not isinstance(value, bool)
        ]
    found: dict[int, dict[str, float]] = {}
    for step, number, name, value in told:
        found.setdefault(step, {})[name if phase == 1 else f"phase{number}/{name}"] = value
    return sorted(found.items())
