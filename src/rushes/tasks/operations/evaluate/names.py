"""Figures and systems of the task, in the order in which they stand in every table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from rushes.evaluate.figures import Figure
from rushes.evaluate.parts import MODEL
from rushes.evaluate.scorecard import System
from rushes.metrics.grammar import farthest

_Compared = partial(Figure, compared=True)
_Headline = partial(_Compared, headline=True)
_Seconds = partial(_Compared, unit="s", better="lower", bounds=(0.0, None))
_OfTimelines = partial(_Compared, on="timeline")
_Percent = partial(_OfTimelines, unit="%", bounds=(0.0, 100.0))

_OVERLAPS = "share of clips whose segment overlaps the true one by {} of their union or more"

FIGURES = {
    "oca": _Headline(
        title="OCA",
        meaning="operation classification accuracy: share of clips whose operation is named exactly",
    ),
    "tiou_50": _Headline(title="tIoU@0.5", meaning=_OVERLAPS.format("half")),
    "aa_1": _Headline(
        title="AA@1",
        meaning="anticipation accuracy: share of clips whose next operation is named exactly",
    ),
    "tiou_30": _Compared(title="tIoU@0.3", meaning=_OVERLAPS.format("0.3")),
    "tiou_70": _Compared(title="tIoU@0.7", meaning=_OVERLAPS.format("0.7")),
    "tiou_mean": _Compared(
        title="mean tIoU",
        meaning="mean overlap of the answered and the true segment over their union; a miss counts as 0",
    ),
    "macro_f1": _Compared(title="macro F1", meaning="mean F1 of the operations that the clips hold"),
    "boundary_error_s": _Seconds(
        title="boundary error",
        meaning="median distance of answered from true boundaries inside the clip; a miss costs the clip's length",
    ),
    "allowed": Figure(
        title="allowed transitions",
        meaning="grammar score: share of answered transitions (operation, next) that occur in training",
    ),
    "transition_distance": Figure(
        title="transition distance",
        meaning="Frobenius distance of the answered from the true transition matrix",
        better="lower",
        bounds=(0.0, None),
    ),
    "ece": Figure(
        title="ECE",
        meaning="expected calibration error of the confidence in the operation",
        better="lower",
    ),
    "failure_rate": Figure(
        title="unreadable",
        meaning="share of answers that could not be read; they count as wrong everywhere",
        better="lower",
    ),
    "precision": Figure(
        title="precision",
        meaning="of the clips answered with an operation, the share that asks about it",
        on="class",
    ),
    "f1": _Compared(
        title="F1", meaning="of one operation: harmonic mean of its precision and its recall", on="class"
    ),
    "mof": _OfTimelines(
        title="MoF", meaning="frame accuracy: share of labelled ticks of whole sessions with the right label"
    ),
    "macro_f1_1hz": _OfTimelines(
        title="macro F1 at 1 Hz",
        meaning="mean F1 of all operations over labelled seconds, as in OpenPack's challenge",
    ),
    "edit": _Percent(
        title="edit score", meaning="Levenshtein similarity of the order of operations in a session"
    ),
    **{
        f"f1_{percent}": _Percent(
            title=f"F1@{percent}",
            meaning=f"F1 of segments that overlap a true one of their operation by {percent} % of the union",
        )
        for percent in (10, 25, 50)
    },
    "map_50": _OfTimelines(title="mAP@0.5", meaning="mean average precision of segments at tIoU 0.5"),
    "map": _OfTimelines(title="mAP", meaning="mean average precision of segments over tIoU 0.5 to 0.95"),
    "start_error_s": _Seconds(
        title="start error",
        meaning=(
            "median distance of each true start of an operation from the nearest answered start of the same "
            "one, at most the length of a clip"
        ),
        on="timeline",
    ),
}
HEADLINE = tuple(name for name, figure in FIGURES.items() if figure.headline)
OF_TIMELINES = tuple(name for name, figure in FIGURES.items() if figure.on == "timeline")


def figures_of(clip_s: float, labels: int) -> Mapping[str, Figure]:
    """The figures of clips of ``clip_s`` seconds and so many operations: what an error can be at most."""
    most = {name: clip_s for name, figure in FIGURES.items() if figure.unit == "s"}
    most["transition_distance"] = farthest(labels)
    return {
        name: replace(figure, bounds=(0.0, most[name])) if name in most else figure
        for name, figure in FIGURES.items()
    }


SYSTEMS = {
    MODEL: System(
        role="model", what="the trained model; on whole sessions its label of each tick as it comes"
    ),
    "majority": System(
        role="baseline",
        what=(
            "the most frequent operation and the most frequent next one of the training clips; on whole "
            "sessions the operation of most training ticks"
        ),
    ),
    "whole_clip": System(role="baseline", what="always the whole clip"),
    "constant_template": System(role="baseline", what="mean start and mean end of the training clips"),
    "constant_asked": System(
        role="baseline",
        what=(
            "the constant segment that reaches tIoU 0.5 on most training clips, one for questions about the "
            "first half of a clip and one for those about the second"
        ),
    ),
    "smoothed": System(
        role="ablation",
        what=(
            "the model's probabilities of all ticks under the order and durations of the training sessions "
            "(Viterbi)"
        ),
    ),
    "untrained": System(role="ablation", what="the model before training"),
    "no_vision": System(role="ablation", what="the trained model with black frames"),
    "shuffled": System(role="ablation", what="the trained model with the frames in random order"),
    "grammar_prior": System(
        role="ablation", what="the most frequent successor of the operation that the model itself names"
    ),
    "grammar_prior_true": System(
        role="ceiling", what="the most frequent successor of the true operation: what order alone can give"
    ),
}
