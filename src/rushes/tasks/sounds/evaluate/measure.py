"""What a net's answers about sounds are worth: every figure beside its interval and its baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import ENOUGH, clusters, codes
from rushes.evaluate.figures import SEED, plain
from rushes.metrics.calibration import calibration
from rushes.metrics.checks import encode, finite
from rushes.tasks.sounds.evaluate.answers import Answers, read_answers, require_same_clips
from rushes.tasks.sounds.evaluate.figures import (
    BINS,
    Figure,
    Sums,
    baselines,
    figure,
    figures,
    of_group,
    per_class,
    sums_of,
)
from rushes.tasks.sounds.evaluate.names import COMPARED, LOWER_IS_BETTER, MODEL, TEACHER, TITLES, shown

METRIC_VERSION = 1
GROUP_CLIPS = 10  # of a group that has figures of its own
RULE = (
    f"95 % bootstrap intervals resample groups where there are at least {ENOUGH}, else single clips, which "
    "promises too much. Figures on which all clips agree carry Wilson's interval over the number of units."
)


def evaluate(
    predictions: pa.Table,
    train_labels: Sequence[str] | Mapping[str, int],
    labels: Sequence[str],
    class_weights: Sequence[float] | None,
    *,
    split: str,
    resamples: int,
    provenance: Mapping[str, Any],
    costs: Mapping[str, Any] | None = None,
    teacher: pa.Table | None = None,
) -> dict[str, Any]:
    """Measure a net and its trivial baselines.

    Args:
        predictions: of ``rushes.tasks.sounds.predict.table.SCHEMA``.
        train_labels: the class of each training clip, or how many clips each class has there.
        labels: the K classes in the order of the logits.
        class_weights: K weights of the loss; None weighs all classes alike.
        split: name of the side that is measured.
        resamples: bootstrap draws behind every interval.
        provenance: signatures, hashes and seeds that the figures belong to, copied as they are.
        costs: what the net costs (parameters, MACs, bytes), copied as it is.
        teacher: the teacher's predictions on the same clips, where the net was distilled.

    Returns:
        One JSON object. ``systems`` holds every figure of the net, the baselines and the teacher; a figure is
        ``{value, low, high, n}``, its ends null where there is one single clip. ``majority`` has no loss,
        since it gives no probabilities. ``best`` says for each compared figure how the net stands to its best
        baseline on the same draws. ``confusion`` counts clips, rows are the truth. ``by_group`` holds the
        groups of at least `GROUP_CLIPS` clips, ``worst_group`` the one of the least macro-F1. ``collapsed``
        is the class that answers every clip, else null. ``distillation`` is null without a teacher.

    Raises:
        MetricError: no clips, labels or weights that do not fit, a teacher asked about other clips.
        ShardError: logits that do not fit the labels.
    """
    answers = read_answers(predictions, labels)
    weights, train = _weights(class_weights, labels), _counts(train_labels, labels)
    nets = {MODEL: answers}
    if teacher is not None:
        nets[TEACHER] = read_answers(teacher, labels)
        require_same_clips(answers, nets[TEACHER])
    every = np.arange(len(answers))
    units = clusters({"group": codes(answers.group), "clip": every}, every)
    n, count = len(answers), units.count
    sums = dict(zip(nets, sums_of(list(nets.values()), weights, units.ids, resamples), strict=True))
    rivals = baselines(sums[MODEL].confusion.sum(axis=-1), train / train.sum(), weights)
    systems = sums | rivals
    matrix = sums[MODEL].confusion[0].astype(np.int64)
    said = np.flatnonzero(matrix.sum(axis=0))
    collapsed = labels[said[0]] if len(said) == 1 and n > 1 else None
    best = {
        name: found for name in COMPARED if (found := _best(name, sums[MODEL], rivals, weights, n, count))
    }
    groups = _by_group(answers, resamples)
    metrics = {
        "metric_version": METRIC_VERSION,
        "split": split,
        "n": n,
        "labels": list(labels),
        "class_weights": weights.tolist(),
        "train": dict(zip(labels, train.tolist(), strict=True)),
        "groups": len(np.unique(answers.group)),
        "clusters": {"by": units.by, "count": count},
        "intervals": {"rule": RULE, "resamples": resamples, "seed": SEED},
        "systems": {name: figures(of, weights, n, count) for name, of in systems.items()},
        "best": best,
        "confusion": matrix.tolist(),
        "per_class": per_class(sums[MODEL], labels, n, count),
        "by_group": groups,
        "worst_group": min(sorted(groups), key=lambda name: groups[name]["f1_macro"]["value"], default=None),
        "collapsed": collapsed,
        "calibration": _calibration(answers),
        "distillation": _distillation(nets, sums, weights, count) if teacher is not None else None,
        "costs": None if costs is None else dict(costs),
        "provenance": dict(provenance),
    }
    return metrics | {"remarks": remarks(metrics)}


def _weights(given: Sequence[float] | None, labels: Sequence[str]) -> NDArray[np.float64]:
    weights = np.ones(len(labels)) if given is None else finite(given, "class weights")
    if weights.shape != (len(labels),) or weights.min() <= 0:
        raise MetricError(f"{len(labels)} classes need as many weights above 0, found {weights.tolist()}")
    return weights


def _counts(train: Sequence[str] | Mapping[str, int], labels: Sequence[str]) -> NDArray[np.int64]:
    counts = np.zeros(len(labels), dtype=np.int64)
    if len(train):
        places = encode(list(train), labels, "the training side")
        np.add.at(counts, places, list(train.values()) if isinstance(train, Mapping) else 1)
    if counts.min() < 0 or not counts.any():
        raise MetricError("the training side holds no clip, so no baseline can be fitted")
    return counts


def _best(
    name: str, model: Sums, rivals: Mapping[str, Sums], weights: NDArray[np.float64], n: int, units: int
) -> dict[str, Any] | None:
    """The best baseline of a figure, and the net's difference to it on the same draws."""
    ours = model.figures(weights)[name]
    theirs = {
        rival: found[name] for rival, sums in rivals.items() if name in (found := sums.figures(weights))
    }
    if not theirs:
        return None
    lower = name in LOWER_IS_BETTER
    # Rounded, so that of two that are equal but for rounding the same one is named everywhere.
    best = min(theirs, key=lambda rival: round(theirs[rival][0] * (1 if lower else -1), 12))
    off = figure(ours - theirs[best], n, units, share=False)
    beyond = off["low"] is not None and (off["high"] < 0 if lower else off["low"] > 0)
    return {
        "best": best,
        "value": float(theirs[best][0]),
        "difference": off["value"],
        "low": off["low"],
        "high": off["high"],
        "lower_is_better": lower,
        "above": beyond,
    }


def _by_group(answers: Answers, resamples: int) -> dict[str, Any]:
    names, place = np.unique(answers.group, return_inverse=True)
    k = len(answers.labels)
    cells = (place * k + answers.truth) * k + answers.predicted
    counts = np.bincount(cells, minlength=len(names) * k * k).reshape(-1, k, k)
    return {
        str(name): of_group(matrix, answers.labels, resamples)
        for name, matrix in zip(names, counts, strict=True)
        if matrix.sum() >= GROUP_CLIPS
    }


def _calibration(answers: Answers) -> dict[str, Any]:
    """The bins of the reliability diagram; the ECE with its interval stands among the net's figures."""
    found = calibration(np.minimum(answers.confidence, 1.0), answers.right, BINS)
    return {
        "ece": found.ece,
        "n": found.n,
        "bins": [
            {
                "low": each.low,
                "high": each.high,
                "confidence": each.confidence,
                "accuracy": plain(each.accuracy),
            }
            for each in found.bins
        ],
    }


def _distillation(
    nets: Mapping[str, Answers], sums: Mapping[str, Sums], weights: NDArray[np.float64], units: int
) -> dict[str, Any]:
    """Net less teacher on the same draws, and how often both give the same answer."""
    ours, theirs = (sums[name].figures(weights) for name in (MODEL, TEACHER))
    n = len(nets[MODEL])
    off: dict[str, Figure] = {
        name: figure(ours[name] - theirs[name], n, units, share=False) for name in COMPARED
    }
    same = nets[MODEL].predicted == nets[TEACHER].predicted
    return {"differences": off, "agreement": float(same.mean())}


def remarks(metrics: Mapping[str, Any]) -> list[str]:
    """In words: whatever keeps the figures from meaning what they seem to."""
    said, units = [], metrics["clusters"]
    if metrics["collapsed"] is not None:
        said.append(f"collapsed: every clip is answered with {metrics['collapsed']}")
    for name, rival in metrics["best"].items():
        if not rival["above"]:
            value = shown(metrics["systems"][MODEL][name]["value"])
            said.append(
                f"{TITLES[name]}: the net ({value}) {_standing(rival)} the trivial baseline {rival['best']} "
                f"({shown(rival['value'])}); difference {spread(rival)}"
            )
    if units["by"] == "clip":
        noun = "group" if metrics["groups"] == 1 else "groups"
        said.append(
            f"only {metrics['groups']} {noun}: intervals resample clips, as if those of one group were "
            "independent"
        )
    for place, label in enumerate(metrics["labels"]):
        support = sum(metrics["confusion"][place])
        if not support:
            said.append(f"{label}: no clip on this side; it counts as 0 in macro figures")
        elif not metrics["confusion"][place][place]:
            said.append(f"{label}: none of its {support} clips was recognised")
        if not metrics["train"][label]:
            said.append(f"{label}: no clip on the training side, so the baseline prior has no loss")
    return said


def _standing(rival: Mapping[str, Any]) -> str:
    """How a net that is not better beyond its interval stands to its best baseline."""
    if abs(rival["difference"]) < 1e-12:
        return "equals"
    gain = -rival["difference"] if rival["lower_is_better"] else rival["difference"]
    if rival["low"] is None or rival["low"] <= 0 <= rival["high"]:
        return "is hardly better than" if gain > 0 else "is hardly worse than"
    return "is worse than"


def spread(found: Mapping[str, float | None], digits: int = 3) -> str:
    """A difference with its interval.

    >>> spread({"difference": 0.25, "low": 0.125, "high": 0.5})
    '+0.250 [+0.125, +0.500]'
    """
    value = found["difference"] if "difference" in found else found["value"]
    if found["low"] is None:
        return f"{value:+.{digits}f}"
    return f"{value:+.{digits}f} [{found['low']:+.{digits}f}, {found['high']:+.{digits}f}]"
