"""The seal of the test side: what was selected is frozen, then opened, once, and every opening is on record.

A frozen selection is an entry of the record of looks, see `rushes.runs.looks`: its hash, the runs, and what is
measured for it. The entry stands before anything of the test side is read, so a kill never hides a look.
Another selection, were it of one run only, is another entry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from statistics import fmean
from typing import Any

from rushes.campaign.judging.gate import best, values_of
from rushes.campaign.records import Opened, Result, Selection
from rushes.errors import StageError
from rushes.runs.looks import LOOKS, Datasets, Look, content_of, folders_of, hash_of_opening, seen_by
from rushes.runs.run import Run
from rushes.storage import Workspace
from rushes.storage.record import Entry, Record


def select(
    references: Mapping[str, Sequence[str]],
    results: Sequence[Result],
    *,
    metric: str,
    seeds: Sequence[int],
    lower_is_better: bool = False,
) -> tuple[Selection, ...]:
    """The best run of each group on the validation side; a group without one that counts is left out.

    Args:
        references: group (or run, or gate) -> names of the runs that it stands for.
        results: only their validation side is looked at.
        metric: by the mean of which over seeds the best is chosen.
        seeds: every run that takes part is done with each.
    """
    chosen = []
    for group, names in references.items():
        values = values_of(results, names, seeds, metric)
        name = best(values, lower_is_better=lower_is_better)
        if name is not None:
            candidates = {run: fmean(of_seeds) for run, of_seeds in values.items()}
            chosen.append(Selection(group, name, metric, candidates, tuple(seeds)))
    return tuple(chosen)


def hash_of(campaign: str, selections: Sequence[Selection]) -> str:
    """SHA-256 of what is frozen, the same whatever the order of its groups."""
    return hash_of_opening(campaign, map(asdict, selections))


def open_seal(
    workspace: Workspace, campaign: str, selections: Sequence[Selection], runs: Sequence[Run[Any]] = ()
) -> Opened:
    """Freeze a selection and put its opening on record, unless it is there already.

    Args:
        workspace: that keeps the record.
        campaign: its name.
        selections: what was chosen on the validation side.
        runs: that are to be measured on the test side for it.

    Returns:
        The opening, old or new; it is on record.

    Raises:
        StageError: nothing was selected, or the record was changed by hand.
    """
    if not selections:
        raise StageError(
            "nothing is selected, so the test side stays sealed",
            where=workspace.place,
            cure="name groups under select; each needs a run that is done with every seed",
        )
    opening = {"campaign": campaign, "selections": [asdict(one) for one in selections]}
    opening["hash"] = hash_of(campaign, selections)
    seen = Datasets.of([spec for run in runs for spec in seen_by(run)])
    folders = [folder for run in runs for folder in folders_of(run)]
    content = content_of(seen, folders, opening=opening)
    entry = Record(workspace, LOOKS).add(content, partial(_opens, str(opening["hash"]), folders))
    return _opened(Look.of(entry))


def _opens(asked: str, folders: Collection[str], entry: Entry) -> bool:
    """Whether an entry is the opening of this selection, and of all that is to be made from it."""
    look = Look.of(entry)
    same = look.opening is not None and look.opening["hash"] == asked
    return same and (look.found or set(folders) <= set(look.stages))


def openings_of(looks: Iterable[Look], campaign: str) -> tuple[Opened, ...]:
    """The openings of a campaign among all looks, in order.

    Raises:
        StageError: one of them is of another selection than its hash says.
    """
    return tuple(_opened(one) for one in looks if one.opening and one.opening["campaign"] == campaign)


def _opened(look: Look) -> Opened:
    assert look.opening is not None, "only a campaign opens"
    told = look.opening
    try:
        selections = tuple(Selection(**{**one, "seeds": tuple(one["seeds"])}) for one in told["selections"])
        holds = told["hash"] == hash_of(told["campaign"], selections)
    except (TypeError, KeyError):
        holds = False
    if not holds:
        raise StageError(
            "the record of openings was changed",
            where=f"look {look.entry.number}",
            cure="restore it: without it nobody knows how often the test side was looked at",
        )
    return Opened(look.entry.number, told["campaign"], selections, told["hash"])
