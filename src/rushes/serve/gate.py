"""Who is let in, decided from the head of a request, before any of its body is read.

`Gate` counts; `Admission` and `EarlyAnswer` are middlewares of plain ASGI: those that wrap requests and responses
break streams and cancellation.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rushes.serve.metrics import Metrics
from rushes.serve.refusal import Refusal, draining, not_ready

RECENT = 64
"""Requests whose time the estimate for `Retry-After` rests on."""
LINGER_S = 5.0
LINGER_BYTES = 8 << 20

Headers = Iterable[tuple[bytes, bytes]]
"""Of ASGI: names in lower case."""


class Gate:
    """Lets at most ``at_once + queue`` requests in, and ``at_once`` of them to work; one a process.

    Args:
        at_once: requests that are worked on together.
        queue: more that may upload and wait.
        max_bytes: of the body of a request.
        metrics: told who is in.
        clock: seconds, never going back.

    Attributes:
        ready: the model has answered once.
        draining: the service is about to stop.
    """

    def __init__(
        self,
        at_once: int,
        queue: int,
        max_bytes: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.at_once, self.queue, self.max_bytes = at_once, queue, max_bytes
        self.metrics, self.clock = metrics, clock
        self.ready = self.draining = False
        self.places = asyncio.Semaphore(at_once)  # hands its places out in order
        self.inside: set[Ticket] = set()
        self._recent: deque[float] = deque(maxlen=RECENT)

    @property
    def at_work(self) -> int:
        """Requests that have a place."""
        return sum(ticket.began is not None for ticket in self.inside)

    def admit(self, headers: Headers) -> Ticket:
        """Let a request in, and count it until its ticket is given back.

        Raises:
            Refusal: 503 ``draining`` or ``not_ready``, 415 ``compressed``, 400 ``bad_length``,
                413 ``too_large``, 429 ``busy``.
        """
        if self.draining:
            raise draining()
        if not self.ready:
            raise not_ready()
        self._require_fit(headers)
        if len(self.inside) >= self.at_once + self.queue:
            wait_s = self.estimate_s()
            raise Refusal(
                429,
                "busy",
                f"the {self.at_once + self.queue:,} places are taken: {self.at_once:,} at work, {self.queue:,} "
                "in the queue",
                cure=f"ask again in {wait_s} s",
                retry_after_s=wait_s,
            )
        return Ticket(self)

    def estimate_s(self) -> int:
        """Whole seconds until those who wait now will have begun, as fast as it went lately; at least 1."""
        began = [self.clock() - ticket.began for ticket in self.inside if ticket.began is not None]
        recent = self._recent or [max(began, default=0.0)]
        waiting = max(1, len(self.inside) - len(began))
        return max(1, math.ceil(sum(recent) / len(recent) * waiting / self.at_once))

    def note(self, seconds: float) -> None:
        """Learn how long a request held its place."""
        self._recent.append(seconds)

    def _require_fit(self, headers: Headers) -> None:
        told = {name: value for name, value in headers if name in (b"content-length", b"content-encoding")}
        coding = told.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
        if coding not in ("identity", ""):
            raise Refusal(
                415,
                "compressed",
                f"the body comes with Content-Encoding {coding[:40]!r}",
                cure="send it as it is: recordings are compressed already",
            )
        length = told.get(b"content-length", b"0")
        if not length.isdigit():
            raise Refusal(400, "bad_length", "Content-Length is not a number")
        if len(length) > 18 or int(length) > self.max_bytes:
            raise too_large(self.max_bytes, int(length) if len(length) <= 18 else None)


def too_large(max_bytes: int, nbytes: int | None = None) -> Refusal:
    """The refusal of a body.

    Args:
        max_bytes: that it may have.
        nbytes: that it has; None where nobody knows.
    """
    has = "more" if nbytes is None else f"{nbytes / 1e6:,.2f} MB"
    return Refusal(
        413,
        "too_large",
        f"a body may have {max_bytes / 1e6:,g} MB, and this one has {has}",
        cure="send a shorter recording, or one of lower quality; whoever runs the service can raise serve.max_mb",
    )


class Ticket:
    """A request that was let in.

    ``async with ticket:`` waits for a place, those who began to wait earlier first, and gives it back. A caller
    that is cancelled there, or whose ticket is given back, takes nothing with it.

    Attributes:
        began: when it got its place, by the clock of the gate; None before and after.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.began: float | None = None
        gate.inside.add(self)
        gate.metrics.admitted(1)

    async def __aenter__(self) -> Ticket:
        with self.gate.metrics.timed("queue"):
            await self.gate.places.acquire()
        self.began = self.gate.clock()
        self.gate.metrics.at_work(1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(whole=kind is None)

    def give_back(self) -> None:
        """The request is over; once is enough, and more does no harm."""
        self._leave(whole=False)
        if self in self.gate.inside:
            self.gate.inside.remove(self)
            self.gate.metrics.admitted(-1)

    def _leave(self, *, whole: bool) -> None:
        if self.began is None:
            return
        if whole:  # one that failed early says nothing about the next
            self.gate.note(self.gate.clock() - self.began)
        self.began = None
        self.gate.metrics.at_work(-1)
        self.gate.places.release()


class Admission:
    """Asks the gate before the application hears of a request; the ticket is ``scope["state"]["ticket"]``.

    Args:
        app: what is behind.
        gate: asked.
        guards: whether a request must be let in; ``/live``, ``/ready`` and ``/metrics`` must not need it.
        answer: how a refusal is said.
    """

    def __init__(
        self,
        app: ASGIApp,
        gate: Gate,
        guards: Callable[[Scope], bool],
        answer: Callable[[Scope, Refusal], ASGIApp],
    ) -> None:
        self.app, self.gate, self.guards, self.answer = app, gate, guards, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http" or not self.guards(scope):
            await self.app(scope, receive, send)
            return
        try:
            ticket = self.gate.admit(scope["headers"])
        except Refusal as refusal:
            await self.answer(scope, refusal)(scope, receive, send)
            return
        scope.setdefault("state", {})["ticket"] = ticket
        try:
            await self.app(scope, receive, send)
        finally:
            ticket.give_back()


class EarlyAnswer:
    """Makes an answer heard that comes before its body was read.

    Closing a connection on a client that still sends resets it, and many clients, and proxies, then never see
    why. So such an answer says ``Connection: close``, is sent whole, and what still comes is thrown away for a
    moment, without being kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back."""
        if scope["type"] != "http" or not _has_body(scope["headers"]):
            await self.app(scope, receive, send)
            return
        body = _Body(receive, waits=any(name == b"expect" for name, _ in scope["headers"]))
        early = lingers = False

        async def say(message: Message) -> None:
            nonlocal early, lingers
            if message["type"] == "http.response.start" and not body.ended:
                early = True
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if early and last and not body.ended:
                lingers = True
                message = {**message, "more_body": True}
            await send(message)

        await self.app(scope, body.receive, say)
        if lingers:  # only now: the request is over, and has given its place back
            await body.discard()
            await send({"type": "http.response.body"})


class _Body:
    """The body of a request, and whether it has come to its end.

    Args:
        receive: where it comes from.
        waits: the client sends it only when it is asked to.
    """

    def __init__(self, receive: Receive, *, waits: bool) -> None:
        self._receive, self._waits = receive, waits
        self.ended = False

    async def receive(self) -> Message:
        self._waits = False
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.ended = True
        return message

    async def discard(self) -> None:
        if self._waits:
            return
        nbytes = 0
        try:
            async with asyncio.timeout(LINGER_S):
                while not self.ended and nbytes < LINGER_BYTES:
                    nbytes += len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass


def _has_body(headers: Headers) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in headers
    )
