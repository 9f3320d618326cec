"""Ways of decoding that misbehave, for the tests of decoding processes; no model, no video."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path

from rushes.errors import AnswerError, MediaError, MediaReason
from rushes.media.limits import Limits
from rushes.runs.door.contract import Decoded, Part


@dataclass(frozen=True, slots=True)
class Pages:
    """A file cut into pages."""

    size: int = 4

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        data = files["file"].read_bytes()
        pages = range(0, len(data), self.size)
        parts = (Part(str(at), {"page": data[at : at + self.size], "empty": b""}) for at in pages)
        return Decoded({"duration_s": 1.5, "fps": "30000/1001", "parts": len(pages)}, parts)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse a file after a part of it."""

    reason: MediaReason
    after: int = 0

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        return Decoded({"duration_s": None, "fps": None, "parts": 9}, self._parts(files["file"]))

    def _parts(self, path: Path) -> Iterator[Part]:
        for number in range(self.after):
            yield Part(str(number), {})
        raise MediaError(f"no good: {path}", where=path, cure=f"mend {path}", reason=self.reason)


@dataclass(frozen=True, slots=True)
class Do:
    """Do one bad thing in the place of decoding."""

    what: str

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        bad = {
            "segfault": lambda: ctypes.string_at(0),
            "exit": lambda: os._exit(0),
            "bug": lambda: {}["nothing"],
            "question": _ask,
            "sleep": lambda: time.sleep(600),
            "loop": _spin,
            "memory": lambda: bytearray(1 << 30),
            "print": lambda: print("chatter", flush=True),
            "write": lambda: (files["file"].parent / "written").write_bytes(b"x"),
            "connect": lambda: socket.create_connection(("127.0.0.1", int(files["file"].read_text())), 1),
        }
        bad[self.what]()
        return Decoded({"duration_s": None, "fps": None, "parts": 0}, iter(()))


def _ask() -> None:
    raise AnswerError("no two pictures of it", cure="send two")


def _spin() -> None:
    while True:
        pass


@dataclass(frozen=True, slots=True)
class Endless:
    """More parts than anybody wants, a megabyte each; the file says how many were made: a byte each."""

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        return Decoded({"duration_s": None, "fps": None, "parts": 1000}, self._parts(files["file"]))

    def _parts(self, path: Path) -> Iterator[Part]:
        with path.open("r+b") as file, mmap(file.fileno(), 0) as made:
            for number in range(1000):
                made[number] = 1
                yield Part(str(number), {"noise": bytes(1 << 20)})


@dataclass(frozen=True, slots=True)
class Modules:
    """Names of the modules that a decoding process has, and its id."""

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        names = " ".join(sys.modules).encode()
        members = {"modules": names, "process": str(os.getpid()).encode()}
        return Decoded({"duration_s": None, "fps": None, "parts": 1}, iter([Part("0", members)]))


@dataclass(frozen=True, slots=True)
class Lie:
    """Say what cannot be, by the line itself, as a decoder would that somebody took over."""

    data: bytes

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        for number in range(3, 64):
            with suppress(OSError):
                line = socket.socket(fileno=number)
                line.sendall(self.data)
                line.detach()
        time.sleep(600)
        raise AssertionError("nobody ended it")
