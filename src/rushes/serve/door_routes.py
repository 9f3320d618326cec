"""The routes by which a model is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute

from rushes.recipe.sections import Serve
from rushes.runs.door.contract import Door
from rushes.serve.envelope import Provenance, added, answer_of, batch_of
from rushes.serve.front import Visit, problem_of, visit_of
from rushes.serve.gate import Ticket
from rushes.serve.keys import Keys
from rushes.serve.openapi import EVENTS, answers, body_of, body_of_batch, secured
from rushes.serve.refusal import Refusal
from rushes.serve.responses import Work, WorkResponse
from rushes.serve.session import Session, Show, asked_of, asked_of_json
from rushes.serve.shared import Shared

MOST_FILES = 100
"""Of one batch."""

BATCHED = "file"
"""Name of the field of a door whose recordings can come several at once."""

STREAMED = "analyze"
"""The verb whose answers can be told event by event."""

MOST_JSON_BYTES = 64_000

STATUSES = [400, 408, 413, 415, 422, 429, 500, 503, 504, 507]
"""With which a model that is asked can refuse."""


@dataclass(frozen=True, slots=True)
class DoorRoutes:
    """A door under its route.

    Attributes:
        door: that is asked.
        shared: what requests share.
        session: the way of a request through them.
        model: which one answers.
        deadline_s: longest time for an answer.
        upload_s: longest time for a body.
    """

    door: Door
    shared: Shared
    session: Session
    model: Provenance
    deadline_s: float
    upload_s: float

    async def one(self, request: Request) -> Response:
        """Answer about one recording, or about words alone; event by event where that is asked for."""
        streams = self.door.verb == STREAMED and EVENTS in request.headers.get("accept", "")
        return WorkResponse(self._one, self.deadline_s, streams)

    async def many(self, request: Request) -> Response:
        """Answer about several recordings, each for itself."""
        return WorkResponse(self._many, self.deadline_s)

    @asynccontextmanager
    async def _one(self, request: Request) -> AsyncIterator[Work]:
        clock = visit_of(request.scope).clock
        if not any(self.door.files.values()) and _is_json(request):
            with clock.on("upload"):
                body = await self._json(request)
            yield self._working(request, asked_of_json(self.door, body), {})
            return
        uploading = self.shared.uploads.receive(request, self.door.files)
        async with clock.entering("upload", uploading) as received:
            yield self._working(request, asked_of(self.door, received.fields), received.files)

    def _working(self, request: Request, asked: Any, files: Mapping[str, Path]) -> Work:
        visit = visit_of(request.scope)

        async def work(show: Show) -> Mapping[str, Any]:
            async with visit.clock.entering("queue", _ticket(request)):
                answered = await self.session.answer(self.door, asked, files, visit.clock, show)
            said = answered.model_dump(mode="json")
            if isinstance(said.get("parse_stage"), str):
                self.shared.metrics.parsed(said["parse_stage"])
            return said | added(visit.id, self.model, visit.clock)

        return work

    @asynccontextmanager
    async def _many(self, request: Request) -> AsyncIterator[Work]:
        visit = visit_of(request.scope)
        uploading = self.shared.uploads.receive(request, {"files": True}, MOST_FILES)
        async with visit.clock.entering("upload", uploading) as received:
            asked = asked_of(self.door, received.fields)

            async def work(show: Show) -> Mapping[str, Any]:
                async with visit.clock.entering("queue", _ticket(request)):
                    said = [await self._each(visit, asked, upload.path) for upload in received.uploads]
                return {"predictions": said, **added(visit.id, self.model, visit.clock)}

            yield work

    async def _each(self, visit: Visit, asked: Any, path: Path) -> Mapping[str, Any]:
        try:
            answered = await self.session.answer(self.door, asked, {BATCHED: path}, visit.clock)
        except Refusal as refusal:
            if refusal.status != 422:  # not of this file alone
                raise
            return problem_of(refusal, visit).model_dump()
        return answered.model_dump(mode="json")

    async def _json(self, request: Request) -> bytes:
        body = b""
        try:
            async with asyncio.timeout(self.upload_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > MOST_JSON_BYTES:
                        raise Refusal(413, "too_large", f"a JSON object may have {MOST_JSON_BYTES:,} bytes")
        except TimeoutError:
            raise Refusal(408, "upload_too_slow", f"a body may take {self.upload_s:g} s") from None
        return body


def _is_json(request: Request) -> bool:
    kind: str = request.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == "application/json"


def _ticket(request: Request) -> Ticket:
    """Waits for a place at work where it is entered."""
    ticket: Ticket = request.scope["state"]["ticket"]
    return ticket


def add_doors(
    service: FastAPI, shared: Shared, settings: Serve, model: Provenance, keys: Keys, engine: bool
) -> frozenset[str]:
    """Add a route for each door.

    Args:
        service: filled.
        shared: what requests share.
        settings: the limits.
        model: which one answers.
        keys: that it takes.
        engine: whether another server answers, which may be out of reach.

    Returns:
        Paths of the routes.
    """
    session = Session(shared.children, shared.lane, shared.metrics, settings.deadline_s, engine)
    statuses = sorted({*STATUSES, *([401] if keys else ()), *([502] if engine else ())})
    for verb, door in shared.doors.items():
        routes = DoorRoutes(door, shared, session, model, settings.deadline_s, settings.upload_s)
        service.add_api_route(
            f"/{verb}",
            routes.one,
            methods=["POST"],
            response_model=None,
            summary=door.summary,
            responses=answers(answer_of(door), statuses, says=door.summary, events=verb == STREAMED),
            openapi_extra={"requestBody": body_of(door), **secured(keys)},
        )
        if verb == "predict" and list(door.files) == [BATCHED]:
            says = "Of each file its answer, or why there is none"
            service.add_api_route(
                f"/batch_{verb}",
                routes.many,
                methods=["POST"],
                response_model=None,
                summary=says,
                responses=answers(batch_of(door), statuses, says=says),
                openapi_extra={"requestBody": body_of_batch(door, MOST_FILES), **secured(keys)},
            )
    return frozenset(
        route.path for route in service.routes if isinstance(route, APIRoute) and "POST" in route.methods
    )
