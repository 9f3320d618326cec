"""What this task would make of a folder: footage with labels of whatever tool, or the published layout."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from statistics import median

from rushes.errors import RecipeError
from rushes.recipe.sections import TINY
from rushes.runs.begin.doubts import overlaps, such
from rushes.runs.begin.first_model import first_model, teaching
from rushes.runs.begin.found import Found
from rushes.runs.begin.proposal import Line, Proposal
from rushes.runs.begin.taken import Taken
from rushes.runs.begin.who import Who, sides_of
from rushes.tasks.operations.recipe import OperationsRecipe, PrepareClips
from rushes.tasks.operations.sources.openpack.tables import person_of
from rushes.tasks.operations.sources.table.labels import fault_of
from rushes.tasks.operations.sources.table.names import key_of

CLIP_S, LEAST_CLIP_S = 5.0, 1.5
MOST_LABELS = 200
"""Classes that a recipe spells out."""

HELD_WHOLE = 0.8
"""Share of the recordings of one operation each that a clip is to hold whole."""

_OPENPACK = re.compile(r"(?:v1\.0\.0/)?(U\d{4})/annotation/openpack-operations/S\d{4}\.csv")


def propose(found: Found) -> Proposal | None:
    """A recipe for footage with labels; None where there is no footage.

    Raises:
        RecipeError: there is footage, and something that only a person can say.
    """
    if subjects := {match[1] for name in found.names if (match := _OPENPACK.fullmatch(name))}:
        return _published(found, subjects)
    if not found.of_kind("video"):
        return None
    taken = Taken.of(found, "video", key_of, validates=False)
    if len(taken.classes) < 2:
        raise RecipeError(
            f"one label, {taken.classes[0]}: there is nothing to tell apart",
            where=taken.labels.name,
            cure="label what else is to be seen; source.background makes a class of the time between labels",
        )
    if fault := fault_of(taken.classes):
        raise RecipeError(fault, where=taken.labels.name, cure="correct the labels there")
    cutting = list(_cutting(taken))
    model, lines = first_model(OperationsRecipe.families)
    return Proposal(
        fits=len(taken.marks) / len(found.recordings),
        because=f"{len(taken.marks):,} videos have labels in {taken.labels.name}",
        lines=(
            Line("source.kind", "table", "footage, and label files beside it"),
            *taken.lines(),
            *_labels(taken),
            *_overlaps(taken),
            *cutting,
            *_pictures(model),
            *lines,
            *teaching(model, "captions", "clips"),
        ),
        doubts=(*taken.doubts(), *_doubts(taken, cutting)),
    )


def _published(found: Found, subjects: set[str]) -> Proposal:
    """A recipe for OpenPack, whose labels and persons are known."""
    persons = Who("pattern", "", "", {subject: person_of(subject) for subject in subjects})
    amounts = {subject: {"footage": 1.0} for subject in subjects}
    _, side_of = sides_of(amounts, persons, str, validates=False, where=found.root)
    sides = {
        side: sorted(one for one in subjects if side_of[one] == side) for side in ("train", "val", "test")
    }
    media = "video" if any("/video/" in one.name for one in found.of_kind("video")) else "frames"
    model, lines = first_model(OperationsRecipe.families)
    return Proposal(
        fits=1.0,
        because=f"the folder is in OpenPack's layout: {len(subjects)} subjects",
        lines=(
            Line("source.kind", "openpack"),
            Line("source.media", media, "what lies there of the colour footage"),
            Line(
                "source.split",
                {side: who for side, who in sides.items() if who},
                "no person stands on two sides",
            ),
            *_pictures(model),
            *lines,
            *teaching(model, "captions", "clips"),
        ),
    )


def _labels(taken: Taken) -> Iterator[Line]:
    if len(taken.classes) <= MOST_LABELS:
        why = "those with most seconds first; source.merge and source.ignore make fewer of them"
        yield Line("source.labels", list(taken.classes), why)


def _overlaps(taken: Taken) -> Iterator[Line]:
    if any(True for marks in taken.marks.values() for _ in overlaps(marks)):
        why = (
            "labels overlap, and a moment has one operation: the shorter label keeps it; refuse sets such recordings "
            "aside, first, last and longer are the other rules"
        )
        yield Line("source.overlaps", "shorter", why)


def _cutting(taken: Taken) -> Iterator[Line]:
    """How long a clip is, and how near to a boundary it asks."""
    single = _of_one_operation(taken)
    if 2 * len(single) >= len(taken.marks):
        lengths = sorted(single.values())
        longest = lengths[int(HELD_WHOLE * (len(lengths) - 1))]
        clip_s = min(CLIP_S, max(LEAST_CLIP_S, math.floor(2 * longest + 1) / 2))
        why = f"most recordings show one operation, {HELD_WHOLE:.0%} of those for {longest:.1f} s or less: seen whole"
        yield Line("preprocessing.clip_s", clip_s, why)
        return
    lasting = median(seconds for of_label in taken.lengths_of().values() for seconds in of_label)
    if lasting < CLIP_S:
        clip_s = max(LEAST_CLIP_S, math.ceil(2 * lasting) / 2)
        yield Line("preprocessing.clip_s", clip_s, f"half of the labels last {lasting:.1f} s or less")
    if lasting < 5 * PrepareClips().boundary_window_s:
        window_s = round(lasting / 5, 2)
        yield Line("prepare.boundary_window_s", window_s, "labels are short: clips ask nearer to a boundary")


def _of_one_operation(taken: Taken) -> dict[str, float]:
    """Recordings that show one operation and declare their length -> seconds."""
    lengths = {name: taken.found.by_name[name].duration_s for name in taken.marks}
    return {
        name: seconds
        for name, seconds in lengths.items()
        if seconds and len({mark.label for mark in taken.marks[name]}) == 1
    }


def _pictures(model: str) -> Iterator[Line]:
    if model == TINY:
        yield Line(
            "preprocessing.frame_size", [140, 112], "a tiny model sees tiny pictures; real ones 336x336"
        )


def _doubts(taken: Taken, cutting: list[Line]) -> Iterator[str]:
    clip_s = next((line.value for line in cutting if line.key == "preprocessing.clip_s"), CLIP_S)
    lengths = {name: taken.found.by_name[name].duration_s for name in taken.marks}
    whole = _of_one_operation(taken)
    short = [name for name, seconds in lengths.items() if seconds and seconds < clip_s and name not in whole]
    if short:
        yield f"{len(short):,} recordings are shorter than a clip of {clip_s:g} s and give one clip each: {such(short)}"
