"""From one system's answers to its figures: scores of single clips first, then means with their intervals.

Scores of single clips are what paired differences between systems need, so they are made once and shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.clusters import Clusters
from rushes.evaluate.figures import SEED, plain
from rushes.metrics.checks import encode
from rushes.metrics.classify import class_scores
from rushes.metrics.grammar import Grammar, grammar_score
from rushes.metrics.intervals import bootstrap, bootstrap_mean, bootstrap_share
from rushes.metrics.temporal import THRESHOLDS, boundary_errors, interior_edges, tiou
from rushes.tasks.operations.evaluate.answers import Clips, System

CALIBRATION_BINS = 10

Scores = Mapping[str, NDArray]
Rows = NDArray[np.int64]
Statistic = Callable[[Rows], float]


def clip_scores(clips: Clips, system: System, grammar: Grammar) -> dict[str, NDArray]:
    """Scores of each clip, (n,) each; booleans are hits, and their means are the figures of the same name.

    ``oca``, ``aa_1``, ``tiou_30``, ``tiou_50``, ``tiou_70`` and ``tiou_mean`` (in [0, 1]), ``allowed``
    (the answered transition occurs in training), ``failure_rate``. Parts that the system leaves open are
    left out.
    """
    scores: dict[str, NDArray] = {}
    labels = grammar.labels
    if system.operation is not None:
        operation = encode(system.operation, labels, "the prediction", missing=True)
        scores["oca"] = operation == encode(clips.operation.tolist(), labels, "the truth")
    if system.segment is not None:
        overlap = tiou(clips.segment, system.segment)
        scores |= {f"tiou_{round(100 * threshold)}": overlap >= threshold for threshold in THRESHOLDS}
        scores["tiou_mean"] = overlap
    if system.next is not None:
        following = encode(system.next, labels, "the prediction", missing=True)
        scores["aa_1"] = following == encode(clips.next.tolist(), labels, "the truth")
    if system.operation is not None and system.next is not None:
        complete = (operation >= 0) & (following >= 0)
        scores["allowed"] = complete & (grammar.counts[operation, following] > 0)
    if system.failed is not None:
        scores["failure_rate"] = system.failed
    return scores


def edge_errors(clips: Clips, system: System, clip_s: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Seconds by which starts and ends are off, (n, 2), and which of them are boundaries inside the clip.

    A miss is charged the length of the clip.
    """
    return boundary_errors(clips.segment, system.segment, clip_s), interior_edges(clips.segment, clip_s)


def figures(
    clips: Clips,
    system: System,
    scores: Scores,
    grammar: Grammar,
    rows: Rows,
    clusters: Clusters,
    clip_s: float,
    resamples: int,
) -> dict[str, dict[str, float | None]]:
    """Every figure of one system on some clips, each with its interval.

    Args:
        clips, system, scores: all n clips, with `clip_scores` of the system.
        grammar: over operations, fitted on the training sessions.
        rows: which clips the figures are about.
        clusters: of those rows.
        clip_s: length of a clip.
        resamples: bootstrap draws.
    """
    found = means(scores, rows, clusters, resamples)
    for name, (statistic, chosen, bounds) in _statistics(clips, system, grammar, rows, clip_s).items():
        ids = clusters.ids[np.isin(rows, chosen)]
        estimate = bootstrap(
            lambda drawn, of=statistic, among=chosen: of(among[drawn]),
            ids,
            seed=SEED,
            bounds=bounds,
            resamples=resamples,
        )
        found[name] = plain(estimate)
    if "allowed" in scores:
        found["transition_distance"] = _distance(clips, system, grammar, rows)
    return found


def _distance(clips: Clips, system: System, grammar: Grammar, rows: Rows) -> dict[str, float | None]:
    """Distance of transition matrices; resampling thins out their cells and so would only enlarge it."""
    truth = [(clips.operation[row], clips.next[row]) for row in rows]
    answers = [(system.operation[row], system.next[row]) for row in rows]
    value = grammar_score(grammar, truth, answers).distance
    return {"value": value, "low": None, "high": None, "n": len(rows)}


def means(scores: Scores, rows: Rows, clusters: Clusters, resamples: int) -> dict[str, dict[str, float]]:
    """Mean of each score over the rows, with its interval."""
    found = {}
    for name, values in scores.items():
        if values.dtype == np.bool_:
            estimate = bootstrap_share(values[rows], clusters.ids, seed=SEED, resamples=resamples)
        else:
            estimate = bootstrap_mean(
                values[rows], clusters.ids, seed=SEED, bounds=(0.0, 1.0), resamples=resamples
            )
        found[name] = plain(estimate)
    return found


def _statistics(
    clips: Clips, system: System, grammar: Grammar, rows: Rows, clip_s: float
) -> dict[str, tuple[Statistic, Rows, tuple[float, float]]]:
    """Figures that are no means of rows: the statistic, the rows it can be formed on, its range."""
    labels = grammar.labels
    found: dict[str, tuple[Statistic, Rows, tuple[float, float]]] = {}
    actual = encode(clips.operation.tolist(), labels, "the truth")
    if system.operation is not None:
        answer = encode(system.operation, labels, "the prediction", missing=True)

        def macro_f1(chosen: Rows) -> float:
            """Mean F1 of the classes that the truth of these rows holds."""
            scores = class_scores(actual[chosen], answer[chosen], labels)
            return float(scores.f1[scores.support > 0].mean())

        found["macro_f1"] = (macro_f1, rows, (0.0, 1.0))
    if system.segment is not None:
        errors, inside = edge_errors(clips, system, clip_s)
        with_boundary = rows[inside[rows].any(axis=1)]
        if len(with_boundary):
            found["boundary_error_s"] = (
                lambda chosen: float(np.median(errors[chosen][inside[chosen]])),
                with_boundary,
                (0.0, clip_s),
            )
    if system.confidence is not None:
        sure = np.array([np.nan if value is None else value for value in system.confidence])
        readable = rows[~np.isnan(sure[rows])]
        if len(readable):
            right = answer == actual
            found["ece"] = (lambda chosen: expected_error(sure[chosen], right[chosen]), readable, (0.0, 1.0))
    return found


def expected_error(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = CALIBRATION_BINS
) -> float:
    """Expected calibration error as `rushes.metrics.calibration` has it, fast enough to be resampled.

    >>> round(expected_error(np.array([0.95, 0.95, 0.65, 0.65]), np.array([True, True, True, False])), 3)
    0.1
    """
    place = np.maximum(np.searchsorted(np.linspace(0, 1, bins + 1), confidence, side="left"), 1) - 1
    gap = np.bincount(place, weights=correct.astype(float) - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))
