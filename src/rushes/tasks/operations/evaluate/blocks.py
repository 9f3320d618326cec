"""Figures of all systems on some of the clips, and how the model stands to its rivals there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.clusters import Clusters, clusters
from rushes.evaluate.figures import SEED, plain
from rushes.metrics.grammar import Grammar
from rushes.metrics.intervals import Estimate, bootstrap, paired_difference
from rushes.tasks.operations.evaluate.answers import Clips, System
from rushes.tasks.operations.evaluate.clusters import ladder
from rushes.tasks.operations.evaluate.figures import Rows, Scores, clip_scores, edge_errors, figures, means
from rushes.tasks.operations.evaluate.names import COMPARED, HEADLINE, MODEL, TITLES

BOUNDARY = "boundary_error_s"


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that figures are made of.

    Attributes:
        clips: n clips with their truth.
        systems: the model and all others, each with its answers about the n clips.
        scores: `clip_scores` of each system.
        grammar: over operations, fitted on the training sessions.
        levels: what moves together, see `rushes.tasks.operations.evaluate.clusters`.
        clip_s: length of a clip.
        resamples: bootstrap draws.
    """

    clips: Clips
    systems: Mapping[str, System]
    scores: Mapping[str, Scores]
    grammar: Grammar
    levels: Mapping[str, NDArray[np.int64]]
    clip_s: float
    resamples: int

    @classmethod
    def of(
        cls, clips: Clips, systems: Mapping[str, System], grammar: Grammar, clip_s: float, resamples: int
    ) -> Evidence:
        """Score every clip of every system once."""
        scores = {name: clip_scores(clips, system, grammar) for name, system in systems.items()}
        return cls(clips, systems, scores, grammar, ladder(clips), clip_s, resamples)


def block(evidence: Evidence, rows: Rows) -> dict[str, Any]:
    """All figures of all systems on the clips at ``rows``.

    Returns:
        ``n`` and ``clusters``; ``systems``: figures by system; ``best``: for each compared figure the best
        baseline there, the paired difference of the model to it with its interval, and whether the model is
        ``above`` it beyond that; ``versus``: the same against every baseline for the headline figures;
        ``remarks``: in words, where the model is not above.
    """
    units = clusters(evidence.levels, rows)
    found = {
        name: figures(
            evidence.clips,
            system,
            evidence.scores[name],
            evidence.grammar,
            rows,
            units,
            evidence.clip_s,
            evidence.resamples,
        )
        for name, system in evidence.systems.items()
    }
    rivals = {name: found[name] for name, system in evidence.systems.items() if system.role == "baseline"}
    versus = {
        metric: {
            name: _difference(_paired(evidence, metric, name, rows, units), rival[metric]["value"])
            for name, rival in rivals.items()
            if metric in rival
        }
        for metric in COMPARED
    }
    best = {
        metric: {"best": name, **standing[name]}
        for metric, standing in versus.items()
        if (name := max(standing, key=lambda name: standing[name]["value"], default=None))
    }
    errors = {name: rival[BOUNDARY]["value"] for name, rival in rivals.items() if BOUNDARY in rival}
    if errors:
        name = min(errors, key=lambda name: errors[name])
        closer = _closer(evidence, name, rows, units)
        best[BOUNDARY] = {"best": name, **_difference(closer, errors[name], lower=True)}
    return {
        "n": len(rows),
        "clusters": {"by": units.by, "count": units.count},
        "systems": found,
        "best": best,
        "versus": {metric: versus[metric] for metric in HEADLINE},
        "remarks": remarks(found[MODEL], best),
    }


def short(evidence: Evidence, rows: Rows) -> dict[str, Any]:
    """Headline figures and mean tIoU of all systems on the clips at ``rows``."""
    units = clusters(evidence.levels, rows)
    wanted = (*HEADLINE, "tiou_mean")
    return {
        "n": len(rows),
        "clusters": {"by": units.by, "count": units.count},
        "systems": {
            name: means(
                {metric: scores[metric] for metric in wanted if metric in scores},
                rows,
                units,
                evidence.resamples,
            )
            for name, scores in evidence.scores.items()
        },
    }


def _paired(evidence: Evidence, metric: str, rival: str, rows: Rows, units: Clusters) -> Estimate:
    """Mean of the model's score less the rival's on the same clips."""
    return paired_difference(
        evidence.scores[MODEL][metric][rows],
        evidence.scores[rival][metric][rows],
        units.ids,
        seed=SEED,
        bounds=(-1.0, 1.0),
        resamples=evidence.resamples,
    )


def _closer(evidence: Evidence, rival: str, rows: Rows, units: Clusters) -> Estimate:
    """Median boundary error of the model less the rival's on the same clips; below 0 the model is better."""
    clip_s = evidence.clip_s
    ours, inside = edge_errors(evidence.clips, evidence.systems[MODEL], clip_s)
    theirs, _ = edge_errors(evidence.clips, evidence.systems[rival], clip_s)
    with_boundary = inside[rows].any(axis=1)
    chosen = rows[with_boundary]

    def difference(drawn: Rows) -> float:
        here = chosen[drawn]
        return float(np.median(ours[here][inside[here]]) - np.median(theirs[here][inside[here]]))

    return bootstrap(
        difference,
        units.ids[with_boundary],
        seed=SEED,
        bounds=(-clip_s, clip_s),
        resamples=evidence.resamples,
    )


def _difference(estimate: Estimate, value: float, *, lower: bool = False) -> dict[str, Any]:
    """The rival's ``value`` and the model's difference to it; ``above`` where better beyond the interval."""
    found = plain(estimate)
    return {
        "value": value,
        "difference": found.pop("value"),
        **found,
        "lower_is_better": lower,
        "above": estimate.high < 0 if lower else estimate.low > 0,
    }


def remarks(model: Mapping[str, Mapping[str, float]], best: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """In words: each metric on which the model is not better than its best baseline beyond doubt."""
    said = []
    for metric, rival in best.items():
        if rival["above"]:
            continue
        ours, theirs = model[metric]["value"], rival["value"]
        worse = ours > theirs if rival["lower_is_better"] else ours < theirs
        standing = "is worse than" if worse else "cannot be told from" if ours != theirs else "equals"
        said.append(
            f"{TITLES[metric]}: the model ({ours:.3f}) {standing} "
            f"the baseline {rival['best']} ({theirs:.3f}); "
            f"difference {rival['difference']:+.3f} [{rival['low']:+.3f}, {rival['high']:+.3f}]"
        )
    return said
