"""A small server of files on this machine, which can also fail in the ways that servers do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass
class Served:
    """A folder behind an address.

    Attributes:
        root: the folder.
        url: of it.
        answers: path -> a status, another address to go to, or ``drip`` for a byte now and then.
        asked: every path that was asked for.
    """

    root: Path
    url: str = ""
    answers: dict[str, int | str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, served: Served) -> None:
        self.served = served
        super().__init__(*args, directory=str(served.root))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.served.asked.append(self.path)
        answer = self.served.answers.get(self.path)
        if answer is None:
            super().do_GET()
        elif answer == "drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.05)
        elif isinstance(answer, int):
            self.send_response(answer)
            self.end_headers()
        else:
            self.send_response(302)
            self.send_header("Location", answer)
            self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):  # whoever asked has left
            self.close_connection = True


@pytest.fixture
def served(tmp_path_factory) -> Iterator[Served]:
    """An empty folder behind an address of this machine."""
    served = Served(tmp_path_factory.mktemp("served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, served=served))
    served.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()
