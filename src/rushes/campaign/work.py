"""Do the stages of many runs: each once, whoever shares it, side by side where they do not need each other.

Runs go forward together, stage by stage. What cuts its own work into units (drawing, decoding) is done one
stage after the other with all workers; everything else is one unit a stage, in a process of its own, here or
on a cluster. A process that dies costs one attempt: the stage resumes from what it had written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from rushes.engine import Engine, Event, Failure, Unit, map_units
from rushes.recipe import Recipe
from rushes.runs.run import Outcome, Run, StageName, Tell
from rushes.runs.tasks import open_run
from rushes.runs.work import do
from rushes.storage import Workspace

IN_ORDER: tuple[StageName, ...] = get_args(StageName)
UNSEEN: frozenset[StageName] = frozenset({"report"})
"""Stages that no comparison needs; the report of a run is drawn when its test side is opened."""

WITH_UNITS: frozenset[StageName] = frozenset({"twin", "prepare", "features"})


@dataclass(frozen=True, slots=True)
class StageJob:
    """One stage of one run, as it travels to the process that does it."""

    recipe: Recipe
    workspace: Workspace
    raw_fingerprint: str | None
    name: StageName

    def run(self) -> Run:
        """The run, opened again."""
        return open_run(self.recipe, self.workspace, raw_fingerprint=self.raw_fingerprint)


def job_of(run: Run, name: StageName) -> StageJob:
    """The job of one stage of a run."""
    return StageJob(run.recipe, run.workspace, run.raw_fingerprint, name)


def do_stages(
    runs: Mapping[str, Run],
    *,
    without: Collection[StageName] = (),
    workers: int,
    engine: Engine,
    tell: Tell,
    on_event: Callable[[StageName, Event], None],
    on_shared: Callable[[Mapping[str, Sequence[str]]], None],
) -> dict[str, Failure]:
    """Do all stages of all runs but some; what is done already is skipped.

    Args:
        runs: by key of their trial.
        without: stages that nobody needs.
        workers: processes; 0 works in this one.
        engine: where they run.
        tell: told how far a stage that has units of its own is.
        on_event: told what becomes of every other stage; the unit's key is the stage's folder.
        on_shared: told before that which runs wait for which folder.

    Returns:
        The runs that cannot go on, and why; the others are complete.

    Raises:
        RushesError: recordings that all runs need cannot be drawn or decoded.
    """
    failed: dict[str, Failure] = {}
    for name in (name for name in IN_ORDER if name not in without):
        due = {key: run for key, run in runs.items() if key not in failed and name in run.specs}
        shared: dict[str, list[str]] = {}
        for key, run in due.items():
            if run.status(name).state != "done":
                shared.setdefault(run.folder(name).name, []).append(key)
        if name in WITH_UNITS:
            for keys in shared.values():
                do(due[keys[0]], name, tell)
            continue
        on_shared(shared)
        units = [Unit(folder, job_of(due[keys[0]], name)) for folder, keys in shared.items()]
        for folder, failure in _failures(name, units, workers, engine, on_event):
            failed |= dict.fromkeys(shared[folder], failure)
    return failed


def _failures(
    name: StageName,
    units: list[Unit],
    workers: int,
    engine: Engine,
    on_event: Callable[[StageName, Event], None],
) -> Iterator[tuple[str, Failure]]:
    if not units:
        return
    results = map_units(
        do_job,
        units,
        workers=min(workers, len(units)),
        engine=engine,
        on_event=lambda event: on_event(name, event),
    )
    for result in results:
        if result.error is not None:
            yield result.key, result.error


def do_job(job: StageJob) -> dict[str, Any]:
    """Do one stage in this process."""
    outcome: Outcome = do(job.run(), job.name, lambda name, done, total, note: None)
    return outcome.to_json()
