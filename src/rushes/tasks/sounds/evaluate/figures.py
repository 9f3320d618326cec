"""From answers to figures by way of sums: what adds up over clips is all that any figure needs.

An interval then rests on the sums without each cluster, not on clips, so that tens of thousands of clips take
a moment, and all systems are measured on the same leave-outs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from rushes.evaluate.parts import Measured, Measures
from rushes.metrics.calibration import bin_of
from rushes.metrics.confusion import confusion_scores, guesses
from rushes.metrics.jackknife import Jackknife
from rushes.tasks.sounds.evaluate.answers import Answers

BINS = 10

Values = dict[str, NDArray[np.float64]]
"""Figure -> its value on all clips, then without each cluster, (1 + G,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over clips: first over all of them, then without each cluster.

    Attributes:
        confusion: (1 + G, K, K), rows are the truth; of a guessing system, expected counts.
        loss: (1 + G,) cross-entropies weighted by class, nats; None where nothing has a probability.
        gaps: (1 + G, BINS) correct answers less confidences, by confidence; None likewise.
    """

    confusion: NDArray[np.float64]
    loss: NDArray[np.float64] | None = None
    gaps: NDArray[np.float64] | None = None

    def figures(self, weights: NDArray[np.float64]) -> Values:
        """Every figure of a side; ``weights`` (K,) of classes in the loss."""
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

    def figures_of_group(self) -> Values:
        """Macro-F1 and accuracy, the former over the classes that the group has or was said to have.

        So a wearer who never snores loses nothing by it.
        """
        scores = confusion_scores(self.confusion)
        there = (self.confusion[0].sum(axis=0) + self.confusion[0].sum(axis=1)) > 0
        return {"f1_macro": scores.f1[:, there].mean(axis=1), "accuracy": scores.accuracy}

    def of_class(self, place: int, jackknife: Jackknife) -> dict[str, Measured]:
        """F1, precision and recall of one class, each from the clips that it rests on.

        A class that was never answered has no precision.
        """
        scores = confusion_scores(self.confusion)
        support, named = self.confusion[:, place].sum(axis=-1), self.confusion[:, :, place].sum(axis=-1)
        either = support + named - self.confusion[:, place, place]
        rows = {"f1": either, "precision": named, "recall": support}
        return {
            name: Measured(jackknife, getattr(scores, name)[:, place], counted)
            for name, counted in rows.items()
            if round(counted[0])
        }


class Side:
    """What each clip of a side adds to the sums of every system.

    Args:
        nets: answers of the trained nets on the same clips.
        train: (K,) share of each class on the training side.
        weights: (K,) of classes in the loss.
    """

    def __init__(
        self, nets: Mapping[str, Answers], train: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> None:
        self._nets, self._train, self._weights = tuple(nets), train, weights
        self._parts = hstack([_parts(answers, weights) for answers in nets.values()], format="csr")

    def sums(self, rows: NDArray[np.int64], jackknife: Jackknife) -> dict[str, Sums]:
        """Sums of every system over some of the clips."""
        k = len(self._train)
        # Column by column in memory, so that classes add up in their order, however many leave-outs there are.
        sums = np.asfortranarray(jackknife.sums(self._parts[rows]))
        each = np.split(sums, len(self._nets), axis=1)
        found = {
            name: Sums(sums[:, : k * k].reshape(-1, k, k), sums[:, k * k], sums[:, k * k + 1 :])
            for name, sums in zip(self._nets, each, strict=True)
        }
        support = found[self._nets[0]].confusion.sum(axis=-1)
        return found | baselines(support, self._train, self._weights)

    def of_all(self, sums: Mapping[str, Sums], jackknife: Jackknife) -> Measures:
        """Every figure of every system on the whole side."""
        return _measured({name: each.figures(self._weights) for name, each in sums.items()}, jackknife)

    def of_group(self, rows: NDArray[np.int64], jackknife: Jackknife) -> Measures:
        """The figures of every system on the clips of one group."""
        sums = self.sums(rows, jackknife)
        return _measured({name: each.figures_of_group() for name, each in sums.items()}, jackknife)


def baselines(
    support: NDArray[np.float64], train: NDArray[np.float64], weights: NDArray[np.float64]
) -> dict[str, Sums]:
    """Sums of the two systems that are given no sound.

    Args:
        support: (1 + G, K) clips of each class.
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


def _measured(values: Mapping[str, Values], jackknife: Jackknife) -> Measures:
    return {
        system: {name: Measured(jackknife, found) for name, found in figures.items()}
        for system, figures in values.items()
    }
