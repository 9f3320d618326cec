"""What it takes to prepare one recording, whatever the task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from rushes.recipe.preprocessing import Preprocessing
from rushes.recipe.sections import Prepare


class Recorded(Protocol):
    """A recording."""

    @property
    def key(self) -> str:
        """Unique in the dataset."""
        ...


Found = TypeVar("Found", bound=Recorded)
Seen = TypeVar("Seen", bound=Preprocessing)
Asked = TypeVar("Asked", bound=Prepare)


@dataclass(frozen=True, slots=True)
class RecordingJob(Generic[Found, Seen, Asked]):
    """With ``length_s`` and ``truth`` of its task this is a `rushes.prepare.stage.Job`.

    Attributes:
        recording: what to read.
        split: the side on which it stands.
        folder: of the dataset; the shards go to ``shards/<split>`` in it.
        preprocessing: how a sample becomes a question.
        asked: which samples are cut, and how large a shard may be.
    """

    recording: Found
    split: str
    folder: Path
    preprocessing: Seen
    asked: Asked

    @classmethod
    def of(
        cls,
        recordings: Iterable[Found],
        split_of: Mapping[str, str],
        folder: Path,
        preprocessing: Seen,
        asked: Asked,
    ) -> dict[str, Self]:
        """The jobs of all recordings that ``split_of``, recording key -> split, puts on a side."""
        return {
            recording.key: cls(recording, split_of[recording.key], folder, preprocessing, asked)
            for recording in recordings
            if recording.key in split_of
        }
