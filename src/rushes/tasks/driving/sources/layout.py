"""What a layout of drives must be: a source that also tells the side of each drive, and why one gives nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from rushes.errors import SourceError
from rushes.runs.source import Fault, Source
from rushes.stages import Claim
from rushes.tasks.driving.sources.recording import RigRecording

R = TypeVar("R", bound=RigRecording)

SIDES = ("train", "val", "test")
USED = "samples"


@dataclass(frozen=True, slots=True)
class Scan(Generic[R]):
    """What a copy of a dataset holds.

    Attributes:
        root: of the dataset.
        recordings: drives with all that was asked for, in a fixed order.
        faults: drives of which something is there that does not hold, at most one fault each.
        skipped: drives that the dataset calls invalid, or that lack a camera or their motion.
        notes: what else is worth knowing.
    """

    root: Path
    recordings: tuple[R, ...]
    faults: tuple[Fault, ...]
    skipped: tuple[Fault, ...]
    notes: tuple[Fault, ...]


class Holdings(Protocol):
    """What a copy has of each camera, told before anything is read of its clocks and poses."""

    def summary(self) -> str:
        """In one line."""
        ...

    def text(self) -> str:
        """For people."""
        ...

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        ...


class RigLayout(Source[Scan[R]], Generic[R]):
    """A raw layout of drives, together with what a recipe says of it."""

    __slots__ = ()

    @abstractmethod
    def sides(self, found: Scan[R]) -> dict[str, str]:
        """Key -> side, in the order of the recordings; what stands on no side is not in it.

        Raises:
            SourceError: a drive is listed on two sides, or a side is unknown.
        """

    @abstractmethod
    def fates(self, found: Scan[R]) -> dict[str, Claim]:
        """Drive -> what becomes of it, as far as a scan can tell; each that it found is in it."""

    @abstractmethod
    def holdings(self, found: Scan[R], *, clip_s: float, window_s: float, stride_s: float) -> Holdings:
        """What is there of each camera.

        Args:
            found: the scan.
            clip_s: usual length of a clip, where nothing else tells it.
            window_s, stride_s: from the first to the last moment of a window, and from one window to the next.
        """


def require_whole_groups(recordings: Iterable[RigRecording], side_of: Mapping[str, str]) -> None:
    """See to it that each group stands on one side, or on none.

    Raises:
        SourceError: one stands on two.
    """
    first_of: dict[str, RigRecording] = {}
    for recording in recordings:
        if recording.key not in side_of:
            continue
        first = first_of.setdefault(recording.group, recording)
        if side_of[first.key] != side_of[recording.key]:
            raise SourceError(
                f"group {recording.group} stands on two sides: {first.key} in {side_of[first.key]}, "
                f"{recording.key} in {side_of[recording.key]}",
                where=recording.poses or recording.key,
                cure="put all drives of a group on one side",
            )
