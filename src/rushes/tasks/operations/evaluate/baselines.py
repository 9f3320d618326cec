"""Answers of trivial systems, and of the order of work: all are fitted on the training side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.metrics.grammar import Grammar, fit_grammar, grammar_prior
from rushes.metrics.temporal import Interval, pairwise_tiou, reaches
from rushes.tasks.operations.evaluate.answers import Answers, Clips

GRID = 50  # steps of a clip's length on which the best constant is searched
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class TrainClips:
    """What baselines are fitted on: n clips of the training split that have an answer.

    Attributes:
        operation: n labels.
        next: n labels, None where nobody says what followed.
        asked_s: (n,) on the clip's clock.
        segment: (n, 2) seconds on the clip's clock.
    """

    operation: tuple[str, ...]
    next: tuple[str | None, ...]
    asked_s: NDArray[np.float64]
    segment: NDArray[np.float64]

    @classmethod
    def of(cls, samples: Iterable[Any]) -> TrainClips:
        """Take what is needed of samples (`prepare.operations.sample`); windows of timelines are left out.

        Raises:
            MetricError: no sample has an answer.
        """
        rows = [
            (sample.target, float(sample.asked_s))
            for sample in samples
            if sample.target is not None and sample.meta.get("kind") != "window"
        ]
        if not rows:
            raise MetricError(
                "the training split holds no clip with an answer, so no baseline can be fitted",
                cure="check the split and the prepared dataset",
            )
        targets = [target for target, _ in rows]
        return cls(
            tuple(target.operation for target in targets),
            tuple(target.next for target in targets),
            np.array([asked_s for _, asked_s in rows]),
            np.array([(target.start_s, target.end_s) for target in targets]),
        )


def order_of_work(sequences: Sequence[Sequence[str]], labels: Sequence[str]) -> Grammar:
    """The grammar over operations of the training sessions; sessions without a label teach nothing.

    Raises:
        MetricError: no session with a label, or an unknown one.
    """
    return fit_grammar([sequence for sequence in sequences if sequence], labels)


def baselines(
    train: TrainClips, clips: Clips, model: Answers, grammar: Grammar, clip_s: float
) -> dict[str, Answers]:
    """Every baseline's answers about the clips.

    Args:
        train: what they are fitted on.
        clips: what they are asked about.
        model: its own operations feed the grammar prior.
        grammar: over operations, fitted on the training sessions.
        clip_s: length of a clip.
    """
    assert model.operation is not None, "the model answers every part"
    n = len(clips)
    early = clips.asked_s < clips.clip_s / 2
    template: Interval = tuple(train.segment.mean(axis=0).tolist())
    first, second = (
        best_constant(train.segment[asked], clip_s)
        for asked in (train.asked_s < clip_s / 2, train.asked_s >= clip_s / 2)
    )
    return {
        "majority": Answers(operation=[_most(train.operation)] * n, next=[_most(train.next)] * n),
        "whole_clip": Answers(segment=[(0.0, length_s) for length_s in clips.clip_s.tolist()]),
        "constant_template": Answers(segment=[template] * n),
        "constant_asked": Answers(segment=[first if half else second for half in early]),
        "grammar_prior": Answers(next=grammar_prior(grammar, model.operation)),
        "grammar_prior_true": Answers(next=grammar_prior(grammar, clips.operation.tolist())),
    }


def best_constant(segments: NDArray[np.float64], clip_s: float) -> Interval:
    """The constant segment that reaches tIoU 0.5 on most of ``segments``; at a tie the highest mean tIoU.

    Searched on a grid of a fiftieth of the clip. Without segments it is the whole clip.

    Args:
        segments: (n, 2) seconds on the clip's clock.
        clip_s: length of a clip.

    >>> best_constant(np.array([[0.0, 2.0], [0.0, 2.5], [0.0, 5.0]]), 5.0)
    (0.0, 2.5)
    """
    if not len(segments):
        return (0.0, clip_s)
    edges = np.linspace(0.0, clip_s, GRID + 1)
    starts, ends = np.triu_indices(len(edges), k=1)
    candidates = np.stack([edges[starts], edges[ends]], axis=1)
    tious = pairwise_tiou(segments, candidates)  # (n, candidates)
    rank = np.lexsort((tious.mean(axis=0), reaches(tious, THRESHOLD).mean(axis=0)))
    return tuple(candidates[rank[-1]].tolist())


def _most(labels: Sequence[str | None]) -> str | None:
    """The most frequent label; at a tie the first in alphabetical order; None where there is none."""
    counts = Counter(label for label in labels if label is not None)
    return min(counts, key=lambda label: (-counts[label], label), default=None)
