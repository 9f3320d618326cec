"""From one system's answers to its figures: the error of each window first, then figures with intervals.

Errors of single windows are what paired differences between systems need, so they are made once and shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.clusters import Clusters
from rushes.evaluate.figures import SEED, plain
from rushes.metrics.egomotion import CIRCULAR, TARGETS, answered, differences, filled
from rushes.metrics.intervals import bootstrap, bootstrap_mean, bootstrap_share
from rushes.tasks.driving.evaluate.answers import System, Windows
from rushes.tasks.driving.evaluate.names import QUANTITIES, Quantity

Rows = NDArray[np.int64]
Figure = dict[str, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """A system's errors in each window.

    Attributes:
        signed: for each target (n,) answer less truth; a missing answer is charged the constant's error.
        answered: for each target (n,) whether there was an answer.
    """

    signed: Mapping[str, NDArray[np.float64]]
    answered: Mapping[str, NDArray[np.bool_]]

    @classmethod
    def of(cls, windows: Windows, system: System, constant: Mapping[str, float]) -> Errors:
        """Errors of one system.

        Raises:
            MetricError: an answer that is not finite.
        """
        signed, there = {}, {}
        for name in TARGETS:
            answers = filled(system.answers[name], constant[name])
            signed[name] = differences(answers, windows.truth[name], circular=name in CIRCULAR)
            there[name] = answered(system.answers[name])
        return cls(signed, there)

    @property
    def parsed(self) -> NDArray[np.bool_]:
        """Whether every target of each window was answered, (n,)."""
        return np.all([self.answered[name] for name in TARGETS], axis=0)


def figures(errors: Errors, rows: Rows, units: Clusters, resamples: int) -> dict[str, Figure]:
    """MAE, RMSE and median of each quantity, and parse rate, of one system on the windows at ``rows``.

    Args:
        errors: of all n windows.
        rows: which windows the figures are about.
        units: of those rows.
        resamples: bootstrap draws.
    """
    found = {}
    for quantity in QUANTITIES:
        found |= _of_quantity(quantity, errors.signed[quantity.column][rows], units, resamples)
    parsed = bootstrap_share(errors.parsed[rows], units.ids, seed=SEED, resamples=resamples)
    return found | {"parse_rate": plain(parsed)}


def over_answers(errors: Errors, rows: Rows, units: Clusters, resamples: int) -> dict[str, Figure]:
    """As `figures`, each over the rows that were answered; what was never answered is left out."""
    found = {}
    for quantity in QUANTITIES:
        there = errors.answered[quantity.column][rows]
        if there.any():
            own = Clusters(units.by, units.ids[there])
            found |= _of_quantity(quantity, errors.signed[quantity.column][rows[there]], own, resamples)
    return found


def maes(errors: Errors, rows: Rows, units: Clusters, resamples: int) -> dict[str, Figure]:
    """Mean absolute error of each quantity on the windows at ``rows``."""
    return {
        quantity.figure("mae"): _mean(np.abs(errors.signed[quantity.column][rows]), units, resamples)
        for quantity in QUANTITIES
    }


def _of_quantity(
    quantity: Quantity, signed: NDArray[np.float64], units: Clusters, resamples: int
) -> dict[str, Figure]:
    absolute = np.abs(signed)
    squares = _mean(signed**2, units, resamples)
    # Percentiles go through a rising function as they are, so the root may be taken last.
    root = {name: squares[name] and squares[name] ** 0.5 for name in ("value", "low", "high")}
    return {
        quantity.figure("mae"): _mean(absolute, units, resamples),
        quantity.figure("rmse"): root | {"n": len(signed)},
        quantity.figure("median"): _median(absolute, units, resamples),
    }


def _mean(values: NDArray[np.float64], units: Clusters, resamples: int) -> Figure:
    if len(values) == 1:
        return lone(float(values[0]))
    return plain(bootstrap_mean(values, units.ids, seed=SEED, resamples=resamples))


def _median(values: NDArray[np.float64], units: Clusters, resamples: int) -> Figure:
    if len(values) == 1:
        return lone(float(values[0]))
    estimate = bootstrap(
        lambda drawn: float(np.median(values[drawn])), units.ids, seed=SEED, resamples=resamples
    )
    return plain(estimate)


def lone(value: float) -> Figure:
    """A figure of one window, whose spread nobody knows."""
    return {"value": value, "low": None, "high": None, "n": 1}
