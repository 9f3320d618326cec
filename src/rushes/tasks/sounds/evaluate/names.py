"""What figures and systems are called, and in which order they stand in every table."""

from __future__ import annotations

from collections.abc import Iterable

from rushes.evaluate.figures import Figure

MODEL, TEACHER = "model", "teacher"

TITLES = {
    "f1_macro": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "precision_macro": "macro precision",
    "recall_macro": "macro recall",
    "loss": "loss",
    "ece": "ECE",
}
MEANINGS = {
    "f1_macro": "plain mean of the classes' F1; a class without clips counts as 0",
    "balanced_accuracy": "mean recall of the classes that have clips; guessing gives 1 / classes",
    "accuracy": "share of clips answered rightly",
    "precision_macro": "plain mean of the classes' precision",
    "recall_macro": "plain mean of the classes' recall; a class without clips counts as 0",
    "loss": "cross-entropy, each clip weighted by the weight of its class in training",
    "ece": (
        "expected calibration error: how far confidence is off the share of right answers; noise only ever "
        "adds to it, so its interval lies high"
    ),
}
COMPARED = ("f1_macro", "balanced_accuracy", "accuracy", "loss")
HEADLINE = ("f1_macro", "balanced_accuracy", "accuracy")
LOWER_IS_BETTER = frozenset({"loss", "ece"})

FIGURES = {
    name: Figure(
        title=title,
        meaning=MEANINGS[name],
        better="lower" if name in LOWER_IS_BETTER else "higher",
        headline=name in HEADLINE,
        compared=name in COMPARED,
    )
    for name, title in TITLES.items()
}

SYSTEMS = {
    "model": "the trained net",
    "teacher": "the net that it was distilled from",
    "majority": "always the most frequent class of the training side",
    "prior": (
        "guesses each class as often as it occurs in training; figures of its expected confusion matrix, "
        "which are exact for accuracy, recall and loss and the limit for many clips elsewhere"
    ),
}
BASELINES = ("majority", "prior")


def in_order(systems: Iterable[str]) -> list[str]:
    """Systems in the order of `SYSTEMS`; JSON files sort their keys.

    >>> in_order(["prior", "model"])
    ['model', 'prior']
    """
    return sorted(systems, key=list(SYSTEMS).index)


def shown(value: float | None) -> str:
    """A figure with as many digits as a table needs; a dot where there is none.

    >>> shown(0.85714), shown(None)
    ('0.857', '·')
    """
    return "·" if value is None else f"{value:.3f}"
