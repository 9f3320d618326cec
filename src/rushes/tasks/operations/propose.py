"""What this task would make of a folder: footage with labels of whatever tool, or the published layout."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from statistics import median

from rushes.recipe.sections import FROZEN, TINY
from rushes.runs.doubts import overlaps, such
from rushes.runs.first_model import first_model, name_of
from rushes.runs.found import Found
from rushes.runs.labelled import Labelled
from rushes.runs.proposal import Line, Proposal
from rushes.tasks.operations.recipe import PrepareClips
from rushes.tasks.operations.sources.table.names import key_of

CLIP_S, LEAST_CLIP_S, MOST_CLIP_S = 5.0, 1.5, 60.0
WHOLE = 0.8
"""Share of the recordings of one operation each that a clip is to hold whole."""

_OPENPACK = re.compile(r"(?:v1\.0\.0/)?(U\d{4})/annotation/openpack-operations/S\d{4}\.csv")


def propose(found: Found) -> Proposal | None:
    """A recipe for footage with labels; None where there is no footage.

    Raises:
        RecipeError: there is footage, and something that only a person can say.
    """
    if subjects := {match[1] for name in found.names if (match := _OPENPACK.fullmatch(name))}:
        return _published(found, sorted(subjects))
    if not found.of_kind("video"):
        return None
    labelled = Labelled.of(found, "video", key_of)
    model = first_model(frozen=True)
    lines = [
        Line("source.kind", "table", "videos with label files"),
        *labelled.lines(),
        *_overlaps(labelled),
        *_cutting(labelled),
        *model,
        *_teaching(name_of(model)),
    ]
    share = len(labelled.marks) / len(found.recordings)
    because = f"{len(labelled.marks):,} videos with labels in {labelled.labels.name}"
    return Proposal(share, because, tuple(lines), (*labelled.doubts(), *_doubts(labelled)))


def _published(found: Found, subjects: Sequence[str]) -> Proposal:
    """A recipe for OpenPack, whose labels, persons and sides are known."""


def _overlaps(labelled: Labelled) -> Iterator[Line]:
    if any(True for marks in labelled.marks.values() for _ in overlaps(marks)):
        why = "labels overlap, and one moment has one operation: the shorter keeps it; refuse would set such recordings aside"
        yield Line("source.overlaps", "shorter", why)


def _cutting(labelled: Labelled) -> Iterator[Line]:
    """How long a clip is, and which sides are cut into windows."""
    single = _single(labelled)
    if 2 * len(single) >= len(labelled.marks):
        lengths = sorted(filter(None, (labelled.found.by_name[name].duration_s for name in single)))
        longest = lengths[int(WHOLE * (len(lengths) - 1))] if lengths else CLIP_S
        clip_s = min(MOST_CLIP_S, math.floor(2 * longest + 1) / 2)
        why = f"most recordings show one operation: a clip holds {WHOLE:.0%} of them whole"
        yield Line("preprocessing.clip_s", max(LEAST_CLIP_S, clip_s), why)
        return
    lasting = median(labelled.found.lasts(name, mark) for name, marks in labelled.marks.items() for mark in marks)
    if lasting < CLIP_S:
        clip_s = max(LEAST_CLIP_S, math.ceil(2 * lasting) / 2)
        yield Line("preprocessing.clip_s", clip_s, f"half of the labels last {lasting:.1f} s or less")
    if lasting < 5 * PrepareClips().boundary_window_s:
        window_s = round(lasting / 5, 2)
        yield Line("prepare.boundary_window_s", window_s, "labels are short: clips ask nearer to a boundary")


def _single(labelled: Labelled) -> list[str]:
    """Recordings of one operation."""
    return [name for name, marks in labelled.marks.items() if len({mark.label for mark in marks}) == 1]
