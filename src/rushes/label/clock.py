"""Time, and how long to wait before something is tried again; both can be replaced by a test."""

from __future__ import annotations

import random
import time
from typing import Protocol

FIRST_S, MOST_S = 1.0, 60.0


class Clock(Protocol):
    """Seconds since 1970, and sleep."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class WallClock:
    """The machine's; once it runs, nobody who sets the clock makes it jump."""

    def __init__(self) -> None:
        self._ahead_s = time.time() - time.monotonic()

    def now(self) -> float:
        """See `Clock.now`."""
        return self._ahead_s + time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)


def backoff_s(failures: int, rng: random.Random, most_s: float = MOST_S) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, and half of it by chance.

    >>> [0.5 * 2**n <= backoff_s(n + 1, random.Random(0)) <= 2**n for n in range(5)]
    [True, True, True, True, True]
    """
    whole = min(FIRST_S * 2.0 ** min(failures - 1, 30), most_s)
    return whole * rng.uniform(0.5, 1.0)


def longest_s(failures: int, most_s: float = MOST_S) -> float:
    """Seconds that all waits of so many failures take together at most.

    >>> longest_s(3)
    7.0
    """
    return sum(min(FIRST_S * 2.0**number, most_s) for number in range(failures))
