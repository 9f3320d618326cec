"""What the supervisor needs of workers, wherever they run: near as processes, far as actors of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class WorkerLost(Exception):
    """A worker is gone and what it was doing with it.

    Args:
        how: completes the sentence "the worker ...".
        untouched: whether it is known that it never took up what it was sent last.
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
        """Give it something to do; whether that arrives is seen in :meth:`receive`."""

    def receive(self) -> bytes | None:
        """Its next message, None where none is there yet.

        Raises:
            WorkerLost: there will be none.
        """

    def alive(self) -> bool:
        """Whether an idle worker would still answer."""

    def end(self) -> None:
        """Kill it, whatever it does; it can be called again."""


W = TypeVar("W", bound=Worker)


class Crew(Protocol[W]):
    """A kind of workers."""

    @property
    def cure(self) -> str:
        """What to do when none of them can start."""
        ...

    def start(self, number: int) -> W:
        """Begin a new worker for a place, numbered from 0; does not wait until it is ready."""
        ...

    def wait(self, workers: Sequence[W], patience_s: float | None) -> None:
        """Return when any of ``workers`` may have a message or is lost, or after ``patience_s`` seconds."""

    def stop(self, busy: Sequence[W], idle: Sequence[W]) -> None:
        """End all workers, as gently as a short time allows."""
