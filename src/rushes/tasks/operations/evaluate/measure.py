"""What the answers about operations are worth: every figure beside its interval and its baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.figures import SEED, plain
from rushes.metrics.calibration import calibration
from rushes.metrics.classify import confused_pairs, confusion_matrix, precision_recall_f1
from rushes.metrics.intervals import bootstrap_share, paired_difference
from rushes.tasks.operations.evaluate.answers import Clips, System, read_answers
from rushes.tasks.operations.evaluate.baselines import TrainClips, baselines, order_of_work
from rushes.tasks.operations.evaluate.blocks import Evidence, block, short
from rushes.tasks.operations.evaluate.clusters import RULE
from rushes.tasks.operations.evaluate.figures import CALIBRATION_BINS
from rushes.tasks.operations.evaluate.names import MODEL, SYSTEMS
from rushes.tasks.operations.evaluate.timeline import timeline

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
        predictions: of ``rushes.tasks.operations.predict.table.SCHEMA``.
        train: samples of the training split; baselines are fitted on those with an answer.
        recordings: content of ``recordings.json``.
        labels: names of the operations, in the order of all tables.
        clip_s: length of a clip.
        stride_s: length of a tick of a timeline.
        contract_clips: size of the contract subset, the first clips in alphabetical order.
        resamples: bootstrap draws behind every interval.
        provenance: signatures, hashes and seeds that the figures belong to, copied as they are.

    Returns:
        One JSON object. ``all`` and ``contract`` (see `blocks.block`) hold every figure of every system and
        how the model stands to its best baselines, ``per_class`` and ``per_subject`` the headline figures.
        Beside them stand ``confusion``, ``confused_pairs``, ``calibration``, ``timeline`` (null where no
        session was cut into windows) and ``provenance``. A figure is ``{value, low, high, n}``; ``low`` and
        ``high`` are null where no interval can be given.

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
    evidence = Evidence.of(clips, systems, grammar, clip_s, resamples)
    every = np.arange(len(clips))
    counts = np.array([fitted.operation.count(label) for label in labels]) + 1.0
    return {
        "metric_version": METRIC_VERSION,
        "labels": labels,
        "clip_s": clip_s,
        "n": {"clips": len(clips), "train_clips": len(fitted.operation)},
        "intervals": {"rule": RULE, "resamples": resamples, "seed": SEED},
        "systems": {
            name: {"role": system.role, "what": SYSTEMS.get(name)} for name, system in systems.items()
        },
        "all": block(evidence, every),
        "contract": block(evidence, every[:contract_clips]) | {"keys": clips.key[:contract_clips].tolist()},
        "per_class": _per_class(evidence, labels),
        "per_subject": {
            subject: short(evidence, np.flatnonzero(clips.subject == subject))
            for subject in np.unique(clips.subject).tolist()
        },
        "confusion": {
            "labels": [*labels, NO_ANSWER],
            "counts": confusion_matrix(
                clips.operation.tolist(), systems[MODEL].operation, labels, missing=NO_ANSWER
            ).tolist(),
        },
        "confused_pairs": _confused(clips, systems, recordings, labels, resamples),
        "calibration": _calibration(systems[MODEL], evidence.scores[MODEL]["oca"]),
        "timeline": timeline(
            predictions, recordings, labels, counts / counts.sum(), stride_s, clip_s, resamples
        ),
        "provenance": dict(provenance),
    }


def _per_class(evidence: Evidence, labels: Sequence[str]) -> dict[str, Any]:
    """Headline figures of the clips of each class, with the class's precision and F1 over all clips."""
    clips, model = evidence.clips, evidence.systems[MODEL]
    rated = precision_recall_f1(clips.operation.tolist(), model.operation, labels)
    found = {}
    for number, label in enumerate(labels):
        rows = np.flatnonzero(clips.operation == label)
        if len(rows):
            averages = {"precision": float(rated.precision[number]), "f1": float(rated.f1[number])}
            found[label] = short(evidence, rows) | averages
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
