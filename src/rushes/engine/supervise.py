"""The supervisor: hand out units, collect results, replace workers that die."""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic

from rushes.engine.crew import Crew, W, WorkerLost
from rushes.engine.results import Event, Failure, Unit, UnitDone, UnitResult, UnitRetried, UnitStarted
from rushes.errors import UnitError

START_LIMIT_S = 120.0  # for the imports of a fresh worker; on a loaded machine torch alone can take 30 s
STARTS_IN_A_ROW = 3  # workers that die before they are ready, until we stop trying
MISSES = 3  # workers that may die before they take a unit up; after that the unit is blamed


@dataclass(slots=True)
class _Job:
    """A unit on its way.

    Attributes:
        key: of the unit.
        payload: pickled.
        attempts: so far.
        misses: workers that died before they took it up.
        lost_at: number of the place that lost it last.
    """

    key: str
    payload: bytes
    attempts: int = 0
    misses: int = 0
    lost_at: int | None = None


@dataclass(slots=True)
class _Place(Generic[W]):
    """A worker, numbered by its place, and the job it has, if any."""

    number: int
    worker: W
    job: _Job | None = None
    ready: bool = False
    began_s: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Supervisor(Generic[W]):
    """The loop over ``size`` places; the crew knows what a worker is.

    A job is taken from ``units`` only when a place is free for it: no more are held than there are places.
    """

    crew: Crew[W]
    units: Iterator[Unit]
    size: int
    timeout_s: float | None
    retries: int
    tell: Callable[[Event], None]
    queue: deque[_Job] = field(default_factory=deque)  # to be tried again, or waiting for a worker to start
    places: dict[int, _Place[W]] = field(default_factory=dict)
    failed_starts: int = 0
    none_ready_since_s: float = field(default_factory=time.monotonic)

    def run(self) -> Iterator[UnitResult]:
        """Yield each result once; workers end when this does, however it ends."""
        try:
            self._hand_out()
            while self.queue or any(place.job is not None for place in self.places.values()):
                awaited = [
                    place for place in self.places.values() if place.job is not None or not place.ready
                ]
                self.crew.wait([place.worker for place in awaited], self._patience_s())
                results = [self._look_after(place) for place in awaited]
                self._check_that_one_is_ready()
                self._hand_out()  # before the caller gets the results: no worker waits for what it does then
                yield from (result for result in results if result is not None)
        finally:
            busy = [place.worker for place in self.places.values() if place.job is not None]
            idle = [place.worker for place in self.places.values() if place.job is None]
            self.crew.stop(busy, idle)

    def _hand_out(self) -> None:
        """Give every idle worker a job, and start workers at vacant places while there are jobs."""
        for place in [place for place in self.places.values() if place.ready and place.job is None]:
            if (job := self._next_job(place.number)) is None:
                break
            if place.worker.alive():
                self._send(place, job)
            else:  # it died idle: not the fault of this job
                self._vacate(place)
                self.queue.appendleft(job)
        starting = sum(not place.ready for place in self.places.values())
        for number in range(self.size):
            if number in self.places:
                continue
            if len(self.queue) <= starting:
                if (job := self._fresh_job()) is None:
                    return
                self.queue.append(job)
            self.places[number] = _Place(number, self.crew.start(number))
            starting += 1

    def _next_job(self, number: int) -> _Job | None:
        """A job for a place: a lost one from elsewhere, else a fresh one, else one that it lost itself."""
        for job in self.queue:
            if job.lost_at != number or self.size == 1:
                self.queue.remove(job)
                return job
        return self._fresh_job() or (self.queue.popleft() if self.queue else None)

    def _fresh_job(self) -> _Job | None:
        unit = next(self.units, None)
        return None if unit is None else _Job(unit.key, ForkingPickler.dumps(unit.payload).tobytes())

    def _send(self, place: _Place[W], job: _Job) -> None:
        place.job = job
        job.attempts += 1
        place.began_s = time.monotonic()
        self.tell(UnitStarted(job.key, place.number, job.attempts))
        place.worker.send(job.payload)

    def _look_after(self, place: _Place[W]) -> UnitResult | None:
        """Handle the worker's answer, its death or its time-out, in this order: all may have happened meanwhile."""
        try:
            message = place.worker.receive()
        except WorkerLost as lost:
            return self._bury(place, lost)
        if message is not None:
            return self._receive(place, message)
        if place.job is not None and self._seconds_left(place) == 0.0:
            self._vacate(place)
            reason = Failure("timeout", "UnitError", f"not done after {self.timeout_s:g} s", place.job.key)
            return self._lose(place, place.job, reason)
        return None

    def _receive(self, place: _Place[W], message: bytes) -> UnitResult | None:
        try:
            value, error, seconds = pickle.loads(message)  # from our own worker, not from a file
        except Exception as caught:
            value, error, seconds = None, Failure.of(caught), time.monotonic() - place.began_s
        if place.job is not None:
            return self._settle(place, place.job, value, error, seconds)
        if error is not None:
            raise UnitError(
                f"a worker cannot import its function: {error.type}: {error.message}",
                cure="the function must stand at the top of a module that a fresh process can import",
            )
        place.ready = True
        self.failed_starts = 0
        return None

    def _bury(self, place: _Place[W], lost: WorkerLost) -> UnitResult | None:
        self._vacate(place)
        job = place.job
        if job is None:  # not ready yet: an idle worker is not looked after
            self.failed_starts += 1
            if self.failed_starts >= STARTS_IN_A_ROW:
                raise UnitError(
                    f"{self.failed_starts} workers in a row could not start; the last one {lost.how}",
                    cure=self.crew.cure,
                )
            return None
        if lost.untouched and job.misses < MISSES:  # it died before it took the job up
            job.misses += 1
            job.attempts -= 1
            self.queue.appendleft(job)
            return None
        cure = "often the machine ran out of memory: take fewer workers" if "SIGKILL" in lost.how else None
        return self._lose(place, job, Failure("crash", "UnitError", f"the worker {lost.how}", job.key, cure))

    def _vacate(self, place: _Place[W]) -> None:
        del self.places[place.number]
        place.worker.end()

    def _lose(self, place: _Place[W], job: _Job, error: Failure) -> UnitResult | None:
        """Try a job again whose worker died, or give its unit up."""
        if job.attempts <= self.retries:
            job.lost_at = place.number
            self.tell(UnitRetried(job.key, job.attempts, error))
            self.queue.append(job)
            return None
        return self._settle(place, job, None, error, time.monotonic() - place.began_s)

    def _settle(
        self, place: _Place[W], job: _Job, value: Any, error: Failure | None, seconds: float
    ) -> UnitResult:
        place.job = None
        result = UnitResult(job.key, value, error, seconds, job.attempts)
        self.tell(UnitDone(result))
        return result

    def _check_that_one_is_ready(self) -> None:
        """One worker may wait long for a free machine, but not all of them."""
        if any(place.ready for place in self.places.values()):
            self.none_ready_since_s = time.monotonic()
        elif time.monotonic() - self.none_ready_since_s > START_LIMIT_S:
            raise UnitError(f"no worker was ready after {START_LIMIT_S:.0f} s", cure=self.crew.cure)

    def _seconds_left(self, place: _Place[W]) -> float | None:
        """Seconds to the time-out of its job, at least 0; None where it has none."""
        if self.timeout_s is None or place.job is None:
            return None
        return max(0.0, place.began_s + self.timeout_s - time.monotonic())

    def _patience_s(self) -> float | None:
        """Seconds until a time-out is due; None where none is."""
        left = [self._seconds_left(place) for place in self.places.values()]
        if not any(place.ready for place in self.places.values()):
            left.append(max(0.0, self.none_ready_since_s + START_LIMIT_S - time.monotonic()) + 0.01)
        return min((seconds for seconds in left if seconds is not None), default=None)
