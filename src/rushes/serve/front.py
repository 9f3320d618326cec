"""What every request passes first: its id, its key, its line in the log, and the headers of every answer.

Plain ASGI, since a middleware that wraps streams would hide from the work that the client has left.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rushes.serve.envelope import Clock
from rushes.serve.keys import Keys
from rushes.serve.refusal import Problem, Refusal, draining

log = logging.getLogger("rushes.serve")

GONE = 499
"""Status in the log of a request whose client left; nobody receives it."""

OPEN = re.compile(r"/live|/|/favicon\.ico|/page/[^/]*")
"""Paths that need no key: whether the process lives, and the page, which asks for one."""

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer; nothing in them depends on what is sent."""

Tell = Callable[[str, int, str | None, float], None]
"""Path, status, reason and seconds of a request that has ended, for figures."""


@dataclass
class Visit:
    """What is known of a request while it is worked on.

    Attributes:
        id: by which the log has it.
        clock: of it.
        reason: why it is refused; None where it is not.
    """

    id: str
    clock: Clock
    reason: str | None = None


def visit_of(scope: Scope) -> Visit:
    """The visit that `Front` began."""
    visit: Visit = scope["state"]["visit"]
    return visit


def problem(refusal: Refusal, visit: Visit) -> Response:
    """The body of a refusal; its code goes into the log."""
    visit.reason = refusal.error
    headers = {}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = problem_of(refusal, visit).model_dump()
    return JSONResponse(body, refusal.status, headers)


def problem_of(refusal: Refusal, visit: Visit) -> Problem:
    """A refusal as it is told."""
    return Problem(error=refusal.error, detail=refusal.detail, cure=refusal.cure, request_id=visit.id)


def unexpected() -> Refusal:
    """What is told of a fault in the code: nothing but that there is one."""
    return Refusal(
        500,
        "unexpected",
        "the service failed in a way that it does not know",
        cure="the log of the service has it under this request id",
    )


def to_stderr(line: str) -> None:
    """Write a line where logs go."""
    print(line, file=sys.stderr, flush=True)


class Front:
    """The outermost layer.

    Args:
        app: what is behind it.
        keys: that it takes.
        write: takes a line of the access log.
        tell: is told of each request that has ended.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Keys,
        write: Callable[[str], None] = to_stderr,
        tell: Tell | None = None,
    ) -> None:
        self.app, self.keys, self.write, self.tell = app, keys, write, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asked = headers.get("x-request-id", "")
        visit = Visit(asked if _SANE_ID.fullmatch(asked) else uuid4().hex, Clock())
        scope.setdefault("state", {})["visit"] = visit
        sent = _Sent(send, visit)
        try:
            if not OPEN.fullmatch(scope["path"]):
                self.keys.check(headers)
            await self.app(scope, receive, sent)
        except Refusal as refusal:
            await _say(problem(refusal, visit), sent, scope, receive)
        except ClientDisconnect:
            visit.reason = "client_gone"
        except Exception as error:
            log.error("request %s failed", visit.id, exc_info=error)
            await _say(problem(unexpected(), visit), sent, scope, receive)
        except asyncio.CancelledError:  # the process ends before the request does
            await _say(problem(draining(), visit), sent, scope, receive)
        finally:
            self._close(scope, visit, sent)

    def _close(self, scope: Scope, visit: Visit, sent: _Sent) -> None:
        seconds = monotonic() - visit.clock.began
        status = sent.status or GONE
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": visit.id,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "bytes": sent.nbytes,
            "ms": round(1000.0 * seconds, 3),
            "reason": visit.reason,
        }
        self.write(json.dumps(line))
        if self.tell is not None:
            self.tell(scope["path"], status, visit.reason, seconds)


class _Sent:
    """Sends, adds the headers of every answer, and remembers what was sent."""

    def __init__(self, send: Send, visit: Visit) -> None:
        self.send, self.visit = send, visit
        self.status, self.nbytes = 0, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._add_headers(message)
        elif message["type"] == "http.response.body":
            self.nbytes += len(message.get("body", b""))
        await self.send(message)

    def _add_headers(self, message: MutableMapping[str, Any]) -> None:
        headers = MutableHeaders(scope=message)
        headers.update(HEADERS)
        headers["X-Request-Id"] = self.visit.id


async def _say(answer: Response, sent: _Sent, scope: Scope, receive: Receive) -> None:
    """Answer, unless an answer has begun: then its end is missing, and the client sees that."""
    if not sent.status:
        await answer(scope, receive, sent)
