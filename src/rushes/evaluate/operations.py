"""What the answers about operations are worth: every figure beside its interval and its baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.answers import Clips, System, read_answers
from rushes.evaluate.baselines import TrainClips, baselines, order_of_work
from rushes.evaluate.clusters import RULE, Clusters, clusters, ladder
from rushes.evaluate.figures import (
    CALIBRATION_BINS,
    SEED,
    Scores,
    clip_scores,
    edge_errors,
    figures,
    means,
    plain,
)
from rushes.evaluate.names import COMPARED, HEADLINE, MODEL, SYSTEMS, TITLES
from rushes.evaluate.timeline import timeline
from rushes.metrics.calibration import calibration
from rushes.metrics.classify import confused_pairs, confusion_matrix, precision_recall_f1
from rushes.metrics.grammar import Grammar
from rushes.metrics.intervals import bootstrap, bootstrap_share, paired_difference

METRIC_VERSION = 1
NO_ANSWER = "no answer"
MINIMUM_SUPPORT = 10


def evaluate(
    predictions: pa.Table,
    train: Iterable[Any],
    recordings: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    clip_s: float,
    stride_s: float,
    contract_clips: int,
    resamples: int,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Measure the answers of a model and of all its baselines.

    Args:
        predictions: of ``rushes.predict.table.SCHEMA``.
        train: samples of the training split; baselines are fitted on those with an answer.
        recordings: content of ``recordings.json``.
        labels: names of the operations, in the order of all tables.
        clip_s: length of a clip.
        stride_s: length of a tick of a timeline.
        contract_clips: size of the contract subset, the first clips in alphabetical order.
        resamples: bootstrap draws behind every interval.
        provenance: signatures, hashes and seeds that the figures belong to, copied as they are.

    Returns:
        One JSON object, described in ``docs/design/evaluation.md``; a figure is ``{value, low, high, n}``.

    Raises:
        MetricError: no clips, answers that do not pair up, labels that are not known.
    """
    labels = list(labels)
    clips, systems = read_answers(predictions)
    fitted = TrainClips.of(train)
    sequences = [
        [segment[2] for segment in recording["segments"]]
        for recording in recordings
        if recording["split"] == "train"
    ]
    grammar = order_of_work(sequences, labels)
    systems |= baselines(fitted, clips, systems[MODEL], grammar, clip_s)
    scores = {name: clip_scores(clips, system, grammar) for name, system in systems.items()}
    levels = ladder(clips)
    every = np.arange(len(clips))

    def block(rows: NDArray[np.int64]) -> dict[str, Any]:
        return _block(clips, systems, scores, grammar, rows, clusters(levels, rows), clip_s, resamples)

    def short(rows: NDArray[np.int64]) -> dict[str, Any]:
        return _short(scores, rows, clusters(levels, rows), resamples)

    whole = block(every)
    counts = np.array([fitted.operation.count(label) for label in labels]) + 1.0
    return {
        "metric_version": METRIC_VERSION,
        "labels": labels,
        "clip_s": clip_s,
        "n": {"clips": len(clips), "train_clips": len(fitted.operation)},
        "intervals": {"rule": RULE, "resamples": resamples, "seed": SEED},
        "systems": {
            name: {"role": system.role, "what": SYSTEMS.get(name, "")} for name, system in systems.items()
        },
        "all": whole,
        "contract": block(every[:contract_clips]) | {"keys": clips.key[:contract_clips].tolist()},
        "per_class": _per_class(clips, systems[MODEL], labels, short),
        "per_subject": {
            subject: short(np.flatnonzero(clips.subject == subject))
            for subject in np.unique(clips.subject).tolist()
        },
        "confusion": {
            "labels": [*labels, NO_ANSWER],
            "counts": confusion_matrix(
                clips.operation.tolist(), systems[MODEL].operation, labels, missing=NO_ANSWER
            ).tolist(),
        },
        "confused_pairs": _confused(clips, systems, recordings, labels, resamples),
        "calibration": _calibration(systems[MODEL], scores[MODEL]["oca"]),
        "timeline": timeline(
            predictions, recordings, labels, counts / counts.sum(), stride_s, clip_s, resamples
        ),
        "provenance": dict(provenance),
    }


def _block(
    clips: Clips,
    systems: Mapping[str, System],
    scores: Mapping[str, Scores],
    grammar: Grammar,
    rows: NDArray[np.int64],
    units: Clusters,
    clip_s: float,
    resamples: int,
) -> dict[str, Any]:
    """All figures of all systems on some clips, and how the model stands to its rivals."""
    found = {
        name: figures(clips, system, scores[name], grammar, rows, units, clip_s, resamples)
        for name, system in systems.items()
    }
    rivals = {
        metric: [
            name for name, system in systems.items() if system.role == "baseline" and metric in found[name]
        ]
        for metric in (*COMPARED, "boundary_error_s")
    }
    versus: dict[str, dict[str, Any]] = {}
    for metric in COMPARED:
        versus[metric] = {
            name: _difference(
                plain(
                    paired_difference(
                        scores[MODEL][metric][rows],
                        scores[name][metric][rows],
                        units.ids,
                        seed=SEED,
                        bounds=(-1.0, 1.0),
                        resamples=resamples,
                    )
                ),
                found[name][metric]["value"],
            )
            for name in rivals[metric]
        }
    best = {
        metric: {"best": name, **versus[metric][name]}
        for metric in COMPARED
        if (name := max(rivals[metric], key=lambda name: found[name][metric]["value"], default=None))
    }
    if rivals["boundary_error_s"]:
        name = min(rivals["boundary_error_s"], key=lambda name: found[name]["boundary_error_s"]["value"])
        best["boundary_error_s"] = {
            "best": name,
            **_boundary_difference(clips, systems[MODEL], systems[name], rows, units, clip_s, resamples),
        }
    return {
        "n": len(rows),
        "clusters": {"by": units.by, "count": units.count},
        "systems": found,
        "best": best,
        "versus": {metric: versus[metric] for metric in HEADLINE},
        "remarks": remarks(found[MODEL], best),
    }


def _difference(estimate: Mapping[str, float], value: float, *, lower: bool = False) -> dict[str, Any]:
    """The model less a rival; ``above`` where the model is better by more than the interval."""
    return {
        "value": value,
        "difference": estimate["value"],
        "low": estimate["low"],
        "high": estimate["high"],
        "n": estimate["n"],
        "lower_is_better": lower,
        "above": estimate["high"] < 0 if lower else estimate["low"] > 0,
    }


def _boundary_difference(
    clips: Clips,
    model: System,
    rival: System,
    rows: NDArray[np.int64],
    units: Clusters,
    clip_s: float,
    resamples: int,
) -> dict[str, Any]:
    """Difference of the median boundary errors of two systems on the same clips; below 0 is better."""
    ours, inside = edge_errors(clips, model, clip_s)
    theirs, _ = edge_errors(clips, rival, clip_s)
    with_boundary = inside[rows].any(axis=1)
    chosen = rows[with_boundary]

    def difference(drawn: NDArray[np.int64]) -> float:
        here = chosen[drawn]
        return float(np.median(ours[here][inside[here]]) - np.median(theirs[here][inside[here]]))

    estimate = bootstrap(
        difference, units.ids[with_boundary], seed=SEED, bounds=(-clip_s, clip_s), resamples=resamples
    )
    return _difference(plain(estimate), float(np.median(theirs[chosen][inside[chosen]])), lower=True)


def remarks(model: Mapping[str, Mapping[str, float]], best: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """In words: each metric on which the model is not better than its best baseline beyond doubt."""
    said = []
    for metric, rival in best.items():
        if rival["above"]:
            continue
        ours, theirs = model[metric]["value"], rival["value"]
        worse = ours > theirs if metric == "boundary_error_s" else ours < theirs
        standing = "is worse than" if worse else "cannot be told from" if ours != theirs else "equals"
        said.append(
            f"{TITLES[metric]}: the model ({ours:.3f}) {standing} "
            f"the baseline {rival['best']} ({theirs:.3f}); "
            f"difference {rival['difference']:+.3f} [{rival['low']:+.3f}, {rival['high']:+.3f}]"
        )
    return said


def _short(
    scores: Mapping[str, Scores], rows: NDArray[np.int64], units: Clusters, resamples: int
) -> dict[str, Any]:
    """Headline figures of all systems on some clips."""
    wanted = (*HEADLINE, "tiou_mean")
    systems = {
        name: means({metric: rated[metric] for metric in wanted if metric in rated}, rows, units, resamples)
        for name, rated in scores.items()
    }
    return {
        "n": len(rows),
        "clusters": {"by": units.by, "count": units.count},
        "systems": systems,
    }


def _per_class(clips: Clips, model: System, labels: Sequence[str], short: Any) -> dict[str, Any]:
    """Headline figures of the clips of each class, with the class's precision and F1 over all clips."""
    rated = precision_recall_f1(clips.operation.tolist(), model.operation, labels)
    found = {}
    for number, label in enumerate(labels):
        rows = np.flatnonzero(clips.operation == label)
        if len(rows):
            averages = {"precision": float(rated.precision[number]), "f1": float(rated.f1[number])}
            found[label] = short(rows) | averages
    return found


def _confused(
    clips: Clips,
    systems: Mapping[str, System],
    recordings: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    resamples: int,
) -> dict[str, Any]:
    """Ordered pairs of confused operations; their intervals resample operations, since clips share them."""
    truth, answers = clips.operation.tolist(), systems[MODEL].operation
    operation = operation_ids(clips, recordings)
    pairs = []
    for pair in confused_pairs(truth, answers, labels, minimum_support=MINIMUM_SUPPORT):
        rows = np.flatnonzero(clips.operation == pair.truth)

        def taken_for(system: System, rows: NDArray = rows, pair: Any = pair) -> NDArray[np.bool_]:
            return np.array([system.operation[row] == pair.predicted for row in rows])

        hits, ids = taken_for(systems[MODEL]), operation[rows]
        entry = {
            "truth": pair.truth,
            "predicted": pair.predicted,
            "count": pair.count,
            "operations": len(np.unique(ids[hits])),
            "rate": plain(bootstrap_share(hits, ids, seed=SEED, resamples=resamples)),
        }
        if "untrained" in systems:
            before = taken_for(systems["untrained"])
            entry["less_untrained"] = plain(
                paired_difference(hits, before, ids, seed=SEED, bounds=(-1.0, 1.0), resamples=resamples)
            )
        pairs.append(entry)
    return {"minimum_support": MINIMUM_SUPPORT, "clusters": "operation", "pairs": pairs}


def operation_ids(clips: Clips, recordings: Sequence[Mapping[str, Any]]) -> NDArray[np.int64]:
    """Number of the operation of a session that each clip asks about, (n,), different for all sessions.

    Raises:
        MetricError: a clip of a session that ``recordings`` does not hold.
    """
    starts = {row["key"]: [segment[0] for segment in row["segments"]] for row in recordings}
    offsets = dict(zip(starts, np.cumsum([0, *map(len, starts.values())]), strict=False))
    found = []
    for key, recording, at_s in zip(
        clips.key, clips.recording.tolist(), clips.clip_start_s + clips.asked_s, strict=True
    ):
        if recording not in starts:
            raise MetricError("a clip of a session that recordings.json does not hold", where=key)
        found.append(offsets[recording] + np.searchsorted(starts[recording], at_s + 1e-6, side="right"))
    return np.array(found, dtype=np.int64)


def _calibration(model: System, correct: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Reliability of the model's confidence in its operation; None where it never gave one."""
    readable = [row for row, value in enumerate(model.confidence) if value is not None]
    if not readable:
        return None
    found = calibration([model.confidence[row] for row in readable], correct[readable], CALIBRATION_BINS)
    return {
        "ece": found.ece,
        "n": found.n,
        "bins": [
            {"low": bin.low, "high": bin.high, "confidence": bin.confidence, "accuracy": plain(bin.accuracy)}
            for bin in found.bins
        ],
    }
