"""What goes into the engine, what comes out, and what it tells on the way."""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass
from typing import Any, Literal

from rushes import errors
from rushes.errors import REFUSALS, RushesError, UnitError

FailureKind = Literal["input", "machine", "exception", "memory", "crash", "timeout"]


@dataclass(frozen=True, slots=True)
class Unit:
    """What is done alone, in one piece.

    Attributes:
        key: names the unit in results and events.
        payload: the one argument of the mapped function; picklable.
    """

    key: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a unit has no value, as plain text that crosses process borders and goes into the quarantine.

    Attributes:
        kind: whose fault it is; see the table of :mod:`rushes.engine`.
        type: name of the error's class.
        message, where, cure: as in :class:`~rushes.errors.RushesError`.
        trace: traceback of an error that nobody foresaw.
    """

    kind: FailureKind
    type: str
    message: str
    where: str | None = None
    cure: str | None = None
    trace: str | None = None

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe an error that was caught."""
        if isinstance(error, RushesError):
            return cls("input", type(error).__name__, error.message, error.where, error.cure)
        name = type(error).__name__
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            traceback.clear_frames(error.__traceback__)  # they hold what was too much; we need room to answer
            return cls("memory", name, str(error) or "out of memory")
        if isinstance(error, OSError) and (cure := REFUSALS.get(error.errno or 0)) is not None:
            return cls("machine", name, f"the machine refuses: {error.strerror}", error.filename, cure)
        trace = "".join(traceback.format_exception(error))
        return cls("exception", name, str(error) or name, trace=trace)

    def to_error(self, key: str) -> RushesError:
        """The error to raise where the unit ``key`` ends the whole work; a `RushesError` is restored."""
        where = key if self.where is None else self.where
        if self.kind == "input":
            return getattr(errors, self.type, UnitError)(self.message, where=where, cure=self.cure)
        if self.kind == "machine":
            return UnitError(self.message, where=where, cure=self.cure)
        return UnitError(self.trace or f"{self.type}: {self.message}", where=where, cure=self.cure)


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What became of a unit; ``error`` is None exactly when the function returned.

    Attributes:
        key: of the unit.
        value: what the function returned, None beside an error.
        error: why it did not.
        seconds: wall-clock time of the last attempt.
        attempts: how often it was tried, 1 or more.
    """

    key: str
    value: Any
    error: Failure | None
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class UnitStarted:
    """A worker (numbered from 0) took up a unit for the ``attempt``-th time, from 1."""

    key: str
    worker: int
    attempt: int


@dataclass(frozen=True, slots=True)
class UnitRetried:
    """An attempt failed; the unit will be tried again."""

    key: str
    attempt: int
    error: Failure


@dataclass(frozen=True, slots=True)
class UnitDone:
    """A unit has its result, a value or an error."""

    result: UnitResult


Event = UnitStarted | UnitRetried | UnitDone
