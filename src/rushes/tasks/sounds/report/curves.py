"""How a net got to where it is: its losses, and its figures on the validation side after each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Points over optimizer steps.

    Attributes:
        training: (step, loss), each the mean since the point before; with a teacher its opinion is in it.
        validation: (step, loss) of the labels alone.
        f1_macro: (step, macro-F1) on the validation side.
    """

    training: Points = ()
    validation: Points = ()
    f1_macro: Points = ()

    @classmethod
    def of(cls, events: Iterable[Mapping[str, Any]]) -> Curves:
        """From the lines of ``events.jsonl``, see `rushes.train.events.read_events`.

        >>> Curves.of([{"kind": "train", "step": 5, "loss": 0.7}]).training
        ((5, 0.7),)
        """
        told = list(events)

        def points(kind: str, field: str) -> Points:
            return tuple((event["step"], event[field]) for event in told if event["kind"] == kind)

        return cls(points("train", "loss"), points("validation", "loss"), points("validation", "f1_macro"))

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and macro-F1 of the epoch that was kept: the first of the best; None without any."""
        return max(self.f1_macro, key=lambda point: point[1], default=None)
