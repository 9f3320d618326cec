"""What figures and systems are called, and in which order they stand in every table."""

from __future__ import annotations

from collections.abc import Iterable

from rushes.evaluate.figures import Figure

MODEL = "model"

TITLES = {
    "oca": "OCA",
    "tiou_30": "tIoU@0.3",
    "tiou_50": "tIoU@0.5",
    "tiou_70": "tIoU@0.7",
    "tiou_mean": "mean tIoU",
    "aa_1": "AA@1",
    "macro_f1": "macro F1",
    "boundary_error_s": "boundary error (s)",
    "allowed": "allowed transitions",
    "transition_distance": "transition distance",
    "ece": "ECE",
    "failure_rate": "unreadable",
    "mof": "MoF",
    "macro_f1_1hz": "macro F1 1 Hz",
    "edit": "edit",
    "f1_10": "F1@10",
    "f1_25": "F1@25",
    "f1_50": "F1@50",
    "map": "mAP",
    "map_50": "mAP@0.5",
}
MEANINGS = {
    "oca": "share of clips whose operation is named exactly",
    "tiou_50": "share of clips whose segment overlaps the true one by half of their union or more",
    "aa_1": "share of clips whose next operation is named exactly",
    "macro_f1": "mean F1 of the operations that the clips hold",
    "boundary_error_s": (
        "median distance of answered from true boundaries inside the clip; a miss costs the clip's length"
    ),
    "allowed": "grammar score: share of answered transitions (operation, next) that occur in training",
    "transition_distance": "Frobenius distance of answered from true transition matrix",
    "ece": "expected calibration error of the confidence in the operation",
    "mof": "frame accuracy: share of labelled ticks with the right label",
    "edit": "Levenshtein similarity of the order of operations, 0 to 100",
    "map": "mean average precision over tIoU 0.5 to 0.95",
}
HEADLINE = ("oca", "tiou_50", "aa_1")
COMPARED = ("oca", "tiou_30", "tiou_50", "tiou_70", "tiou_mean", "aa_1")
LOWER_IS_BETTER = frozenset({"boundary_error_s", "transition_distance", "ece", "failure_rate"})

OTHERS = ("macro_f1", "boundary_error_s", "allowed", "transition_distance", "ece", "failure_rate")
FIGURES = {
    name: Figure(
        title=TITLES[name],
        meaning=MEANINGS.get(name, ""),
        better="lower" if name in LOWER_IS_BETTER else "higher",
        headline=name in HEADLINE,
        compared=name in COMPARED,
    )
    for name in (*COMPARED, *OTHERS)
}

SYSTEMS = {
    "model": "the trained model",
    "raw": "the model's label of each tick",
    "smoothed": "the model's probabilities under the order and durations of the training sessions (Viterbi)",
    "untrained": "the model before training",
    "no_vision": "the trained model with black frames",
    "shuffled": "the trained model with the frames in random order",
    "majority": "the most frequent operation and the most frequent next one of the training clips",
    "whole_clip": "always the whole clip",
    "constant_template": "mean start and mean end of the training clips",
    "constant_asked": (
        "the constant segment that reaches tIoU 0.5 on most training clips, one for questions about the "
        "first half of a clip and one for those about the second"
    ),
    "grammar_prior": "most frequent successor of the operation that the model itself names",
    "grammar_prior_true": "most frequent successor of the true operation: a ceiling of the order, no rival",
}


def in_order(systems: Iterable[str]) -> list[str]:
    """Systems in the order of `SYSTEMS`, unknown ones last; JSON files sort their keys.

    >>> in_order(["majority", "other", "model"])
    ['model', 'majority', 'other']
    """
    known = list(SYSTEMS)
    return sorted(systems, key=lambda name: (known.index(name) if name in known else len(known), name))


def shown(value: float) -> str:
    """A figure with as many digits as a table needs.

    >>> shown(0.8571), shown(56.0)
    ('0.857', '56.0')
    """
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
