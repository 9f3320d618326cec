"""A service on a socket of this machine, in a thread of its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from stub_door import stub_doors

from rushes.recipe.sections import Serve
from rushes.runs.door.contract import Door
from rushes.runs.listening import listen
from rushes.serve.app import Service, service_app
from rushes.serve.envelope import Provenance
from rushes.serve.keys import EVERYBODY, Keys
from rushes.serve.process import Drained, config_of

MODEL = Provenance(
    recipe="stub", task="stubs", train="0" * 12, weights="1" * 64, preprocessing="2" * 64, rushes="0.0.0"
)
SMALL = Serve(at_once=2, queue=2, max_mb=1.0, upload_s=20.0, deadline_s=20.0, drain_s=5.0, warm=1)


@dataclass
class Alive:
    """A service that listens.

    Attributes:
        url: where.
        service: the application.
        server: the process's part of it.
        lines: of the access log so far.
    """

    url: str
    service: Service
    server: Drained
    lines: list[str] = field(default_factory=list)

    def log(self) -> list[dict[str, Any]]:
        """The lines of the access log, read."""
        return [json.loads(line) for line in self.lines]

    def ready(self, headers: Mapping[str, str] | None = None, within_s: float = 60.0) -> None:
        """Wait until it takes requests."""
        end = time.monotonic() + within_s
        while httpx.get(f"{self.url}/ready", headers=headers).status_code != 200:
            assert time.monotonic() < end, "the service is not ready"
            time.sleep(0.05)

    def until(self, holds: Any, within_s: float = 30.0) -> None:
        """Wait until ``holds()`` is true."""
        end = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < end, "what should become true does not"
            time.sleep(0.02)


@contextmanager
def alive(
    folder: Path,
    doors: Mapping[Any, Door] | None = None,
    settings: Serve = SMALL,
    keys: Keys = EVERYBODY,
    wait: bool = True,
) -> Iterator[Alive]:
    """Serve stub doors, or others, until the block is left.

    Args:
        folder: of uploads.
        doors: that are asked.
        settings: the limits.
        keys: that it takes.
        wait: until it is ready; only without keys.
    """
    lines: list[str] = []
    doors = stub_doors() if doors is None else doors
    service = service_app(doors, settings, MODEL, keys, folder=folder, write=lines.append)
    with listen("127.0.0.1", 0) as socket:
        server = Drained(config_of(service), service.shared.gate, settings.drain_s)
        thread = threading.Thread(target=server.run, args=([socket],), daemon=True)
        thread.start()
        found = Alive(f"http://127.0.0.1:{socket.getsockname()[1]}", service, server, lines)
        try:
            found.until(lambda: server.started or not thread.is_alive())
            if wait and not keys:
                found.ready()
            yield found
        finally:
            server.should_exit = True
            thread.join(30.0)
            assert not thread.is_alive(), "the service does not end"
