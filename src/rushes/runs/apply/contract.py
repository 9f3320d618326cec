"""How a trained model labels a whole recording: what ``rushes apply`` and a service share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal

from rushes.annotations.mark import About
from rushes.media.limits import DEFAULT_LIMITS, Limits
from rushes.predict.ticks import Ticks
from rushes.recipe.labelled import LabelledSource
from rushes.runs.apply.gathering import Gathering
from rushes.runs.do import require_done
from rushes.runs.door.contract import Decode, Part
from rushes.runs.run import Run
from rushes.runs.task import R
from rushes.stages import read_done

Player = Literal["video", "audio"]
"""Element of a page that plays a recording."""

RECORDING = "file"
"""Name under which a `rushes.runs.door.contract.Decode` of a single recording is given it."""


class Apply(ABC, Generic[R]):
    """The trained model of a run before recordings that nobody labelled.

    ``rushes apply`` reads, asks and gathers in one process (`ticks`); a service reads in another one than it
    asks in, about several recordings at a time.

    Weights are loaded when the first recording is asked about, and stay loaded.

    Args:
        run: its training is done.

    Attributes:
        player: of its recordings.
        limits: of a recording of one's own; a service has its own, far lower.
        preload: modules that a reading process imports beforehand; none of them imports torch.
    """

    player: Player
    limits: ClassVar[Limits] = DEFAULT_LIMITS
    preload: ClassVar[Sequence[str]] = ()

    def __init__(self, run: Run[R]) -> None:
        self.run = run

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Names of the K labels, in the order of all tables."""

    @property
    def background(self) -> frozenset[str]:
        """Those of them that say that nothing happens: they give no segment."""
        source = self.run.recipe.source
        quiet = source.background if isinstance(source, LabelledSource) else None
        return frozenset() if quiet is None else frozenset([quiet])

    @property
    @abstractmethod
    def signs(self) -> Mapping[str, Any]:
        """What of the recipe answers depend on, beside the weights and the preprocessing stored with them."""

    @abstractmethod
    def recording_of(self, name: str) -> str | None:
        """Name of the recording that a file belongs to, both relative to their folder, with ``/``; None: of none."""

    @property
    def batch_size(self) -> int:
        """Parts that are answered together."""
        size: int = self.run.recipe.evaluate.batch_size
        return size

    @property
    def serving_step_s(self) -> float | None:
        """What a service gives `reader` as its step."""
        return None

    @property
    def model(self) -> str:
        """Name of the run, and the beginning of the hash of its weights."""
        done = read_done(self.run.folder(self.run.maker("weights")))
        return (
            self.run.recipe.name
            if done is None
            else f"{self.run.recipe.name} {done['summary']['weights'][:12]}"
        )

    def require_trained(self, reader: str) -> None:
        """Bring what answers rest on.

        Args:
            reader: the verb that reads it.

        Raises:
            StageError: it is not there yet, or not as it was written.
        """
        for needed in (self.run.dataset, self.run.maker("weights")):
            require_done(self.run, needed, reader)

    @abstractmethod
    def reader(self, step_s: float | None = None) -> Decode:
        """How a recording is cut into parts, in one linear read; it can be pickled and imports no model.

        What it is ``about`` has the keys ``duration_s``, ``fps`` and ``parts`` of `Decoded` and whatever
        `gather` wants to know.

        Args:
            step_s: from the start of a part to that of the next; None cuts as timelines are measured.

        Raises:
            StageError: the model is not trained.
        """

    @abstractmethod
    def load(self) -> None:
        """Load the weights now.

        Raises:
            StageError: the model is not trained.
            ModelError: the weights cannot be read.
        """

    @property
    @abstractmethod
    def made_up(self) -> Part:
        """A part that shows nothing, for a first answer that nobody waits for."""

    @abstractmethod
    def answer(self, parts: Sequence[Part]) -> Sequence[Any]:
        """What the model says of parts, of any recordings, in order."""

    @abstractmethod
    def gather(self, about: Mapping[str, Any]) -> Gathering:
        """Begins the ticks of a recording of which the reader said ``about``."""

    def ticks(self, recording: Path) -> tuple[Ticks, About]:
        """Label a recording from its first moment to its last, in one linear read.

        Returns:
            At least one tick with its most probable label; length and frame rate of the recording.

        Raises:
            MediaError: it cannot be read, or is too short to be asked about.
        """
        decoded = self.reader()({RECORDING: recording}, self.limits)
        gathering = self.gather(decoded.about)
        for parts in batches(decoded.parts, self.batch_size):
            for part, said in zip(parts, self.answer(parts), strict=True):
                gathering.add(part, said)
        return gathering.ticks(), about_of(decoded.about)

    def reported(self, figure: str) -> Mapping[str, float]:
        """A figure of whole recordings in the report, of labels as they come and ``smoothed``.

        Returns:
            ``model`` and ``smoothed``; empty where nobody measured both.
        """
        if self.run.status(self.run.maker("figures")).state != "done":
            return {}
        parts = self.run.scorecard().of_kind("timeline")
        found = {
            name: values[figure].value
            for part in parts
            for name, values in part.estimates.items()
            if name in ("model", "smoothed") and figure in values
        }
        return found if len(found) == 2 else {}

    @property
    def remark(self) -> str:
        """In a sentence, how the labels that are shown follow from the most probable ones."""
        return "each moment has its most probable label"

    def shown(self, ticks: Ticks) -> Ticks:
        """The answers about a recording with the labels that a reader is shown."""
        return ticks

    def served(self, ticks: Ticks) -> tuple[Ticks, str]:
        """As `shown`, for a service: ticks of a reader with `serving_step_s`; and how their labels follow."""
        return self.shown(ticks), self.remark


def about_of(about: Mapping[str, Any]) -> About:
    """Length and frame rate of a recording, of what its reader said."""
    fps = about.get("fps")
    return About(
        duration_s=Fraction(repr(about["duration_s"])),
        fps=None if fps is None else Fraction(fps),
    )


def batches(parts: Iterable[Part], size: int) -> Iterator[list[Part]]:
    """Parts, ``size`` at a time; the last batch has what is left."""
    parts = iter(parts)
    while batch := list(islice(parts, size)):
        yield batch
