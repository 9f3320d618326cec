"""A study as it lies on disk: pairs of lists that say nothing of their systems, and the key, apart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from rushes.errors import StageError
from rushes.stages import sha256_file, write_new

VERSION: Literal[1] = 1
STUDY, KEY, PICTURES, CLOSED = "study.json", "key.json", "pictures", "closed.json"
NAME = r"[a-z0-9][a-z0-9-]{0,39}"
"""Of a rater."""

SHOWN = 4
"""Items in a list."""

System = Literal["A", "B"]
Slot = Literal[0, 1]
"""One of the two lists of a pair; which system's it is differs from pair to pair, and stands in the key alone."""

Token = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Name = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]


class Record(BaseModel):
    """What a study stores."""

    model_config = ConfigDict(extra="forbid", frozen=True)


R = TypeVar("R", bound=Record)


class Pair(Record):
    """A question with two lists of items.

    Attributes:
        id: means nothing.
        text: the words that are asked; empty where a picture is.
        picture: that is asked; None where words are.
        lists: of both slots, best first.
        stratum: of the question; raters do not see it.
    """

    id: Token
    text: str
    picture: Token | None
    lists: tuple[tuple[Token, ...], tuple[Token, ...]]
    stratum: str

    @property
    def overlap(self) -> int:
        """Items that both lists show."""
        return len(set(self.lists[0]) & set(self.lists[1]))


class Rater(Record):
    """Somebody who votes.

    Attributes:
        name: in the names of files.
        token: of the link; whoever has it votes as this rater.
    """

    name: Name
    token: Token


class Study(Record):
    """What is shown, to whom, and in which order; fixed before the first vote.

    Attributes:
        version: of this form.
        app: version of rushes.
        created: when.
        seed: of orders and sides.
        key_sha256: of the key, which therefore cannot be exchanged later.
        raters: each with an order of their own.
        repeats: pairs that each rater sees a second time, with sides swapped.
        pairs: in the order in which they were drawn.
    """

    version: Literal[1]
    app: str
    created: datetime
    seed: int
    key_sha256: str
    raters: tuple[Rater, ...]
    repeats: int
    pairs: tuple[Pair, ...]


class Contestant(Record):
    """A system, see `rushes.runs.contest.Contender`."""

    name: str
    signature: str


class Key(Record):
    """What raters must not know.

    Attributes:
        systems: the two that are compared.
        first: id of each pair -> system whose list is in slot 0.
        questions: id of each pair -> key of its question.
        pictures: their names here -> keys of the items.
        checks: pairs in which one list answers another question -> the slot that answers this one.
        identical: keys of questions whose lists are the same: tied, and shown to nobody.
        salt: so that nobody finds the key by its hash.
    """

    systems: Mapping[System, Contestant]
    first: Mapping[Token, System]
    questions: Mapping[Token, str]
    pictures: Mapping[Token, str]
    checks: Mapping[Token, Slot]
    identical: tuple[str, ...]
    salt: str

    def system(self, pair: str, slot: Slot) -> System:
        """Whose list is in a slot of a pair."""
        return self.first[pair] if slot == 0 else other(self.first[pair])


class Closed(Record):
    """The end of a study.

    Attributes:
        at: when.
        unfinished: raters who had not finished.
        votes: name of each file of votes -> its SHA-256.
    """

    at: datetime
    unfinished: tuple[str, ...]
    votes: Mapping[str, str]


def other(system: System) -> System:
    """The system that it is compared with."""
    return "B" if system == "A" else "A"


def votes_file(rater: str) -> str:
    """Name of the file of a rater's votes."""
    return f"votes-{rater}.jsonl"


def picture_path(folder: Path, token: str) -> Path:
    """Where the JPEG of a picture lies."""
    return folder / PICTURES / f"{token}.jpg"


def read_study(folder: Path) -> Study:
    """The study in a folder.

    Raises:
        StageError: there is none, or it is damaged.
    """
    return _read(folder / STUDY, Study, "start one with `rushes arena A B --study FOLDER`")


def read_key(folder: Path, study: Study) -> Key:
    """The key of a study.

    Raises:
        StageError: it is missing, damaged, or not the one that the study was made with.
    """
    key = _read(folder / KEY, Key, "without its key nobody can tell whose lists were preferred: restore it")
    if sha256_file(folder / KEY) != study.key_sha256:
        raise StageError("the key was changed since the study began", where=folder / KEY, cure="restore it")
    return key


def read_closed(folder: Path) -> Closed | None:
    """How a study ended; None while it goes on."""
    return _read(folder / CLOSED, Closed, "") if (folder / CLOSED).exists() else None


def _read(path: Path, kind: type[R], cure: str) -> R:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StageError(f"there is no {path.name}", where=path, cure=cure or None) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise StageError(f"{path.name} does not hold: {place}: {first['msg']}", where=path) from None


def write_record(path: Path, record: Record) -> None:
    """Write a record that must not be there yet, whole or not at all; its owner alone may read it.

    Raises:
        StageError: something is there.
    """
    if not write_new(path, f"{record.model_dump_json(indent=1)}\n".encode(), mode=0o600):
        raise StageError(f"{path.name} is there already", where=path, cure="name another folder: --study")
