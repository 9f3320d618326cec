"""Figures of all systems on some of the windows, and how the model stands to its rivals there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.clusters import Clusters, clusters
from rushes.evaluate.figures import SEED, plain
from rushes.metrics.intervals import paired_difference
from rushes.tasks.driving.evaluate.answers import System, Windows
from rushes.tasks.driving.evaluate.clusters import ladder
from rushes.tasks.driving.evaluate.figures import Errors, Figure, Rows, figures, lone, maes
from rushes.tasks.driving.evaluate.names import COMPARED, MODEL, QUANTITY_OF, TITLES, shown


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that figures are made of.

    Attributes:
        windows: n windows with their truth.
        systems: the model and all others, each with its answers about the n windows.
        errors: of each system.
        levels: what moves together, see `rushes.tasks.driving.evaluate.clusters`.
        resamples: bootstrap draws.
    """

    windows: Windows
    systems: Mapping[str, System]
    errors: Mapping[str, Errors]
    levels: Mapping[str, NDArray[np.int64]]
    resamples: int

    @classmethod
    def of(
        cls,
        windows: Windows,
        systems: Mapping[str, System],
        constant: Mapping[str, float],
        resamples: int,
    ) -> Evidence:
        """Score every window of every system once; ``constant`` answers where a system failed."""
        errors = {name: Errors.of(windows, system, constant) for name, system in systems.items()}
        return cls(windows, systems, errors, ladder(windows), resamples)

    @property
    def rivals(self) -> tuple[str, ...]:
        """Systems that the model has to beat: all but itself and the privileged ones."""
        return tuple(name for name, system in self.systems.items() if system.role == "baseline")


def block(evidence: Evidence, rows: Rows) -> dict[str, Any]:
    """All figures of all systems on the windows at ``rows``.

    Returns:
        ``n`` and ``clusters``; ``systems``: figures by system; ``best``: for each compared figure the best
        baseline there and how the model stands to it; ``remarks``: in words, where the model is not better.
    """
    units = clusters(evidence.levels, rows)
    found = {
        name: figures(errors, rows, units, evidence.resamples) for name, errors in evidence.errors.items()
    }
    standing = versus(evidence, rows, units)
    best = {
        figure: {"best": name, **standing[figure][name]}
        for figure in COMPARED
        if (name := best_of({rival: found[rival][figure]["value"] for rival in evidence.rivals}))
    }
    return {
        "n": len(rows),
        "clusters": {"by": units.by, "count": units.count},
        "systems": found,
        "best": best,
        "remarks": remarks(found[MODEL], best),
    }


def best_of(values: Mapping[str, float]) -> str | None:
    """The system of the least error; at a tie the first in alphabetical order, None without any.

    >>> best_of({"zero": 2.0, "train_mean": 2.0, "train_median": 3.0})
    'train_mean'
    """
    return min(sorted(values), key=lambda name: values[name], default=None)


def short(evidence: Evidence, rows: Rows) -> dict[str, Any]:
    """Mean absolute errors of all systems on the windows at ``rows``."""
    units = clusters(evidence.levels, rows)
    return {
        "n": len(rows),
        "clusters": {"by": units.by, "count": units.count},
        "systems": {
            name: maes(errors, rows, units, evidence.resamples) for name, errors in evidence.errors.items()
        },
    }


def versus(evidence: Evidence, rows: Rows, units: Clusters) -> dict[str, dict[str, Any]]:
    """For each compared figure the model against every other system on the same windows.

    Returns:
        figure -> system -> ``value`` of the system; ``difference`` of the model's mean absolute error less
        the system's, below 0 where the model is better, with its paired interval ``low`` to ``high``;
        ``above`` where it is better beyond that interval; ``privileged`` where the system knows some truth.
    """
    return {
        figure: {
            name: _against(evidence, figure, name, rows, units) for name in evidence.systems if name != MODEL
        }
        for figure in COMPARED
    }


def _against(evidence: Evidence, figure: str, rival: str, rows: Rows, units: Clusters) -> dict[str, Any]:
    column = QUANTITY_OF[figure].column
    ours, theirs = (np.abs(evidence.errors[name].signed[column][rows]) for name in (MODEL, rival))
    found = _paired(ours, theirs, units, evidence.resamples)
    return {
        "value": float(theirs.mean()),
        "difference": found.pop("value"),
        **found,
        "lower_is_better": True,
        "above": found["high"] is not None and found["high"] < 0,
        "privileged": evidence.systems[rival].role == "ceiling",
    }


def _paired(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], units: Clusters, resamples: int
) -> Figure:
    if len(ours) == 1:
        return lone(float(ours[0] - theirs[0]))
    return plain(paired_difference(ours, theirs, units.ids, seed=SEED, resamples=resamples))


def remarks(model: Mapping[str, Figure], best: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """In words: each figure on which the model is not better than its best baseline beyond doubt."""
    said = []
    for figure, rival in best.items():
        if rival["above"]:
            continue
        ours, theirs = model[figure]["value"], rival["value"]
        standing = "is worse than" if ours > theirs else "cannot be told from" if ours < theirs else "equals"
        spread = "" if rival["low"] is None else f" [{rival['low']:+.3f}, {rival['high']:+.3f}]"
        said.append(
            f"{TITLES[figure]}: the model ({shown(ours)}) {standing} the baseline {rival['best']} "
            f"({shown(theirs)}); difference {rival['difference']:+.3f}{spread}"
        )
    return said
