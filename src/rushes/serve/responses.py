"""An answer that is made while its client is listening: whole as JSON, or event by event."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from rushes.serve.front import problem_of, unexpected, visit_of
from rushes.serve.openapi import EVENTS
from rushes.serve.refusal import Refusal
from rushes.serve.session import Show, ended, show_nothing, while_there

log = logging.getLogger("rushes.serve")

HEARTBEAT_S = 15.0
"""Of silence, after which a comment is sent, so that no proxy closes the stream."""

Work = Callable[[Show], Awaitable[Mapping[str, Any]]]
"""Makes an answer, and shows what comes before it."""

Upload = Callable[[Request], AbstractAsyncContextManager[Work]]
"""Reads the body of a request, and keeps its files until it is left."""


class WorkResponse(Response):
    """Reads a body, works, and answers; stops as soon as nobody listens.

    Args:
        upload: reads the body; only afterwards it can be seen that a client has left.
        deadline_s: longest time for the work.
        streams: whether events are told.
    """

    def __init__(self, upload: Upload, deadline_s: float, streams: bool = False) -> None:
        super().__init__()
        self.upload, self.deadline_s, self.streams = upload, deadline_s, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose body was not read."""
        async with self.upload(Request(scope, receive)) as work:
            events = Events(scope, send) if self.streams else None
            show = show_nothing if events is None else events.show
            try:
                answer = await while_there(
                    _done(work, show), gone(receive), self.deadline_s, ClientDisconnect
                )
            except Exception as error:
                if events is None or not events.begun or isinstance(error, ClientDisconnect):
                    raise
                await events.fail(error)
                return
            finally:
                if events is not None:
                    await events.close()
            if events is not None:
                await events.finish(answer)
        if events is None:
            await JSONResponse(answer)(scope, receive, send)


async def _done(work: Work, show: Show) -> Mapping[str, Any]:
    return await work(show)


async def gone(receive: Receive) -> None:
    """Ends when the client has left; the body was read."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Events:
    """Server-sent events; the first one begins the answer, so what fails before it has a status of its own.

    Args:
        scope: of the request.
        send: of the request.
        heartbeat_s: of silence before a comment is sent.

    Attributes:
        begun: whether anything was sent.
    """

    def __init__(self, scope: Scope, send: Send, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.scope, self.send, self.heartbeat_s, self.begun = scope, send, heartbeat_s, False
        self._turn = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None

    async def show(self, event: str, data: Mapping[str, Any]) -> None:
        """Send an event."""
        text = json.dumps(data, allow_nan=False, separators=(",", ":"))
        await self._write(f"event: {event}\ndata: {text}\n\n")

    async def finish(self, answer: Mapping[str, Any]) -> None:
        """Send the whole answer as the last event."""
        await self.show("result", answer)
        await self._end()

    async def fail(self, error: Exception) -> None:
        """Send what would have been the body of a refusal as the last event."""
        visit = visit_of(self.scope)
        if not isinstance(error, Refusal):
            log.error("request %s failed", visit.id, exc_info=error)
        refusal = error if isinstance(error, Refusal) else unexpected()
        visit.reason = refusal.error
        await self.show("error", problem_of(refusal, visit).model_dump())
        await self._end()

    async def close(self) -> None:
        """Stop the beat."""
        if self._beating is not None:
            await ended(self._beating)

    async def _end(self) -> None:
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, text: str) -> None:
        async with self._turn:
            if not self.begun:
                self.begun = True
                headers = [
                    (b"content-type", EVENTS.encode() + b"; charset=utf-8"),
                    (b"x-accel-buffering", b"no"),
                ]
                await self.send({"type": "http.response.start", "status": 200, "headers": headers})
                self._beating = asyncio.create_task(self._beat())
            await self.send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeat_s)
            await self._write(": still at work\n\n")
