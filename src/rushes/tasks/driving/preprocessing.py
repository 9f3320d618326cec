"""How a stretch of a drive, seen by the cameras of a rig, becomes a question about the vehicle's motion."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rushes.recipe.preprocessing import FramePreprocessing, Side, SignalSide
from rushes.recipe.turns import Slot

Layout = Literal["tiled", "separate"]
Reasoning = Literal["none", "words", "numbers"]
QuantityName = Literal["mean_speed_mps", "final_speed_mps", "displacement_m", "yaw_deg"]

QUANTITIES: tuple[QuantityName, ...] = ("mean_speed_mps", "final_speed_mps", "displacement_m", "yaw_deg")

PACES = ("standing", "crawling", "driving at town speed", "driving fast")
TRENDS = ("slowing down", "keeping its speed", "speeding up")
TURNS = ("turning left", "going straight", "turning right")
ABOUT = "about"
MAX_DECIMALS = 6  # of a value on a scale
PACE_MPS = (0.5, 3.0, 14.0)  # between one pace and the next
TREND_MPS, TURN_DEG = 0.5, 5.0  # less than that is keeping its speed, going straight


class CameraSetup(BaseModel):
    """Which cameras are shown, and where each stands in the grid.

    Attributes:
        name: of the setup.
        reference: the camera on whose clock moments are chosen.
        rows: names of the cameras, row by row; null leaves a place empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    reference: str
    rows: Annotated[tuple[tuple[str | None, ...], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _holds(self) -> CameraSetup:
        named = self.cameras
        if len(set(named)) < len(named):
            raise ValueError("a camera stands in the grid twice")
        if self.reference not in named:
            raise ValueError(f"the reference {self.reference} is not in the grid: {', '.join(named)}")
        return self

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras, row by row."""
        return tuple(name for row in self.rows for name in row if name is not None)

    @property
    def grid(self) -> tuple[int, int]:
        """(columns, rows)."""
        return max(map(len, self.rows)), len(self.rows)

    def place(self, camera: str) -> tuple[int, int]:
        """(row, column) of a camera."""
        return next((r, row.index(camera)) for r, row in enumerate(self.rows) if camera in row)


def camera_setups() -> dict[str, CameraSetup]:
    """The setups that come with rushes, by name."""
    text = files("rushes.tasks.driving").joinpath("camera-setups.yaml").read_text()
    return {name: CameraSetup(name=name, **setup) for name, setup in yaml.safe_load(text).items()}


def _decimals(number: float) -> int:
    """Decimals that it takes to write a number.

    >>> _decimals(1.0), _decimals(0.5), _decimals(0.00025)
    (0, 1, 5)
    """
    return max(0, -int(Decimal(str(number)).normalize().as_tuple().exponent))


class Scale(BaseModel):
    """The values that a quantity is answered with.

    Attributes:
        low, high: the first and the last value.
        step: from one value to the next.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float
    high: float
    step: Annotated[float, Field(gt=0.0)]

    @model_validator(mode="after")
    def _holds(self) -> Scale:
        # Counted in floats first: a step of 1e-9 must not be spelt out to be refused.
        if not 1 <= (self.high - self.low) / self.step < 1000:
            raise ValueError(f"{self.low} to {self.high} by {self.step} is no scale of 2 to 1000 values")
        if _decimals(self.step) > MAX_DECIMALS or _decimals(self.low) > MAX_DECIMALS:
            raise ValueError(f"{self.low} by {self.step} needs more than {MAX_DECIMALS} decimals")
        return self

    # Kept, since every sample of training asks: counting in fractions takes a thousand times a look-up.
    @cached_property
    def values(self) -> tuple[float, ...]:
        """All values, rising."""
        low, high, step = (Fraction(str(value)) for value in (self.low, self.high, self.step))
        return tuple(float(low + number * step) for number in range(int((high - low) / step) + 1))

    def text(self, value: float) -> str:
        """The nearest value of the scale, as it is written.

        >>> Scale(low=0, high=30, step=0.5).text(12.6)
        '12.5'
        >>> Scale(low=-90, high=90, step=1).text(-3.2)
        '-3'
        """
        nearest = round((value - self.low) / self.step)
        return self.texts[min(max(nearest, 0), len(self.texts) - 1)]

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """All values as they are written."""
        decimals = max(_decimals(self.low), _decimals(self.step))
        return tuple(f"{value:.{decimals}f}" for value in self.values)


class RigPreprocessing(FramePreprocessing):
    """How a window of a drive becomes a question about the vehicle's motion since its beginning.

    Attributes:
        task: whose preprocessing it is.
        setup: the cameras and their places; in a recipe the name of a known setup, or one spelt out.
        layout: one picture with a tile for each camera, or one picture of each camera.
        frames: moments of a window.
        rate_hz: moments per second.
        tile_size: (width, height) in pixels of one camera's picture, letterboxed; multiples of 28.
        reasoning: text before the numbers: ``words`` says pace, trend and turn without any number,
            ``numbers`` says the mean speed before it is asked for.
        mean_speed_mps, final_speed_mps, displacement_m, yaw_deg: scales of the answers: mean of the speed at
            the frame times, speed at the last one, straight distance and turn to the left since the first.
        question: what is asked behind each pair of frames.
    """

    task: Literal["driving"] = "driving"
    # The name of a setup that comes with rushes is validated into the setup.
    setup: Annotated[CameraSetup, Field(validate_default=True)] = "cruciform"  # type: ignore[assignment]
    layout: Layout = "tiled"
    frames: Annotated[int, Field(ge=2, le=64, multiple_of=2)] = 16
    rate_hz: Annotated[float, Field(gt=0.0, le=60.0)] = 10.0
    tile_size: tuple[Side, Side] = (252, 140)
    signal_size: tuple[SignalSide, SignalSide] = (160, 90)
    reasoning: Reasoning = "none"
    mean_speed_mps: Scale = Scale(low=0, high=40, step=0.5)
    final_speed_mps: Scale = Scale(low=0, high=40, step=0.5)
    displacement_m: Scale = Scale(low=0, high=60, step=0.5)
    yaw_deg: Scale = Scale(low=-60, high=60, step=1)
    question: Annotated[str, Field(min_length=1)] = (
        "How has the vehicle moved since the first picture? Speeds in m/s, distance in m, turn to the left "
        "in degrees."
    )

    answer_end: ClassVar[str] = "}"

    @field_validator("setup", mode="before")
    @classmethod
    def _known(cls, setup: Any) -> Any:
        if not isinstance(setup, str):
            return setup
        known = camera_setups()
        if setup not in known:
            raise ValueError(f"no camera setup {setup!r}; known are {', '.join(known)}, or spell one out")
        return known[setup]

    @model_validator(mode="after")
    def _holds(self) -> RigPreprocessing:
        if self.layout == "separate" and not self.time_marks:
            raise ValueError("separate pictures of several cameras need time_marks: true")
        return self

    @property
    def span_s(self) -> float:
        """From the first to the last moment of a window."""
        return (self.frames - 1) / self.rate_hz

    @property
    def picture_size(self) -> tuple[int, int]:
        """The canvas of all tiles, or one camera's picture."""
        width, height = self.tile_size
        if self.layout == "separate":
            return width, height
        columns, rows = self.setup.grid
        return columns * width, rows * height

    @property
    def views(self) -> tuple[str, ...]:
        """The cameras where each has its own picture."""
        return self.setup.cameras if self.layout == "separate" else ("",)

    def scale(self, name: str) -> Scale:
        """The scale of one of `QUANTITIES`."""
        scale: Scale = getattr(self, name)
        return scale

    def slots(self) -> tuple[Slot, ...]:
        """The reasoning, if there is one, and the four quantities."""
        words = (
            Slot("pace", '{"reasoning": "The vehicle is ', PACES),
            Slot("trend", ", ", TRENDS),
            Slot("turn", ", ", TURNS),
        )
        speeds = self.mean_speed_mps.texts
        opening: dict[str, tuple[tuple[Slot, ...], str]] = {
            "none": ((), "{"),
            "words": (words, '.", '),
            "numbers": ((*words, Slot(ABOUT, ", at about ", speeds)), ' m/s.", '),
        }
        reasoning, before = opening[self.reasoning]
        slots = list(reasoning)
        for name in QUANTITIES:
            slots.append(Slot(name, f'{before}"{name}": ', self.scale(name).texts))
            before = ", "
        return tuple(slots)

    def values(self, target: Mapping[str, float]) -> tuple[str, ...]:
        """The right value of each slot.

        Args:
            target: the four quantities and ``start_speed_mps``, in m/s, m and degrees.
        """
        mean, final, yaw = (target[name] for name in ("mean_speed_mps", "final_speed_mps", "yaw_deg"))
        gain = final - target["start_speed_mps"]
        words = (
            PACES[bisect_right(PACE_MPS, mean)],
            TRENDS[bisect_right((-TREND_MPS, TREND_MPS), gain)],
            TURNS[bisect_right((-TURN_DEG, TURN_DEG), -yaw)],
            self.mean_speed_mps.text(mean),
        )
        count = {"none": 0, "words": 3, "numbers": 4}[self.reasoning]
        return (*words[:count], *(self.scale(name).text(target[name]) for name in QUANTITIES))

    def numbers(self) -> Iterator[str]:
        """Times, and the values of all scales."""
        yield from super().numbers()
        for name in QUANTITIES:
            yield from self.scale(name).texts
