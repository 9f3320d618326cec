"""Bodies of requests, streamed into a folder each, bounded, and gone when the request is over."""

from __future__ import annotations

import asyncio
import ctypes
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request

from rushes.serve.bounds import BEGIN_S, PACE, SILENT_S
from rushes.serve.form import FormReader, Upload
from rushes.serve.gate import too_large
from rushes.serve.metrics import Metrics
from rushes.serve.refusal import Refusal
from rushes.serve.scratch import NO_ROOM, Scratch, no_room

BLOCK = 256 << 10
"""Bytes that are gathered before they are written."""
WRITERS = 4

TRIM_S = 1.0
"""Between two times at which freed memory goes back to the system, as long as bodies come."""

T = TypeVar("T")

_trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone


@dataclass(frozen=True, slots=True)
class Received:
    """What came with a request; the files are gone when the block is left.

    Attributes:
        fields: name -> value of what is no file.
        uploads: the files, in order.
        nbytes: of the whole body.
    """

    fields: Mapping[str, str]
    uploads: tuple[Upload, ...]
    nbytes: int

    @property
    def files(self) -> dict[str, Path]:
        """Name of a field -> its file, the first of that name."""
        return {upload.field: upload.path for upload in reversed(self.uploads)}


class Disk:
    """The room that all uploads of a process may take together.

    Args:
        most: bytes.
        metrics: told how many are taken.

    Attributes:
        taken: bytes.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self.taken = 0
        self._most, self._metrics = most, metrics

    @contextmanager
    def room(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes room for so many bytes altogether; it is given back after the block.

        The function raises a `Refusal`, 507 ``no_room``.
        """
        mine = 0

        def move(change: int) -> None:
            nonlocal mine
            mine, self.taken = mine + change, self.taken + change
            self._metrics.on_disk(change)

        def take(nbytes: int) -> None:
            more = max(0, nbytes - mine)
            if self.taken + more > self._most:
                raise no_room("other uploads take the room that all may take together")
            move(more)

        try:
            yield take
        finally:
            move(-mine)


class Uploads:
    """Takes bodies in; one a process.

    Args:
        scratch: where they lie.
        max_bytes: of a body.
        disk_bytes: of all bodies of this process together.
        upload_s: longest time for a body.
        metrics: told of bytes and seconds.
        silent_s: longest time without a byte.
    """

    def __init__(
        self,
        scratch: Scratch,
        max_bytes: int,
        disk_bytes: int,
        upload_s: float,
        metrics: Metrics,
        silent_s: float = SILENT_S,
    ) -> None:
        self.disk = Disk(disk_bytes, metrics)
        self._scratch, self._max_bytes, self._metrics = scratch, max_bytes, metrics
        self._upload_s, self._silent_s = upload_s, silent_s
        self._coming, self._trimmed = 0, 0.0
        self._pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="upload")

    def close(self) -> None:
        """Nothing more comes."""
        self._pool.shutdown()

    @asynccontextmanager
    async def receive(
        self, request: Request, takes: Mapping[str, bool], most: int = 1
    ) -> AsyncIterator[Received]:
        """Take a body in; what it brought is there until the block is left.

        Args:
            request: whose body nobody has read.
            takes: names of fields that hold a file -> whether it must be there.
            most: files of each name.

        Raises:
            Refusal: 413 ``too_large``; 507 ``no_room``; 408 ``upload_too_slow``; 415 ``not_multipart``;
                400 ``bad_multipart``; 422 ``missing_file``, ``unknown_file``, ``not_a_file``, ``twice``,
                ``too_many_files`` or ``too_many_fields``.
            ClientDisconnect: the client left.
        """
        reader = FormReader(request.headers.get("content-type", ""), takes, most)
        length = int(request.headers.get("content-length", 0))
        folders: list[Path] = []
        with self.disk.room() as take:
            take(length)
            self._coming += 1
            try:
                yield await self._received(request, reader, take, folders, length)
            finally:
                self._coming -= 1
                await self._in_thread(partial(self._remove, reader, folders))

    async def _received(
        self,
        request: Request,
        reader: FormReader,
        take: Callable[[int], None],
        folders: list[Path],
        length: int,
    ) -> Received:
        def begin() -> None:
            reader.folder = self._scratch.new_folder(length)
            folders.append(reader.folder)

        try:
            await self._in_thread(begin)
            with self._metrics.timed("upload"):
                nbytes = await self._read(request, reader, take)
            await self._in_thread(reader.finish)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise no_room("the disk is full") from error
            raise
        return Received(reader.values(), tuple(reader.uploads), nbytes)

    async def _read(self, request: Request, reader: FormReader, take: Callable[[int], None]) -> int:
        """The body, to its end, into files; returns its bytes."""
        nbytes, block, clock = 0, bytearray(), asyncio.get_running_loop().time
        begin = clock()
        try:
            async with asyncio.timeout(self._upload_s), aclosing(request.stream()) as stream:
                while True:
                    late = begin + BEGIN_S + nbytes / PACE
                    async with asyncio.timeout_at(min(late, clock() + self._silent_s)):
                        chunk = await anext(stream, b"")
                    nbytes += len(chunk)
                    if nbytes > self._max_bytes:
                        raise too_large(self._max_bytes)
                    take(nbytes)
                    block += chunk
                    if block and (not chunk or len(block) >= BLOCK):
                        await self._in_thread(partial(reader.write, bytes(block)))
                        block.clear()
                    if not chunk:
                        return nbytes
        except TimeoutError:
            raise Refusal(
                408,
                "upload_too_slow",
                f"{nbytes} bytes came in {clock() - begin:.0f} s; a body may take {self._upload_s:g} s, at "
                f"{PACE / 1000:g} kB a second or more, and {self._silent_s:g} s without a byte are too many",
                cure="send a shorter recording, or over a faster line",
            ) from None

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """Call something that may wait for the disk; it has ended when this ends, even by cancellation."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, call)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            future.exception()  # nobody is left to hear it
            raise cancelled
        return future.result()

    def _remove(self, reader: FormReader, folders: list[Path]) -> None:
        with suppress(OSError):  # what it did not write is about to be removed
            reader.close()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        idle = not self._coming
        if _trim is not None and (idle or time.monotonic() - self._trimmed > TRIM_S):
            self._trimmed = time.monotonic()
            _trim(
                0
            )  # buffers of bodies leave gaps that the C library keeps: 20 MB after 1,000 broken uploads
