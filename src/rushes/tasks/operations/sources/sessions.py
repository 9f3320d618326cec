"""What every layout of footage gives: recordings with their labels, who stands on which side, what does not hold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rushes.errors import SourceError
from rushes.records import Recording
from rushes.runs.labelled.sides import Sides
from rushes.runs.source import Fault, Source


@dataclass(frozen=True, slots=True)
class Tally:
    """How many stretches there are of a kind, and how long they are together."""

    n: int = 0
    seconds: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.n + other.n, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a root holds.

    Attributes:
        root: the folder that names of files are relative to.
        recordings: those that hold, sorted by key.
        faults: those that do not, at most one fault each, sorted by key.
        notes: of recordings that hold, or of all: long gaps between labels, holes in the footage.
        masked: label -> how often and how long it stands there without being learnt.
        gaps: stretches between labels that nobody labelled.
    """

    root: Path
    recordings: tuple[Recording, ...]
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]
    masked: Mapping[str, Tally]
    gaps: Tally


Found = TypeVar("Found", bound=Scan)


class SessionSource(Source[Found]):
    """A layout of footage, together with what a recipe says of it."""

    @abstractmethod
    def sides(self, found: Found) -> Sides:
        """Put recordings on sides.

        Raises:
            SourceError: a group would stand on two sides, or a side cannot be told.
        """


def check_coverage(recording: Recording, duration_s: float, tolerance_s: float = 0.5) -> None:
    """Refuse labels that lie outside of the footage: a video shorter than its labels, or a wrong start.

    Args:
        recording: its segments are on the clock of its footage, whose first frame is 0.
        duration_s: length of the footage, measured by decoding it or by the names of its frames.
        tolerance_s: by how much labels may stick out on either side.

    Raises:
        SourceError: naming the label that sticks out.
    """
    if not recording.segments:
        return
    first, last = recording.segments[0], recording.segments[-1]
    if first.start_s < -tolerance_s:
        raise SourceError(
            f"{first.label} starts {-first.start_s:.3f} s before the first frame",
            where=recording.media.path,
            cure="correct when the footage starts, or remove the labels before its first frame",
        )
    if last.end_s > duration_s + tolerance_s:
        outside = sum(segment.end_s > duration_s + tolerance_s for segment in recording.segments)
        raise SourceError(
            f"the footage lasts {duration_s:.3f} s, its labels {last.end_s:.3f} s: {outside} of "
            f"{len(recording.segments)} labelled operations lie outside of it, the last is {last.label}",
            where=recording.media.path,
            cure=f"fetch the missing footage, or remove the labels after {duration_s:.3f} s",
        )
