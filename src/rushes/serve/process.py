"""The processes of a service: the socket, how long a client may take for a head, and how all of it ends.

Told to stop (SIGTERM, Ctrl-C), a process refuses whoever comes with 503, finishes what it has begun, and ends
with 0; after ``drain_s``, or told twice, it ends at once. Several processes share one socket; each has a model of
its own, and limits count for each.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rushes.serve.scratch import Scratch

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from rushes.serve.app import Service
    from rushes.serve.gate import Gate

log = logging.getLogger("rushes.serve")

HEAD_S = 10.0
"""For the head of a request, from the moment that a client connects or its last request was answered."""

HEAD_BYTES = 16 << 10
CONNECTIONS = 1000
"""Open at once in a process; more wait in the backlog of the socket."""

LAST_S = 1
"""For connections to close when everything was answered."""

TICK_S = 0.1
START_TO_END_S = 10.0
"""For a process that is told to stop while it starts."""

FIGURES = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which processes add up what they count."""

RESTART_S = 1.0
"""Between the end of a process that should live and the start of the next one."""


class Impatient(H11Protocol):
    """HTTP with a client that must send the head of its request in `HEAD_S`; bodies have limits of their own."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for a head, unless too many are there."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.close()
            return
        self._waiting = self.loop.call_later(HEAD_S, self._out_of_time)

    def handle_events(self) -> None:
        """Stop to wait where a request has come."""
        super().handle_events()
        if self.cycle is not None and self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def _out_of_time(self) -> None:
        if self.cycle is None:
            self.transport.close()


def config_of(app: ASGIApp) -> uvicorn.Config:
    """How a process speaks HTTP."""
    return uvicorn.Config(
        app,
        http=Impatient,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=int(HEAD_S),
        timeout_graceful_shutdown=LAST_S,
    )


class Drained(uvicorn.Server):
    """A server that refuses new work before it stops to listen.

    Args:
        config: of it.
        gate: asked who is inside.
        drain_s: longest time for them.
        parent: process id of who says when to stop; None where signals are for this process itself.
    """

    def __init__(self, config: uvicorn.Config, gate: Gate, drain_s: float, parent: int | None = None) -> None:
        super().__init__(config)
        self.gate, self.drain_s, self.parent = gate, drain_s, parent
        self._until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; told twice, end at once."""
        if self.parent is not None and sig == signal.SIGINT:
            return  # of a terminal, which sends it to the parent too
        if self._until is not None:
            self.force_exit = self.should_exit = True
        self.drain()

    def drain(self) -> None:
        """Take nothing more."""
        self.gate.draining = True
        if self._until is None:
            self._until = time.monotonic() + self.drain_s

    async def on_tick(self, counter: int) -> bool:
        """Whether it is over; asked ten times a second."""
        if self.parent is not None and os.getppid() != self.parent:
            self.drain()  # nobody else would say so
        if self._until is not None and (not self.gate.inside or time.monotonic() > self._until):
            if self.gate.inside:
                log.warning("requests not finished in time: %d", len(self.gate.inside))
            return True
        over: bool = await super().on_tick(counter)
        return over


# --- one process, or several that share a socket --------------------------------------------------------------

Make = Callable[[], "Service"]
"""Makes the application in the process that serves; with several processes it travels."""


def serve(make: Make, folder: Path, listening: socket.socket, drain_s: float, workers: int = 1) -> int:
    """Serve until somebody stops the process.

    Args:
        make: the application.
        folder: of its uploads; what several processes count lies there too.
        listening: see `rushes.runs.listening`.
        drain_s: longest time for what was begun.
        workers: processes; each has a model of its own.

    Returns:
        The exit code.
    """
    if workers > 1:
        return _Crew(make, folder, listening, drain_s, workers).run()
    return _serve_here(make(), listening, drain_s)


def _serve_here(service: Service, listening: socket.socket, drain_s: float, parent: int | None = None) -> int:
    server = Drained(config_of(service), service.shared.gate, drain_s, parent)
    server.run(sockets=[listening])
    gc.freeze()  # the interpreter would look for cycles in all that the model's libraries hold: seconds, for nothing
    return 0 if server.started else 1


def _work(make: Make, listening: socket.socket, drain_s: float, parent: int) -> None:
    """What a process of several does."""
    logging.basicConfig(level=logging.WARNING)
    sys.exit(_serve_here(make(), listening, drain_s, parent))


class _Crew:
    """Keeps several processes alive until it is told to stop."""

    def __init__(
        self, make: Make, folder: Path, listening: socket.socket, drain_s: float, workers: int
    ) -> None:
        self.make, self.folder, self.listening = make, folder, listening
        self.drain_s, self.workers = drain_s, workers
        self.told = 0
        self.living: list[BaseProcess] = []
        self._context = multiprocessing.get_context("spawn")  # the others inherit threads of torch

    def run(self) -> int:
        """Start all, start again whoever ends by itself, and end with all."""
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        with closing(Scratch(self.folder)) as scratch:  # whoever starts after a kill -9 sweeps it
            os.environ[FIGURES] = str(scratch.new_folder(0))  # must be there before they begin
            try:
                self.living = [self._start() for _ in range(self.workers)]
                code = self._watch()
                return max(code, self._end())
            finally:
                for process in self.living:
                    process.kill()
                    process.join()
                scratch.sweep()  # of those that were killed
                del os.environ[FIGURES]
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.told += 1

    def _start(self) -> BaseProcess:
        process = self._context.Process(
            target=_work, args=(self.make, self.listening, self.drain_s, os.getpid()), name="rushes serve"
        )
        process.start()
        return process

    def _watch(self) -> int:
        from rushes.serve.metrics import forget_worker

        while not self.told:
            time.sleep(TICK_S)
            for place, process in enumerate(self.living):
                if process.is_alive() or self.told:
                    continue
                if process.exitcode == 1:  # it could not begin, and so could none after it
                    return 1
                log.error("process %s ended with %s; another one is started", process.pid, process.exitcode)
                if process.pid is not None:
                    forget_worker(process.pid)
                time.sleep(RESTART_S)
                self.living[place] = self._start()
        return 0

    def _end(self) -> int:
        """Tell all to stop, again when told again, and wait for them."""
        until, passed = time.monotonic() + self.drain_s + 2 * LAST_S + START_TO_END_S, 0
        while any(process.is_alive() for process in self.living):
            while passed < max(1, min(self.told, 2)):
                passed += 1
                for process in self.living:
                    process.terminate()
            if time.monotonic() > until:
                log.error("processes did not end in time")
                return 1
            time.sleep(TICK_S)
        return 0
