"""From answers to figures by way of sums: what adds up over clips is all that any figure needs.

A bootstrap then resamples sums of clusters, not clips, so that thousands of draws over tens of thousands of
clips take a moment, and all systems are measured on the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from rushes.evaluate.figures import SEED, plain
from rushes.metrics.calibration import bin_of
from rushes.metrics.confusion import confusion_scores, guesses
from rushes.metrics.intervals import percentile_interval, resampled_sums, wilson
from rushes.tasks.sounds.evaluate.answers import Answers

BINS = 10
Figure = dict[str, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over clips: first over all of them, then over those of each resample.

    Attributes:
        confusion: (1 + resamples, K, K), rows are the truth; of a guessing system, expected counts.
        loss: (1 + resamples,) cross-entropies weighted by class; None where nothing has a probability.
        gaps: (1 + resamples, BINS) right answers less confidences, by confidence; None likewise.
    """

    confusion: NDArray[np.float64]
    loss: NDArray[np.float64] | None = None
    gaps: NDArray[np.float64] | None = None

    def figures(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Every figure of all clips and of each resample, (1 + resamples,); ``weights`` (K,) of classes."""
        scores = confusion_scores(self.confusion)
        found = {
            "f1_macro": scores.f1_macro,
            "balanced_accuracy": scores.balanced_accuracy,
            "accuracy": scores.accuracy,
            "precision_macro": scores.precision_macro,
            "recall_macro": scores.recall_macro,
        }
        if self.loss is not None:
            found["loss"] = self.loss / (scores.support @ weights)
        if self.gaps is not None:
            found["ece"] = np.abs(self.gaps).sum(axis=-1) / scores.support.sum(axis=-1)
        return found


def sums_of(
    nets: Sequence[Answers], weights: NDArray[np.float64], ids: NDArray[np.int64], resamples: int
) -> list[Sums]:
    """Sums of each net, all on the same draws of the clusters ``ids``."""
    parts = hstack([_parts(answers, weights) for answers in nets], format="csr")
    drawn = resampled_sums(parts, ids, seed=SEED, resamples=resamples)
    stacked = np.concatenate([parts.sum(axis=0)[None], drawn])
    return [_split(each, len(nets[0].labels)) for each in np.split(stacked, len(nets), axis=1)]


def _parts(answers: Answers, weights: NDArray[np.float64]) -> csr_array:
    """What each clip adds: one to a cell of the confusion matrix, its loss, its gap to a bin."""
    n, k = len(answers), len(answers.labels)
    columns = (
        answers.truth * k + answers.predicted,
        np.full(n, k * k),
        k * k + 1 + bin_of(np.minimum(answers.confidence, 1.0), BINS),
    )
    values = (
        np.ones(n),
        weights[answers.truth] * answers.cross_entropy,
        answers.right - answers.confidence,
    )
    place = (np.tile(np.arange(n), 3), np.concatenate(columns))
    return csr_array((np.concatenate(values), place), shape=(n, k * k + 1 + BINS))


def _split(sums: NDArray[np.float64], k: int) -> Sums:
    return Sums(sums[:, : k * k].reshape(-1, k, k), sums[:, k * k], sums[:, k * k + 1 :])


def baselines(
    support: NDArray[np.float64], train: NDArray[np.float64], weights: NDArray[np.float64]
) -> dict[str, Sums]:
    """Sums of the two systems that hear nothing.

    Args:
        support: (1 + resamples, K) clips of each class.
        train: (K,) share of each class on the training side.
        weights: (K,) of classes in the loss.
    """
    always = np.eye(len(train))[int(train.argmax())]  # of equally frequent classes the first
    prior = Sums(guesses(support, train))
    if train.all():  # else a class is impossible, and the loss infinite
        gaps = np.zeros((len(support), BINS))
        n = support.sum(axis=-1, keepdims=True)
        np.add.at(gaps.T, bin_of(train, BINS), (train * (support - train * n)).T)
        prior = Sums(prior.confusion, support @ (weights * -np.log(train)), gaps)
    return {"majority": Sums(guesses(support, always)), "prior": prior}


def figure(values: NDArray[np.float64], n: int, units: int, *, share: bool = True) -> Figure:
    """A figure with its interval.

    Args:
        values: of all clips, then of each resample.
        n: clips.
        units: clusters that were resampled.
        share: whether it lies in [0, 1], so that where all clips agree at one end the interval is Wilson's
            over the clusters, see `rushes.metrics.intervals.bootstrap_share`.
    """
    value, drawn = float(values[0]), values[1:]
    if n == 1:
        return {"value": value, "low": None, "high": None, "n": 1}
    if share and value in (0.0, 1.0) and (drawn == value).all():
        agreed = wilson(int(value) * units, units)
        return {"value": value, "low": agreed.low, "high": agreed.high, "n": n}
    return plain(percentile_interval(value, drawn, n))


def figures(sums: Sums, weights: NDArray[np.float64], n: int, units: int) -> dict[str, Figure]:
    """All figures of a system with their intervals."""
    return {
        name: figure(values, n, units, share=name not in ("loss", "ece"))
        for name, values in sums.figures(weights).items()
    }


def per_class(sums: Sums, labels: Sequence[str], n: int, units: int) -> dict[str, dict]:
    """Precision, recall and F1 of each class with their intervals, and its number of clips."""
    scores = confusion_scores(sums.confusion)
    return {
        label: {
            **{
                name: figure(getattr(scores, name)[:, place], n, units)
                for name in ("precision", "recall", "f1")
            },
            "support": int(scores.support[0, place]),
        }
        for place, label in enumerate(labels)
    }


def of_group(counts: NDArray[np.int64], labels: Sequence[str], resamples: int) -> Mapping[str, object]:
    """Accuracy and macro-F1 of one group's confusion matrix (K, K), clips resampled one by one.

    Resampling n clips with replacement is a multinomial draw of their cells. The macro-F1 is over the classes
    that the group has or was said to have: a wearer who never snores loses nothing by it.
    """
    n = int(counts.sum())
    cells = np.random.default_rng(SEED).multinomial(n, counts.ravel() / n, size=resamples)
    scores = confusion_scores(np.concatenate([counts[None], cells.reshape(-1, *counts.shape)]))
    there = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    return {
        "n": n,
        "f1_macro": figure(scores.f1[:, there].mean(axis=1), n, n),
        "accuracy": figure(scores.accuracy, n, n),
        "support": dict(zip(labels, counts.sum(axis=1).tolist(), strict=True)),
    }
