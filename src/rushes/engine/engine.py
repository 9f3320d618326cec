"""Map a function over units, here or on many machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal

from rushes.engine.crew import Crew
from rushes.engine.processes import ProcessCrew
from rushes.engine.results import Event, Failure, Unit, UnitDone, UnitResult, UnitStarted
from rushes.engine.supervise import Supervisor
from rushes.engine.worker import Start
from rushes.errors import RecipeError, UnitError

EngineKind = Literal["local", "ray"]

Results = Generator[UnitResult, None, None]
"""Each result once; closed early, it stops the workers."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where units are worked on.

    Attributes:
        kind: ``local`` for processes of this machine, ``ray`` for those of a Ray cluster.
        address: of a running cluster, ``host:port`` or ``auto``; None starts one on this machine for as long
            as the work takes.

    Raises:
        RecipeError: there is no such kind, or an address where there is nothing to reach.
    """

    kind: EngineKind = "local"
    address: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in CREWS:
            raise RecipeError(f"no engine {self.kind!r}", cure=f"choose one of: {', '.join(CREWS)}")
        if self.address is not None and self.kind == "local":
            raise RecipeError(
                f"the local engine has no address, found {self.address}", cure="add --engine ray"
            )


@contextmanager
def _local_crew(engine: Engine, start: Start, workers: int) -> Iterator[Crew[Any]]:
    yield ProcessCrew(start)


@contextmanager
def _ray_crew(engine: Engine, start: Start, workers: int) -> Iterator[Crew[Any]]:
    from rushes.engine.cluster import ActorCrew, connected

    with connected(engine.address, workers) as ray:
        yield ActorCrew(ray, start)


CREWS: Mapping[EngineKind, Callable[[Engine, Start, int], AbstractContextManager[Crew[Any]]]] = {
    "local": _local_crew,
    "ray": _ray_crew,
}

LOCAL = Engine()


def map_units(
    function: Callable[[Any], Any],
    units: Iterable[Unit],
    *,
    workers: int,
    engine: Engine = LOCAL,
    timeout_s: float | None = None,
    memory_bytes: int | None = None,
    retries: int = 1,
    on_event: Callable[[Event], None] | None = None,
) -> Results:
    """Apply ``function`` to every unit and yield each result once, in the order in which they end.

    ``units`` is consumed lazily: each worker holds one unit, and the next is taken when a worker is free.
    Supervision runs while the caller waits for a result here: while it does something else a time-out is
    noticed late, the memory limit holds always.

    Args:
        function: importable by name from a fresh process, of every node; returns something small
            (at most ``worker.MAX_RESULT_BYTES``) and picklable: what is large goes into files.
        units: what to do.
        workers: processes; 0 does all in this process, for debugging, without time-out or memory limit.
        engine: where they run. Files that a unit reads or writes must be reachable from there.
        timeout_s: wall-clock limit for one attempt.
        memory_bytes: limit for the private memory of one worker, its imports (about 100 MB) included. It is
            the kernel's RLIMIT_DATA: going past it is a MemoryError in Python code, and never swaps.
        retries: further attempts after a crash or a time-out, by another worker if there is one.
        on_event: called in this process with every event; keep it short.

    Raises:
        UnitError: no cluster answers, or workers cannot start, e.g. since they cannot import ``function``.
        ValueError: ``workers`` or ``retries`` is negative.

    A payload or function that cannot be pickled is the caller's mistake and raises what pickle raises.

    >>> [result.value for result in map_units(len, [Unit("a", "xy"), Unit("b", "xyz")], workers=0)]
    [2, 3]
    """
    if workers < 0 or retries < 0:
        raise ValueError(f"workers and retries must not be negative, found {workers} and {retries}")
    tell = on_event if on_event is not None else _ignore
    if workers == 0:
        if engine.kind != LOCAL.kind:
            raise UnitError(
                "0 workers work in this process, not on a cluster", cure="set prepare.workers to 1 or more"
            )
        return _map_here(function, units, tell)
    start = Start(ForkingPickler.dumps(function).tobytes(), memory_bytes)
    return _map_with_crew(engine, start, iter(units), workers, timeout_s, retries, tell)


def _map_with_crew(
    engine: Engine,
    start: Start,
    units: Iterator[Unit],
    workers: int,
    timeout_s: float | None,
    retries: int,
    tell: Callable[[Event], None],
) -> Results:
    with CREWS[engine.kind](engine, start, workers) as crew:
        yield from Supervisor(crew, units, workers, timeout_s, retries, tell).run()


def _map_here(
    function: Callable[[Any], Any], units: Iterable[Unit], tell: Callable[[Event], None]
) -> Results:
    for unit in units:
        tell(UnitStarted(unit.key, 0, 1))
        started_s = time.perf_counter()
        value, error = None, None
        try:
            value = function(unit.payload)
        except Exception as caught:
            error = Failure.of(caught)
        result = UnitResult(unit.key, value, error, time.perf_counter() - started_s, 1)
        tell(UnitDone(result))
        yield result


def _ignore(event: Event) -> None:
    pass
