"""Do what several runs share: each stage once, whoever asks for it.

Stages that cut their own work into units (drawing, decoding) are done one after the other with all workers.
What a teacher does for all its pupils is one unit a stage, in a process of its own, here or on a cluster. All
other stages belong to one run, whose process goes through them and then judges it, see `judge`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rushes.engine import LOCAL, Engine, Event, Failure, Unit, UnitResult, map_units
from rushes.errors import RushesError, StageError
from rushes.recipe import Recipe
from rushes.recipe.sections import Side
from rushes.runs.do import do
from rushes.runs.run import Outcome, Run, RunJob
from rushes.runs.stage import StageName, Tell
from rushes.stages import canonical_json, lock_owner
from rushes.storage import Workspace
from rushes.tasks import open_run

if TYPE_CHECKING:  # rich stands behind it, which no worker needs
    from rushes.campaign.live import Show

UNSEEN: frozenset[StageName] = frozenset({"report"})
"""Stages that no comparison needs; the report of a run is drawn when its test side is opened."""

LOOK_S = 1.0  # between two looks at a stage that somebody else does

Key = tuple[str, Side]
"""A run of a campaign: key of its trial, and the side that it is measured on."""


def map_some(
    function: Callable[[Any], Any],
    units: Sequence[Unit],
    *,
    workers: int,
    engine: Engine,
    on_event: Callable[[Event], None],
) -> Iterable[UnitResult]:
    """As `map_units`, with no more workers than units: without any, neither worker nor cluster is started."""
    if not units:
        return ()
    return map_units(function, units, workers=min(workers, len(units)), engine=engine, on_event=on_event)


def do_shared(
    runs: Mapping[Key, Run[Any]], show: Show, *, workers: int, engine: Engine
) -> dict[Key, Failure]:
    """Do the stages that runs share; what is done already is skipped.

    Returns:
        The runs that cannot go on, and why.
    """
    failed: dict[Key, Failure] = {}
    stages = {name: stage for run in runs.values() for name, stage in run.stages.items()}
    for name, stage in stages.items():
        if not (stage.of_recordings or stage.shared):
            continue
        due = {key: run for key, run in runs.items() if key not in failed and name in run.specs}
        shared = by_folder(due, name)
        if stage.of_recordings:
            for keys in shared.values():
                try:
                    do_or_wait(due[keys[0]], name, show.tell)
                except RushesError as error:
                    failed |= dict.fromkeys(keys, Failure.of(error))
            continue
        show.share({folder: [trial for trial, _ in keys] for folder, keys in shared.items()})
        units = [Unit(folder, (RunJob.of(due[keys[0]]), name)) for folder, keys in shared.items()]
        event = partial(show.event, name)
        for result in map_some(_do, units, workers=workers, engine=engine, on_event=event):
            if result.error is not None:
                failed |= dict.fromkeys(shared[result.key], result.error)
    return failed


def open_known(
    recipe: Recipe, workspace: Workspace, fingerprints: dict[str, str | None], engine: Engine = LOCAL
) -> Run[Any]:
    """A run; a source is scanned once for all runs that read it, and its hash kept in ``fingerprints``."""
    source = canonical_json(recipe.source.model_dump(mode="json"))
    run = open_run(recipe, workspace, engine, raw_fingerprint=fingerprints.get(source))
    fingerprints[source] = run.raw_fingerprint
    return run


def by_folder(runs: Mapping[Key, Run[Any]], name: StageName) -> dict[str, list[Key]]:
    """Names of the folders of a stage that is not done yet -> the runs that wait for it."""
    shared: dict[str, list[Key]] = {}
    for key, run in runs.items():
        if run.status(name).state != "done":
            shared.setdefault(run.folder(name).name, []).append(key)
    return shared


def _do(job: tuple[RunJob, StageName]) -> dict[str, Any]:
    """Do one stage in this process."""
    asked, name = job
    return do_or_wait(asked.run(), name, silent).to_json()


def do_or_wait(run: Run[Any], name: StageName, tell: Tell) -> Outcome:
    """Do a stage, or wait until whoever does it has done it: another campaign may share it."""
    while True:
        try:
            return do(run, name, tell)
        except StageError:
            if lock_owner(run.folder(name)) is None and run.status(name).state != "done":
                raise
            time.sleep(LOOK_S)


def silent(name: StageName, done: float, total: float, note: str) -> None:
    """Tell nobody: a process in the background has no terminal."""
