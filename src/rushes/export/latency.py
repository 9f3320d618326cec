"""How long a call takes: processor time on one core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

CAN_PIN = hasattr(os, "sched_setaffinity")
"""Whether the system lets a thread stay on one core; macOS does not."""

WARM_UP = 20
BLOCK = 20


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of a call, as fractions of calls that take no longer: half, and 95 in 100."""

    p50_ms: float
    p95_ms: float


def latencies(calls: Mapping[str, Callable[[], object]], runs: int) -> dict[str, Latency]:
    """Time each call ``runs`` times on this thread, pinned to one core where the system can pin.

    What is measured is the thread's own processor time: that of the clock, less what the core spent on
    others. So a call must do all its work on this thread and wait for nothing. After 20 calls that do not
    count, the calls are timed in turns, in blocks of 20, and the percentiles are those of all timed calls.
    Neighbours that share caches or memory still slow a call, which p95 shows more than p50; where figures are
    to repeat, the machine is to be quiet.

    Args:
        calls: what to time, by name.
        runs: timed calls of each; at least 1.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    with pinned():
        for call in calls.values():
            for _ in range(WARM_UP):
                call()
        for begun in range(0, runs, BLOCK):
            for name, call in calls.items():
                times[name] += [_timed(call) for _ in range(min(BLOCK, runs - begun))]
    return {name: Latency(*map(float, np.percentile(of, (50, 95)))) for name, of in times.items()}


@contextmanager
def pinned() -> Iterator[None]:
    """Keep this thread on one core, where :data:`CAN_PIN`; afterwards it may go where it might before.

    Which of the allowed cores depends on the number of the process, so that processes side by side spread.
    """
    if not CAN_PIN:
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core_of(os.getpid(), allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def core_of(process: int, allowed: Collection[int]) -> int:
    """The core for a process: the allowed ones in turn.

    >>> [core_of(process, {2, 5, 7}) for process in (300, 301, 302, 303)]
    [2, 5, 7, 2]
    """
    return sorted(allowed)[process % len(allowed)]


def _timed(call: Callable[[], object]) -> float:
    start = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - start) / 1e6
