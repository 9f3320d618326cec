"""All ballots of a study, held by one process, and its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rushes.arena.ballot import Ballot
from rushes.arena.schedule import schedule
from rushes.arena.study import CLOSED, Closed, Study, read_closed, read_study, write_record
from rushes.errors import StageError
from rushes.stages import sha256_file


class Box:
    """A study that is open for votes.

    Attributes:
        folder: of the study.
        study: what is shown.
        ballots: of each rater, by name.
        closed: whether the study has ended.
    """

    def __init__(self, folder: Path, study: Study, ballots: Mapping[str, Ballot]) -> None:
        self.folder, self.study, self.ballots = folder, study, ballots
        self.closed = False

    @property
    def complete(self) -> bool:
        """Whether every rater has finished."""
        return all(ballot.finished for ballot in self.ballots.values())

    def close(self) -> Closed:
        """End the study: no vote is taken from here on, and those that there are can be told from others."""
        closed = Closed(
            at=datetime.now(UTC),
            unfinished=tuple(name for name, ballot in self.ballots.items() if not ballot.finished),
            votes={ballot.path.name: sha256_file(ballot.path) for ballot in self.ballots.values()},
        )
        write_record(self.folder / CLOSED, closed)
        self.closed = True
        return closed


@contextmanager
def open_box(folder: Path) -> Iterator[Box]:
    """Hold the votes of a study to the end of the block.

    Raises:
        StageError: there is no study, it has ended, or another process holds its votes.
    """
    study = read_study(folder)
    if read_closed(folder) is not None:
        raise StageError(
            "the study is closed: it takes no votes", where=folder, cure="see `rushes arena result FOLDER`"
        )
    with ExitStack() as stack:
        ballots = {}
        for number, rater in enumerate(study.raters):
            ballots[rater.name] = Ballot(folder, rater.name, schedule(study, number))
            stack.callback(ballots[rater.name].close)
        yield Box(folder, study, ballots)
