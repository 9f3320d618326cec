"""PhysicalAI-AV as a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rushes.runs.source import Bring, Source
from rushes.tasks.driving.sources.physical_ai_av import source as layout
from rushes.tasks.driving.sources.physical_ai_av.source import Scan, require_clips


@dataclass(frozen=True, slots=True)
class PhysicalAiAv(Source[Scan]):
    """Clips of a rig of cameras and the motion of its vehicle, in chunk archives.

    Attributes:
        cameras: that a clip must have.
        chunks: that are used; None takes all that are there.
        offline: poses as computed afterwards, in place of those recorded.
        listed: clips that the recipe's split names.
    """

    cameras: tuple[str, ...]
    chunks: tuple[int, ...] | None
    offline: bool
    listed: tuple[str, ...] = ()

    def scan(self, root: Path) -> Scan:
        """See `Source.scan`; from indexes and the directories of archives.

        Raises:
            SourceError: they do not hold, or the split lists a clip that the clip index does not.
        """
        found = layout.scan(root, self.cameras, chunks=self.chunks, offline=self.offline)
        if self.listed:
            require_clips(found.root, self.listed)
        return found

    def fingerprint(self, found: Scan) -> str:
        """See `Source.fingerprint`; of the archives' members."""
        return layout.fingerprint(found.root, found.recordings)

    def fetch(self, bring: Bring) -> Path:
        """The tables; then, of the archives, those of the asked cameras and the motion of chunks in use."""
        root = bring(layout.TABLES.__contains__)
        wanted = layout.archives(root, self.cameras, self.chunks)
        return bring(wanted.__contains__)
