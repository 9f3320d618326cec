"""The parent's side: hand out units, collect results, replace the workers that fall."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from rushes.engine.results import Event, Failure, Unit, UnitDone, UnitResult, UnitRetried, UnitStarted
from rushes.engine.worker import Start, work
from rushes.errors import UnitError

START_LIMIT_S = 120.0  # for the imports of a fresh worker; on a loaded machine torch alone can take 30 s
STARTS_IN_A_ROW = 3  # workers that die before they are ready, until we stop trying
STOP_GRACE_S = 2.0  # for a worker to clean up behind itself before it is killed


def map_units(
    function: Callable[[Any], Any],
    units: Iterable[Unit],
    *,
    workers: int,
    timeout_s: float | None = None,
    memory_bytes: int | None = None,
    retries: int = 1,
    on_event: Callable[[Event], None] | None = None,
) -> Iterator[UnitResult]:
    """Apply ``function`` to every unit and yield each result once, in the order in which they end.

    ``units`` is consumed lazily: each worker holds one unit, and the next is taken when a worker is free.
    Supervision runs while the caller waits for a result here: while it does something else a time-out is
    noticed late, the memory limit holds always.

    Args:
        function: importable by name from a fresh process; returns something small and picklable.
        units: what to do.
        workers: processes; 0 does all in this process, for debugging, without time-out or memory limit.
        timeout_s: wall-clock limit for one attempt.
        memory_bytes: limit for the private memory of one worker, its imports (about 100 MB) included. It is
            the kernel's RLIMIT_DATA: going past it is a MemoryError in Python code, and never swaps.
        retries: further attempts after a crash or a time-out.
        on_event: called in this process with every event; keep it short.

    Raises:
        UnitError: workers cannot start, e.g. since ``function`` cannot be imported there.
        ValueError: ``workers`` or ``retries`` is negative.

    A payload or function that cannot be pickled is the caller's mistake and raises what pickle raises.

    >>> [result.value for result in map_units(len, [Unit("a", "xy"), Unit("b", "xyz")], workers=0)]
    [2, 3]
    """
    if workers < 0 or retries < 0:
        raise ValueError(f"workers and retries must not be negative, found {workers} and {retries}")
    tell = on_event if on_event is not None else _ignore
    if workers == 0:
        return _map_here(function, units, tell)
    start = Start(ForkingPickler.dumps(function).tobytes(), memory_bytes)
    return _Supervisor(start, iter(units), workers, timeout_s, retries, tell).run()


def _ignore(event: Event) -> None:
    pass


def _map_here(
    function: Callable[[Any], Any], units: Iterable[Unit], tell: Callable[[Event], None]
) -> Iterator[UnitResult]:
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


@dataclass(slots=True)
class _Job:
    """A unit on its way, its payload pickled, with its attempts so far."""

    key: str
    payload: bytes
    attempts: int = 0


@dataclass(slots=True)
class _Worker:
    """A process, our end of the pipe to it, and the job it has, if any."""

    number: int
    process: multiprocessing.process.BaseProcess
    connection: Connection
    job: _Job | None = None
    ready: bool = False
    began_s: float = field(default_factory=time.monotonic)

    def end(self) -> int:
        """Kill the process if it still runs; its exit code."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode


@dataclass(slots=True)
class _Supervisor:
    """The loop that hands out jobs, collects results and replaces the fallen."""

    start: Start
    units: Iterator[Unit]
    size: int
    timeout_s: float | None
    retries: int
    tell: Callable[[Event], None]
    again: deque[_Job] = field(default_factory=deque)
    workers: dict[int, _Worker] = field(default_factory=dict)
    failed_starts: int = 0

    def run(self) -> Iterator[UnitResult]:
        try:
            self._hand_out()
            while busy := [worker for worker in self.workers.values() if worker.job is not None]:
                handles = [(worker.connection, worker.process.sentinel) for worker in busy]
                wait([handle for pair in handles for handle in pair], self._patience_s(busy))
                results = [self._look_after(worker) for worker in busy]
                self._hand_out()  # before the caller gets the results: no worker waits for what it does then
                yield from (result for result in results if result is not None)
        finally:
            _stop(list(self.workers.values()))

    def _hand_out(self) -> None:
        """Give every idle place a job, starting workers as they are needed."""
        for number in range(self.size):
            worker = self.workers.get(number)
            if worker is not None and worker.job is not None:
                continue
            job = self.again.popleft() if self.again else _next_job(self.units)
            if job is None:
                return
            if worker is not None and not worker.process.is_alive():  # it died while it had nothing to do
                worker.end()
                worker = None
            if worker is None:
                worker = self.workers[number] = _spawn(number, self.start)
            worker.job = job
            if worker.ready:
                self._send(worker)

    def _send(self, worker: _Worker) -> None:
        job = worker.job
        job.attempts += 1
        worker.began_s = time.monotonic()
        self.tell(UnitStarted(job.key, worker.number, job.attempts))
        with contextlib.suppress(OSError):  # it died this moment: the loop will see that
            worker.connection.send_bytes(job.payload)

    def _look_after(self, worker: _Worker) -> UnitResult | None:
        """Take the worker's answer, or its death, or its time-out: in this order, since we may come late."""
        try:
            message = worker.connection.recv_bytes() if worker.connection.poll() else None
        except (EOFError, OSError):
            return self._bury(worker)
        if message is not None:
            return self._receive(worker, message)
        if not worker.process.is_alive() and not worker.connection.poll():
            return self._bury(worker)
        if self._patience_s([worker]) == 0.0:
            return self._time_out(worker)
        return None

    def _receive(self, worker: _Worker, message: bytes) -> UnitResult | None:
        try:
            value, error, seconds = pickle.loads(message)  # from our own worker, not from a file
        except Exception as caught:
            value, error, seconds = None, Failure.of(caught), time.monotonic() - worker.began_s
        if worker.ready:
            return self._settle(worker, value, error, seconds)
        if error is not None:
            raise UnitError(
                f"a worker cannot import its function: {error.type}: {error.message}",
                cure="the function must stand at the top of a module that a fresh process can import",
            )
        worker.ready = True
        self.failed_starts = 0
        self._send(worker)
        return None

    def _bury(self, worker: _Worker) -> UnitResult | None:
        del self.workers[worker.number]
        how = _exit_text(worker.end())
        if worker.ready:
            cure = "often the machine ran out of memory: take fewer workers" if "SIGKILL" in how else None
            error = Failure("crash", "UnitError", f"the worker {how}", worker.job.key, cure)
            return self._lose(worker, error)
        self.again.append(worker.job)
        self.failed_starts += 1
        if self.failed_starts >= STARTS_IN_A_ROW:
            raise UnitError(
                f"{self.failed_starts} workers in a row could not start; the last one {how}",
                cure="see their output above; a script that starts workers needs if __name__ == '__main__':",
            )
        return None

    def _time_out(self, worker: _Worker) -> UnitResult | None:
        del self.workers[worker.number]
        worker.end()
        if not worker.ready:
            raise UnitError(f"a worker was not ready after {START_LIMIT_S:.0f} s", cure="take fewer workers")
        message = f"not done after {self.timeout_s:g} s"
        return self._lose(worker, Failure("timeout", "UnitError", message, worker.job.key))

    def _lose(self, worker: _Worker, error: Failure) -> UnitResult | None:
        """An attempt that ended with its worker: try again, or give the unit up."""
        job = worker.job
        if job.attempts <= self.retries:
            self.tell(UnitRetried(job.key, job.attempts, error))
            self.again.append(job)
            return None
        return self._settle(worker, None, error, time.monotonic() - worker.began_s)

    def _settle(self, worker: _Worker, value: Any, error: Failure | None, seconds: float) -> UnitResult:
        job, worker.job = worker.job, None
        result = UnitResult(job.key, value, error, seconds, job.attempts)
        self.tell(UnitDone(result))
        return result

    def _patience_s(self, busy: list[_Worker]) -> float | None:
        """Seconds until the first of ``busy`` is out of time, not below 0; None for ever."""
        now_s = time.monotonic()
        limits = [(worker, self.timeout_s if worker.ready else START_LIMIT_S) for worker in busy]
        left = [worker.began_s + limit - now_s for worker, limit in limits if limit is not None]
        return max(0.0, min(left)) if left else None


def _next_job(units: Iterator[Unit]) -> _Job | None:
    unit = next(units, None)
    return None if unit is None else _Job(unit.key, ForkingPickler.dumps(unit.payload).tobytes())


def _spawn(number: int, start: Start) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=work,
        args=(theirs, start),
        kwargs={"from_main_thread": threading.current_thread() is threading.main_thread()},
        name=f"rushes-{number}",
        daemon=True,
    )
    # Ctrl-C goes to the whole process group. Born with it blocked, a worker never dies of it half imported.
    # The tracker comes first, since starting it unblocks the signal again.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    theirs.close()
    return _Worker(number, process, ours)


def _stop(workers: list[_Worker]) -> None:
    """Let idle workers leave, ask busy ones to clean up and leave, and kill who is still there after that."""
    for worker in workers:
        worker.connection.close()
        if worker.job is not None:
            worker.process.terminate()
    give_up_s = time.monotonic() + STOP_GRACE_S
    for worker in workers:
        worker.process.join(max(0.0, give_up_s - time.monotonic()))
        worker.end()


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"left with exit code {code}"
    names = {known.value: known.name for known in signal.Signals}
    return f"died of {names.get(-code, f'signal {-code}')}"
