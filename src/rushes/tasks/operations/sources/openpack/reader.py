"""OpenPack as a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rushes.runs.source import Source
from rushes.tasks.operations.recipe import MediaName
from rushes.tasks.operations.sources.openpack import source as layout
from rushes.tasks.operations.sources.openpack.source import Scan
from rushes.tasks.operations.sources.openpack.tables import LabelSet


@dataclass(frozen=True, slots=True)
class OpenPack(Source[Scan]):
    """Sessions of people packing boxes.

    Attributes:
        labels: the label set to learn.
        media: form of the footage.
    """

    labels: LabelSet
    media: MediaName

    def scan(self, root: Path) -> Scan:
        """See `Source.scan`."""
        return layout.scan(root, self.labels, self.media)

    def fingerprint(self, found: Scan) -> str:
        """See `Source.fingerprint`; of annotation and footage."""
        return layout.fingerprint(found.root, found.recordings)
