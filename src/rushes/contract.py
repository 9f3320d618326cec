"""The preprocessing contract: everything that stands between pixels on disk and the model's question.

One small frozen object. ``prepare`` follows it, ``train`` stores it beside the weights, ``predict`` and the
service read it from there: what the model saw in training is what it sees in service.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SamplerName = Literal["uniform", "entropy", "motion", "coverage"]
Side = Annotated[int, Field(ge=28, le=4096, multiple_of=28)]


@dataclass(frozen=True, slots=True)
class Value:
    """A part of an answer that carries information: a label."""

    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer, or the beginning of one for the model to continue."""

    question: str
    answer: tuple[str | Value, ...] = ()


#: Text before each value of an answer, and the text that closes it: together one JSON object.
BEFORE_OPERATION, BEFORE_NEXT, ANSWER_END = '{"operation": "', '", "next": "', '"}'


class Preprocessing(BaseModel):
    """How a clip becomes a question.

    Attributes:
        sampler: which rule chooses the frames of a clip (``media/sampling.py``).
        frames: chosen frames per clip, a multiple of two since the model joins frames in pairs.
        min_gap_s: least distance of two frames chosen by score.
        clip_s: length of a clip in seconds.
        frame_size: (width, height) in pixels of a stored frame, letterboxed; multiples of 28.
        signal_size: (width, height) of the luma plane on which the samplers' signals are computed.
        jpeg_quality: quality of stored frames.
        labels: names of the operations, in the order of all tables; filled in from the label set.
        label_set: name of the label set, with its version.
        time_step_s: grid on which times are written.
        time_marks: whether the times of the frames are also written before them as text; without, the clip is
            one plain video, with its times in the rotary positions alone.
        question: what is asked behind each pair of frames.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sampler: SamplerName = "motion"
    frames: Annotated[int, Field(ge=2, le=64, multiple_of=2)] = 8
    min_gap_s: Annotated[float, Field(ge=0.0, le=5.0)] = 0.2
    clip_s: Annotated[float, Field(gt=0.5, le=60.0)] = 5.0
    frame_size: tuple[Side, Side] = (336, 336)
    signal_size: tuple[Annotated[int, Field(ge=16, le=1024)], Annotated[int, Field(ge=16, le=1024)]] = (
        160,
        120,
    )
    jpeg_quality: Annotated[int, Field(ge=30, le=100)] = 90
    labels: tuple[str, ...] = ()
    label_set: str = ""
    time_step_s: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    time_marks: bool = True
    question: Annotated[str, Field(min_length=1)] = "Which operation is this, and what comes next?"

    def moments(self) -> tuple[str, ...]:
        """Every legal moment of a clip as text, from its start to its end.

        >>> Preprocessing(clip_s=1.0, time_step_s=0.25).moments()
        ('0.00', '0.25', '0.50', '0.75', '1.00')
        """
        step, length = (Fraction(str(value)) for value in (self.time_step_s, self.clip_s))
        return tuple(self.moment(float(index * step)) for index in range(int(length / step) + 1))

    def moment(self, time_s: float) -> str:
        """The moment nearest to ``time_s`` (clip's clock) as text.

        >>> Preprocessing().moment(2.449)
        '2.4'
        """
        step = Fraction(str(self.time_step_s))
        count = min(max(round(time_s / step), 0), int(Fraction(str(self.clip_s)) / step))
        decimals = max(len(str(self.time_step_s).partition(".")[2]), 1)
        return f"{float(count * step):.{decimals}f}"

    def turn(self, operation: str, follower: str | None) -> Turn:
        """The question with its right answer, one JSON object; cut short where the successor is unknown."""
        answer: tuple[str | Value, ...] = (BEFORE_OPERATION, Value(operation))
        if follower is not None:
            answer += (BEFORE_NEXT, Value(follower), ANSWER_END)
        return Turn(self.question, answer)
