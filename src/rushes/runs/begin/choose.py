"""From a folder to a recipe: the task that takes most of it proposes the lines, and they become a file."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rushes.errors import RecipeError
from rushes.runs.begin.doubts import such
from rushes.runs.begin.found import Found
from rushes.runs.begin.proposal import Line, Proposal, recipe_text
from rushes.runs.task import Task
from rushes.stages.inventory import printable

CLEAR = 0.25
"""By so much of the recordings the best task has to take more than the second."""


def proposal_for(found: Found, tasks: Mapping[str, Task[Any]]) -> tuple[str, Proposal]:
    """The task that takes most of a folder, and what it proposes.

    Args:
        found: what is in the folder.
        tasks: that may take it, by name.

    Raises:
        RecipeError: none takes it, or two nearly as much of it, or something is missing that only a person can say.
    """
    proposals: dict[str, Proposal] = {}
    refusals: dict[str, RecipeError] = {}
    for name, task in tasks.items():
        try:
            proposal = task.propose(found)
        except RecipeError as error:
            refusals[name] = error
            continue
        if proposal is not None:
            proposals[name] = proposal
    if not proposals:
        raise _nothing(found, refusals)
    ranked = sorted(proposals, key=lambda name: -proposals[name].fits)
    best = proposals[ranked[0]]
    rivals = [name for name in ranked[1:] if proposals[name].fits > best.fits - CLEAR]
    if rivals:
        told = "".join(f"\n  - {name}: {one.because}" for name, one in proposals.items())
        told += "".join(f"\n  - {name}: {error.message}" for name, error in refusals.items())
        raise RecipeError(
            f"this folder may be for several tasks:{told}",
            where=found.root,
            cure=f"name the folder of one kind of recordings, or add --task {ranked[0]}",
        )
    doubts = [*best.doubts, *_left_out(found, best)]
    if best.fits < 0.5:
        doubts.insert(0, f"only {best.fits:.0%} of the recordings are taken: {best.because}")
    return ranked[0], replace(best, doubts=tuple(doubts))


def _left_out(found: Found, proposal: Proposal) -> Iterator[str]:
    """Recordings of another kind than the task takes, with the labels that go with them."""
    others = [one.name for one in found.recordings if one.kind != proposal.kind]
    if others:
        kind = found.by_name[others[0]].kind
        marks = [
            mark for labels in found.label_files for name in others for mark in labels.marks.get(name, ())
        ]
        yield (
            f"{len(others):,} {kind}s with {len(marks):,} labels are left out, since this task takes {proposal.kind}s: "
            f"{such(others)}; another recipe, by --task, takes them"
        )


def _nothing(found: Found, refusals: Mapping[str, RecipeError]) -> RecipeError:
    """Why there is no proposal."""
    if len(refusals) == 1:
        [error] = refusals.values()
        return error
    if refusals:
        told = "".join(f"\n  - {name}: {error.message}" for name, error in refusals.items())
        cures = [f"{name}: {error.cure}" for name, error in refusals.items() if error.cure]
        return RecipeError(f"no recipe yet:{told}", where=found.root, cure="; or ".join(cures))
    if found.pictures:
        what = f"{found.pictures:,} pictures, and no video and no sound"
        cure = (
            "call the frames of a video by their times, YYYYmmdd_HHMMSS_mmm.jpg, a folder for each; or make a video of "
            "numbered ones: ffmpeg -framerate 25 -i %06d.jpg OUT.mp4"
        )
    else:
        what, cure = (
            f"{len(found.files):,} files, and no recording that any task reads",
            "name the folder of the recordings",
        )
    return RecipeError(what, where=found.root, cure=cure)


def recipe_for(found: Found, task: str, proposal: Proposal, out: Path) -> tuple[str, tuple[Line, ...]]:
    """The text of a recipe, and all its lines.

    Args:
        found: what is in the folder.
        task: that proposes.
        proposal: of it.
        out: where the recipe is to stand: a root below its folder is written relative to it.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", found.root.resolve().name).strip("-") or task
    lines = [Line("task", task, proposal.because), Line("name", name)]
    kind, *rest = proposal.lines
    lines += [kind, Line("source.root", _root(found.root, out)), *rest]
    head = [
        "Written by rushes init: what was assumed has its reason above it. Look at it, change it, run it:",
        f"    rushes run {printable(shlex.quote(str(out)))}",
        *(f"Doubt: {doubt}" for doubt in proposal.doubts),
    ]
    return recipe_text(head, lines), tuple(lines)


def _root(root: Path, out: Path) -> str:
    """The folder as the recipe says it: relative where it lies below the recipe's own, so that both can move."""
    here, there = Path(os.path.abspath(out)).parent, Path(os.path.abspath(root))
    return there.relative_to(here).as_posix() if there.is_relative_to(here) else str(there)
