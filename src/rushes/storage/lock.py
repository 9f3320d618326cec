"""Who works on a remote stage: a lock object with a heartbeat.

It keeps two people from doing the same work by mistake. It is no proof against two writers at once:

- taking it is exclusive only where the file system can create conditionally (S3, local disks, memory);
- a stale lock, of a process that fell silent, is taken over by looking at two clocks, which may differ, and
  without an exclusive step, so two that take over in the same second may both believe they have it;
- a worker that was cut off from the network, and comes back, learns only at its next heartbeat that it lost.

What holds without any lock: files appear whole, receipts come last, and the same unit gives the same bytes.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rushes.errors import StageError, StorageError
from rushes.stages import canonical_json
from rushes.storage.remote import Remote

LOCK = "lock"
BEAT_S = 20.0
STALE_S = 120.0


@dataclass(slots=True)
class Lease:
    """A lock that is held, as far as is known."""

    remote: Remote
    token: str
    lost: threading.Event = field(default_factory=threading.Event)

    def require(self) -> None:
        """Raise a StageError if somebody else took the lock over; asked before anything is committed."""
        if self.lost.is_set() or _token(_read(self.remote)) != self.token:
            raise StageError(
                "the lock of this stage was lost: this process was silent for too long",
                where=self.remote.url,
                cure="see who works there now; run again when they have stopped: it resumes",
            )


@contextmanager
def held(remote: Remote, *, beat_s: float = BEAT_S, stale_s: float = STALE_S) -> Iterator[Lease]:
    """Hold the lock of the stage at ``remote`` to the end of the block.

    Args:
        remote: the stage's folder.
        beat_s: seconds between two heartbeats.
        stale_s: seconds of silence after which others may take the lock over; on the machine of a process
            that has died, at once.

    Raises:
        StageError: somebody else works there.
        StorageError: the remote cannot be read or written.
    """
    lease = Lease(remote, secrets.token_hex(8))
    me = {"token": lease.token, "pid": os.getpid(), "host": socket.gethostname(), "machine": _machine()}
    me["since"] = datetime.now(UTC).isoformat(timespec="seconds")
    if not remote.create(_signed(me), LOCK):
        _require_free(remote, lease.token, stale_s)
        remote.remove(LOCK)
        remote.create(_signed(me), LOCK)
        _require_free(remote, lease.token, stale_s)
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(lease, me, stop, beat_s, stale_s), daemon=True)
    heart.start()
    try:
        yield lease
    finally:
        stop.set()
        heart.join()
        with suppress(StorageError):  # a lock that cannot be given back goes stale
            if _token(_read(remote)) == lease.token:
                remote.remove(LOCK)


def _require_free(remote: Remote, token: str, stale_s: float) -> None:
    """Raise a StageError if somebody other than ``token`` works there."""
    lock = _read(remote)
    if lock is not None and _token(lock) != token and _is_alive(lock, stale_s):
        raise StageError(
            f"{_described(lock)} works on this stage",
            where=remote.url,
            cure=f"wait for it or stop it; its lock can be taken over after {stale_s:.0f} s of silence",
        )


def owner(remote: Remote, stale_s: float = STALE_S) -> str | None:
    """Who works on the stage at ``remote``; None where nobody does, or has not been heard of for long."""
    lock = _read(remote)
    return _described(lock) if lock is not None and _is_alive(lock, stale_s) else None


def _beat(lease: Lease, me: dict[str, Any], stop: threading.Event, beat_s: float, stale_s: float) -> None:
    heard = time.monotonic()
    while not stop.wait(beat_s):
        try:
            if _token(_read(lease.remote)) != lease.token:
                lease.lost.set()
                return
            lease.remote.put_bytes(_signed(me), LOCK)
            heard = time.monotonic()
        except StorageError:  # the work itself will hear of it; a short break is no reason to stop
            if time.monotonic() - heard > stale_s:
                lease.lost.set()
                return


def _signed(me: dict[str, Any]) -> bytes:
    return canonical_json(me | {"beat": round(time.time(), 1)}).encode()


def _read(remote: Remote) -> dict[str, Any] | None:
    """What the lock says; an unreadable one says nothing, and is as good as none."""
    content = remote.read_bytes(LOCK)
    try:
        lock = json.loads(content or b"")
    except ValueError:
        return None
    return lock if isinstance(lock, dict) else None


def _token(lock: dict[str, Any] | None) -> object:
    return None if lock is None else lock.get("token")


def _is_alive(lock: dict[str, Any], stale_s: float) -> bool:
    machine, pid, beat = lock.get("machine"), lock.get("pid"), lock.get("beat")
    if machine is not None and machine == _machine() and isinstance(pid, int):
        return _runs(pid)
    return isinstance(beat, int | float) and time.time() - beat <= stale_s


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _machine() -> str | None:
    """This boot of this kernel, and this space of process numbers: only there does a pid say something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return None


def _described(lock: dict[str, Any]) -> str:
    return f"process {lock.get('pid')} on {lock.get('host')} since {lock.get('since')}"
