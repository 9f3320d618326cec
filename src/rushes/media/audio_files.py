"""A sound file as FFmpeg is given it: in memory, or mapped, where it is a night long."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_COPY, mmap
from pathlib import Path

from rushes.errors import MediaError, unreadable_as
from rushes.media.audio_frames import Data, Given


@contextmanager
def mapped(path: Path) -> Iterator[mmap]:
    """The bytes of a file without reading them: what is looked at is brought in, and may go again.

    Raises:
        MediaError: empty, or unreadable.
        OSError: the machine refuses to read it.
    """
    with (
        unreadable_as(MediaError, "cannot be read", where=path, cure="check the file and its disk"),
        path.open("rb") as file,
    ):
        if not os.fstat(file.fileno()).st_size:
            raise empty(path)
        with mmap(file.fileno(), 0, access=ACCESS_COPY) as data:
            yield data


def file_of(data: Data, given: Given) -> io.BytesIO | _Part:
    """What FFmpeg is given of a file, to be read."""
    if isinstance(data, bytes):
        if given.patch is not None:
            place, instead = given.patch
            data = data[:place] + instead + data[place + len(instead) :]
        return io.BytesIO(data[given.begin :] if given.begin else data)
    if given.patch is not None:
        place, instead = given.patch
        data[place : place + len(instead)] = instead  # a copy on write: the file stays as it is
    return _Part(data, given.begin)


class _Part(io.RawIOBase):
    """A mapped file from some byte on, as a file."""

    def __init__(self, data: mmap, begin: int) -> None:
        self._data, self._begin, self._place = data, begin, begin

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        end = len(self._data) if size < 0 else self._place + size
        found = self._data[self._place : end]
        self._place += len(found)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: self._begin, io.SEEK_CUR: self._place, io.SEEK_END: len(self._data)}[whence]
        self._place = max(start + offset, self._begin)
        return self.tell()

    def tell(self) -> int:
        return self._place - self._begin


def empty(where: object) -> MediaError:
    """A file without a byte."""
    return MediaError("a sound of 0 bytes", where=where, cure="copy the file again")
