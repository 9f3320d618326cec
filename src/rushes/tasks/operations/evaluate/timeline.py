"""Whole sessions tick by tick: the model's labels as they come, and smoothed by the order of work.

Tick *i* stands for ``[i, i + 1) * stride_s``. The span from the first labelled tick to the last is scored;
gaps inside it are ``Null`` in the truth: no frame accuracy, no segment, and what is predicted there counts
as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import ENOUGH, Clusters
from rushes.evaluate.pages.timeline import fell_into_one_class
from rushes.evaluate.parts import MODEL, Measured, part_of
from rushes.evaluate.scorecard import Part
from rushes.metrics.checks import Label
from rushes.metrics.confusion import confusion_scores
from rushes.metrics.decode import smooth
from rushes.metrics.detection import Detection, DetectionScores, TrueSegment, average_precision
from rushes.metrics.grammar import fit_grammar
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.segments import F1_THRESHOLDS, SegmentCounts, edit_scores, runs, segment_counts
from rushes.metrics.timeline import NULL, labels_1hz, labels_at
from rushes.tasks.operations.evaluate.answers import NEIGHBOURS
from rushes.tasks.operations.evaluate.figures import one_hot
from rushes.tasks.operations.evaluate.names import OF_TIMELINES, SYSTEMS, figures_of

SegmentRow = tuple[float, float, str]


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One session's ticks with the model's answers.

    Attributes:
        key: of the recording.
        first_s: start of the first tick on the recording's clock.
        stride_s: length of a tick.
        truth: T labels or `NULL`.
        raw: T labels, None where the answer could not be read.
        probabilities: (T, K) over the labels.
        segments: the true segments on the recording's clock.
    """

    key: str
    first_s: float
    stride_s: float
    truth: list[str]
    raw: list[str | None]
    probabilities: NDArray[np.float64]
    segments: tuple[SegmentRow, ...]

    @property
    def moments(self) -> list[float]:
        """Middle of each labelled tick on the recording's clock."""
        middles = self.first_s + (np.arange(len(self.truth)) + 0.5) * self.stride_s
        return [middle for middle, label in zip(middles.tolist(), self.truth, strict=True) if label != NULL]

    def spans(self, sequence: Sequence[Label | None]) -> list[tuple[float, float, Label | None]]:
        """Runs of equal labels as (start_s, end_s, label) on the recording's clock."""
        return [
            (self.first_s + run.start * self.stride_s, self.first_s + run.end * self.stride_s, run.label)
            for run in runs(sequence)
        ]


class Timeline(NamedTuple):
    """Whole sessions: their part of the scorecard, the labels of each as JSON, and what to say of them."""

    part: Part
    details: dict[str, Any]
    remarks: list[str]


def timeline(
    predictions: pa.Table,
    recordings: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    prior: NDArray[np.float64],
    stride_s: float,
    clip_s: float,
) -> Timeline | None:
    """Measure whole sessions: the model's labels as they come, smoothed, and the majority label.

    Args:
        predictions: rows of kind ``window`` are the ticks; None is returned where there is none.
        recordings: content of ``recordings.json``.
        labels: the K labels.
        prior: (K,) shares of the labels in the model's training data, above 0.
        stride_s: length of a tick.
        clip_s: what a boundary that is not found is charged.

    Raises:
        MetricError: a session that ``recordings`` does not know, or none with a label.
    """
    known = {recording["key"]: recording for recording in recordings}
    sessions = read_sessions(predictions, known, labels, stride_s)
    if not sessions:
        return None
    train = [row for row in recordings if row["split"] == "train"]
    sequences = [sequence for row in train if (sequence := train_ticks(row, stride_s))]
    grammar = fit_grammar(sequences, labels)
    ticks = np.bincount([labels.index(label) for row in sequences for label in row], minlength=len(labels))
    answers: dict[str, Sequence[Sequence[Label | None]]] = {
        MODEL: [session.raw for session in sessions],
        "smoothed": [smooth(grammar, session.probabilities, prior) for session in sessions],
        "majority": [[labels[int(ticks.argmax())]] * len(session.truth) for session in sessions],
    }
    measures = {
        name: session_figures(sessions, sequences, labels, clip_s) for name, sequences in answers.items()
    }
    by = "session" if len(sessions) >= ENOUGH else "block of operations"
    among = Clusters(by, _units(sessions, [session.moments for session in sessions]))
    rows: list[dict[str, Any]] = [
        {
            "key": session.key,
            "truth": [list(segment) for segment in session.segments],
            MODEL: [list(span) for span in session.spans(raw)],
            "smoothed": [list(span) for span in session.spans(smoothed)],
        }
        for session, raw, smoothed in zip(sessions, answers[MODEL], answers["smoothed"], strict=True)
    ]
    return Timeline(
        part_of(
            measures, figures_of(clip_s, len(labels)), SYSTEMS, among, kind="timeline", against=OF_TIMELINES
        ),
        {"stride_s": stride_s, "ticks": sum(len(session.truth) for session in sessions), "sessions": rows},
        [
            f"{row['key']}, {name} labels: {said}"
            for row in rows
            for name in (MODEL, "smoothed")
            if (said := fell_into_one_class(row["truth"], row[name]))
        ],
    )


def read_sessions(
    predictions: pa.Table, known: Mapping[str, Mapping[str, Any]], labels: Sequence[str], stride_s: float
) -> list[Session]:
    """The model's ticks, one session after the other, cut to the labelled span.

    Raises:
        MetricError: a recording that is not known, or ticks that are missing or doubled.
    """
    columns = ["recording", "clip_start_s", "asked_s", "operation", "probabilities", "failure"]
    chosen = pc.and_(pc.equal(predictions["kind"], "window"), pc.equal(predictions["variant"], "model"))
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in predictions.filter(chosen).select(columns).to_pylist():
        rows.setdefault(row["recording"], []).append(row)
    found = []
    for key in sorted(rows):
        if key not in known:
            raise MetricError("predictions of a session that recordings.json does not hold", where=key)
        segments = tuple(tuple(segment) for segment in known[key]["segments"])
        if segments:
            found.append(_session(key, rows[key], segments, labels, stride_s))
    return found


def _session(
    key: str,
    rows: Sequence[Mapping[str, Any]],
    segments: tuple[SegmentRow, ...],
    labels: Sequence[str],
    stride_s: float,
) -> Session:
    ticks = np.array([(row["clip_start_s"] + row["asked_s"]) // stride_s for row in rows], dtype=np.int64)
    order = np.argsort(ticks, kind="stable")
    ticks = ticks[order]
    if (np.diff(ticks) != 1).any():
        raise MetricError(
            f"the ticks of a session must follow each other every {stride_s} s, found gaps or doubles",
            where=key,
            cure="evaluate with the stride that the dataset was prepared with",
        )
    truth = [str(label) for label in labels_at(segments, (ticks + 0.5) * stride_s, gap=NULL)]
    labelled = np.flatnonzero([label != NULL for label in truth])
    if not len(labelled):
        raise MetricError("no tick of the session carries a label", where=key)
    span = slice(int(labelled[0]), int(labelled[-1]) + 1)
    kept = [rows[number] for number in order[span]]
    nothing = np.full(len(labels), 1 / len(labels))
    failed = [row["failure"] is not None or row["operation"] is None for row in kept]
    return Session(
        key,
        float(ticks[span][0] * stride_s),
        stride_s,
        truth[span],
        [None if wrong else row["operation"] for row, wrong in zip(kept, failed, strict=True)],
        np.array(
            [
                nothing if wrong else np.array(row["probabilities"])
                for row, wrong in zip(kept, failed, strict=True)
            ]
        ),
        segments,
    )


def train_ticks(recording: Mapping[str, Any], stride_s: float) -> list[str]:
    """Labels of a session's ticks; unlabelled ticks are left out, so its neighbours follow each other."""
    segments = [tuple(segment) for segment in recording["segments"]]
    count = int(recording["duration_s"] / stride_s)
    if not segments or not count:
        return []
    found = labels_at(segments, (np.arange(count) + 0.5) * stride_s)
    return [str(label) for label in found if label is not None]


def session_figures(
    sessions: Sequence[Session],
    answers: Sequence[Sequence[Label | None]],
    labels: Sequence[str],
    clip_s: float,
) -> dict[str, Measured]:
    """Figures of one labelling of all sessions.

    ``mof`` (frame accuracy) and ``macro_f1_1hz`` in [0, 1], and ``start_error_s``: sessions are left out one
    by one where there are enough, else blocks of neighbouring operations. Of ``edit``, ``f1_10``, ``f1_25``
    and ``f1_50`` in [0, 100], and ``map`` and ``map_50`` in [0, 1], always sessions.
    """
    truths = [session.truth for session in sessions]
    classes = [*labels, NULL]
    ticks = Jackknife.of(_units(sessions, [session.moments for session in sessions]))
    hits = [
        true == said
        for truth, answer in zip(truths, answers, strict=True)
        for true, said in zip(truth, answer, strict=True)
        if true != NULL
    ]
    found = {
        "mof": Measured.mean(ticks, hits),
        "macro_f1_1hz": _macro_f1_1hz(sessions, answers, labels),
    }
    starts = [[segment[0] for segment in session.segments[1:]] for session in sessions]
    if any(starts):
        errors = [start_errors(*each, clip_s) for each in zip(sessions, answers, strict=True)]
        of_starts = Jackknife.of(_units(sessions, starts))
        found["start_error_s"] = Measured(of_starts, of_starts.medians(np.concatenate(errors)))
    whole = Jackknife.of(np.arange(len(sessions)))
    edits = edit_scores(truths, answers, classes, background=[NULL])
    found["edit"] = Measured.mean(whole, edits)
    for threshold in F1_THRESHOLDS:
        counts = segment_counts(truths, answers, classes, threshold, background=[NULL])
        sums = whole.sums(np.array([(of.tp, of.fp, of.fn) for of in counts]))
        found[f"f1_{round(100 * threshold)}"] = Measured(
            whole, np.array([SegmentCounts(*row).f1 for row in sums.astype(int).tolist()])
        )

    truth, runs_of = _segments(sessions, answers, labels)

    @cache
    def detected(*kept: int) -> DetectionScores:
        return average_precision(
            [row for n in kept for row in truth[n]], [row for n in kept for row in runs_of[n]], labels
        )

    found["map"] = Measured(whole, whole.statistic(lambda kept: detected(*kept.tolist()).average))
    found["map_50"] = Measured(whole, whole.statistic(lambda kept: detected(*kept.tolist()).mean_ap[0.5]))
    return found


def _units(
    sessions: Sequence[Session], times_s: Sequence[Sequence[float] | NDArray[np.floating[Any]]]
) -> NDArray[np.int64]:
    """What moves together at each moment of each session: the session or a block of operations."""
    found, offset = [], 0
    for number, (session, moments) in enumerate(zip(sessions, times_s, strict=True)):
        if len(sessions) >= ENOUGH:
            found.append(np.full(len(moments), number))
            continue
        starts = [segment[0] for segment in session.segments]
        operation = np.searchsorted(starts, moments, side="right")
        found.append(offset + operation // NEIGHBOURS)
        offset += len(starts) + 1
    return np.concatenate(found)


def _macro_f1_1hz(
    sessions: Sequence[Session], answers: Sequence[Sequence[Label | None]], labels: Sequence[str]
) -> Measured:
    """OpenPack's macro F1 over labelled seconds; ticks longer than a second are repeated."""
    moments, cells, size = [], [], len(labels) + 1
    for session, answer in zip(sessions, answers, strict=True):
        step_s = min(session.stride_s, 1.0)
        count = max(round(len(answer) * session.stride_s / step_s), 1)
        since = (np.arange(count) + 0.5) * step_s
        place = np.minimum((since // session.stride_s).astype(int), len(answer) - 1)
        truth, said = ([side[tick] for tick in place] for side in (session.truth, answer))
        seconds, actual, answered = labels_1hz((since, truth), (since, said), labels)
        moments.append(session.first_s + seconds)
        cells.append(actual * size + np.where(answered < 0, len(labels), answered))
    jackknife = Jackknife.of(_units(sessions, moments))
    counts = jackknife.sums(one_hot(np.concatenate(cells), size * size)).reshape(-1, size, size)
    return Measured(jackknife, confusion_scores(counts).f1[:, :-1].mean(axis=1))


def start_errors(session: Session, answer: Sequence[Label | None], clip_s: float) -> NDArray[np.float64]:
    """Seconds from each true start of an operation to the nearest predicted start of that label.

    At most ``clip_s``, which is also charged where the label is never predicted. The first operation of the
    session has no start here: its span is cut there.
    """
    spans = session.spans(answer)[1:]
    errors = []
    for start_s, _, label in session.segments[1:]:
        starts = [abs(span[0] - start_s) for span in spans if span[2] == label]
        errors.append(min([clip_s, *starts]))
    return np.array(errors)


def _segments(
    sessions: Sequence[Session], answers: Sequence[Sequence[Label | None]], labels: Sequence[str]
) -> tuple[list[list[TrueSegment]], list[list[Detection]]]:
    """True segments and runs of each session; a run is as sure as its label is probable on average."""
    truth = [
        [TrueSegment(session.key, label, start_s, end_s) for start_s, end_s, label in session.segments]
        for session in sessions
    ]
    found = [
        [
            Detection(
                session.key,
                label,
                start_s,
                end_s,
                float(session.probabilities[run.start : run.end, labels.index(label)].mean()),
            )
            for run, (start_s, end_s, label) in zip(runs(answer), session.spans(answer), strict=True)
            if label is not None
        ]
        for session, answer in zip(sessions, answers, strict=True)
    ]
    return truth, found
