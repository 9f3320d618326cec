"""A figure beside its interval, and what an interval needs to know of the figure: the range it can take."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from rushes.errors import MetricError
from rushes.metrics.checks import MetricTypeError

CONFIDENCE = 0.95

Bounds = tuple[float, float]
"""Lowest and highest value that a figure can take; infinite where nothing bounds it."""

SHARE: Bounds = (0.0, 1.0)
ERROR: Bounds = (0.0, inf)
UNBOUNDED: Bounds = (-inf, inf)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval.

    Attributes:
        value: the figure.
        low: lower end of the interval; None where nothing is known of its spread.
        high: upper end of the interval; None likewise.
        n: rows it rests on; misses count.
        clusters: of rows that move together, on which the interval rests; None where rows are independent.

    >>> print(Estimate(value=0.7, low=0.521, high=0.833, n=30))
    0.700 [0.521, 0.833] n=30
    >>> print(Estimate(value=2.5, low=None, high=None, n=8, clusters=1))
    2.500 n=8 in 1 cluster
    """

    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int | None = None

    def __post_init__(self) -> None:
        ends = [end for end in (self.low, self.high) if end is not None]
        if not all(map(isfinite, (self.value, *ends))) or len(ends) == 1 or ends != sorted(ends):
            raise MetricError(
                f"an estimate must be finite and in order, found {self.value} [{self.low}, {self.high}]"
            )
        if self.n < 1:
            raise MetricError(f"an estimate must rest on at least one row, found n={self.n}")

    def __str__(self) -> str:
        """Value, interval, n and clusters on one line."""
        interval = "" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]"
        clusters = {None: "", 1: " in 1 cluster"}.get(self.clusters, f" in {self.clusters} clusters")
        return f"{self.value:.3f}{interval} n={self.n}{clusters}"


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Share ``hits / n`` with its Wilson score interval; for *independent* rows.

    Source: Wilson 1927, without continuity correction (`scipy.stats.binomtest`).

    Raises:
        MetricError: n is 0, or hits lies outside of 0..n.

    >>> print(wilson(21, 30))
    0.700 [0.521, 0.833] n=30
    """
    from scipy.stats import binomtest  # a second to import, for nobody who only reads figures

    for name, value in (("hits", hits), ("n", n)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise MetricTypeError(f"{name} must be a whole number, found {type(value).__name__} {value!r}")
    if n < 1 or not 0 <= hits <= n:
        raise MetricError(f"a share needs 0 <= hits <= n and n >= 1, found {hits} of {n}")
    interval = binomtest(int(hits), int(n)).proportion_ci(level(confidence), method="wilson")
    return Estimate(hits / n, float(interval.low), float(interval.high), int(n))


def of_differences(bounds: Bounds) -> Bounds:
    """The range of the difference of two figures that both lie within ``bounds``.

    >>> of_differences(SHARE), of_differences(ERROR)
    ((-1.0, 1.0), (-inf, inf))
    """
    low, high = bounds
    return low - high, high - low


def of_agreement(
    value: float, units: float, bounds: Bounds, confidence: float = CONFIDENCE
) -> tuple[float | None, float | None]:
    """The interval where all units that were seen agree, so that no spread can be estimated.

    Of all units there are, up to ``1 - tail ** (1 / units)`` may still be otherwise (Clopper and Pearson
    1934, for no dissent among ``units``), by as much as the bounds allow. For a share of 0 or 1 of single
    rows it is the exact interval. Without bounds nothing can be said: None, None.

    >>> low, high = of_agreement(1.0, 20, SHARE)
    >>> round(low, 3), high
    (0.832, 1.0)
    """
    if not all(map(isfinite, bounds)):
        return None, None
    dissent = 1 - ((1 - level(confidence)) / 2) ** (1 / units)
    return float(value - dissent * (value - bounds[0])), float(value + dissent * (bounds[1] - value))


def level(confidence: float) -> float:
    """``confidence`` itself.

    Raises:
        MetricError: it does not lie between 0 and 1.

    >>> level(0.9)
    0.9
    """
    if not 0 < confidence < 1:
        raise MetricError(f"a confidence must lie between 0 and 1, found {confidence}", cure="type 0.95")
    return confidence
