"""Decoding in processes that can be killed: the server never opens what somebody uploaded.

    async with children.decode(decode, files, deadline_s=60.0) as stream:
        async for part in stream: ...

Each upload has a child of its own, see `rushes.serve.child`; some wait for one, so that none is waited for. A part is
read when it is asked for, and a child waits where nobody does, so that hours of video take the memory of some parts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from rushes.media.limits import Limits
from rushes.runs.door.contract import Decode, Part
from rushes.serve.child import Job, packed
from rushes.serve.forkserver import GONE, ORDER
from rushes.serve.refusal import Refusal
from rushes.serve.wire import Broken, Frame, part_of, parts_of, receive

LOG = logging.getLogger(__name__)

T = TypeVar("T")

START_S = 60.0
"""For the fork server to import what children need."""

ORDER_S = 5.0
"""For the fork server to take an order; it does nothing else."""

_BUFFER = 1 << 20  # bytes that are read ahead of whoever asks
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TMPDIR")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_START = "from rushes.serve.forkserver import main; main()"


class Children:
    """Processes that decode one upload each; made once a server, in its event loop.

    Args:
        preload: modules that they import beforehand; none of them imports torch.
        limits: of a recording.
        memory_mb: of one of them, beside its interpreter.
        warm: how many wait for an upload.

    Attributes:
        isolated: whether they have no network; None as long as none has begun.
    """

    def __init__(self, preload: Sequence[str], limits: Limits, memory_mb: int, warm: int) -> None:
        self.isolated: bool | None = None
        self._preload, self._memory_mb, self._warm = tuple(preload), memory_mb, warm
        self._limits = replace(limits, foresee=True)
        self._forkserver: _ForkServer | None = None
        self._starting = asyncio.Lock()
        self._waiting: deque[_Child] = deque()

    async def __aenter__(self) -> Children:
        """Start those that wait."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all of them."""
        await self.close()

    async def start(self) -> None:
        """Import what they need, and have some wait; done by itself at the first upload.

        Raises:
            OSError: the machine refuses.
        """
        async with self._starting:
            if self._forkserver is not None and self._forkserver.alive:
                return
            if self._forkserver is not None:
                LOG.error("the process that starts decoding processes ended; a new one is started")
                await self.close()
            self._forkserver = await _ForkServer.start(self._preload)
            for _ in range(self._warm):
                self._waiting.append(await self._forkserver.child())

    async def close(self) -> None:
        """End all of them, at once."""
        if self._forkserver is not None:
            while self._waiting:
                await self._waiting.popleft().end()
            await self._forkserver.close()
            self._forkserver = None

    @asynccontextmanager
    async def decode(
        self, decode: Decode, files: Mapping[str, Path], deadline_s: float
    ) -> AsyncIterator[Stream]:
        """Decode an upload in a process of its own, which ends when this is left, however far it is.

        Args:
            decode: how.
            files: name of a form field -> where it lies.
            deadline_s: seconds for all of it, what is done with its parts included.

        Raises:
            Refusal: it cannot be decoded, or not in time; here, or while parts are asked for.
        """
        deadline = asyncio.get_running_loop().time() + deadline_s
        child = await self._take()
        try:
            job = Job(decode, files, self._limits, self._memory_mb, deadline_s)
            stream = Stream(child, deadline, self._limits, self._memory_mb)
            await stream.give(job)
            self._note(child)
            await self._refill()  # now, so that nobody's upload waits for the next one's process
            await stream.begin()
            yield stream
        finally:
            await child.end()

    async def _take(self) -> _Child:
        """A child that waits, or a new one; one that died while it waited is no upload's fault."""
        await self.start()
        while self._waiting:
            child = self._waiting.popleft()
            if child.alive:
                return child
            await child.end()
        assert self._forkserver is not None, "started"
        return await self._forkserver.child()

    async def _refill(self) -> None:
        """Let as many wait as should."""
        while self._forkserver is not None and self._forkserver.alive and len(self._waiting) < self._warm:
            self._waiting.append(await self._forkserver.child())

    def _note(self, child: _Child) -> None:
        if self.isolated is None and child.isolated is not None:
            self.isolated = child.isolated
            if not self.isolated:
                LOG.warning("this system does not let decoding processes give up the network")


class Stream:
    """What comes out of one upload.

    Attributes:
        about: see `rushes.runs.door.contract.Decoded`.
    """

    def __init__(self, child: _Child, deadline: float, limits: Limits, memory_mb: int) -> None:
        self.about: Mapping[str, Any] = {}
        self._child, self._deadline = child, deadline
        self._limits, self._memory_mb = limits, memory_mb
        self._left, self._keys, self._ended = 0, set[str](), False

    async def give(self, job: Job) -> None:
        """Give the job away.

        Raises:
            Refusal: as `Children.decode`.
        """
        await self._in_time(self._child.give(job))

    async def begin(self) -> None:
        """Read what is said about the upload as a whole.

        Raises:
            Refusal: as `Children.decode`.
        """
        frame = await self._next()
        if frame.kind != "about":
            raise self._crashed(f"a {frame.kind} before anything is said")
        try:
            self._left = parts_of(frame)
        except Broken as error:
            raise self._crashed(str(error)) from error
        self.about = frame.head

    def __aiter__(self) -> Stream:
        """Itself: it is read once."""
        return self

    async def __anext__(self) -> Part:
        """The next part.

        Raises:
            Refusal: as `Children.decode`.
        """
        if self._ended:
            raise StopAsyncIteration
        frame = await self._next()
        if frame.kind == "end":
            self._ended = True
            raise StopAsyncIteration
        if frame.kind != "part" or self._left == 0:
            raise self._crashed(f"a {frame.kind} that was not to come")
        try:
            part = part_of(frame)
        except Broken as error:
            raise self._crashed(str(error)) from error
        if part.key in self._keys:
            raise self._crashed("two parts of one key")
        self._keys.add(part.key)
        self._left -= 1
        return part

    async def _next(self) -> Frame:
        frame = await self._in_time(receive(self._child.reader))
        if frame.kind == "error":
            raise self._refused(frame.head)
        return frame

    async def _in_time(self, waiting: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await waiting
        except TimeoutError as error:
            raise Refusal(504, "deadline", "the time for this answer is over", cure=_SHORTER) from error
        except (Broken, ConnectionError) as error:
            raise self._crashed(str(error), await self._child.end()) from error

    def _crashed(self, why: str, status: int | None = None) -> Refusal:
        LOG.warning("a decoding process was ended: %s (status %s)", why, status)
        return Refusal(422, "crashed", "the decoder broke down over this upload", cure=_CONVERT)

    def _refused(self, said: Mapping[str, Any]) -> Refusal:
        code, message, cure = (said.get(name) for name in ("code", "message", "cure"))
        if code == "failed":
            LOG.error("a decoder failed: %s\n%s", message, said.get("trace"))
            return self._crashed(str(message))
        if code == "memory":
            return Refusal(
                422, "crashed", f"decoding it takes more than {self._memory_mb} MB of memory", cure=_CONVERT
            )
        known = _CODES.get(str(code), "undecodable")
        if known in _CURES:
            cure = _CURES[known].format(self._limits)
        return Refusal(422, known, str(message), cure=None if cure is None else str(cure))


_CONVERT = "convert it: ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4"
_SHORTER = "send a shorter recording, or ask again when there is less to do"
_CODES: Mapping[str, str] = {
    "damaged": "undecodable",
    "kind": "kind_not_allowed",
    "pixels": "too_large_pixels",
    "frames": "too_many_frames",
    "duration_s": "too_long",
    "decoded_bytes": "decoded_bytes_exceeded",
    "unanswerable": "unanswerable",
}
"""What is said of an upload in its process -> the code of the refusal."""
_CURES: Mapping[str, str] = {
    "too_large_pixels": "scale it down to at most {0.max_pixels:,} pixels a frame",
    "too_many_frames": "cut it into recordings of at most {0.max_frames:,} frames",
    "too_long": "cut it into recordings of at most {0.max_duration_s:g} s",
    "decoded_bytes_exceeded": "cut it into shorter recordings, or scale it down",
}


class _Child:
    """The server's end of a decoding process."""

    def __init__(
        self,
        forkserver: _ForkServer,
        number: int,
        gone: asyncio.Future[int | None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.reader = reader
        self.isolated: bool | None = None
        self._forkserver, self._number, self._gone, self._writer = forkserver, number, gone, writer

    @property
    def alive(self) -> bool:
        """Whether nobody has heard of its end."""
        return not self._gone.done()

    async def give(self, job: Job) -> None:
        """Tell it what to do, as soon as it is ready."""
        ready = await receive(self.reader)
        if ready.kind != "ready":
            raise Broken(f"a {ready.kind} where it should be ready")
        self.isolated = ready.head.get("isolated") is True
        self._writer.write(packed(job))
        await self._writer.drain()

    async def end(self) -> int | None:
        """Kill it if it still lives; returns how it ended, None where nobody knows."""
        self._forkserver.kill(self._number)
        self._writer.transport.abort()
        status = await asyncio.shield(self._gone)
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        return status


class _ForkServer:
    """The server's end of the process that forks, see `rushes.serve.forkserver`."""

    def __init__(self, process: subprocess.Popen[bytes], orders: socket.socket) -> None:
        self.alive = True
        self._process, self._orders = process, orders
        self._count = 0
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[int | None] = loop.create_future()
        self._gone = {0: self.ready}  # number of a child that may live -> done when it does not
        loop.add_reader(orders, self._read)

    @classmethod
    async def start(cls, preload: Sequence[str]) -> _ForkServer:
        """Start the process; returns when it has imported what children need."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-c", _START, str(theirs.fileno()), *preload]
            known = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
            places = {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
            process = subprocess.Popen(
                command,
                env=known | places | _ONE_THREAD,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(ORDER_S)
        forkserver = cls(process, ours)
        try:
            async with asyncio.timeout(START_S):
                if await forkserver.ready is None:
                    raise ChildProcessError("the process that starts decoding processes did not start")
        except BaseException:
            await forkserver.close()
            raise
        return forkserver

    async def child(self) -> _Child:
        """A new child, which waits for a job."""
        ours, theirs = socket.socketpair()
        number = self._count = self._count + 1
        gone = self._gone[number] = asyncio.get_running_loop().create_future()
        with theirs:
            try:
                socket.send_fds(self._orders, [ORDER.pack(b"+", number)], [theirs.fileno()])
            except OSError:
                self._lost()
        reader, writer = await asyncio.open_connection(sock=ours, limit=_BUFFER)
        return _Child(self, number, gone, reader, writer)

    def kill(self, number: int) -> None:
        """Kill a child if it lives."""
        if number in self._gone:
            try:
                self._orders.send(ORDER.pack(b"-", number))
            except OSError:
                self._lost()

    def _read(self) -> None:
        try:
            data = self._orders.recv(GONE.size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        number, status = GONE.unpack(data)
        gone = self._gone.pop(number, None)
        if gone is not None and not gone.done():
            gone.set_result(status)

    def _lost(self) -> None:
        """The process ended, and all that it started with it."""
        if self.alive:
            self.alive = False
            asyncio.get_running_loop().remove_reader(self._orders)
            for gone in self._gone.values():
                if not gone.done():
                    gone.set_result(None)
            self._gone.clear()

    async def close(self) -> None:
        """End it, and with it its children."""
        self._lost()
        self._orders.close()
        try:
            await asyncio.to_thread(self._process.wait, ORDER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
