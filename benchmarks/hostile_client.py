"""The service of `hostile_service.py` in a process of its own, uploads to it, and what is seen of it from outside."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
EDGE = "edge-of-a-part"
START_S = 120.0
CODES = frozenset(
    {"too_large_pixels", "too_many_frames", "too_long", "decoded_bytes_exceeded"}
    | {"kind_not_allowed", "undecodable", "unanswerable", "too_large"}
)
"""What a hostile upload may be told."""


@dataclass(frozen=True, slots=True)
class End:
    """What came of an upload.

    Attributes:
        status: of HTTP; 0 where there was no answer.
        said: the answer, or the refusal.
        seconds: it took.
    """

    status: int
    said: dict[str, Any]
    seconds: float

    @property
    def code(self) -> str:
        """Of the refusal, or ``ok``."""
        return "ok" if self.status == 200 else str(self.said.get("error", "no answer"))

    @property
    def right(self) -> bool:
        """A refusal with one of `CODES`, or an answer about parts that are all what they should be."""
        if self.status == 200:
            return 0 < self.said["parts"] == self.said["good"]
        return 400 <= self.status < 500 and self.code in CODES


@dataclass(frozen=True, slots=True)
class Service:
    """A service in another process.

    Attributes:
        process: of it.
        port: on this machine.
        folder: of its uploads.
    """

    process: subprocess.Popen[str]
    port: int
    folder: Path

    def upload(self, verb: str, path: Path, within_s: float, **fields: object) -> End:
        """Send a file, and wait so long for what is said about it."""
        parts = [(f'name="{name}"', str(value).encode()) for name, value in fields.items()]
        parts.append((f'name="file"; filename="{path.name}"', path.read_bytes()))
        body = b"".join(
            f"--{EDGE}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
            for head, data in parts
        )
        began = time.perf_counter()
        status, said = self._ask(
            "POST",
            f"/{verb}",
            within_s,
            body + f"--{EDGE}--\r\n".encode(),
            f"multipart/form-data; boundary={EDGE}",
        )
        return End(status, said, time.perf_counter() - began)

    def is_ready(self) -> bool:
        """Whether it takes requests."""
        return self._ask("GET", "/ready", 10.0)[0] == 200

    def _ask(
        self, method: str, route: str, within_s: float, body: bytes | None = None, kind: str = ""
    ) -> tuple[int, dict[str, Any]]:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=within_s)
        try:
            line.request(method, route, body, {"Content-Type": kind} if body else {})
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            return 0, {"error": f"no answer: {type(error).__name__}"}
        finally:
            line.close()

    def rss_mb(self) -> float:
        """Resident memory of the service itself."""
        return memory_mb(self.process.pid, "VmRSS")

    def descriptors(self) -> int:
        """Open ones of the service itself."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def files(self) -> int:
        """Of uploads that lie there."""
        return sum(path.name != "lock" for path in self.folder.rglob("*") if path.is_file())


@contextmanager
def service(folder: Path) -> Iterator[Service]:
    """A service that is ready, to the end of the block."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "hostile_service.py"), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    with process:
        try:
            assert process.stdout is not None, "asked for"
            made = Service(process, int(process.stdout.readline()), folder)
            began = time.monotonic()
            while not made.is_ready():
                assert process.poll() is None, "it ended before it was ready"
                assert time.monotonic() < began + START_S, "it does not start"
                time.sleep(0.05)
            yield made
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30.0)
            process.kill()


@dataclass
class Peak:
    """Most memory of a decoding process of a service while it is looked at.

    Attributes:
        service: its process id.
        mb: of one of them.
    """

    service: int
    mb: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Peak:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.005):
            for process in (one for child in started_by(self.service) for one in started_by(child)):
                self.mb = max(self.mb, memory_mb(process, "VmHWM"))


def started_by(process: int) -> list[int]:
    """Ids of the processes that it started from its first thread."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def memory_mb(process: int, line: str) -> float:
    """``VmRSS`` or ``VmHWM`` of a process; 0 where it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for said in Path(f"/proc/{process}/status").read_text().splitlines():
            if said.startswith(f"{line}:"):
                return int(said.split()[1]) * 1024 / 1e6
    return 0.0
