"""A record in a workspace: entries that are only ever added, each with the hash of the one before it.

::

    <workspace>/<name>/000001.json      {"number", "when", "before", "content", "hash"}
    <workspace>/<name>/000002.json

An entry is a file that is created once and never written again. Whoever adds one creates the next number,
which of several writers only one can; the others look again and take the number after it. So no lock is
needed, here or in an object store, and no entry is lost. One that was changed, taken out or put elsewhere
breaks the chain. What the chain cannot tell is that its end was cut off: that is for whoever keeps the hash of
an entry beside what was made under it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rushes.errors import StageError
from rushes.stages import canonical_json
from rushes.storage.workspace import Workspace

FIRST = "0" * 64
"""Stands where the first entry would have the hash of the one before it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        number: from 1.
        when: UTC, ISO 8601, by the clock of whoever added it; the order is that of the numbers.
        before: hash of the entry before it.
        content: plain JSON values.
        hash: SHA-256 of the canonical JSON of all of this.
    """

    number: int
    when: str
    before: str
    content: Mapping[str, Any]
    hash: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in its file."""
        return asdict(self)

    @property
    def true_hash(self) -> str:
        """What the hash must be, by all of the rest."""
        rest = {name: value for name, value in self.to_json().items() if name != "hash"}
        return hashlib.sha256(canonical_json(rest).encode()).hexdigest()

    @classmethod
    def after(cls, entries: Sequence[Entry], content: Mapping[str, Any]) -> Entry:
        """The entry that goes on a record of ``entries``."""
        before = entries[-1].hash if entries else FIRST
        when = datetime.now(UTC).isoformat(timespec="seconds")
        entry = cls(len(entries) + 1, when, before, json.loads(canonical_json(content)), "")
        return replace(entry, hash=entry.true_hash)


@dataclass(frozen=True, slots=True)
class Record:
    """A record.

    Attributes:
        workspace: in which it stands, here or remote.
        name: of its folder.
    """

    workspace: Workspace
    name: str

    def read(self) -> tuple[Entry, ...]:
        """All entries in order.

        Raises:
            StageError: the record was changed.
            StorageError: the remote cannot be read.
        """
        found: list[Entry] = []
        for number, (name, data) in enumerate(self.workspace.small_files(f"{self.name}/*.json").items(), 1):
            before = found[-1].hash if found else FIRST
            try:
                entry = Entry(**json.loads(data))
                holds = (name, entry.number, entry.before) == (self._file(number), number, before)
                holds = holds and entry.hash == entry.true_hash
            except (ValueError, TypeError, AttributeError):
                holds = False
            if not holds:
                raise StageError(
                    f"the record of {self.name} was changed: entry {number} does not follow the one before it",
                    where=f"{self.workspace.place}/{name}",
                    cure=f"restore the folder {self.name} as it was: entries are added, never changed",
                )
            found.append(entry)
        return tuple(found)

    def add(self, content: Mapping[str, Any], known: Callable[[Entry], bool]) -> Entry:
        """Add an entry, unless there is one that says the same.

        Args:
            content: plain JSON values.
            known: whether an entry that stands there makes a new one needless.

        Returns:
            The entry, old or new; it stands there.

        Raises:
            StageError: the record was changed.
            StorageError: the remote cannot be read or written.
        """
        while True:
            entries = self.read()
            old = next((entry for entry in entries if known(entry)), None)
            if old is not None:
                return old
            entry = Entry.after(entries, content)
            data = canonical_json(entry.to_json()).encode() + b"\n"
            if self.workspace.add(self._file(entry.number), data):
                return entry

    def _file(self, number: int) -> str:
        return f"{self.name}/{number:06d}.json"
