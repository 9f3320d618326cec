"""What a model says of windows all over a recording, as ticks."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rushes.errors import AnswerError
from rushes.runs.apply.gathering import Gathering
from rushes.runs.door.contract import Part
from rushes.tasks.operations.predict.read_off import SCORED, Track

NEVER = 1e-4
"""Probability below which none is believed: a window may not forbid what others see."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where a sample lies in its recording: start and end on the recording's clock, the asked moment on its own."""

    start_s: float
    end_s: float
    asked_s: float

    @classmethod
    def of(cls, part: Part) -> Self:
        """Of a sample as preparation cut it."""
        meta = json.loads(str(part.members["meta.json"], "utf-8"))
        return cls(*(float(meta[name]) for name in ("clip_start_s", "clip_end_s", "asked_s")))

    @property
    def clip_s(self) -> float:
        """Length, to the microsecond: its ends are sums on the recording's clock."""
        return round(self.end_s - self.start_s, 6)


class OfWindows(Gathering):
    """Ticks of a recording whose length is known.

    Args:
        names: the K labels.
        duration_s: of the recording.
        tick_s: length of a tick, at most ``duration_s``.

    Attributes:
        nexts: (K,) what the last window expects to follow at its last moment; None before the first one.
    """

    def __init__(self, names: Sequence[str], duration_s: float, tick_s: float) -> None:
        super().__init__(names, tick_s)
        self._count = int(duration_s / tick_s)
        self.nexts: NDArray[np.float64] | None = None

    @property
    def count(self) -> int:
        """See `Gathering.count`."""
        return self._count

    def add(self, part: Part, said: Track | AnswerError) -> None:
        """See `Gathering.add`.

        Raises:
            AnswerError: what was said cannot be read.
        """
        if isinstance(said, AnswerError):
            raise said
        self.asked += 1
        self.scored &= said.stage == SCORED
        self.nexts = said.nexts[-1]
        self._add(Window.of(part), said)

    @abstractmethod
    def _add(self, window: Window, track: Track) -> None:
        """Take what is said at the moments of the next window."""


class AsAsked(OfWindows):
    """A window for each tick: what is said at the moment that it is asked about."""

    def __init__(self, names: Sequence[str], duration_s: float, tick_s: float) -> None:
        super().__init__(names, duration_s, tick_s)
        self._rows = np.full((self.count, len(names)), np.nan)

    def _add(self, window: Window, track: Track) -> None:
        tick = int((window.start_s + window.asked_s) // self.stride_s)
        self._rows[tick] = track.operations[track.at(window.asked_s)]
        self.settled = tick + 1

    def rows(self, first: int, behind: int) -> NDArray[np.float64]:
        """See `Gathering.rows`."""
        return self._rows[first:behind]


class Fused(OfWindows):
    """Windows that overlap: a tick is the weighted geometric mean of what all windows say that hold its middle.

    What a window says there lies between its moments before and behind it, and counts as much as the tick lies
    inside of the window: it knows least of what is at its edges. docs/design/serving.md has the figures.
    """

    def __init__(self, names: Sequence[str], duration_s: float, tick_s: float) -> None:
        super().__init__(names, duration_s, tick_s)
        self._logs = np.zeros((self.count, len(names)))
        self._weights = np.zeros(self.count)

    def _add(self, window: Window, track: Track) -> None:
        first = max(ceil(window.start_s / self.stride_s - 0.5), 0)
        behind = min(ceil(window.end_s / self.stride_s - 0.5), self.count)
        middles_s = (np.arange(first, behind) + 0.5) * self.stride_s - window.start_s
        inside_s = np.minimum(middles_s, window.clip_s - middles_s)
        weights = np.maximum(inside_s / window.clip_s, 1e-3)
        logs = np.log(np.maximum(track.operations, NEVER))
        between = [np.interp(middles_s, track.times_s, column) for column in logs.T]
        self._logs[first:behind] += weights[:, None] * np.stack(between, axis=1)
        self._weights[first:behind] += weights
        self.settled = max(self.settled, min(first, self.count))

    def rows(self, first: int, behind: int) -> NDArray[np.float64]:
        """See `Gathering.rows`."""
        weights = self._weights[first:behind, None]
        means = self._logs[first:behind] / np.where(weights, weights, np.nan)
        probabilities = np.exp(means)
        shares: NDArray[np.float64] = probabilities / probabilities.sum(axis=1, keepdims=True)
        return shares


def gathering_of(names: Sequence[str], about: Mapping[str, Any]) -> OfWindows:
    """Begins the ticks of a recording as it was cut, see `rushes.tasks.operations.prepare.reading.ReadWindows`."""
    kind = AsAsked if about["step_s"] is None else Fused
    return kind(names, about["duration_s"], about["tick_s"])
