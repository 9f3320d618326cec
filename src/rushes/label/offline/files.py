"""Files of the offline service."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.label.clock import Clock

MOST_BYTES = 200_000_000


class Refused(Exception):
    """An answer with another status than 200."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(slots=True)
class File:
    """A file that was sent, or a result.

    Attributes:
        id, name, purpose: as the API tells them.
        created_s: seconds since 1970.
        path: of its content.
        looks: how often its content was asked for.
    """

    id: str
    name: str
    purpose: str
    created_s: float
    path: Path
    looks: int = 0

    def told(self) -> dict[str, Any]:
        """As the API tells it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.path.stat().st_size,
            "created_at": int(self.created_s),
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


class Files:
    """All files.

    Args:
        folder: for their content.
        clock: of the service.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._files: dict[str, File] = {}
        self._numbers = itertools.count(1)

    def take(self, name: str, purpose: str, content: bytes) -> dict[str, Any]:
        """Take a file that somebody sends."""
        if purpose != "batch":
            raise Refused(400, f"'{purpose}' is not one of the purposes that are known offline: batch")
        if len(content) > MOST_BYTES:
            raise Refused(413, f"File is too large: {len(content)} bytes, at most {MOST_BYTES}")
        return self.add(name, purpose, [content]).told()

    def add(self, name: str, purpose: str, content: Iterable[bytes]) -> File:
        """Keep a file."""
        number = next(self._numbers)
        path = self._folder / f"{number}.jsonl"
        with path.open("wb") as file:
            file.writelines(content)
        kept = File(f"file-{number:08d}", name, purpose, self._clock.now(), path)
        self._files[kept.id] = kept
        return kept

    def of(self, name: str) -> File:
        """The file of an id."""
        if name not in self._files:
            raise Refused(404, f"No such File object: {name}")
        return self._files[name]

    def content(self, name: str, missing_looks: int) -> Path:
        """Where the content of a file lies; a result is not found so often although it is there."""
        file = self.of(name)
        file.looks += 1
        if file.purpose == "batch_output" and file.looks <= missing_looks:
            raise Refused(404, f"No such File object: {name}")
        return file.path

    def told(self, purpose: str | None) -> list[dict[str, Any]]:
        """The newest first."""
        return [one.told() for one in reversed(list(self._files.values())) if purpose in (None, one.purpose)]
