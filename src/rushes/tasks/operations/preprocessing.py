"""How a clip of somebody at work becomes a question."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rushes.recipe.preprocessing import FramePreprocessing, Side
from rushes.recipe.turns import Slot

SamplerName = Literal["uniform", "entropy", "motion", "flow", "coverage"]

OPERATION, NEXT = "operation", "next"


class ClipPreprocessing(FramePreprocessing):
    """How a clip becomes a question about the operation under way and the one that follows.

    Attributes:
        task: whose preprocessing it is.
        sampler: which rule chooses the frames of a clip (``media/sampling.py``).
        frames: chosen frames per clip.
        min_gap_s: least distance of two frames chosen by score.
        clip_s: length of a clip in seconds.
        frame_size: (width, height) in pixels of a stored frame, letterboxed; multiples of 28.
        labels: names of the operations, in the order of all tables; filled in from the label set.
        label_set: name of the label set, with its version.
        question: what is asked behind each pair of frames.
    """

    task: Literal["operations"] = "operations"
    sampler: SamplerName = "motion"
    frames: Annotated[int, Field(ge=2, le=64, multiple_of=2)] = 8
    min_gap_s: Annotated[float, Field(ge=0.0, le=5.0)] = 0.2
    clip_s: Annotated[float, Field(gt=0.5, le=60.0)] = 5.0
    frame_size: tuple[Side, Side] = (336, 336)
    labels: tuple[str, ...] = ()
    label_set: str = ""
    question: Annotated[str, Field(min_length=1)] = "Which operation is this, and what comes next?"

    answer_end: ClassVar[str] = '"}'

    @property
    def span_s(self) -> float:
        """The clip's length."""
        return self.clip_s

    @property
    def picture_size(self) -> tuple[int, int]:
        """The size of a stored frame."""
        return self.frame_size

    def slots(self) -> tuple[Slot, ...]:
        """The operation under way, and the one that follows it."""
        return (
            Slot(OPERATION, '{"operation": "', self.labels),
            Slot(NEXT, '", "next": "', self.labels),
        )
