"""Figures and systems of the task, in the order in which they stand in every table."""

from __future__ import annotations

from rushes.evaluate.figures import Figure
from rushes.evaluate.scorecard import System

MODEL, TEACHER, SMOOTHED, EVENT = "model", "teacher", "smoothed", "event"

FIGURES = {
    "f1_macro": Figure(
        title="macro-F1",
        meaning="plain mean of the classes' F1; a class without clips counts as 0",
        headline=True,
        compared=True,
    ),
    "balanced_accuracy": Figure(
        title="balanced accuracy",
        meaning="mean recall of the classes that have clips; guessing gives 1 / classes",
        headline=True,
        compared=True,
    ),
    "accuracy": Figure(
        title="accuracy",
        meaning="share of clips answered correctly",
        headline=True,
        compared=True,
    ),
    "precision_macro": Figure(
        title="macro precision",
        meaning="plain mean of the classes' precision; a class that is never answered counts as 0",
    ),
    "recall_macro": Figure(
        title="macro recall",
        meaning="plain mean of the classes' recall; a class without clips counts as 0",
    ),
    "loss": Figure(
        title="loss",
        meaning="cross-entropy, each clip weighted by the weight of its class in training",
        unit="nats",
        better="lower",
        bounds=(0.0, None),
        compared=True,
    ),
    "ece": Figure(
        title="ECE",
        meaning=(
            "expected calibration error: how far confidence is off the share of correct answers; noise only "
            "ever adds to it"
        ),
        better="lower",
    ),
    "f1": Figure(
        title="F1", meaning="of one class: harmonic mean of its precision and its recall", on="class"
    ),
    "precision": Figure(
        title="precision",
        meaning="of the clips answered with a class, the share that has it",
        on="class",
    ),
    "recall": Figure(
        title="recall", meaning="of the clips of a class, the share answered with it", on="class"
    ),
}
COMPARED = tuple(name for name, figure in FIGURES.items() if figure.compared)

SYSTEMS = {
    MODEL: System(role="model", what="the trained net"),
    TEACHER: System(role="reference", what="the net that it was distilled from"),
    SMOOTHED: System(role="ablation", what="the net's probabilities of a recording under a running median"),
    "majority": System(role="baseline", what="always the most frequent class of the training side"),
    EVENT: System(
        role="baseline", what="always the most frequent class of the training side that is an event"
    ),
    "prior": System(
        role="baseline",
        what=(
            "guesses each class as often as it occurs in training; figures of its expected confusion matrix, "
            "which are exact for accuracy, recall and loss and the limit for many clips elsewhere"
        ),
    ),
}

OF_TIMELINES = (SMOOTHED, EVENT)
"""Systems that answer about whole recordings alone."""
