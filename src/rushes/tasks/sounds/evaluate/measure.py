"""What a net's answers about sounds are worth: every figure beside its interval and its baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import Clusters, clusters
from rushes.evaluate.events import FIGURES as EVENT_FIGURES
from rushes.evaluate.figures import plain
from rushes.evaluate.parts import part_of, parts_by, scorecard_of
from rushes.evaluate.scorecard import Part, Scorecard, System, counted, plural
from rushes.metrics.calibration import calibration
from rushes.metrics.checks import encode, finite
from rushes.metrics.estimate import CONFIDENCE, Estimate
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.paired import paired_macro_f1
from rushes.tasks.sounds.evaluate.answers import Answers, read_answers, require_same_clips
from rushes.tasks.sounds.evaluate.figures import BINS, Side, Sums
from rushes.tasks.sounds.evaluate.names import COMPARED, FIGURES, MODEL, OF_TIMELINES, SYSTEMS, TEACHER
from rushes.tasks.sounds.evaluate.timeline import Timeline
from rushes.tasks.sounds.sources.sides import nobody_said, nobody_said_of_recordings

GROUP_CLIPS = 10
"""Of a group that has figures of its own."""


def evaluate(
    predictions: pa.Table,
    train_labels: Sequence[str] | Mapping[str, int],
    labels: Sequence[str],
    class_weights: Sequence[float] | None,
    *,
    split: str,
    provenance: Mapping[str, Any],
    costs: Mapping[str, Any] | None = None,
    remarks: Sequence[str] = (),
    teacher: pa.Table | None = None,
    timeline: Timeline | None = None,
) -> Scorecard:
    """Measure a net and its trivial baselines.

    Args:
        predictions: of ``rushes.tasks.sounds.predict.table.SCHEMA``.
        train_labels: the class of each training clip, or how many clips each class has there.
        labels: the K classes in the order of the logits.
        class_weights: K weights of the loss; None weighs all classes alike.
        provenance: signatures, hashes and seeds that the figures belong to, copied as they are.
        costs: what the net costs (parameters, MACs, bytes), copied as it is.
        remarks: what else keeps the figures from meaning what they seem to.
        teacher: the teacher's predictions on the same clips, where the net was distilled.
        timeline: of whole recordings, where the clips are windows of such.

    Returns:
        Parts: the side; its classes that have clips; and its groups of at least `GROUP_CLIPS` clips, from the
        one of the least macro-F1 on. ``majority`` has no loss, since it gives no probabilities. ``against``
        holds the net beside its teacher. Details: ``confusion`` counts clips, rows are the truth;
        ``of_no_group`` counts clips of which nobody said whose they are; ``collapsed`` is the class that
        answers every clip, else None; ``agreement`` is the share of clips to which net and teacher give the
        same answer, None without a teacher.

    Raises:
        MetricError: no clips, labels or weights that do not fit, a teacher asked about other clips.
        ShardError: logits that do not fit the labels.
    """
    answers = read_answers(predictions, labels, windows=timeline is not None)
    weights, train = _weights(class_weights, labels), _counts(train_labels, labels)
    nets = {MODEL: answers}
    if teacher is not None:
        nets[TEACHER] = read_answers(teacher, labels)
        require_same_clips(answers, nets[TEACHER])
    every = np.arange(len(answers))
    side = Side(nets, train / train.sum(), weights)
    among = clusters(answers.levels, every)
    jackknife = Jackknife.of(among.ids)
    sums = side.sums(every, jackknife)
    systems = {name: SYSTEMS[name] for name in sums}
    whole = part_of(
        side.of_all(sums, jackknife), FIGURES, systems, among, against=COMPARED if teacher is not None else ()
    )
    names, place = np.unique(answers.group, return_inverse=True)
    rows_of = {str(name): np.flatnonzero(place == number) for number, name in enumerate(names) if name}
    large = {name: rows for name, rows in rows_of.items() if len(rows) >= GROUP_CLIPS}
    groups = parts_by(large, side.of_group, FIGURES, systems, answers.levels, kind="group")
    matrix = sums[MODEL].confusion[0].astype(np.int64)
    said = np.flatnonzero(matrix.sum(axis=0))
    details = {
        "labels": list(labels),
        "class_weights": weights.tolist(),
        "train": dict(zip(labels, train.tolist(), strict=True)),
        "groups": len(rows_of),
        "of_no_group": int((answers.group == "").sum()),
        "confusion": matrix.tolist(),
        "support_by_group": {name: _support(answers, rows) for name, rows in large.items()},
        "collapsed": labels[said[0]] if len(said) == 1 and len(answers) > 1 else None,
        "calibration": _calibration(answers),
        "agreement": (
            None if teacher is None else float((answers.predicted == nets[TEACHER].predicted).mean())
        ),
        "costs": None if costs is None else dict(costs),
    }
    parts = [
        whole,
        *_classes(answers, sums, systems, among, jackknife),
        *sorted(groups, key=lambda part: part.estimates[MODEL]["f1_macro"].value),
    ]
    figures = dict(FIGURES)
    if timeline is not None:
        figures |= EVENT_FIGURES
        systems |= {name: SYSTEMS[name] for name in OF_TIMELINES}
        parts.insert(1, timeline.part)
        details["timeline"] = timeline.details
        remarks = [*remarks, *timeline.remarks]
    return scorecard_of(
        "sounds",
        split,
        figures,
        {name: systems[name] for name in SYSTEMS if name in systems},
        parts,
        remarks=[*_remarks(details, among, answers), *remarks],
        details=details,
        provenance=provenance,
    )


def compare_macro_f1(
    first: pa.Table,
    second: pa.Table,
    labels: Sequence[str],
    *,
    windows: bool = False,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Macro-F1 of the first net less that of the second.

    Args:
        first, second: predictions of ``rushes.tasks.sounds.predict.table.SCHEMA`` on the same clips.
        labels: the classes in the order of the logits.
        windows: whether the clips are windows of long recordings.
        confidence: of the interval.

    Raises:
        MetricError: no clips, or not the same ones.
        ShardError: logits that do not fit the labels.
    """
    ours, theirs = (read_answers(table, labels, windows=windows) for table in (first, second))
    require_same_clips(ours, theirs)
    among = clusters(ours.levels, np.arange(len(ours)))
    return paired_macro_f1(
        ours.truth.tolist(),
        ours.predicted.tolist(),
        theirs.predicted.tolist(),
        among.ids,
        range(len(labels)),
        confidence=confidence,
    )


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


def _classes(
    answers: Answers,
    sums: Mapping[str, Sums],
    systems: Mapping[str, System],
    among: Clusters,
    jackknife: Jackknife,
) -> Iterator[Part]:
    for place, label in enumerate(answers.labels):
        own = answers.truth == place
        if own.any():
            measures = {name: each.of_class(place, jackknife) for name, each in sums.items()}
            clips = Clusters(among.by, among.ids[own])
            yield part_of(measures, FIGURES, systems, clips, kind="class", name=label)


def _nobody_said(answers: Answers) -> str | None:
    """In words, of how many clips, or recordings, the group is not known."""
    nobodys = answers.group == ""
    if not answers.windows:
        return nobody_said(int(nobodys.sum()), len(answers))
    recordings = answers.levels["recording"]
    return nobody_said_of_recordings(len(np.unique(recordings[nobodys])), len(np.unique(recordings)))


def _support(answers: Answers, rows: NDArray[np.int64]) -> dict[str, int]:
    counts = np.bincount(answers.truth[rows], minlength=len(answers.labels))
    return dict(zip(answers.labels, counts.tolist(), strict=True))


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


def _remarks(details: Mapping[str, Any], among: Clusters, answers: Answers) -> Iterator[str]:
    """In words: whatever keeps the figures from meaning what they seem to."""
    if details["collapsed"] is not None:
        yield f"collapsed: every clip is answered with {details['collapsed']}"
    if said := _nobody_said(answers):
        yield said
    elif among.by != "group":
        groups, units = counted(details["groups"], "group"), plural(among.by)
        yield f"only {groups}: intervals rest on {units}, as if those of one group were independent"
    support = {label: sum(row) for label, row in zip(details["labels"], details["confusion"], strict=True)}
    if absent := [label for label, count in support.items() if not count]:
        yield f"no clip of {', '.join(absent)} on this side: a class without clips is 0 in macro figures"
    right = dict(zip(details["labels"], np.diagonal(details["confusion"]).tolist(), strict=True))
    if missed := [f"{label} ({count})" for label, count in support.items() if count and not right[label]]:
        yield f"not one clip was recognised of {', '.join(missed)}"
    if untaught := [label for label, count in details["train"].items() if not count]:
        yield f"no clip of {', '.join(untaught)} on the training side, so the baseline prior has no loss"
