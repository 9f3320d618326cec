"""Workers as actors of a Ray cluster: a local one that lives as long as the work, or one that runs already.

Ray is an extra (``pip install 'rushes[cluster]'``) and imported only here, only when asked for. An actor is
never restarted by Ray and no call is repeated by it: one supervisor decides about attempts, ours.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from rushes.engine.crew import WorkerLost
from rushes.engine.head import LOOK_S, Head, connect
from rushes.engine.node import RemoteControl, code_of_rushes
from rushes.engine.worker import Start
from rushes.errors import UnitError

OBJECT_STORE_BYTES = 80 << 20  # Ray's smallest; payloads and results are small and mostly bypass it
REACH_LIMIT_S = 5.0  # for the first sign of a cluster; Ray itself would try for minutes
ALIVE_LIMIT_S = 10.0  # for an idle worker to show that it is there
END_LIMIT_S = 2.0  # for a killed worker to be gone

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray prints faults of the cluster into our standard output, where programs read JSON. There is no switch
    # for that but this: lines that it shall leave out. The supervisor reports what matters of them.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_SCHEDULER_EVENTS": "0",
    # Ray starts its workers with a niceness of 15: beside other work they would hardly move.
    "RAY_worker_niceness": "0",
    # How long a call that failed waits for the cluster to say why. By default a second: on a busy machine too
    # short for a death to be known, and the worker would only be "unavailable".
    "RAY_timeout_ms_task_wait_for_death_info": "10000",
}


@contextmanager
def connected(address: str | None, workers: int) -> Iterator[ModuleType]:
    """Hold a connection to a cluster; inside of another such block it is that block's connection.

    Args:
        address: ``host:port`` of a cluster whose node this machine is, ``auto`` for the one that was started
            on this machine; None starts one that ends with the block.
        workers: CPUs of the cluster that is started here.

    Raises:
        UnitError: Ray is not installed, or the cluster is not there or of another version.
    """
    ray = import_ray()
    if address is not None:
        _require_reachable(address)
    if ray.is_initialized():
        yield ray
        return
    if address is not None:
        options: dict[str, Any] = {"address": address}
    else:
        options = {
            "address": "local",
            "num_cpus": workers,
            "num_gpus": 0,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options, log_to_driver=False, logging_level="ERROR")
    except (RuntimeError, ConnectionError, ValueError) as error:
        raise UnitError(
            f"cannot join the Ray cluster: {' '.join(str(error).split())}",
            where=address or "local",
            cure="run on a node of the cluster, with the Ray and Python that the cluster has; if Ray says "
            "InvalidAuthToken above, give the cluster's token: `ray get-auth-token` on its head prints it, "
            "RAY_AUTH_TOKEN or ~/.ray/auth_token takes it here",
        ) from error
    # Ray takes SIGTERM for itself, where it can, and then aborts with the work half torn down.
    if on_terminate is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_terminate)
    try:
        yield ray
    finally:
        ray.shutdown()


def import_ray() -> ModuleType:
    """Import Ray with its settings for us.

    Raises:
        UnitError: it is not installed.
    """
    # Ray takes the token of this user by itself where it looks for a cluster, not where it is given an address.
    token = {"RAY_AUTH_MODE": "token"} if _has_token() else {}
    for name, value in (SETTINGS | token).items():
        os.environ.setdefault(name, value)  # read at Ray's import, so it cannot be an argument
    try:
        import_module("ray.exceptions")
        return import_module("ray")
    except ImportError as error:
        raise UnitError(
            f"the engine ray is not installed: {error}", cure="pip install 'rushes[cluster]'"
        ) from error


def _has_token() -> bool:
    """Whether this user has a token for clusters, in one of the places where Ray looks for it."""
    told = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(told) or (Path.home() / ".ray" / "auth_token").is_file()


def _require_reachable(address: str) -> None:
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "//" in host:
        raise UnitError(
            f"not the address of a cluster: {address!r}",
            cure="give --address host:port, as `ray start --head` prints it",
        )
    try:
        connect(address, REACH_LIMIT_S)
    except (OSError, OverflowError) as error:
        raise UnitError(
            f"no Ray cluster answers: {error}",
            where=address,
            cure="start it with `ray start --head`, or leave --address out to work on this machine alone",
        ) from error


@dataclass(slots=True)
class ActorWorker:
    """A worker process on some node, behind an actor, and the answer that is under way from it."""

    ray: ModuleType
    actor: Any
    pending: Any

    def send(self, payload: bytes) -> None:
        """Give it a payload."""
        self.pending = self.actor.answer.remote(payload)

    def receive(self) -> bytes | None:
        """Its next message, or None if there is none yet; WorkerLost if there will be none."""
        if not self.ray.wait([self.pending], timeout=0)[0]:
            return None
        message: bytes
        lost: WorkerLost | None
        try:
            message, lost = self.ray.get(self.pending)
        except self.ray.exceptions.RayError as error:
            raise WorkerLost(self._death_text(error)) from error
        if lost is not None:
            raise lost
        return message

    def alive(self) -> bool:
        """Whether actor and process answer."""
        try:
            return bool(self.ray.get(self.actor.ping.remote(), timeout=ALIVE_LIMIT_S))
        except self.ray.exceptions.RayError:  # dead, or too late
            return False

    def end(self) -> None:
        """Kill the actor, and with it the process."""
        self.ray.kill(self.actor, no_restart=True)
        self.ray.wait([self.pending], timeout=END_LIMIT_S)

    def _death_text(self, error: Exception) -> str:
        """What Ray knows about the end of an actor, in a line: "was lost: ... because its node has died"."""
        if isinstance(error, self.ray.exceptions.ActorUnavailableError):  # whether it lives, nobody knows
            return "was lost: its node does not answer"
        lines = [line for line in str(error).splitlines() if line and not line.startswith("\t")]
        return "was lost: " + lines[-1].split(". ")[0] if lines else f"was lost: {type(error).__name__}"


@dataclass(slots=True)
class ActorCrew:
    """Actors of one CPU each, spread over the nodes."""

    ray: ModuleType
    start_with: Start
    cure: str = (
        "each node needs the same rushes, and a CPU that is free: see `ray status`, take fewer workers, "
        "and look into the logs of the node, by default /tmp/ray/session_latest/logs"
    )
    kind: Any = field(init=False)
    head: Head = field(init=False)
    code: str = field(init=False, default_factory=code_of_rushes)

    def __post_init__(self) -> None:
        self.head = Head(self.ray.get_runtime_context().gcs_address)
        self.kind = self.ray.remote(
            num_cpus=1, max_restarts=0, max_task_retries=0, max_concurrency=1, scheduling_strategy="SPREAD"
        )(RemoteControl)

    def start(self, number: int) -> ActorWorker:
        """Ask for a worker; Ray starts it where and when a CPU is free."""
        actor = self.kind.remote(number, self.start_with, self.code, os.getcwd(), sys.path)
        return ActorWorker(self.ray, actor, actor.ready.remote())

    def wait(self, workers: Sequence[ActorWorker], patience_s: float | None) -> None:
        """Until a worker has a message or is gone; the head is looked at in between."""
        until_s = math.inf if patience_s is None else time.monotonic() + patience_s
        while (left_s := until_s - time.monotonic()) > 0.0:
            self.head.require()
            if self.ray.wait([worker.pending for worker in workers], timeout=min(left_s, LOOK_S))[0]:
                return

    def stop(self, busy: Sequence[ActorWorker], idle: Sequence[ActorWorker]) -> None:
        """Kill all; units write under temporary names, so nothing half done stays under a final one."""
        if self.head.gone:  # who would pass that on; they end with their nodes, and these with the head
            return
        for worker in (*busy, *idle):
            self.ray.kill(worker.actor, no_restart=True)
        for worker in (*busy, *idle):
            worker.end()
