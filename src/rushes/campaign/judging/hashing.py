"""Hashing what runs share once for all of them, before they are judged.

All runs of a campaign may stand on one dataset, and hashing that takes as long as reading it. The processes
that judge are told what was found, which holds only while the stage's files have the names, sizes and times
of change that they had just before they were hashed (as with a result on disk, `folder.stamp_of`). Where one
differs, on another machine say, the judge hashes the stage itself; so it does with all that only one run has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rushes.campaign.folder import stamp_of_stage
from rushes.campaign.work import map_some
from rushes.engine import Engine, Event, Unit
from rushes.runs.run import Run, RunJob
from rushes.runs.stage import StageName
from rushes.runs.verify import Fault, faults_of


@dataclass(frozen=True, slots=True)
class Hashed:
    """What hashing a finished stage found.

    Attributes:
        stamp: of the stage's files, taken before they were hashed.
        faults: everything that did not hold.
    """

    stamp: str
    faults: Sequence[Fault]


def hash_shared(
    runs: Iterable[Run[Any]], *, workers: int, engine: Engine, on_event: Callable[[Event], None]
) -> dict[str, Hashed]:
    """Hash every stage that several runs share, all of which are done; the key of a unit is the stage's folder.

    Returns:
        Name of the folder -> what was found. A stage that could not be hashed is left out: whoever judges
        tries again, and says what the machine refuses.
    """
    asked = [(run.folder(name).name, run, name) for run in runs for name in _shared(run)]
    count = Counter(folder for folder, _, _ in asked)
    jobs = {folder: (RunJob.of(run), name) for folder, run, name in asked if count[folder] > 1}
    units = [Unit(folder, job) for folder, job in jobs.items()]
    results = map_some(_hash, units, workers=workers, engine=engine, on_event=on_event)
    return {result.key: result.value for result in results if result.error is None}


def _hash(job: tuple[RunJob, StageName]) -> Hashed:
    asked, name = job
    run = asked.run()
    stamp = stamp_of_stage(run.workspace.bring(run.specs[name], everything=True))
    return Hashed(stamp, faults_of(run, name))


def known_faults(run: Run[Any], hashed: Mapping[str, Hashed]) -> dict[StageName, Sequence[Fault]]:
    """What was found in stages of a run whose files are still those that were hashed."""
    found = {name: hashed.get(run.folder(name).name) for name in _shared(run)}
    return {
        name: one.faults
        for name, one in found.items()
        if one is not None and run.folder(name).is_dir() and one.stamp == stamp_of_stage(run.folder(name))
    }


def _shared(run: Run[Any]) -> list[StageName]:
    """Stages that are done before any run goes on alone, see `work.do_shared`."""
    return [name for name, stage in run.stages.items() if stage.of_recordings or stage.shared]
