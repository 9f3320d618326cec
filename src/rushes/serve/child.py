"""A process that decodes one upload and leaves; nothing of it outlives the answer, and nothing it breaks is ours.

It is forked by `rushes.serve.forkserver`, has no network where the system allows that, writes no file, and dies with
its parent.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Final

from rushes.errors import AnswerError, MediaError, RushesError
from rushes.media.limits import Limits
from rushes.runs.door.contract import Decode
from rushes.serve.wire import send, send_part

LENGTH: Final = struct.Struct("!Q")
"""Before a job: its bytes."""

OPEN_FILES = 64
MAX_TEXT = 4000
"""Characters of a message that go to the server."""

_PAGE = resource.getpagesize()
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET of <sched.h>
_PARENT_DEATH, _NO_NEW_RIGHTS = 1, 38  # PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS of <sys/prctl.h>


@dataclass(frozen=True, slots=True)
class Job:
    """What a child is to do.

    Attributes:
        decode: how.
        files: name of a form field -> where it lies.
        limits: of a recording.
        memory_mb: beside what the interpreter takes, and what files take that are mapped.
        cpu_s: seconds of work.
    """

    decode: Decode
    files: Mapping[str, Path]
    limits: Limits
    memory_mb: int
    cpu_s: float


def live(line: socket.socket, parent: int) -> None:
    """All that a child does; the process ends with it.

    Args:
        line: to the server: one job comes in, frames go out.
        parent: its process id.
    """
    try:
        isolated = _confine(parent)
        send(line, "ready", {"isolated": isolated})
        job = _next_job(line)
        if job is not None:
            _bound(job)
            _work(line, job)
    except OSError:  # the server hung up
        pass
    finally:
        os._exit(0)


def _confine(parent: int) -> bool:
    """Give up what decoding does not need; whether the network is among it."""
    for stream in (0, 1, 2):
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, stream)
        if nothing > 2:
            os.close(nothing)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    libc.prctl(_NO_NEW_RIGHTS, 1, 0, 0, 0)
    isolated: bool = libc.unshare(_NEW_USER | _NEW_NETWORK) == 0
    libc.prctl(_PARENT_DEATH, signal.SIGKILL)  # last: a change of user takes it back
    if os.getppid() != parent:
        os._exit(1)
    return isolated


def _bound(job: Job) -> None:
    """Bound memory and time."""
    _lower(resource.RLIMIT_CPU, ceil(job.cpu_s) + 1)
    with suppress(FileNotFoundError):
        held = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE
        mapped = sum(path.stat().st_size for path in job.files.values())
        _lower(resource.RLIMIT_AS, held + mapped + (job.memory_mb << 20))


def _lower(kind: int, to: int) -> None:
    most = resource.getrlimit(kind)[1]
    to = to if most == resource.RLIM_INFINITY else min(to, most)
    resource.setrlimit(kind, (to, to))


def _next_job(line: socket.socket) -> Job | None:
    """The one job, from the server, which is trusted; None where the server hung up."""
    with line.makefile("rb") as source:
        size = source.read(LENGTH.size)
        if len(size) < LENGTH.size:
            return None
        job: Job = ForkingPickler.loads(source.read(LENGTH.unpack(size)[0]))
    return job


def packed(job: Job) -> bytes:
    """A job as a child reads it; it is the server that writes it, so nobody else has a say in it."""
    data = bytes(ForkingPickler.dumps(job))
    return LENGTH.pack(len(data)) + data


def _work(line: socket.socket, job: Job) -> None:
    try:
        decoded = job.decode(job.files, job.limits)
        send(line, "about", decoded.about)
        for part in decoded.parts:
            send_part(line, part)
    except BrokenPipeError:
        raise
    except Exception as error:
        send(line, "error", _told(error, job))
    else:
        send(line, "end", {})


def _told(error: Exception, job: Job) -> Mapping[str, Any]:
    """An error as JSON, without paths of this machine but with the name of the field that it is about."""
    code = "failed"
    message = f"{type(error).__name__}: {error}"
    cure = None
    if isinstance(error, MemoryError):
        code, message = "memory", "it takes more memory than is given to one upload"
    elif isinstance(error, RushesError):
        code, message, cure = "damaged", error.message, error.cure
        code = error.reason if isinstance(error, MediaError) else code
        code = "unanswerable" if isinstance(error, AnswerError) else code
        field = [name for name, path in job.files.items() if error.where == str(path)]
        message = f"{field[0]}: {message}" if field else message
    told = {
        "code": code,
        "message": _plain(message, job),
        "cure": None if cure is None else _plain(cure, job),
    }
    return told if code != "failed" else told | {"trace": _plain(traceback.format_exc(), job)}


def _plain(text: str, job: Job) -> str:
    for path in job.files.values():
        text = text.replace(str(path), path.name)
    return text[-MAX_TEXT:]
