"""The tree of errors.

RushesError                 anything that a user can cause and cure; exit code 1
├── RecipeError             the recipe is wrong: every fault with its place; exit code 2
├── SourceError             raw data on disk contradicts its layout, labels or clock
├── MediaError              a video, frame or image that cannot be decoded or trusted
├── ShardError              a shard, index, manifest or receipt that does not hold
├── StageError              a stage that is locked, stale or of another signature
│   └── QuarantineError     more bad inputs than the recipe allows
├── StorageError            remote storage that cannot be reached, read, written or trusted
├── UnitError               a unit that crashed, ran out of time or of memory
├── ModelError              a checkpoint that is missing, unreadable or does not fit
├── TrainError              training that cannot go on: a loss that is not finite, say
├── AnswerError             a model's answer that cannot be read
│   └── QuestionError       what is asked has no answer
├── LabelError              a labelling service that refuses, or answers with what cannot be
├── GateError               a gate of a campaign that failed for good; exit code 3
└── MetricError             input for which a metric is not defined (also a ValueError)
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

_OF_THE_FILE = frozenset(
    (None, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.ELOOP)
)

ROOM = "make room there, then type the same again: it resumes"
_RIGHT = "let this user read and write there, or name another folder"
_LIMIT = "raise the limit of open files, as with `ulimit -n 4096`"
REFUSALS: Mapping[int, str] = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: "raise the limit of the size of a file, as with `ulimit -f unlimited`",
    errno.EACCES: _RIGHT,
    errno.EPERM: _RIGHT,
    errno.EROFS: _RIGHT,
    errno.ENOTDIR: "a file stands where a folder should be: name another folder",
    errno.EISDIR: "a folder stands where a file should be: move it away",
    errno.EMFILE: _LIMIT,
    errno.ENFILE: _LIMIT,
    errno.EIO: "the disk or the network fails: repair it, then type the same again",
}
"""What a user can do where the machine refuses; any other error of it may be a fault in the code."""


class RushesError(Exception):
    """An error that says what was asked, what was found, where, and what to do next.

    Args:
        message: what was asked and what was found, one sentence.
        where: file, line, key or unit at which it was found.
        cure: what to type or change next.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: object = None, cure: str | None = None) -> None:
        self.message = message
        self.where = None if where is None else str(where)
        self.cure = cure
        super().__init__(message, self.where, cure)

    def __str__(self) -> str:
        """Message, place and cure on one line each."""
        lines = [self.message]
        if self.where is not None:
            lines.append(f"  where: {self.where}")
        if self.cure is not None:
            lines.append(f"  cure:  {self.cure}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the keyword arguments when an error crosses a process border."""
        return _rebuild, (type(self), self.message, self.where, self.cure)


def _rebuild(kind: type[RushesError], message: str, where: str | None, cure: str | None) -> RushesError:
    return kind(message, where=where, cure=cure)


class RecipeError(RushesError):
    """A wrong recipe; ``str()`` lists all faults, one a line, each with its place."""

    exit_code = 2

    @classmethod
    def of(cls, faults: Sequence[str], where: object, what: str = "recipe") -> RecipeError:
        """Build one error out of all ``faults`` of the recipe (or other file that asks) at ``where``."""
        noun = "fault" if len(faults) == 1 else "faults"
        listing = "\n".join(f"  - {fault}" for fault in faults)
        return cls(f"the {what} has {len(faults)} {noun}:\n{listing}", where=where)


class SourceError(RushesError):
    """Raw data on disk contradicts its layout, its labels or its clock."""


MediaReason = Literal["damaged", "kind", "pixels", "frames", "duration_s", "decoded_bytes", "memory"]


class MediaError(RushesError):
    """A video, frame or image that cannot be decoded or trusted.

    Args:
        message, where, cure: as of any.
        reason: for programs: ``damaged`` or otherwise not to be trusted; of a ``kind`` that is not read; beyond a
            bound, which is named; or more than the ``memory`` that there is.
    """

    def __init__(
        self,
        message: str,
        *,
        where: object = None,
        cure: str | None = None,
        reason: MediaReason = "damaged",
    ) -> None:
        super().__init__(message, where=where, cure=cure)
        self.reason: MediaReason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the reason too."""
        return _rebuild_media, (type(self), self.message, self.where, self.cure, self.reason)


def _rebuild_media(
    kind: type[MediaError], message: str, where: str | None, cure: str | None, reason: MediaReason
) -> MediaError:
    return kind(message, where=where, cure=cure, reason=reason)


class ShardError(RushesError):
    """A shard, index, manifest or receipt that does not hold."""


class StageError(RushesError):
    """A stage that is locked, stale or of another signature."""


class QuarantineError(StageError):
    """More inputs were quarantined than the recipe allows."""


class StorageError(RushesError):
    """Remote storage that cannot be reached, read, written or trusted; names the URL, never credentials."""


class UnitError(RushesError):
    """A unit that crashed, ran out of time or of memory."""


class ModelError(RushesError):
    """A checkpoint that is missing, unreadable or does not fit."""


class TrainError(RushesError):
    """Training that cannot go on."""


class AnswerError(RushesError):
    """A model's answer that cannot be read."""


class QuestionError(AnswerError):
    """A question that has no answer: nothing is asked, or about what is not there."""


class LabelError(RushesError):
    """A labelling service that refuses, or answers with what cannot be; names the address, never the key."""


class GateError(RushesError):
    """A gate of a campaign that failed for good: what comes after it is not begun."""

    exit_code = 3


class MetricError(RushesError, ValueError):
    """Input for which a metric is not defined."""


MAY_READ = "let this user read it, as with: chmod a+r FILE, and a+rx of each folder above it"


def is_of_the_machine(error: BaseException) -> bool:
    """Whether reading failed because of the machine (a bad disk, too many open files).

    Such an error says nothing about the content of the file, so it is not a bad input and is raised unchanged.
    A file that is missing, or that this user may not read, is a fault of the dataset.

    >>> is_of_the_machine(OSError(errno.EMFILE, "too many open files"))
    True
    >>> is_of_the_machine(PermissionError(errno.EACCES, "permission denied"))
    False
    """
    return isinstance(error, OSError) and error.errno not in _OF_THE_FILE


@contextmanager
def unreadable_as(
    kind: type[RushesError],
    message: str,
    *,
    where: object,
    cure: str | None = None,
    errors: tuple[type[Exception], ...] = (OSError,),
) -> Iterator[None]:
    """Raise ``errors`` of reading a file as ``kind``; those of the machine pass unchanged.

    What this user may not read is no damage, whatever ``cure`` says.

    >>> with unreadable_as(SourceError, "no table", where="a.csv", errors=(ValueError,)):
    ...     int("x")
    Traceback (most recent call last):
    ...
    rushes.errors.SourceError: no table: invalid literal for int() with base 10: 'x'
      where: a.csv
    """
    try:
        yield
    except errors as error:
        if is_of_the_machine(error):
            raise
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, PermissionError):
            cure = MAY_READ
        raise kind(f"{message}: {reason}", where=where, cure=cure) from error
