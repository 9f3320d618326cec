"""From every system's answers to its figures: scores of single clips first, then figures of some of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rushes.evaluate.parts import Measured
from rushes.metrics.calibration import bin_of
from rushes.metrics.checks import MISSING, encode
from rushes.metrics.confusion import Scores, confusion_scores
from rushes.metrics.grammar import Grammar, transition_distance
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.temporal import THRESHOLDS, boundary_errors, interior_edges, reaches, tiou
from rushes.tasks.operations.evaluate.answers import Answers, Clips
from rushes.tasks.operations.evaluate.names import HEADLINE

CALIBRATION_BINS = 10
NEXT = "aa_1"
OF_PARTS = (*HEADLINE, "tiou_mean")
"""Figures of classes and groups, all of them means of scores of single clips."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One system's answers about the n clips of the side, and what each of them scored.

    Attributes:
        answers: of the system.
        segment: (n, 2) true seconds on the clip's clock.
        truth, said: (n, 2) positions of operation and next among the K labels; negative where nobody knows
            what followed, and where nothing was said or could be read.
        scores: (n,) each; booleans are hits, and their means are the figures of the same name. Parts that
            the system leaves open are left out.
        labels: K.
        clip_s: (n,) length of each clip.
        longest_s: of a clip, which a missing answer is charged.
    """

    answers: Answers
    segment: NDArray[np.float64]
    truth: NDArray[np.int64]
    said: NDArray[np.int64]
    scores: Mapping[str, NDArray[Any]]
    labels: int
    clip_s: NDArray[np.float64]
    longest_s: float

    @classmethod
    def of(cls, clips: Clips, answers: Answers, grammar: Grammar, clip_s: float) -> Scored:
        """Score every clip once.

        Args:
            clips: with their truth.
            answers: of the system.
            grammar: over operations, fitted on the training sessions.
            clip_s: length of a clip, of whose recording there is enough.

        Raises:
            MetricError: a label that the grammar does not have.
        """
        labels = grammar.labels
        nothing = [None] * len(clips)
        truth, said = (
            np.stack([encode(names, labels, what, missing=missing) for names, missing in pair], axis=1)
            for what, pair in (
                ("the truth", ((clips.operation.tolist(), False), (clips.next.tolist(), True))),
                ("the prediction", ((answers.operation or nothing, True), (answers.next or nothing, True))),
            )
        )
        right = said == truth
        scores: dict[str, NDArray[Any]] = {}
        if answers.operation is not None:
            scores["oca"] = right[:, 0]
        if answers.segment is not None:
            overlap = tiou(clips.segment, answers.segment)
            scores |= {f"tiou_{round(100 * tau)}": reaches(overlap, tau) for tau in THRESHOLDS}
            scores["tiou_mean"] = overlap
        if answers.next is not None:
            scores[NEXT] = right[:, 1]
        if answers.operation is not None and answers.next is not None:
            scores["allowed"] = (said != MISSING).all(axis=1) & (grammar.counts[tuple(said.T)] > 0)
        if answers.failed is not None:
            scores["failure_rate"] = answers.failed
        return cls(answers, clips.segment, truth, said, scores, len(labels), clips.clip_s, clip_s)

    def of_clips(self, rows: Rows, clusters: NDArray[np.int64]) -> dict[str, Measured]:
        """Every figure of the clips at ``rows`` (m,), of which ``clusters`` (m,) tells what moves together."""
        jackknife = Jackknife.of(clusters)
        found = self.means(self.scores, rows, jackknife)
        if self.answers.operation is not None:
            rated = self.rated(rows, jackknife)
            means = [f1[support > 0].mean() for f1, support in zip(rated.f1, rated.support, strict=True)]
            found["macro_f1"] = Measured(jackknife, np.array(means))
        told, followed = self.followed(rows, jackknife)
        if "allowed" in self.scores and followed is not None:
            truth, said = self.truth[told], self.said[told]
            found["transition_distance"] = Measured(
                followed,
                followed.statistic(lambda some: transition_distance(truth[some], said[some], self.labels)),
            )
        if self.answers.segment is not None:
            inside = interior_edges(self.segment, self.clip_s)[rows]
            if inside.any():
                errors = boundary_errors(self.segment, self.answers.segment, self.longest_s)[rows][inside]
                edges = Jackknife.of(clusters.repeat(inside.sum(axis=1)))
                found["boundary_error_s"] = Measured(edges, edges.medians(errors))
        if self.answers.confidence is not None:
            sure = np.array(self.answers.confidence, dtype=np.float64)[rows]  # None becomes nan
            there = ~np.isnan(sure)
            if there.any():
                answered = Jackknife.of(clusters[there])
                errors = calibration_errors(sure[there], self.scores["oca"][rows][there], answered)
                found["ece"] = Measured(answered, errors)
        return found

    def of_part(self, rows: Rows, jackknife: Jackknife) -> dict[str, Measured]:
        """The figures of classes and groups on the clips at ``rows``."""
        return self.means([name for name in OF_PARTS if name in self.scores], rows, jackknife)

    def means(self, names: Iterable[str], rows: Rows, jackknife: Jackknife) -> dict[str, Measured]:
        """Means of scores over ``rows``; of what comes next over those of which somebody knows it."""
        told, followed = self.followed(rows, jackknife)
        among = {name: (told, followed) if name == NEXT else (rows, jackknife) for name in names}
        return {
            name: Measured.mean(some, self.scores[name][chosen])
            for name, (chosen, some) in among.items()
            if some is not None
        }

    def followed(self, rows: Rows, jackknife: Jackknife) -> tuple[Rows, Jackknife | None]:
        """Those of ``rows`` of which somebody knows what comes next, and their leave-outs; None without any."""
        known = self.truth[rows, 1] != MISSING
        if known.all():
            return rows, jackknife
        return rows[known], Jackknife.of(jackknife.part[known]) if known.any() else None

    def rated(self, rows: Rows, jackknife: Jackknife) -> Scores:
        """Precision, recall and F1 of the K operations, and of no answer as the last, (1 + G, K + 1)."""
        size = self.labels + 1
        actual, answer = self.truth[rows, 0], self.said[rows, 0]
        cells = actual * size + np.where(answer == MISSING, self.labels, answer)
        return confusion_scores(jackknife.sums(one_hot(cells, size * size)).reshape(-1, size, size))


def one_hot(places: NDArray[np.int64], size: int, weights: NDArray[np.float64] | None = None) -> csr_array:
    """(n, size) with 1, or the weight of the row, at the place of each row."""
    n = len(places)
    return csr_array((np.ones(n) if weights is None else weights, (np.arange(n), places)), (n, size))


def calibration_errors(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], jackknife: Jackknife
) -> NDArray[np.float64]:
    """Expected calibration error, (1 + G,), as `rushes.metrics.calibration.calibration` has it of all rows.

    >>> sure, right = np.array([0.95, 0.95, 0.65, 0.65]), np.array([True, True, True, False])
    >>> calibration_errors(sure, right, Jackknife.of(["a", "a", "b", "c"])).round(3).tolist()
    [0.1, 0.15, 0.25, 0.15]
    """
    gaps = one_hot(bin_of(confidence, CALIBRATION_BINS), CALIBRATION_BINS, correct - confidence)
    n = jackknife.sums(np.ones((len(confidence), 1)))[:, 0]
    errors: NDArray[np.float64] = np.abs(jackknife.sums(gaps)).sum(axis=1) / n
    return errors
