"""A trial with the runs that are looked at: the validation side, and the test side once that is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rushes.campaign.folder import stamp_of
from rushes.campaign.judging.hashing import Hashed
from rushes.campaign.judging.judge import Case
from rushes.campaign.judging.standing import Board
from rushes.campaign.records import Trial
from rushes.campaign.work import UNSEEN
from rushes.runs.job import RunJob
from rushes.runs.run import Run


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
        whole = all(run.status(name).state == "done" for run in self.runs[1:] for name in run.specs)
        return whole and all(
            self.run.status(name).state == "done" for name in self.run.specs if name not in UNSEEN
        )

    def stamps(self, board: Board) -> list[str]:
        """Of the files that a result rests on, for each side that is looked at."""
        return [stamp_of(run, board) for run in self.runs]

    def case(self, board: Board, hashed: Mapping[str, Hashed]) -> Case:
        """As it travels to the process that judges it, with what was hashed for several of them."""
        jobs = (RunJob.of(self.run), None if self.unsealed is None else RunJob.of(self.unsealed))
        return Case(self.trial, *jobs, board, UNSEEN, hashed)
