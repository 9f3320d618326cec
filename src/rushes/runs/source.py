"""A source: the reader of one raw layout."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

Bring = Callable[[Callable[[str], bool]], Path]
"""Brings the files whose names fit; returns the folder with all that were brought so far."""


class Keyed(Protocol):
    """A recording, or what is wrong with one."""

    @property
    def key(self) -> str:
        """Name of the recording, unique in its source."""
        ...


class Scan(Protocol):
    """What stands below a root, read from names and headers; nothing is decoded."""

    @property
    def root(self) -> Path:
        """Folder of the recordings."""
        ...

    @property
    def faults(self) -> Sequence[Keyed]:
        """Recordings that do not hold, each with ``reason()``."""
        ...


class Audit(Protocol):
    """What the recordings of a recipe are, for a look before an hour of work."""

    def text(self) -> str:
        """For people."""
        ...

    def to_json(self) -> Mapping[str, Any]:
        """As the command line prints it."""
        ...

    def summary(self) -> str:
        """One line for a plan."""
        ...


Found = TypeVar("Found", bound=Scan)


class Source(ABC, Generic[Found]):
    """A raw layout, together with what a recipe says of it.

    ``rushes.testing.check_source`` holds an implementation against this contract.
    """

    @abstractmethod
    def scan(self, root: Path) -> Found:
        """The recordings below ``root`` in a fixed order, and whatever is wrong with them.

        Raises:
            SourceError: this is no copy of the layout.
        """

    @abstractmethod
    def fingerprint(self, found: Found) -> str:
        """Hash of everything that is read of the recordings, the same wherever the copy lies."""

    def fetch(self, bring: Bring) -> Path:
        """Bring what is read of recordings that lie elsewhere: all of them, unless the layout knows better."""
        return bring(lambda name: True)
