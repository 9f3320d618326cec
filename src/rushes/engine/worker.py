"""The worker's side: a fresh process that answers one payload after the other."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from rushes.engine.results import Failure

MAX_RESULT_BYTES = 1_000_000
"""Of a pickled result. Results travel between machines and are held in one process: data belongs in files."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker starts with; the function is pickled, so that a failing import can be reported."""

    function: bytes
    memory_bytes: int | None


class _StopWorker(BaseException):
    """Raised by SIGTERM, so that half-written files are removed on the way out."""


def work(connection: Connection, start: Start, *, from_main_thread: bool) -> None:
    """Main of a worker: say ready, then answer each payload with (value, failure, seconds).

    It is born with Ctrl-C (SIGINT) blocked: the parent decides when to stop, and says so with SIGTERM.

    Args:
        connection: its end of the pipe; closed by the parent when there is no more work.
        start: what to do.
        from_main_thread: whether the thread that started this process lives as long as the parent does.
    """
    signal.signal(signal.SIGTERM, _on_terminate)
    os.dup2(2, 1)  # what a library prints must not get into the parent's JSON
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # before the function's imports: the processes are the parallelism
    _leave_with_parent(from_main_thread)
    try:
        function = _answer(connection, pickle.loads, start.function, silent=True)
        if start.memory_bytes is not None:
            _limit_memory(start.memory_bytes)
        while function is not None:
            payload = connection.recv_bytes()
            _answer(connection, lambda data: function(pickle.loads(data)), payload)
    except (EOFError, OSError, _StopWorker):
        return  # no more work


def _answer(
    connection: Connection, function: Callable[[bytes], Any], payload: bytes, *, silent: bool = False
) -> Any:
    """Call, send the outcome, return the value; ``silent`` sends None in place of the value."""
    started_s = time.perf_counter()
    value, error = None, None
    try:
        value = function(payload)
        message = ForkingPickler.dumps((None if silent else value, None, time.perf_counter() - started_s))
        if len(message) > MAX_RESULT_BYTES:
            error = _too_much(len(message))
            message = ForkingPickler.dumps((None, error, time.perf_counter() - started_s))
    except _StopWorker:
        raise
    except BaseException as caught:  # also SystemExit: a library that leaves costs its unit only
        error = Failure.of(caught)
        message = ForkingPickler.dumps((None, error, time.perf_counter() - started_s))
    connection.send_bytes(message)
    return value


def _too_much(size: int) -> Failure:
    return Failure(
        "exception",
        "UnitError",
        f"the unit returned {size:,} bytes, more than {MAX_RESULT_BYTES:,}",
        cure="write large results to a file and return its name",
    )


def _on_terminate(number: int, frame: object) -> None:
    raise _StopWorker


def _leave_with_parent(from_main_thread: bool) -> None:
    """End this process with its parent, however that ends.

    A thread can do it anywhere, but not while native code holds the interpreter's lock. The Linux kernel can
    do it always, but at the end of the *thread* that started it.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()
    if from_main_thread and sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker is always spawned
    wait([parent.sentinel])
    os._exit(1)


def _limit_memory(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
