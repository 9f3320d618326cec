"""What runs on a node of a cluster: one worker process, exactly as on one machine, and its remote control.

The process that does the work is not the cluster's own one but a child of it. So a crash in native code, the
memory limit, the environment and the exit code are what they are locally, and do not depend on what else
lives in a process of the cluster. When that process dies, its child dies with it; and it dies with its node.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Sequence

from rushes.engine.crew import WorkerLost
from rushes.engine.processes import ProcessWorker
from rushes.engine.worker import Start

Answer = tuple[bytes | None, WorkerLost | None]
"""A message of the worker, or that it was lost."""

NODE_LOOK_S = 0.5  # far shorter than the silence after which a cluster gives a node up and its work to others


class RemoteControl:
    """Starts a worker process on this node and passes messages to and fro, one at a time.

    Args:
        number: of the place it fills.
        start: what the worker needs to begin.
        folder: where relative paths begin, if it exists here.
        imports: where the caller finds its modules; what is not here is passed over.
    """

    def __init__(self, number: int, start: Start, folder: str, imports: Sequence[str]) -> None:
        threading.Thread(target=_leave_with_node, args=(os.getppid(),), daemon=True).start()
        with contextlib.suppress(OSError):
            os.chdir(folder)
        sys.path += [entry for entry in imports if entry not in sys.path]  # inherited by the worker
        self._worker = ProcessWorker.start(number, start)

    def ready(self) -> Answer:
        """The worker's first message."""
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
