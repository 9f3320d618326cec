"""How a trained model labels a whole recording: what ``rushes apply`` and a service share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, Literal

from rushes.annotations.mark import About
from rushes.predict.ticks import Ticks
from rushes.recipe.labelled import LabelledSource
from rushes.runs.run import Run
from rushes.runs.task import R

Player = Literal["video", "audio"]
"""Element of a page that plays a recording."""


class Apply(ABC, Generic[R]):
    """The trained model of a run before recordings that nobody labelled.

    Weights are loaded when the first recording is asked about, and stay loaded.

    Args:
        run: its training is done.

    Attributes:
        player: of its recordings.
    """

    player: Player

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

    @abstractmethod
    def ticks(self, recording: Path) -> tuple[Ticks, About]:
        """Label a recording from its first moment to its last, in one linear read.

        Returns:
            At least one tick with its most probable label; length and frame rate of the recording.

        Raises:
            MediaError: it cannot be read, or is too short to be asked about.
        """

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
