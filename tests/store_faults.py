"""A store that fails in a way of its own, on a real socket of this machine."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[[BaseHTTPRequestHandler], None]
BODY = b"rushes" * 100


def refuses(status: int, code: str, **headers: str) -> Fault:
    """Answers everything with an error, in the words of S3."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        body = f"<Error><Code>{code}</Code><Message>said by the store</Message></Error>".encode()
        _begin(request, status, len(body), **headers)
        if request.command != "HEAD":
            request.wfile.write(body)

    return answer


def silent(request: BaseHTTPRequestHandler) -> None:
    """Never answers."""
    request.server.over.wait()


def stops(request: BaseHTTPRequestHandler) -> None:
    """Sends a part of what it has announced, and no more."""
    _begin(request, 200, len(BODY))
    request.wfile.write(BODY[:50])
    request.server.over.wait()


def resets(request: BaseHTTPRequestHandler) -> None:
    """Sends a part, then breaks the connection."""
    _begin(request, 200, len(BODY))
    request.wfile.write(BODY[:50])
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


def whole(request: BaseHTTPRequestHandler) -> None:
    """Sends the file."""
    _begin(request, 200, len(BODY), ETag='"1"')
    request.wfile.write(BODY)


def once(fault: Fault, then: Fault = whole) -> Fault:
    """Fails the first time only."""
    faults = iter([fault])
    return lambda request: next(faults, then)(request)


@contextlib.contextmanager
def serving(fault: Fault) -> Iterator[tuple[str, list[str]]]:
    """Address of a server, and the requests that reached it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.close_connection = True
            with contextlib.suppress(OSError, ValueError):
                fault(self)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

        def finish(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().finish()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.over = threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.over.set()
            server.shutdown()


def _begin(request: BaseHTTPRequestHandler, status: int, size: int, **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(size))
    request.end_headers()
    request.wfile.flush()
