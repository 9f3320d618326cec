"""What a door must be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from rushes.media.limits import Limits

Verb = Literal["predict", "analyze", "search"]


@dataclass(frozen=True, slots=True)
class Part:
    """A sample as a shard would hold it.

    Attributes:
        key: unlike that of any other of the same request.
        members: name -> content.
    """

    key: str
    members: Mapping[str, bytes | memoryview]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came in, as the model is asked about it.

    Attributes:
        about: of the recording as a whole, JSON: ``duration_s`` and ``fps`` (as text, ``"25"`` or
            ``"30000/1001"``) or None, ``parts``: how many there will be at most.
        parts: in order of time, each made when it is asked for, in one linear read.
    """

    about: Mapping[str, Any]
    parts: Iterator[Part]


class Decode(Protocol):
    """Turns files into samples: small, frozen, can be pickled, and of a module that imports no model."""

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """Open what came in.

        Args:
            files: name of a form field -> where it lies. Nothing is known of what it holds.
            limits: of a recording, held before and while it is decoded.

        Raises:
            MediaError: it cannot be read, or is more than ``limits`` allow; here or while parts are made.
            AnswerError: it can be read, and this question cannot be asked about it.
        """


class Asked(BaseModel):
    """What may be said beside the files; each door has its own, and no key that is not named here is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answered(BaseModel):
    """What a door says; a service adds ``request_id``, ``model`` and ``timings_ms``."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reply(ABC):
    """What is said about one request, gathered part by part; memory does not grow with the pixels."""

    @abstractmethod
    def add(self, part: Part, said: Any) -> Mapping[str, Any] | None:
        """Take the answer about the next part, in order.

        Returns:
            What can be shown already, as JSON; None where nothing is new.
        """

    @abstractmethod
    def finish(self) -> Answered:
        """All of it; may take a while or ask the model, so it is called in the thread of `Door.answer`.

        Raises:
            QuestionError: what was asked about cannot be answered.
            AnswerError: the model's answers cannot be read.
            ModelError: the model cannot be asked now.
        """


class Door(ABC):
    """One way of asking the trained model of a run.

    Attributes:
        verb: under which it is asked.
        summary: what it says about what, in one line.
        asked: what may be said beside the files.
        answered: what it says.
        files: names of form fields that hold a file -> whether it must be there.
        preload: modules that the decoding process imports beforehand; none of them imports torch.
        batch_size: parts that are answered together at most.
    """

    verb: Verb
    summary: str
    asked: type[Asked]
    answered: type[Answered]
    files: Mapping[str, bool]
    preload: Sequence[str] = ("numpy",)
    batch_size: int = 16

    @abstractmethod
    def decode(self, asked: Any) -> Decode:
        """How the files of a request are read; not called where there are none."""

    @abstractmethod
    def load(self) -> None:
        """Load the weights; whoever asks without it waits for them.

        Raises:
            StageError: the model is not trained.
            ModelError: the weights cannot be read.
        """

    def warm_up(self) -> None:
        """Load, and answer once about something made up, so that no request pays for what is only done once.

        A service says that it is ready when this has returned. Doors whose first answer takes longer than the
        others answer here; called in the thread of `answer`.

        Raises:
            StageError, ModelError: as `load` and `answer`.
        """
        self.load()

    @abstractmethod
    def answer(self, parts: Sequence[Part]) -> Sequence[Any]:
        """What the model says of parts, of any requests, in order; called in one thread at a time.

        Raises:
            ModelError: the model cannot be asked now; nobody is answered in its place.
        """

    @abstractmethod
    def reply(self, asked: Any, about: Mapping[str, Any]) -> Reply:
        """Begins the answer to a request; where there are no files, ``about`` is empty and no part follows."""


@runtime_checkable
class ShowsItems(Protocol):
    """A door whose answers name items that have a picture."""

    def picture(self, key: str) -> bytes:
        """The JPEG of an item; called in any thread.

        Raises:
            QuestionError: there is no such item.
        """
        ...
