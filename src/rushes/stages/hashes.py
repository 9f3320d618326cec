"""What was read of files, remembered by size and times: good enough for a plan, never for a proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rushes.errors import StageError
from rushes.stages.files import read_json, sha256_file, write_json


class RememberedFiles:
    """What a reader said of files, so that those that have not changed need not be opened again.

    Args:
        file: where it is remembered, once its folder is there; None remembers nothing. What is torn is forgotten.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._asked: dict[str, Any] = {}

    def of(self, path: Path, read: Callable[[Path], Any]) -> Any:
        """What ``read`` says of ``path``, as JSON holds it; asked again once its size or time of change is another."""
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        name = str(path.absolute())
        entry = self._asked.get(name) or self._known.get(name)
        if not isinstance(entry, dict) or entry.get("stamp") != stamp or "told" not in entry:
            entry = {"stamp": stamp, "told": read(path)}
        self._asked[name] = entry
        return entry["told"]

    def keep(self) -> None:
        """Remember all that was asked."""
        known = {**self._known, **self._asked}
        if self._file is not None and self._file.parent.is_dir() and known != self._known:
            write_json(self._file, known)

    @cached_property
    def _known(self) -> dict[str, Any]:
        try:
            known = {} if self._file is None else read_json(self._file)
        except StageError:
            return {}
        return known if isinstance(known, dict) else {}


@dataclass(frozen=True, slots=True)
class RememberedHashes:
    """Hashes of large files, remembered in a file of their own once its folder is there.

    Attributes:
        file: where they are remembered.
    """

    file: Path

    def __call__(self, path: Path) -> str:
        """SHA-256 of ``path``, read again if its size, or the time of its last change, is another."""
        files = RememberedFiles(self.file)
        sha256: str = files.of(path.resolve(), sha256_file)
        files.keep()
        return sha256
