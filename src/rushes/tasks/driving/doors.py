"""The trained model of a run before a rig's files that somebody sends.

Imports stand inside of methods, so that a process that decodes loads no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from rushes.runs.door.contract import Answered, Asked, Door, Part, Reply, Verb
from rushes.runs.door.here import require_here
from rushes.tasks.driving.prepare.asked import TIMES, DecodeWindow, darkness
from rushes.tasks.driving.preprocessing import QUANTITIES, QuantityName

if TYPE_CHECKING:
    from rushes.predict.remote import Engine
    from rushes.runs.run import Run
    from rushes.tasks.driving.predict.answer import Answer
    from rushes.tasks.driving.recipe import DrivingRecipe

UNITS: Mapping[QuantityName, str] = {
    "mean_speed_mps": "m/s",
    "final_speed_mps": "m/s",
    "displacement_m": "m",
    "yaw_deg": "deg",
}


def doors_of(run: Run[DrivingRecipe], engine: Engine | None = None) -> Mapping[Verb, Door]:
    """The doors of a run, see `Task.doors`.

    Raises:
        RecipeError: another server is to answer.
    """
    require_here(run, engine)
    return {"predict": WindowDoor(run)}


class WindowAsked(Asked):
    """Which window is asked about.

    Attributes:
        clip_id: told back.
        start_s: seconds from the first frame of the reference camera. The cameras are synchronous: without tables
            of times, their first frames were taken at one moment.
    """

    clip_id: Annotated[str, Field(min_length=1, max_length=200)] = "clip"
    start_s: Annotated[
        float,
        Field(
            ge=0.0, le=1e6, allow_inf_nan=False, description="from the first frame of the reference camera"
        ),
    ] = 0.0


class QuantitySaid(Answered):
    """A number with its uncertainty.

    Attributes:
        value: the median.
        low, high: ends of the interval that holds 90 %.
        unit: of all three.
    """

    value: float
    low: float
    high: float
    unit: str


class WindowAnswer(Answered):
    """How the vehicle moved in a window.

    Attributes:
        clip_id: as it was asked.
        mean_speed_mps, final_speed_mps: of the window, and at its last moment.
        displacement_m: straight distance from its first moment to its last.
        yaw_deg: turn to the left in that time.
        reasoning: the words before the numbers; None where the model was taught none.
        parse_stage: numbers are read off scores, no text is parsed.
        window_s: start and end of the window, on the clock of the recording.
        duration_s: of the recording.
    """

    clip_id: str
    mean_speed_mps: QuantitySaid
    final_speed_mps: QuantitySaid
    displacement_m: QuantitySaid
    yaw_deg: QuantitySaid
    reasoning: str | None
    parse_stage: Literal["scored"]
    window_s: tuple[float, float]
    duration_s: float


class WindowDoor(Door):
    """See `Door`: a video for each camera of the setup, and perhaps a table of the times of its frames.

    Args:
        run: of the trained model.
    """

    verb = "predict"
    summary = "How the vehicle moves in a window of its cameras' recordings."
    asked = WindowAsked
    answered = WindowAnswer
    preload = ("numpy", "rushes.tasks.driving.prepare.asked")

    def __init__(self, run: Run[DrivingRecipe]) -> None:
        self._run = run
        self.batch_size = run.recipe.evaluate.batch_size
        cameras = run.recipe.preprocessing.setup.cameras
        self.files = dict.fromkeys(cameras, True) | {f"{camera}{TIMES}": False for camera in cameras}

    def decode(self, asked: WindowAsked) -> DecodeWindow:
        """See `Door.decode`."""
        return DecodeWindow(asked.start_s, self._run.recipe.preprocessing)

    def load(self) -> None:
        """See `Door.load`."""
        self._answerer  # noqa: B018

    def warm_up(self) -> None:
        """See `Door.warm_up`."""
        self.load()
        self.answer([darkness(self._run.recipe.preprocessing)])

    def answer(self, parts: Sequence[Part]) -> Sequence[tuple[Answer, tuple[float, float]]]:
        """See `Door.answer`: what the model says, and start and end of the window."""
        from rushes.tasks.driving.predict.answer import question
        from rushes.tasks.driving.prepare.sample import seen_of
        from rushes.train.threads import one_thread

        windows = [seen_of(part.key, part.members) for part in parts]
        with one_thread():
            answers = self._answerer.answer([question(window, "model", 0) for window in windows])
        spans = [(one.meta["window_start_s"], one.meta["window_end_s"]) for one in windows]
        return list(zip(answers, spans, strict=True))

    def reply(self, asked: WindowAsked, about: Mapping[str, Any]) -> Reply:
        """See `Door.reply`."""
        return _WindowReply(asked.clip_id, about["duration_s"])

    @cached_property
    def _answerer(self) -> Any:
        from rushes.runs.do import require_done
        from rushes.runs.run import RunJob
        from rushes.runs.vlm_work import Panel

        require_done(self._run, self._run.maker("weights"), "serve")
        return Panel(RunJob.of(self._run)).trained


class _WindowReply(Reply):
    """See `Reply`: of the one window."""

    def __init__(self, clip_id: str, duration_s: float) -> None:
        self._clip_id, self._duration_s = clip_id, duration_s
        self._said: WindowAnswer | None = None

    def add(self, part: Part, said: tuple[Answer, tuple[float, float]]) -> None:
        """See `Reply.add`."""
        answer, window_s = said
        quantities = {name: answer.quantities[name] for name in QUANTITIES}
        self._said = WindowAnswer(
            clip_id=self._clip_id,
            **{
                name: QuantitySaid(value=one.value, low=one.low, high=one.high, unit=UNITS[name])
                for name, one in quantities.items()
            },
            reasoning=answer.reasoning,
            parse_stage="scored",
            window_s=window_s,
            duration_s=self._duration_s,
        )

    def finish(self) -> WindowAnswer:
        """See `Reply.finish`."""
        assert self._said is not None, "a window was decoded, or there is no reply"
        return self._said
