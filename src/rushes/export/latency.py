"""How long a call takes on one core that nobody else wants."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
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

    What counts is the thread's own time: that of the clock, less what the core spent on others. So a call
    must do all its work on this thread and wait for nothing. The calls are timed in turns, in blocks of about
    20; of all blocks of a call the lowest percentiles count, since whatever else the machine does can make a
    block slower and never faster.

    Args:
        calls: what to time, by name.
        runs: timed calls of each.
    """
    blocks = max(1, runs // BLOCK)
    share = -(-runs // blocks)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    with pinned():
        for call in calls.values():
            for _ in range(WARM_UP):
                call()
        for _ in range(blocks):
            for name, call in calls.items():
                times = [_timed(call) for _ in range(share)]
                found[name].append(tuple(float(p) for p in np.percentile(times, (50, 95))))
    return {name: Latency(*map(min, zip(*of, strict=True))) for name, of in found.items()}


@contextmanager
def pinned() -> Iterator[None]:
    """Keep this thread on one core, where :data:`CAN_PIN`; afterwards it may go where it might before."""
    if not CAN_PIN:
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _timed(call: Callable[[], object]) -> float:
    start = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - start) / 1e6
