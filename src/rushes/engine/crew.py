"""What the supervisor needs of its workers, be they local processes or actors of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class WorkerLost(Exception):
    """A worker is gone, and its unit with it.

    Args:
        how: completes the sentence "the worker ...".
        untouched: whether it certainly never took up its last payload.
    """

    def __init__(self, how: str, untouched: bool = False) -> None:
        self.how = how
        self.untouched = untouched
        super().__init__(how, untouched)  # both, so that it arrives whole in another process


class Worker(Protocol):
    """One process that answers one payload after the other.

    Its first message says that it is ready; then comes one for each payload. All are pickles of
    (value, failure, seconds), see :mod:`rushes.engine.worker`.
    """

    def send(self, payload: bytes) -> None:
        """Send it a payload; whether that arrives shows in :meth:`receive`."""

    def receive(self) -> bytes | None:
        """Its next message, or None if there is none yet.

        Raises:
            WorkerLost: there will be none.
        """

    def alive(self) -> bool:
        """Whether an idle worker would still answer."""

    def end(self) -> None:
        """Kill it; may be called twice."""


W = TypeVar("W", bound=Worker)


class Crew(Protocol[W]):
    """A kind of workers."""

    @property
    def cure(self) -> str:
        """What a user can do when no worker starts."""
        ...

    def start(self, number: int) -> W:
        """Start a worker for a place, numbered from 0, without waiting until it is ready."""
        ...

    def wait(self, workers: Sequence[W], patience_s: float | None) -> None:
        """Return when any of ``workers`` may have a message or is lost, or after ``patience_s`` seconds."""

    def stop(self, busy: Sequence[W], idle: Sequence[W]) -> None:
        """Stop all workers, as gently as a short time allows."""
