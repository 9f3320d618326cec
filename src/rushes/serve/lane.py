"""The one thread in which the model is asked, whoever asks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rushes.runs.door.contract import Door, Part
from rushes.serve.metrics import Metrics
from rushes.serve.refusal import draining

T = TypeVar("T")

_Said = Sequence[Any] | Exception


@dataclass(eq=False, slots=True)
class _Ask:
    """Parts that somebody waits for.

    Attributes:
        door: what answers.
        parts: all of them, in order.
        future: resolved when the last is answered.
        since: when it came.
        taken: parts that were taken into a batch; those are the first ones.
        said: answers so far.
    """

    door: Door
    parts: Sequence[Part]
    future: asyncio.Future[list[Any]]
    since: float
    taken: int = 0
    said: list[Any] = field(default_factory=list)

    def add(self, said: Sequence[Any]) -> None:
        self.said.extend(said)
        if len(self.said) == len(self.parts) and not self.future.done():
            self.future.set_result(self.said)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Lane:
    """Answers parts of any requests in one thread, as many together as are there and a door takes.

    Nobody waits for a batch to fill. A batch takes one part of each request in turn, so a long recording
    does not keep a short one waiting for more than the batch that is being answered.

    Args:
        metrics: told of batches.
        within: entered in that thread around each call, e.g. ``one_thread``.
    """

    def __init__(
        self,
        metrics: Metrics,
        within: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._metrics, self._within = metrics, within
        self._asks: deque[_Ask] = deque()
        self._batch: list[_Ask] = []
        self._some = asyncio.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self._work: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Begin to answer, in the loop that is running."""
        self._work = asyncio.create_task(self._answer_all(), name="lane")

    async def close(self) -> None:
        """Let the batch at work end, and refuse whoever still waits."""
        self._closed = True
        self._some.set()
        if self._work is not None:
            await self._work
        self._pool.shutdown(wait=False)

    async def run(self, call: Callable[[], T]) -> T:
        """Call something in the same thread, e.g. load the weights."""

        def within() -> T:
            with self._within():
                return call()

        return await asyncio.get_running_loop().run_in_executor(self._pool, within)

    async def ask(self, door: Door, parts: Sequence[Part]) -> list[Any]:
        """What the model says of parts, in order; cancelling it drops those that it was not yet asked about.

        Raises:
            Refusal: 503 ``draining``, the lane is closed.
            Exception: whatever the door raises about these parts.
        """
        if self._closed:
            raise draining()
        if not parts:
            return []
        ask = _Ask(door, tuple(parts), asyncio.get_running_loop().create_future(), time.perf_counter())
        self._asks.append(ask)
        self._some.set()
        try:
            return await ask.future
        finally:
            if ask in self._asks:
                self._asks.remove(ask)

    async def _answer_all(self) -> None:
        try:
            while not self._closed:
                await self._some.wait()
                self._some.clear()
                while self._asks and not self._closed:
                    self._batch = self._take()
                    await self._answer_batch(self._batch)
        finally:  # however it ends, nobody waits for ever
            self._closed = True
            for ask in (*self._batch, *self._asks):
                ask.fail(draining())

    def _take(self) -> list[_Ask]:
        """Whose part comes next, once for each part of the batch; all of one door, the longest waiting one's."""
        door = self._asks[0].door
        batch: list[_Ask] = []
        mine = deque(ask for ask in self._asks if ask.door is door)
        while mine and len(batch) < door.batch_size:
            ask = mine.popleft()
            if not ask.taken:
                self._metrics.took("lane", time.perf_counter() - ask.since)
            ask.taken += 1
            batch.append(ask)
            if ask.taken < len(ask.parts):
                mine.append(ask)
        left = [ask for ask in self._asks if ask.taken < len(ask.parts)]
        served = set(batch)  # they come after those who got nothing this time
        self._asks = deque(
            [ask for ask in left if ask not in served] + [ask for ask in left if ask in served]
        )
        return batch

    async def _answer_batch(self, batch: Sequence[_Ask]) -> None:
        counts = Counter(batch)
        shares = {ask: ask.parts[ask.taken - count : ask.taken] for ask, count in counts.items()}
        said = await self._call(batch[0].door, [part for share in shares.values() for part in share])
        if not isinstance(said, Exception):
            at = 0
            for ask, share in shares.items():
                ask.add(said[at : at + len(share)])
                at += len(share)
            return
        for ask, share in shares.items():
            alone: _Said = said
            if len(shares) > 1 and not ask.future.done():  # one bad request costs itself only
                alone = await self._call(ask.door, share)
            if isinstance(alone, Exception):
                ask.fail(alone)
                if ask in self._asks:
                    self._asks.remove(ask)
            else:
                ask.add(alone)

    async def _call(self, door: Door, parts: Sequence[Part]) -> _Said:
        """What a door says, or raises: what it raises is a value here: not all of it passes through futures."""

        def answer() -> _Said:
            try:
                with self._within(), self._metrics.timed("model"):
                    said = door.answer(parts)
            except BaseException as error:  # of a thread, where it stops nothing else
                if isinstance(error, Exception) and not isinstance(error, StopIteration):
                    return error
                return RuntimeError(f"the model raised {error!r}")
            if len(said) != len(parts):
                return RuntimeError(f"{len(parts)} parts were asked about, and {len(said)} answered")
            return said

        said = await asyncio.get_running_loop().run_in_executor(self._pool, answer)
        if not isinstance(said, Exception):
            self._metrics.batch(door.verb, len(parts))
        return said
