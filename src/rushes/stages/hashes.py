"""SHA-256 of large files, remembered by size and times: good enough for a plan, never for a proof."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.errors import StageError
from rushes.stages.files import read_json, sha256_file, write_json


@dataclass(frozen=True, slots=True)
class RememberedHashes:
    """Hashes of files, remembered in a file of their own once its folder is there.

    Attributes:
        file: where they are remembered; what is torn is forgotten.
    """

    file: Path

    def __call__(self, path: Path) -> str:
        """SHA-256 of ``path``, read again if its size, or the time of its last change, is another."""
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        name, known = str(path.resolve()), self._known()
        if isinstance(entry := known.get(name), dict) and entry.get("stamp") == stamp:
            return str(entry["sha256"])
        sha256 = sha256_file(path)
        if self.file.parent.is_dir():
            write_json(self.file, {**known, name: {"stamp": stamp, "sha256": sha256}})
        return sha256

    def _known(self) -> dict[str, Any]:
        try:
            known = read_json(self.file)
        except StageError:
            return {}
        return known if isinstance(known, dict) else {}
