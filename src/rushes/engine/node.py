"""What runs on a node of a cluster: one worker process, exactly as on one machine, and its remote control.

The process that does the work is not the cluster's own one but a child of it. So a crash in native code, the
memory limit, the environment and the exit code are what they are locally, and do not depend on what else
lives in a process of the cluster. When that process dies, its child dies with it; and it dies with its node.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import rushes
from rushes.engine.crew import WorkerLost
from rushes.engine.processes import ProcessWorker
from rushes.engine.worker import Start

Answer = tuple[bytes | None, WorkerLost | None]
"""A message of the worker, or that it was lost."""

PACKAGE = Path(rushes.__file__).parent

NODE_LOOK_S = 0.5  # far shorter than the silence after which a cluster gives a node up and its work to others


def code_of_rushes() -> str:
    """SHA-256 over the files of the package that runs here: nodes of another one would make other bytes."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name = path.relative_to(PACKAGE).as_posix()
            digest.update(f"{name} {path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


class RemoteControl:
    """Starts a worker process on this node and passes messages to and fro, one at a time.

    Args:
        number: of the place it fills.
        start: what the worker needs to begin.
        code: `code_of_rushes` of the caller, which must be that of this node.
        folder: where relative paths begin, if it exists here.
        imports: where the caller finds its modules; what is not here is passed over.
    """

    def __init__(self, number: int, start: Start, code: str, folder: str, imports: Sequence[str]) -> None:
        threading.Thread(target=_leave_with_node, args=(os.getppid(),), daemon=True).start()
        with contextlib.suppress(OSError):
            os.chdir(folder)
        sys.path += [entry for entry in imports if entry not in sys.path]  # inherited by the worker
        self._is_same = code_of_rushes() == code
        self._worker = ProcessWorker.start(number, start)

    def ready(self) -> Answer:
        """The worker's first message."""
        if not self._is_same:
            return None, WorkerLost(f"would run another rushes, on {socket.gethostname()}: {PACKAGE}")
        return self._receive()

    def answer(self, payload: bytes) -> Answer:
        """What the worker says to ``payload``."""
        self._worker.send(payload)
        return self._receive()

    def ping(self) -> bool:
        """Whether the worker runs."""
        return self._worker.alive()

    def _receive(self) -> Answer:
        while True:
            try:
                message = self._worker.receive()
            except WorkerLost as lost:
                return None, lost
            if message is not None:
                return message, None
            self._worker.wait()


def _leave_with_node(node: int) -> None:
    """End this process after the one that started it, the daemon of the node.

    Ray lets a busy actor live on after it, while the work of the lost node is given to others.
    """
    while os.getppid() == node:
        time.sleep(NODE_LOOK_S)
    os._exit(1)
