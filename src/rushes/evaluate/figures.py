"""What a figure is, and how one stands in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from rushes.metrics.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of a task.

    Attributes:
        title: what it is called, without its unit.
        meaning: in a sentence, for who sees it the first time.
        unit: e.g. ``m/s``; empty for a share or a score.
        better: ``higher`` or ``lower``.
        bounds: what it can be at least and at most; None where nothing bounds it.
        headline: whether it stands in tiles and at the head of tables.
        compared: whether the model is held against its baselines by it.
        on: kind of the parts that have it.
    """

    title: str
    meaning: str
    unit: str = ""
    better: Literal["higher", "lower"] = "higher"
    bounds: tuple[float | None, float | None] = (0.0, 1.0)
    headline: bool = False
    compared: bool = False
    on: Literal["all", "timeline", "class"] = "all"

    @property
    def range(self) -> tuple[float, float]:
        """``bounds`` as numbers, infinite where nothing bounds the figure."""
        low, high = self.bounds
        return -inf if low is None else low, inf if high is None else high


def plain(estimate: Estimate) -> dict[str, float | None]:
    """An estimate as it stands in JSON.

    >>> plain(Estimate(0.5, 0.25, 0.75, 8))
    {'value': 0.5, 'low': 0.25, 'high': 0.75, 'n': 8}
    """
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}
