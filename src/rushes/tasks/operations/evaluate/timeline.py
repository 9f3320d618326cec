"""Whole sessions tick by tick: the model's labels as they come, and smoothed by the order of work.

Tick *i* stands for ``[i, i + 1) * stride_s``. The span from the first labelled tick to the last is scored;
gaps inside it are ``Null`` in the truth: no frame accuracy, no segment, and what is predicted there counts
as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import ENOUGH
from rushes.evaluate.figures import SEED, plain
from rushes.metrics.checks import encode
from rushes.metrics.classify import class_scores
from rushes.metrics.decode import smooth
from rushes.metrics.detection import Detection, DetectionScores, TrueSegment, average_precision
from rushes.metrics.grammar import fit_grammar
from rushes.metrics.intervals import bootstrap, bootstrap_share
from rushes.metrics.segments import F1_THRESHOLDS, SegmentCounts, edit_scores, runs, segment_counts
from rushes.metrics.timeline import NULL, labels_at, resample_1hz
from rushes.tasks.operations.evaluate.clusters import NEIGHBOURS

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

    def spans(self, sequence: Sequence[str | None]) -> list[tuple[float, float, str | None]]:
        """Runs of equal labels as (start_s, end_s, label) on the recording's clock."""
        return [
            (self.first_s + run.start * self.stride_s, self.first_s + run.end * self.stride_s, run.label)
            for run in runs(sequence)
        ]


def timeline(
    predictions: pa.Table,
    recordings: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    prior: NDArray[np.float64],
    stride_s: float,
    clip_s: float,
    resamples: int,
) -> dict[str, Any] | None:
    """Figures of whole sessions for the model raw, the model smoothed, and the majority label.

    Args:
        predictions: rows of kind ``window`` are the ticks; None is returned where there is none.
        recordings: content of ``recordings.json``.
        labels: the K labels.
        prior: (K,) shares of the labels in the model's training data, above 0.
        stride_s: length of a tick.
        clip_s: what a boundary that is not found is charged.
        resamples: bootstrap draws over sessions.

    Raises:
        MetricError: a session that ``recordings`` does not know, or none with a label.
    """
    known = {recording["key"]: recording for recording in recordings}
    sessions = read_sessions(predictions, known, labels, stride_s)
    if not sessions:
        return None
    train = [row for row in recordings if row["split"] == "train"]
    sequences = [sequence for row in train if (sequence := _train_ticks(row, stride_s))]
    grammar = fit_grammar(sequences, labels)
    ticks = np.bincount([labels.index(label) for row in sequences for label in row], minlength=len(labels))
    answers = {
        "raw": [session.raw for session in sessions],
        "smoothed": [smooth(grammar, session.probabilities, prior) for session in sessions],
        "majority": [[labels[int(ticks.argmax())]] * len(session.truth) for session in sessions],
    }
    return {
        "stride_s": stride_s,
        "clusters": "session" if len(sessions) >= ENOUGH else "block of operations",
        "ticks": sum(len(session.truth) for session in sessions),
        "systems": {
            name: session_figures(sessions, sequence, labels, clip_s, resamples)
            for name, sequence in answers.items()
        },
        "sessions": [
            {
                "key": session.key,
                "truth": [list(segment) for segment in session.segments],
                "raw": [list(span) for span in session.spans(answers["raw"][number])],
                "smoothed": [list(span) for span in session.spans(answers["smoothed"][number])],
            }
            for number, session in enumerate(sessions)
        ],
    }


def read_sessions(
    predictions: pa.Table, known: Mapping[str, Mapping[str, Any]], labels: Sequence[str], stride_s: float
) -> list[Session]:
    """The model's ticks, one session after the other, cut to the labelled span.

    Raises:
        MetricError: a recording that is not known, or ticks that are missing or doubled.
    """
    columns = ["recording", "clip_start_s", "asked_s", "operation", "probabilities", "failure"]
    chosen = pc.and_(pc.equal(predictions["kind"], "window"), pc.equal(predictions["variant"], "model"))
    rows: dict[str, list[dict]] = {}
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
    rows: Sequence[dict],
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
    truth = labels_at(segments, (ticks + 0.5) * stride_s, gap=NULL)
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


def _train_ticks(recording: Mapping[str, Any], stride_s: float) -> list[str]:
    """Labels of a session's ticks; unlabelled ticks are left out, so its neighbours follow each other."""
    segments = [tuple(segment) for segment in recording["segments"]]
    count = int(recording["duration_s"] / stride_s)
    if not segments or not count:
        return []
    found = labels_at(segments, (np.arange(count) + 0.5) * stride_s)
    return [label for label in found if label is not None]


def session_figures(
    sessions: Sequence[Session],
    answers: Sequence[Sequence[str | None]],
    labels: Sequence[str],
    clip_s: float,
    resamples: int,
) -> dict[str, dict[str, float | None]]:
    """Figures of one labelling of all sessions.

    ``mof`` (frame accuracy) and ``macro_f1_1hz`` in [0, 1] and ``boundary_error_s``: their intervals resample
    sessions where there are enough, else blocks of neighbouring operations. ``edit``, ``f1_10``, ``f1_25``
    and ``f1_50`` in [0, 100] are figures of sessions: without enough of those they carry no interval.
    ``map`` and ``map_50`` in [0, 1] never carry one.
    """
    truths = [session.truth for session in sessions]
    classes = [*labels, NULL]
    draws = {"seed": SEED, "resamples": resamples}
    found = _tick_figures(sessions, answers, labels, draws)
    offs = [start_errors(session, answer, clip_s) for session, answer in zip(sessions, answers, strict=True)]
    starts = [[segment[0] for segment in session.segments[1:]] for session in sessions]
    if any(starts):
        errors = np.concatenate(offs)
        found["boundary_error_s"] = plain(
            bootstrap(
                lambda rows: float(np.median(errors[rows])),
                _units(sessions, starts),
                bounds=(0.0, clip_s),
                **draws,
            )
        )
    edits = edit_scores(truths, answers, classes, background=[NULL])
    found["edit"] = _of_sessions(lambda rows: float(edits[rows].mean()), len(sessions), draws)
    for threshold in F1_THRESHOLDS:
        counts = segment_counts(truths, answers, classes, threshold, background=[NULL])
        found[f"f1_{round(100 * threshold)}"] = _of_sessions(
            lambda rows, of=counts: sum((of[row] for row in rows), SegmentCounts(0, 0, 0)).f1,
            len(sessions),
            draws,
        )
    detected = _average_precision(sessions, answers, labels)
    for name, value in (("map", detected.average), ("map_50", detected.mean_ap[0.5])):
        found[name] = {"value": value, "low": None, "high": None, "n": len(sessions)}
    return found


def _of_sessions(
    statistic: Callable[[NDArray[np.int64]], float], n: int, draws: Mapping[str, int]
) -> dict[str, float | None]:
    """A figure of whole sessions; its interval needs enough of them."""
    if n >= ENOUGH:
        return plain(bootstrap(statistic, np.arange(n), **draws))
    return {"value": statistic(np.arange(n)), "low": None, "high": None, "n": n}


def _units(sessions: Sequence[Session], times_s: Sequence[Sequence[float]]) -> NDArray[np.int64]:
    """What is resampled as one at each moment of each session: the session or a block of operations."""
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


def _tick_figures(
    sessions: Sequence[Session],
    answers: Sequence[Sequence[str | None]],
    labels: Sequence[str],
    draws: Mapping[str, int],
) -> dict[str, dict[str, float | None]]:
    """Frame accuracy over labelled ticks, and OpenPack's macro F1 over labelled seconds."""
    ticks, seconds = [], []
    for session, answer in zip(sessions, answers, strict=True):
        moments = session.first_s + (np.arange(len(answer)) + 0.5) * session.stride_s
        ticks.append([row for row in zip(moments, session.truth, answer, strict=True) if row[1] != NULL])
        seconds.append([row for row in _at_1hz(session, answer) if row[1] != NULL])
    hits = np.array([truth == given for rows in ticks for _, truth, given in rows])
    actual = encode([truth for rows in seconds for _, truth, _ in rows], labels, "the truth")
    answer = encode([given for rows in seconds for *_, given in rows], labels, "the prediction", missing=True)
    by_tick, by_second = (
        _units(sessions, [[moment for moment, *_ in session] for session in rows])
        for rows in (ticks, seconds)
    )
    return {
        "mof": plain(bootstrap_share(hits, by_tick, **draws)),
        "macro_f1_1hz": plain(
            bootstrap(
                lambda rows: class_scores(actual[rows], answer[rows], labels).macro.f1,
                by_second,
                bounds=(0.0, 1.0),
                **draws,
            )
        ),
    }


def _at_1hz(session: Session, answer: Sequence[str | None]) -> list[tuple[float, str, str | None]]:
    """(time_s, truth, answer) of each second, the last of its ticks as in OpenPack's challenge.

    Ticks longer than a second are repeated.
    """
    step_s = min(session.stride_s, 1.0)
    count = max(round(len(answer) * session.stride_s / step_s), 1)
    since = (np.arange(count) + 0.5) * step_s
    place = np.minimum((since // session.stride_s).astype(int), len(answer) - 1)
    clock, truth = resample_1hz(since, [session.truth[tick] for tick in place])
    _, given = resample_1hz(since, [answer[tick] for tick in place])
    return list(zip(session.first_s + clock, truth, given, strict=True))


def start_errors(session: Session, answer: Sequence[str | None], clip_s: float) -> NDArray[np.float64]:
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


def _average_precision(
    sessions: Sequence[Session], answers: Sequence[Sequence[str | None]], labels: Sequence[str]
) -> DetectionScores:
    """ActivityNet's AP of the runs; a run is as sure as its label is probable on average."""
    truth = [
        TrueSegment(session.key, label, start_s, end_s)
        for session in sessions
        for start_s, end_s, label in session.segments
    ]
    found = []
    for session, answer in zip(sessions, answers, strict=True):
        for run, (start_s, end_s, label) in zip(runs(answer), session.spans(answer), strict=True):
            if label is not None:
                score = session.probabilities[run.start : run.end, labels.index(label)].mean()
                found.append(Detection(session.key, label, start_s, end_s, float(score)))
    return average_precision(truth, found, labels)
