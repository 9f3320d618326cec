"""A service in another process over doors without a model, and requests to it, byte by byte.

What is measured of the service is read from outside: memory and descriptors from ``/proc``, gauges from
``/metrics``, files from the folder of its uploads.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
MB = 1_000_000
EDGE = "edge-of-a-part"
TEXT = b"pick\npack\npack\ntape\n"
"""A recording that the stub reads."""
SILENT_S = 60.0


# --- the service ------------------------------------------------------------------------------------------


@dataclass
class Running:
    """A service in another process.

    Attributes:
        port: on this machine.
        process: of it.
        folder: of its uploads.
        ready_s: from its start until it took requests.
    """

    port: int
    process: psutil.Process
    folder: Path
    ready_s: float

    def gauge(self, name: str) -> float:
        """A number of ``/metrics`` that has no labels."""
        return asyncio.run(gauge(self.port, name))

    def rss_mb(self) -> float:
        """Resident memory of the service itself."""
        return self.process.memory_info().rss / MB

    def peak_mb(self) -> float:
        """Most resident memory since `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kilobytes) * 1024 / MB

    def forget_peak(self) -> None:
        """Begin to look for the peak."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def descriptors(self) -> int:
        """Open ones of the service itself."""
        return self.process.num_fds()

    def files(self) -> list[str]:
        """What lies in the folders of requests, and those folders."""
        found = [path for path in self.folder.glob("*/*") if path.name != "lock"]
        return [str(path) for path in found] + [str(path) for path in self.folder.glob("*/*/*")]

    def settle(self, within_s: float = 20.0) -> None:
        """Wait until nobody is inside, or for so long."""
        end = time.monotonic() + within_s
        while time.monotonic() < end and (self.gauge("rushes_admitted") or self.files()):
            time.sleep(0.1)


@contextmanager
def running(folder: Path, settings: Mapping[str, Any], **stub: float) -> Iterator[Running]:
    """A service over the stub that is ready, to the end of the block."""
    told = [str(folder), json.dumps(settings), json.dumps(stub)]
    with started([str(HERE / "serving_stub.py"), *told], folder, None) as service:
        yield service


@contextmanager
def running_run(folder: Path, recipe: Path, workspace: Path) -> Iterator[Running]:
    """The service of a trained run as users start it, ready, to the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = ["--port", str(port), "--uploads", str(folder), "--workspace", str(workspace)]
    with started(["-m", "rushes.cli", "serve", str(recipe), *told], folder, port) as service:
        yield service


@contextmanager
def started(command: list[str], folder: Path, port: int | None) -> Iterator[Running]:
    """A service that is ready, to the end of the block.

    Args:
        command: after ``python``.
        folder: of its uploads.
        port: at which it answers; None where it prints that first.
    """
    paths = [str(HERE.parent / "src"), str(HERE.parent / "tests"), os.environ.get("PYTHONPATH", "")]
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"},
    )
    try:
        assert process.stdout is not None, "asked for"
        port = int(process.stdout.readline()) if port is None else port
        while not is_ready(port):
            assert process.poll() is None, "the service ended before it was ready"
            assert time.monotonic() - began < SILENT_S, "the service does not start"
            time.sleep(0.02)
        yield Running(port, psutil.Process(process.pid), folder, time.monotonic() - began)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(30.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def is_ready(port: int) -> bool:
    """Whether it takes requests."""
    return asyncio.run(ask(port, "GET", "/ready")).status == 200


# --- requests ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and when.

    Attributes:
        status: of HTTP; 0 where the connection ended without an answer.
        headers: names in lower case.
        body: whole.
        seconds: from the first byte sent to the last one received.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


def form(content: bytes, name: str = "file", **fields: str) -> bytes:
    """A multipart body."""
    parts = [
        f'--{EDGE}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"; filename="a.mp4"\r\n\r\n'.encode()
    return b"".join([*parts, head, content, f"\r\n--{EDGE}--\r\n".encode()])


def head(verb: str, path: str, length: int | None, kind: str, more: str = "") -> bytes:
    """The head of a request; without a length it comes in chunks."""
    told = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = f"Host: x\r\nConnection: close\r\nContent-Type: {kind}\r\n{told}\r\n{more}"
    return f"{verb} {path} HTTP/1.1\r\n{lines}\r\n".encode()


FORM = f"multipart/form-data; boundary={EDGE}"


async def ask(port: int, verb: str, path: str, body: bytes = b"", kind: str = FORM, more: str = "") -> Answer:
    """Send a request on a connection of its own, whatever comes back."""
    began = time.perf_counter()
    with suppress(OSError, EOFError, TimeoutError):
        async with asyncio.timeout(SILENT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(head(verb, path, len(body), kind, more) + body)
                status, headers = await read_head(reader)
                length = headers.get("content-length")
                content = await (reader.read() if length is None else reader.readexactly(int(length)))
            finally:
                writer.close()
        return Answer(status, headers, content, time.perf_counter() - began)
    return Answer(0, {}, b"", time.perf_counter() - began)


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


def is_wait(answer: Answer) -> bool:
    """Whether it says when to come again."""
    return answer.headers.get("retry-after", "").isdigit() and int(answer.headers["retry-after"]) >= 1


async def gauge(port: int, name: str) -> float:
    """A number of ``/metrics`` that has no labels."""
    text = (await ask(port, "GET", "/metrics")).body.decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, f"no {name} in /metrics"
    return float(found[1])


async def total(port: int, name: str) -> Counter[str]:
    """Numbers of ``/metrics`` by their only label."""
    text = (await ask(port, "GET", "/metrics")).body.decode()
    found = re.findall(rf'^{name}{{\w+="([^"]*)"}} (\S+)$', text, re.MULTILINE)
    return Counter({label: round(float(value)) for label, value in found})


async def predict(port: int) -> Answer:
    """Ask about a small recording."""
    return await ask(port, "POST", "/predict", form(TEXT[:5]))


async def break_off(port: int, sent: bytes, reset: bool) -> None:
    """Send these bytes and leave."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    if reset:
        asked = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, asked)
    with suppress(OSError):
        writer.write(sent)
        await asyncio.wait_for(writer.drain(), SILENT_S)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def at_most_at_once(number: int, calls: Iterator[Callable[[], Awaitable[None]]]) -> None:
    """Do all calls, so many at once."""

    async def work() -> None:
        for call in calls:
            await call()

    await asyncio.gather(*(work() for _ in range(number)))
