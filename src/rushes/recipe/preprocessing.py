"""What every preprocessing says, whatever the task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rushes.recipe.turns import Slot, Turn, fill

Side = Annotated[int, Field(ge=28, le=4096, multiple_of=28)]
SignalSide = Annotated[int, Field(ge=16, le=1024)]


class Preprocessing(BaseModel):
    """How a recording becomes what a model sees; frozen, and stored beside the weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FramePreprocessing(Preprocessing, ABC):
    """How a stretch of a recording becomes a question about pictures.

    Attributes:
        frames: moments at which the model sees the recording, a multiple of two since it joins them in pairs.
        jpeg_quality: quality of stored pictures.
        signal_size: (width, height) of the luma plane on which signals are computed.
        time_step_s: grid on which times are written.
        time_marks: whether the times of the frames are also written before them as text; without, they are
            one plain video, with its times in the rotary positions alone.
        question: what is asked behind each pair of frames.
    """

    frames: Annotated[int, Field(ge=2, le=64, multiple_of=2)]
    jpeg_quality: Annotated[int, Field(ge=30, le=100)] = 90
    signal_size: tuple[SignalSide, SignalSide] = (160, 120)
    time_step_s: Annotated[float, Field(ge=0.001, le=1.0)] = 0.1
    time_marks: bool = True
    question: Annotated[str, Field(min_length=1)]

    answer_end: ClassVar[str]
    """The text that closes an answer."""

    @property
    @abstractmethod
    def span_s(self) -> float:
        """Latest time of a frame, in seconds since the stretch begins."""

    @property
    @abstractmethod
    def picture_size(self) -> tuple[int, int]:
        """(width, height) in pixels of one picture as the model sees it."""

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the pictures that are shown of each moment; one without a name unless said otherwise."""
        return ("",)

    @abstractmethod
    def slots(self) -> tuple[Slot, ...]:
        """The values of an answer in order."""

    def numbers(self) -> Iterator[str]:
        """Every number that may be written."""
        yield from self.moments()

    def turn(self, *values: str | None) -> Turn:
        """The question with its answer, one JSON object; cut short where a value is unknown."""
        return fill(self.question, self.slots(), values, self.answer_end)

    def asking(self) -> Turn:
        """The question with its answer up to the first value."""
        return Turn(self.question, (self.slots()[0].before,))

    def texts(self) -> Iterator[str]:
        """Every whole piece of text that a question and its answer can hold."""
        slots = self.slots()
        yield self.question
        yield from (slot.before for slot in slots)
        yield self.answer_end
        for slot in slots:
            yield from slot.choices
        yield from self.views
        yield from self.numbers()

    def moments(self) -> tuple[str, ...]:
        """Every legal moment as text, from the start to the end of the span, e.g. 0.0, 0.1 ... 1.5."""
        step, length = map(_exact, (self.time_step_s, self.span_s))
        return tuple(self.moment(float(index * step)) for index in range(int(length / step) + 1))

    def moment(self, time_s: float) -> str:
        """The moment nearest to ``time_s`` (since the stretch begins) as text."""
        step = _exact(self.time_step_s)
        count = min(max(round(time_s / step), 0), int(_exact(self.span_s) / step))
        decimals = max(len(str(self.time_step_s).partition(".")[2]), 1)
        return f"{float(count * step):.{decimals}f}"


@cache
def _exact(value: float) -> Fraction:
    """The decimal number that a float of a preprocessing was written as."""
    return Fraction(str(value))
