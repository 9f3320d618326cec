"""The routes of the offline service."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from rushes.label.clock import WallClock
from rushes.label.offline.answers import MODEL
from rushes.label.offline.faults import Faults
from rushes.label.offline.files import MOST_BYTES, Refused
from rushes.label.offline.world import Pace, RunningClock, World

WRONG_KEY = "wrong"
"""A key that is refused; any other one is taken, and none as well."""


def application(world: World) -> FastAPI:
    """The service as an ASGI application."""
    app = FastAPI(openapi_url=None)

    @app.exception_handler(Refused)
    async def refused(request: Request, problem: Refused) -> JSONResponse:
        kind = "invalid_request_error" if problem.status < 429 else "requests"
        told = {"message": str(problem), "type": kind, "param": None, "code": problem.code}
        headers = {"retry-after": f"{world.faults.retry_after_s:g}"} if problem.status == 429 else {}
        return JSONResponse({"error": told}, problem.status, headers)

    @app.middleware("http")
    async def keys(request: Request, on: Callable[[Request], Any]) -> Any:
        if request.headers.get("authorization") == f"Bearer {WRONG_KEY}":
            told = {
                "message": "Incorrect API key provided",
                "type": "invalid_request_error",
                "code": "invalid_api_key",
            }
            return JSONResponse({"error": told}, 401)
        return await on(request)

    @app.post("/v1/files")
    async def add_file(request: Request) -> Any:
        content = b"".join([part async for part in _bounded(request)])
        fields = form_of(content, request.headers.get("content-type", ""))
        name, data = fields.get("file", ("", b""))
        purpose = fields.get("purpose", ("", b""))[1].decode()
        return await run_in_threadpool(world.files.take, name, purpose, data)

    @app.get("/v1/files")
    def files(purpose: str | None = None, limit: int = 10_000, after: str | None = None) -> Any:
        return _page(world.files.told(purpose), limit, after)

    @app.get("/v1/files/{name}")
    def file(name: str) -> Any:
        return world.files.of(name).told()

    @app.get("/v1/files/{name}/content")
    def content(name: str) -> Any:
        path = world.files.content(name, world.faults.missing_looks)
        return FileResponse(path, media_type="application/octet-stream")

    @app.post("/v1/batches")
    async def add_batch(request: Request) -> Any:
        return await run_in_threadpool(world.add_batch, await _object(request))

    @app.get("/v1/batches")
    def batches(limit: int = 20, after: str | None = None) -> Any:
        return _page(world.batches(), min(limit, 100), after)

    @app.get("/v1/batches/{name}")
    def batch(name: str) -> Any:
        return world.batch(name)

    @app.post("/v1/batches/{name}/cancel")
    def cancel(name: str) -> Any:
        return world.cancel(name)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Any:
        status, told = await run_in_threadpool(world.chat, await _object(request))
        return JSONResponse(told, status)

    @app.get("/v1/models")
    def models() -> Any:
        return _page([{"id": MODEL, "object": "model", "created": 0, "owned_by": "rushes"}], 20, None)

    @app.post("/admin/clock")
    async def advance(request: Request) -> Any:
        world.clock.advance(float((await _object(request))["advance_s"]))
        return {"now": world.clock.now()}

    return app


async def _object(request: Request) -> Mapping[str, Any]:
    try:
        found = await request.json()
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise Refused(400, "We could not parse the JSON body of your request")
    return found


async def _bounded(request: Request) -> AsyncIterator[bytes]:
    """The body of a request, as long as it is no larger than a file may be."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES + 100_000:
            raise Refused(413, "The request is too large")
        yield part


def form_of(content: bytes, kind: str) -> dict[str, tuple[str, bytes]]:
    """Name -> file name and content of each part of ``multipart/form-data``."""
    boundary = re.search(r'boundary="?([^";]+)', kind)
    if boundary is None:
        raise Refused(400, "multipart/form-data was expected")
    found = {}
    for part in content.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        named = dict(re.findall(r'\b(name|filename)="([^"]*)"', head.decode("utf-8", "replace")))
        found[named.get("name", "")] = (named.get("filename", ""), data.removesuffix(b"\r\n"))
    return found


def _page(rows: Sequence[Mapping[str, Any]], limit: int, after: str | None) -> dict[str, Any]:
    names = [row["id"] for row in rows]
    start = names.index(after) + 1 if after in names else 0
    shown = rows[start : start + limit]
    return {
        "object": "list",
        "data": list(shown),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": start + limit < len(rows),
    }


def serve(port: int, faults: Faults, pace: Pace, speed: float, say: Callable[[str], None]) -> None:
    """Serve on this machine alone until it is stopped.

    Args:
        port: 0 takes one that is free.
        faults: what goes wrong.
        pace: how fast it works.
        speed: seconds of its clock for a second of ours.
        say: told the address once it answers.
    """
    with tempfile.TemporaryDirectory(prefix="rushes-offline-") as folder:
        world = World(Path(folder), RunningClock(WallClock(), speed), faults, pace)
        server, listener, url = _server(world, port)
        say(url)
        server.run(sockets=[listener])


@contextmanager
def served(world: World) -> Iterator[str]:
    """The service in this process, at a free port; its address up to and with ``/v1``."""
    server, listener, url = _server(world, 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join()


def _server(world: World, port: int) -> tuple[Any, Any, str]:
    """A server, and the socket on which it listens already."""
    import socket

    import uvicorn

    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    config = uvicorn.Config(application(world), log_level="warning", lifespan="off", access_log=False)
    return uvicorn.Server(config), listener, f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
