"""Where the files of one stage stand, as the code that makes and reads them sees it.

Two kinds: :class:`Home`, a folder, and :class:`rushes.storage.mirror.Mirror`, a folder that is the cache of a
remote one. Code that is given a home works on ``home.folder`` as on any folder, and says what is to
outlive this machine: ``publish`` after files are whole, ``write_receipt`` after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rushes.stages import quarantine, sha256_file, write_receipt


@dataclass(frozen=True, slots=True)
class Home:
    """The files of one stage on a disk of this machine; small, and fit to travel to another process.

    Attributes:
        folder: ``<stage>-<signature>``.
    """

    folder: Path

    def publish(self, paths: Iterable[Path]) -> None:
        """Make finished files below :attr:`folder` outlive this machine, in this order; here they stand already."""

    def discard(self, paths: Iterable[Path]) -> None:
        """Delete files below :attr:`folder`, here and wherever else they stand."""
        for path in paths:
            path.unlink(missing_ok=True)

    def write_receipt(self, unit: str, receipt: Mapping[str, Any]) -> None:
        """Prove that ``unit`` is finished, see ``stages.write_receipt``; its files must be published."""
        write_receipt(self.folder, unit, receipt)

    def quarantine(self, unit: str, reason: Mapping[str, Any]) -> None:
        """Set ``unit`` aside as bad input, see ``stages.quarantine``."""
        quarantine(self.folder, unit, reason)

    def checkpoint(self, folder: Path) -> None:
        """Publish a checkpoint that was just written below :attr:`folder`, and forget those deleted since."""

    def standing(self) -> Mapping[str, int]:
        """Names, relative to :attr:`folder`, and sizes in bytes of all files that will outlive this machine.

        One look: ask once and keep the answer, not once a unit.
        """
        return {
            path.relative_to(self.folder).as_posix(): path.stat().st_size
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    def fits(self, path: Path, sha256: str) -> bool:
        """Whether a file that is standing is what was written, as far as can be said without a transfer."""
        return path.is_file() and sha256_file(path) == sha256

    def open(self, path: Path, sha256: str) -> IO[bytes]:
        """Open a finished file below :attr:`folder` for reading, wherever it has to be brought from."""
        return path.open("rb")  # readers of shards check sizes and members themselves
