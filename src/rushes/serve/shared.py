"""The parts of a service in one process, and how they begin and end together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path

from rushes.errors import RushesError
from rushes.recipe.sections import Serve
from rushes.runs.door.contract import Door, Verb
from rushes.serve.bounds import MB, limits_of, max_bytes
from rushes.serve.children import Children
from rushes.serve.front import to_stderr
from rushes.serve.gate import Gate
from rushes.serve.lane import Lane
from rushes.serve.metrics import Metrics
from rushes.serve.refusal import Refusal, draining, not_ready
from rushes.serve.scratch import Scratch
from rushes.serve.session import ended
from rushes.serve.uploads import Uploads

log = logging.getLogger("rushes.serve")

AGAIN_S, SELDOM_S = 5.0, 300.0
"""Before a model that could not be loaded is loaded again, each time twice as long, and at most: a disk that is not
mounted yet or a GPU that the last process still holds must not end a service that nobody watches."""


class Shared:
    """Everything of a service that requests share; made in the process that serves.

    Args:
        doors: that are asked.
        settings: the limits.
        folder: of uploads while they are worked on.
        within: entered around every call of the model, in its thread.

    Attributes:
        failed: why the model cannot be asked at all; None as long as nobody knows.
    """

    def __init__(
        self,
        doors: Mapping[Verb, Door],
        settings: Serve,
        folder: Path,
        within: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.doors, self.failed = doors, None if doors else _no_door()
        self.metrics = Metrics()
        self.gate = Gate(settings.at_once, settings.queue, max_bytes(settings), self.metrics)
        self.scratch = Scratch(folder)
        self.uploads = Uploads(
            self.scratch, max_bytes(settings), round(settings.disk_mb * MB), settings.upload_s, self.metrics
        )
        preload = sorted({module for door in doors.values() for module in door.preload})
        self.children = Children(preload, limits_of(settings), settings.memory_mb, settings.warm)
        self.lane = Lane(self.metrics, within)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """From the start of the service to its end; the model is loaded meanwhile."""
        swept = await asyncio.to_thread(self.scratch.sweep)
        if swept:
            log.warning("removed what %d killed service%s left", swept, "" if swept == 1 else "s")
        await self.lane.start()
        warming = asyncio.create_task(self._warm_up(), name="warm-up")
        try:
            await self.children.start()
            yield
        finally:
            self.gate.draining = True
            await ended(warming)
            await self.lane.close()
            await self.children.close()
            self.uploads.close()
            self.scratch.close()

    async def _warm_up(self) -> None:
        """Load and answer once, again where it fails; the gate lets nobody in before."""
        pause_s, began = AGAIN_S, time.monotonic()
        while not await self._answers():
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, SELDOM_S)
        if self.doors:
            self.failed = None
        self.gate.ready = True
        to_stderr(f"ready after {time.monotonic() - began:.0f} s")

    async def _answers(self) -> bool:
        """Whether the model can be asked; why not is in `failed` and in the log."""
        try:
            for door in self.doors.values():
                await self.lane.run(door.warm_up)
        except RushesError as error:
            log.error("the model cannot be asked: %s", error)
            self.failed = Refusal(503, "no_model", error.message, cure=error.cure)
        except Exception as error:
            log.error("the model cannot be asked", exc_info=error)
            self.failed = Refusal(
                503, "no_model", "the model failed before its first answer", cure="see the log"
            )
        else:
            return True
        return False

    def unavailable(self) -> Refusal | None:
        """Why no request is taken now; None where requests are."""
        if self.gate.draining:
            return draining()
        if self.failed is not None:
            return self.failed
        if not self.gate.ready:
            return not_ready()
        return None


def _no_door() -> Refusal:
    return Refusal(503, "no_model", "this service has no door")
