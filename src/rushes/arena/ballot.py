"""What a rater did: a file of lines that only grows, each on disk before anything goes on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from rushes.arena.schedule import Showing
from rushes.arena.study import Record, Slot, Token, votes_file
from rushes.errors import StageError
from rushes.stages.files import fsync

Choice = Literal["top", "bottom", "tie", "bad", "skip"]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{8,64}$")]

ENOUGH = 3  # votes before time is told


class Vote(Record):
    """A choice.

    Attributes:
        id: made by the page; the same one again has no effect.
        at: when it was stored.
        position: in the rater's order, from 0.
        pair: that was shown.
        again: for the second time.
        top: slot that was in the upper row.
        choice: as it was made on the page.
        slot: that was preferred; None of a tie, of two bad lists, and where the pair was skipped.
        ms: milliseconds since the pair could be answered.
    """

    kind: Literal["vote"] = "vote"
    id: Id
    at: datetime
    position: int
    pair: Token
    again: bool
    top: Slot
    choice: Choice
    slot: Slot | None
    ms: int


class Undo(Record):
    """The vote ``vote`` no longer counts; it stays where it is."""

    kind: Literal["undo"] = "undo"
    id: Id
    at: datetime
    vote: Id


class Finish(Record):
    """The rater is done, for good."""

    kind: Literal["finish"] = "finish"
    id: Id
    at: datetime


Event = Vote | Undo | Finish
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


class Ballot:
    """A rater's votes, held by one process.

    Where somebody stands follows from the votes that stand: the next position is their number. So a reload, a
    second page and a restart all show the same pair.

    Args:
        folder: of the study.
        name: of the rater.
        showings: in the rater's order.

    Raises:
        StageError: another process holds it, or a line is damaged.
    """

    def __init__(self, folder: Path, name: str, showings: tuple[Showing, ...]) -> None:
        self.name, self.showings = name, showings
        self.path = folder / votes_file(name)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise StageError(
                f"another process takes the votes of {name}",
                where=self.path,
                cure="stop it first: Ctrl-C there",
            ) from None
        events, size = read_events(self.path)
        os.ftruncate(self._file, size)  # half a line was never acknowledged: its page sends it again
        fsync(folder)
        self._seen = {event.id for event in events}
        self.standing = standing(events, showings)
        self.finished = any(isinstance(event, Finish) for event in events)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    @property
    def position(self) -> int:
        """Of the pair that is to be judged; the number of pairs where none is left."""
        return len(self.standing)

    @property
    def left_s(self) -> float | None:
        """About how many seconds the rest takes, at the rater's own pace; None while nobody can tell."""
        if len(self.standing) < ENOUGH:
            return None
        return median(vote.ms for vote in self.standing) / 1000 * (len(self.showings) - self.position)

    def vote(self, id: str, position: int, choice: Choice, ms: int) -> None:
        """Store a choice for the pair at ``position``; without effect where that is not the one to be judged."""
        if id in self._seen or self.finished or position != self.position or position >= len(self.showings):
            return
        shown = self.showings[position]
        slot: Slot | None = None
        if choice in ("top", "bottom"):
            slot = shown.top if choice == "top" else (0 if shown.top == 1 else 1)
        vote = Vote(
            id=id,
            at=datetime.now(UTC),
            position=position,
            pair=shown.pair.id,
            again=shown.again,
            top=shown.top,
            choice=choice,
            slot=slot,
            ms=ms,
        )
        self._store(vote)
        self.standing.append(vote)

    def undo(self, id: str, position: int) -> None:
        """Take back the last vote that stands; without effect where the page is at another position."""
        if id in self._seen or self.finished or position != self.position or not self.standing:
            return
        self._store(Undo(id=id, at=datetime.now(UTC), vote=self.standing[-1].id))
        self.standing.pop()

    def finish(self, id: str) -> None:
        """End, once every pair has its answer."""
        if id in self._seen or self.finished or self.position < len(self.showings):
            return
        self._store(Finish(id=id, at=datetime.now(UTC)))
        self.finished = True

    def _store(self, event: Event) -> None:
        """A line, on disk when this returns; none where the machine refuses."""
        size = os.fstat(self._file).st_size
        try:
            line = f"{event.model_dump_json()}\n".encode()
            if os.write(self._file, line) != len(line):
                raise OSError(None, "the line was cut short", str(self.path))
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise
        self._seen.add(event.id)


def read_events(path: Path) -> tuple[list[Event], int]:
    """What a file of votes holds, and the bytes of its whole lines; a last line without an end does not count.

    Raises:
        StageError: a whole line that is no event.
    """
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    events = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            events.append(_EVENT.validate_json(line))
        except ValidationError as error:
            raise StageError(
                f"a line of votes does not hold: {error.errors()[0]['msg']}",
                where=f"{path}, line {number}",
                cure="restore the file: nothing but rushes writes it",
            ) from None
    return events, len(whole)


def standing(events: Iterable[Event], showings: Sequence[Showing]) -> list[Vote]:
    """Votes that were not taken back, by position.

    Raises:
        StageError: votes and undoings that cannot have come in this order, or for what was not shown there.
    """
    votes: list[Vote] = []
    for event in events:
        if isinstance(event, Vote) and _follows(event, len(votes), showings):
            votes.append(event)
        elif isinstance(event, Undo) and votes and votes[-1].id == event.vote:
            votes.pop()
        elif not isinstance(event, Finish):
            raise StageError(
                f"the {event.kind} {event.id} does not follow from those before it",
                cure="restore the votes: nothing but rushes writes them",
            )
    return votes


def _follows(vote: Vote, position: int, showings: Sequence[Showing]) -> bool:
    if vote.position != position or position >= len(showings):
        return False
    shown = showings[position]
    return (vote.pair, vote.top, vote.again) == (shown.pair.id, shown.top, shown.again)
