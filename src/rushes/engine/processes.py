"""Workers as spawned processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from rushes.engine.crew import WorkerLost
from rushes.engine.worker import Start, work

STOP_GRACE_S = 2.0  # for a worker to clean up behind itself before it is killed


@dataclass(slots=True)
class ProcessWorker:
    """A process and the near end of its pipe."""

    process: BaseProcess
    connection: Connection
    untouched: bool = False  # whether it is known not to have taken up its last payload

    @classmethod
    def start(cls, number: int, start: Start) -> ProcessWorker:
        """Spawn it."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work,
            args=(theirs, start),
            kwargs={"from_main_thread": threading.current_thread() is threading.main_thread()},
            name=f"rushes-{number}",
            daemon=True,
        )
        # Ctrl-C goes to the whole process group. Born with it blocked, a worker never dies of it half
        # imported. The tracker comes first, since starting it unblocks the signal again.
        resource_tracker.ensure_running()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        return cls(process, ours)

    def send(self, payload: bytes) -> None:
        """Give it a payload."""
        try:
            self.connection.send_bytes(payload)
        except OSError:  # it has just died, as receive() will find
            self.untouched = True

    def receive(self) -> bytes | None:
        """Its next message, or None if there is none yet; WorkerLost if there will be none."""
        try:
            if self.connection.poll():
                return self.connection.recv_bytes()
            if self.alive() or self.connection.poll():
                return None
        except ConnectionResetError:  # not an end of file: Linux's sign that a message was left unread
            self.untouched = True
        except (EOFError, OSError):
            pass
        self.end()
        code = self.process.exitcode
        assert code is not None  # joined by end()
        raise WorkerLost(_exit_text(code), self.untouched)

    def wait(self, patience_s: float | None = None) -> None:
        """Wait until it has a message or is gone."""
        wait([self.connection, self.process.sentinel], patience_s)

    def alive(self) -> bool:
        """Whether it runs; one that is being killed does until its last thread has ended."""
        return self.process.is_alive()

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.join()
        self.connection.close()


@dataclass(frozen=True, slots=True)
class ProcessCrew:
    """Processes that all start with the same function."""

    start_with: Start
    cure: str = "see their output above; a script that starts workers needs if __name__ == '__main__':"

    def start(self, number: int) -> ProcessWorker:
        """Spawn a worker."""
        return ProcessWorker.start(number, self.start_with)

    def wait(self, workers: Sequence[ProcessWorker], patience_s: float | None) -> None:
        """Wait until a worker has a message or is gone."""
        wait([handle for each in workers for handle in (each.connection, each.process.sentinel)], patience_s)

    def stop(self, busy: Sequence[ProcessWorker], idle: Sequence[ProcessWorker]) -> None:
        """Let idle workers exit, ask busy ones to clean up and exit, kill those that remain."""
        for worker in (*busy, *idle):
            worker.connection.close()
        for worker in busy:
            worker.process.terminate()
        give_up_s = time.monotonic() + STOP_GRACE_S
        for worker in (*busy, *idle):
            worker.process.join(max(0.0, give_up_s - time.monotonic()))
            worker.end()


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"left with exit code {code}"
    names = {known.value: known.name for known in signal.Signals}
    return f"died of {names.get(-code, f'signal {-code}')}"
