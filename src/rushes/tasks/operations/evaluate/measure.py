"""What the answers about operations are worth: every figure beside its interval and its baselines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import Clusters, clusters
from rushes.evaluate.parts import MODEL, Measure, Measured, Measures, part_of, parts_by, scorecard_of
from rushes.evaluate.scorecard import Scorecard, Value
from rushes.metrics.calibration import bin_of, calibration
from rushes.metrics.confusion import confused_pairs, confusion_matrix
from rushes.metrics.estimate import SHARE, Bounds, of_differences
from rushes.metrics.jackknife import Jackknife
from rushes.tasks.operations.evaluate.answers import (
    LADDER,
    Answers,
    Clips,
    groups_remark,
    ladder,
    read_answers,
)
from rushes.tasks.operations.evaluate.baselines import TrainClips, baselines, order_of_work
from rushes.tasks.operations.evaluate.figures import CALIBRATION_BINS, Scored
from rushes.tasks.operations.evaluate.names import HEADLINE, SYSTEMS, figures_of
from rushes.tasks.operations.evaluate.timeline import timeline

NO_ANSWER = "no answer"
MINIMUM_SUPPORT = 10

Rows = NDArray[np.int64]


def evaluate(
    predictions: pa.Table,
    train: Iterable[Any],
    recordings: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    *,
    split: str,
    clip_s: float,
    stride_s: float,
    first_clips: int,
    provenance: Mapping[str, Any],
) -> Scorecard:
    """Measure the answers of a model and of all its baselines.

    Args:
        predictions: of ``rushes.tasks.operations.predict.table.SCHEMA``.
        train: samples of the training split; baselines are fitted on those with an answer.
        recordings: content of ``recordings.json``.
        labels: names of the operations, in the order of all tables.
        split: the side that the clips are of.
        clip_s: length of a clip.
        stride_s: length of a tick of a timeline.
        first_clips: how many clips, in alphabetical order, are measured by themselves as well.
        provenance: signatures, hashes and seeds that the figures belong to, copied as they are.

    Returns:
        Parts: all clips, the first of them, whole sessions where they were cut into windows, the clips of
        each true operation and of each subject. Details: ``confusion`` counts clips, rows are the truth;
        ``confused_pairs``; ``calibration``, None where the model gave no confidence; ``timeline`` with the
        labels of each session, None without windows; ``first_clips``, their keys.

    Raises:
        MetricError: no clips, answers that do not pair up, labels that are not known.
    """
    labels = list(labels)
    clips, answers = read_answers(predictions)
    fitted = TrainClips.of(train)
    taught = [row for row in recordings if row["split"] == "train"]
    grammar = order_of_work([[segment[2] for segment in row["segments"]] for row in taught], labels)
    said = answers[MODEL].operation
    assert said is not None, "the model answers every part"
    answers |= baselines(fitted, clips, answers[MODEL], grammar, clip_s)
    scored = {name: Scored.of(clips, answers[name], grammar, clip_s) for name in SYSTEMS if name in answers}
    counts = np.array([fitted.operation.count(label) for label in labels]) + 1.0
    sessions = timeline(predictions, recordings, labels, counts / counts.sum(), stride_s, clip_s)
    figures, levels, every = figures_of(clip_s, len(labels)), ladder(clips), np.arange(len(clips))
    among, among_first = clusters(levels, every), clusters(levels, every[:first_clips])
    by_class = {label: np.flatnonzero(clips.operation == label) for label in labels}
    subjects = filter(None, np.unique(clips.subject).tolist())  # an empty one is of nobody knows whom
    by_subject = {name: np.flatnonzero(clips.subject == name) for name in subjects}
    of_class, of_group = _of_class(scored, Jackknife.of(among.ids)), partial(_of_part, scored)
    parts = [
        part_of(_of_clips(scored, every, among), figures, SYSTEMS, among, against=HEADLINE),
        part_of(
            _of_clips(scored, every[:first_clips], among_first),
            figures,
            SYSTEMS,
            among_first,
            kind="subset",
            name=f"first {first_clips}",
            against=HEADLINE,
        ),
        *([sessions.part] if sessions else []),
        *parts_by(by_class, of_class, figures, SYSTEMS, levels, kind="class"),
        *parts_by(by_subject, of_group, figures, SYSTEMS, levels, kind="group"),
    ]
    measured = {name for part in parts for name in part.estimates}
    return scorecard_of(
        "operations",
        split,
        figures,
        {name: system for name, system in SYSTEMS.items() if name in measured},
        parts,
        remarks=[
            *groups_remark(clips, among),
            *_absent(by_class),
            *_without_next(clips),
            *(sessions.remarks if sessions else ()),
        ],
        details={
            "labels": labels,
            "clip_s": clip_s,
            "train_clips": len(fitted.operation),
            "clusters": LADDER,
            "first_clips": clips.key[:first_clips].tolist(),
            "confusion": {
                "labels": [*labels, NO_ANSWER],
                "counts": confusion_matrix(
                    clips.operation.tolist(), said, labels, missing=NO_ANSWER
                ).tolist(),
            },
            "confused_pairs": _confused(clips, answers, recordings, labels),
            "calibration": _calibration(answers[MODEL], scored[MODEL].scores["oca"], levels),
            "timeline": sessions and sessions.details,
        },
        provenance=provenance,
    )


def _of_clips(scored: Mapping[str, Scored], rows: Rows, among: Clusters) -> Measures:
    return {name: system.of_clips(rows, among.ids) for name, system in scored.items()}


def _of_part(
    scored: Mapping[str, Scored], rows: Rows, jackknife: Jackknife
) -> dict[str, dict[str, Measured]]:
    return {name: system.of_part(rows, jackknife) for name, system in scored.items()}


def _of_class(scored: Mapping[str, Scored], jackknife: Jackknife) -> Measure:
    """Figures of the clips of a class; precision and F1 rest on those that were taken for it as well.

    Args:
        scored: every system.
        jackknife: of all clips of the side.
    """
    every = np.arange(len(jackknife.part))
    rated = {
        name: system.rated(every, jackknife)
        for name, system in scored.items()
        if system.answers.operation is not None
    }

    def measure(rows: Rows, own: Jackknife) -> Measures:
        found = _of_part(scored, rows, own)
        for name, scores in rated.items():
            truth, said = scored[name].truth[:, 0], scored[name].said[:, 0]
            place = truth[rows[0]]
            counted = jackknife.sums(((truth == place) | (said == place))[:, None])[:, 0]
            found[name] |= {
                "precision": Measured(jackknife, scores.precision[:, place], counted),
                "f1": Measured(jackknife, scores.f1[:, place], counted),
            }
        return found

    return measure


def _absent(by_class: Mapping[str, Rows]) -> Iterator[str]:
    if absent := [label for label, rows in by_class.items() if not len(rows)]:
        yield f"no clip on this side asks about {', '.join(absent)}: nothing is known of how they fare"


def _without_next(clips: Clips) -> Iterator[str]:
    if all(one is None for one in clips.next):
        yield "nobody says what comes next in any clip: the next operation is not measured"


def _confused(
    clips: Clips,
    answers: Mapping[str, Answers],
    recordings: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
) -> dict[str, Any]:
    """Ordered pairs of confused operations; their clusters are operations of a session, as clips share them."""
    said = {
        name: operations
        for name in (MODEL, "untrained")
        if name in answers and (operations := answers[name].operation) is not None
    }
    operation = operation_ids(clips, recordings)
    pairs = []
    for pair in confused_pairs(
        clips.operation.tolist(), said[MODEL], labels, minimum_support=MINIMUM_SUPPORT
    ):
        rows = np.flatnonzero(clips.operation == pair.truth)
        taken = {
            name: np.array([operations[row] == pair.predicted for row in rows.tolist()])
            for name, operations in said.items()
        }
        ids = operation[rows]
        entry = {
            "truth": pair.truth,
            "predicted": pair.predicted,
            "count": pair.count,
            "operations": len(np.unique(ids[taken[MODEL]])),
            "rate": _mean(taken[MODEL], ids, SHARE),
        }
        if "untrained" in taken:
            less = taken[MODEL].astype(float) - taken["untrained"]
            entry["less_untrained"] = _mean(less, ids, of_differences(SHARE))
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


def _calibration(
    model: Answers, correct: NDArray[np.bool_], levels: Mapping[str, NDArray[np.int64]]
) -> dict[str, Any] | None:
    """Reliability of the model's confidence in its operation; None where it never gave one."""
    sure = np.array(model.confidence, dtype=np.float64)  # None becomes nan
    rows = np.flatnonzero(~np.isnan(sure))
    if not len(rows):
        return None
    place = bin_of(sure[rows], CALIBRATION_BINS)
    members = (rows[place == number] for number in np.unique(place))
    return {
        "n": len(rows),
        "bins": [
            {
                "low": each.low,
                "high": each.high,
                "confidence": each.confidence,
                "accuracy": _mean(correct[inside], clusters(levels, inside).ids, SHARE),
            }
            for each, inside in zip(
                calibration(sure[rows], correct[rows], CALIBRATION_BINS).bins, members, strict=True
            )
        ],
    }


def _mean(scores: NDArray[Any], ids: NDArray[np.int64], bounds: Bounds) -> dict[str, Any]:
    """The mean of some scores with its interval, as it stands in JSON."""
    jackknife = Jackknife.of(ids)
    return Value.of(jackknife.estimate(jackknife.means(scores), bounds)).model_dump()
