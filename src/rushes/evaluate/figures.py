"""Figures as they stand in JSON, and the seed of every bootstrap behind them."""

from __future__ import annotations

from rushes.metrics.intervals import Estimate

SEED = 0


def plain(estimate: Estimate) -> dict[str, float]:
    """An estimate as it stands in JSON.

    >>> plain(Estimate(0.5, 0.25, 0.75, 8))
    {'value': 0.5, 'low': 0.25, 'high': 0.75, 'n': 8}
    """
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}
