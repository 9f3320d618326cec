"""Parts of a scorecard, from what every system measured on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import Clusters, clusters
from rushes.evaluate.figures import Figure
from rushes.evaluate.scorecard import Clusters as ClustersRow
from rushes.evaluate.scorecard import (
    Part,
    PartKind,
    Scorecard,
    Standing,
    System,
    Value,
    figure_rows,
    standing_remarks,
)
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.verdict import difference_to_best

MODEL = "model"

RULE = (
    "95 % intervals: every figure is measured again without each cluster of rows that move together, on a scale "
    "that its bounds cannot cross, with Student's t for as many clusters as there are. A verdict is the interval "
    "of the difference to the best baseline, widened for having chosen it."
)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A figure of one system on a part of the side.

    Attributes:
        jackknife: of the rows that the figure rests on.
        values: (1 + G,) the figure on all of them, then without each cluster.
        rows: (1 + G,) how many rows it rests on each time; None where these are all.
    """

    jackknife: Jackknife
    values: NDArray[np.float64]
    rows: NDArray[np.float64] | None = None

    @classmethod
    def mean(cls, jackknife: Jackknife, scores: ArrayLike) -> Measured:
        """The mean of a score of each row, such as hit or miss."""
        return cls(jackknife, jackknife.means(scores))


Measures = Mapping[str, Mapping[str, Measured]]
"""System -> figure -> what was measured."""


def part_of(
    measures: Measures,
    figures: Mapping[str, Figure],
    systems: Mapping[str, System],
    among: Clusters,
    *,
    kind: PartKind = "all",
    name: str = "",
    condition: str = "",
    against: Sequence[str] = (),
) -> Part:
    """Estimates of every system, and how the model stands to its baselines.

    Args:
        measures: of every system, on the same rows.
        figures: of the task.
        systems: with their roles.
        among: the rows of the part, and what moves together.
        kind, name, condition: as of `Part`.
        against: figures by which the model is also held against each other system alone.

    Raises:
        MetricError: a figure is not finite, or outside of its bounds.
    """
    model = measures[MODEL]
    trivial = [one for one, system in systems.items() if system.role == "baseline"]
    compared = [one for one, figure in figures.items() if figure.compared and one in model]
    return Part(
        kind=kind,
        name=name,
        condition=condition,
        n=len(among.ids),
        clusters=ClustersRow(by=among.by, count=among.count),
        estimates={
            system: {one: _value(measured, figures[one]) for one, measured in found.items()}
            for system, found in measures.items()
        },
        standings={
            one: standing
            for one in compared
            if (standing := _standing(measures, one, figures[one], trivial)) is not None
        },
        against={
            one: {
                rival: standing
                for rival in measures
                if rival != MODEL
                and (standing := _standing(measures, one, figures[one], [rival])) is not None
            }
            for one in against
            if one in model
        },
    )


def _value(measured: Measured, figure: Figure) -> Value:
    return Value.of(measured.jackknife.estimate(measured.values, figure.range, rows=measured.rows))


def _standing(measures: Measures, figure: str, of: Figure, rivals: Sequence[str]) -> Standing | None:
    """The model beside the best of some systems; None where none of them has the figure."""
    ours = measures[MODEL][figure]
    theirs = {name: measures[name][figure].values for name in rivals if figure in measures.get(name, {})}
    if not theirs:
        return None
    found = difference_to_best(ours.jackknife, ours.values, theirs, of.range, of.better)
    return Standing(
        rival=found.best,
        value=float(theirs[found.best][0]),
        difference=Value.of(found.difference),
        verdict=found.verdict,
    )


Measure = Callable[[NDArray[np.int64], Jackknife], Measures]
"""Numbers of rows, and what moves together among them -> what every system scored on them."""


def parts_by(
    groups: Mapping[str, NDArray[np.int64]],
    measure: Measure,
    figures: Mapping[str, Figure],
    systems: Mapping[str, System],
    levels: Mapping[str, NDArray[np.int64]],
    *,
    kind: PartKind,
    condition: str = "",
) -> Iterator[Part]:
    """A part for each group of rows.

    Args:
        groups: name of each part -> numbers of its rows; one without rows is left out.
        measure: see `Measure`.
        figures: of the task.
        systems: with their roles.
        levels: cluster of each row of the side at every level, from the widest, see `clusters`.
        kind, condition: as of `Part`.
    """
    for name, rows in groups.items():
        if len(rows):
            among = clusters(levels, rows)
            measures = measure(rows, Jackknife.of(among.ids))
            yield part_of(measures, figures, systems, among, kind=kind, name=name, condition=condition)


def scorecard_of(
    task: str,
    split: str,
    figures: Mapping[str, Figure],
    systems: Mapping[str, System],
    parts: Sequence[Part],
    *,
    remarks: Sequence[str] = (),
    details: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Scorecard:
    """A scorecard whose remarks begin with every figure on which the model is not better than its baselines.

    Args:
        task, split: what was measured, on which side.
        figures: of the task, in the order of tables.
        systems: in the order of tables.
        parts: the whole side first.
        remarks: further ones.
        details: what only this task has.
        provenance: signatures, hashes and seeds that the figures belong to.
    """
    rows = figure_rows(figures)
    return Scorecard(
        task=task,
        split=split,
        model=MODEL,
        systems=dict(systems),
        figures=rows,
        parts=tuple(parts),
        intervals=RULE,
        remarks=(*standing_remarks(rows, parts[0], MODEL), *remarks),
        details=dict(details or {}),
        provenance=dict(provenance or {}),
    )


def require_same_keys(answers: Mapping[str, Sequence[str]], what: str) -> None:
    """See to it that every variant answers what the model answers, each once and in the same order.

    Args:
        answers: variant -> keys that it answers.
        what: a sample is called.

    Raises:
        MetricError: a variant that lacks or doubles a sample.
    """
    asked = answers[MODEL]
    for variant, found in answers.items():
        doubled = next((one for one, other in pairwise(sorted(found)) if one == other), None)
        if doubled is not None:
            raise MetricError(f"variant {variant!r} answers a {what} twice", where=doubled)
        if found != asked:
            moved = [mine for mine, other in zip(found, asked, strict=False) if mine != other]
            odd = sorted(set(found) ^ set(asked)) or moved
            raise MetricError(
                f"variant {variant!r} answers {len(found)} {what}s, the model {len(asked)}; {len(odd)} differ",
                where=odd[0],
                cure="run `rushes predict` again for all variants",
            )
