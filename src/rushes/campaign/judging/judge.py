"""From a trial to its result: what is left to do, admission, then the figures, all in one process."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rushes.campaign.folder import stamp_of
from rushes.campaign.judging.admission import check_run, state_of
from rushes.campaign.judging.hashing import Hashed
from rushes.campaign.judging.read import figures_of, result_of, signatures_of
from rushes.campaign.judging.standing import Board
from rushes.campaign.records import Result, Trial
from rushes.campaign.work import UNSEEN, do_or_wait, silent
from rushes.engine import Failure
from rushes.errors import TrainError
from rushes.runs.run import Run, RunJob
from rushes.runs.stage import StageName


@dataclass(frozen=True, slots=True)
class Case:
    """A trial, as it travels to the process that does and judges it.

    Attributes:
        trial: which.
        seen: its run on the validation side; what runs share is done.
        unsealed: its run on the test side; None while that is sealed.
        board: what runs are measured by.
        without: stages that the run on the validation side lacks.
        hashed: stages that it shares with others, hashed for all of them.
    """

    trial: Trial
    seen: RunJob
    unsealed: RunJob | None
    board: Board
    without: Collection[StageName]
    hashed: Mapping[str, Hashed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """A trial with its runs.

    Attributes:
        trial: which.
        run: on the validation side.
        unsealed: on the test side; None while that is sealed.
    """

    trial: Trial
    run: Run[Any]
    unsealed: Run[Any] | None = None

    @property
    def runs(self) -> tuple[Run[Any], ...]:
        """Those that are looked at."""
        return (self.run,) if self.unsealed is None else (self.run, self.unsealed)

    @property
    def is_done(self) -> bool:
        """Whether all stages are done that a result rests on."""
        return all(
            run.status(name).state == "done"
            for run in self.runs
            for name in run.specs
            if run is self.unsealed or name not in UNSEEN
        )

    def stamps(self, board: Board) -> list[str]:
        """Of the files that a result rests on, for each side that is looked at."""
        return [stamp_of(run, board) for run in self.runs]

    def case(self, board: Board, hashed: Mapping[str, Hashed]) -> Case:
        """As it travels to the process that judges it, with what was hashed for several of them."""
        jobs = (RunJob.of(self.run), None if self.unsealed is None else RunJob.of(self.unsealed))
        return Case(self.trial, *jobs, board, UNSEEN, hashed)


def judge(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Do what is left of trials that share their training, and judge them.

    Returns:
        For each its ``result`` as JSON, and ``stamps`` of the files as they were before they were judged.
    """
    return [_outcome(case) for case in cases]


def _outcome(case: Case) -> dict[str, Any]:
    try:
        runs = [_finished(case.seen, case.without)]
        if case.unsealed is not None:
            runs.append(_finished(case.unsealed, ()))
        stamps = [stamp_of(run, case.board) for run in runs]
        return {"result": _judged(case, *runs).to_json(), "stamps": stamps}
    except Exception as error:  # of this trial alone: others of the same process go on
        return {"result": lost(case.trial, Failure.of(error)).to_json(), "stamps": []}


def lost(trial: Trial, failure: Failure) -> Result:
    """The result of a trial that ended with an error."""
    final = failure.type == TrainError.__name__
    return Result(trial, "failed", error=f"{failure.type}: {failure.message}", final=final)


def _judged(case: Case, run: Run[Any], unsealed: Run[Any] | None = None) -> Result:
    faults = check_run(run, case.board, without=case.without, hashed=case.hashed)
    if state_of(faults) == "invalid":
        # Nothing that its files say is to be believed.
        return Result(case.trial, "invalid", tuple(map(str, faults)), signatures_of(run))
    result = result_of(case.trial, run, state_of(faults), tuple(map(str, faults)))
    return result if unsealed is None else _unsealed(result, unsealed, case)


def _finished(job: RunJob, without: Collection[StageName]) -> Run[Any]:
    run = job.run()
    for name in run.stages:
        if name not in without:
            do_or_wait(run, name, silent)
    return run


def _unsealed(result: Result, run: Run[Any], case: Case) -> Result:
    """The result with its figures on the test side; what is wrong there never touches the validation side."""
    checked = check_run(run, case.board, hashed=case.hashed)
    faults = [fault for fault in checked if fault.kind != "collapsed"]
    if faults:
        return replace(result, test_faults=tuple(map(str, faults)))
    return replace(result, test=figures_of(run))
