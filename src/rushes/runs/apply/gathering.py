"""What a model says of the parts of a recording, gathered into ticks while they come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.predict.ticks import Ticks
from rushes.runs.door.contract import Part


class Gathering(ABC):
    """Ticks of a recording; memory grows with them, not with the pixels.

    Args:
        names: the K labels.
        stride_s: length of a tick.
        offset_s: where the first one starts, see `Ticks`.

    Attributes:
        asked: parts that were answered about.
        settled: ticks from the first on that no later part changes.
        scored: whether what was said is how probable each label is; else it is a label alone, and no confidence can be
            told.
    """

    def __init__(self, names: Sequence[str], stride_s: float, offset_s: float = 0.0) -> None:
        self.names, self.stride_s, self.offset_s = tuple(names), stride_s, offset_s
        self.asked = self.settled = 0
        self.scored = True

    @abstractmethod
    def add(self, part: Part, said: Any) -> None:
        """Take the answer about the next part, in order."""

    @abstractmethod
    def rows(self, first: int, behind: int) -> NDArray[np.float64]:
        """Probabilities of the ticks ``[first, behind)``, (n, K); a row of nan where nothing was asked."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Ticks of the recording, as far as they are known."""

    def ticks(self) -> Ticks:
        """All of them, with the most probable label of each."""
        return self.ticks_of(0, self.count)

    def ticks_of(self, first: int, behind: int) -> Ticks:
        """The ticks ``[first, behind)`` alone."""
        offset_s = self.offset_s + first * self.stride_s
        return Ticks.of(self.stride_s, self.names, self.rows(first, behind), offset_s)


class EachItsTick(Gathering):
    """A part stands for one tick, the next part for the next tick, as many as come."""

    def __init__(self, names: Sequence[str], stride_s: float, offset_s: float = 0.0) -> None:
        super().__init__(names, stride_s, offset_s)
        self._rows: list[NDArray[np.float64]] = []

    def add(self, part: Part, said: NDArray[np.float64]) -> None:
        """See `Gathering.add`; ``said`` has the probabilities, (K,)."""
        self._rows.append(said)
        self.asked += 1
        self.settled += 1

    def rows(self, first: int, behind: int) -> NDArray[np.float64]:
        """See `Gathering.rows`."""
        return np.array(self._rows[first:behind], np.float64).reshape(-1, len(self.names))

    @property
    def count(self) -> int:
        """See `Gathering.count`."""
        return len(self._rows)
