"""The page for raters, and what it asks: where a rater stands, pictures, votes. Nothing here knows the key.

Addresses hold the token of a rater, a position in that rater's order and a place on the screen, and nothing else,
so the same picture in both lists has two addresses, and one list of two pairs has none in common.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from rushes.arena.ballot import Ballot, Choice, Id
from rushes.arena.box import Box
from rushes.arena.study import SHOWN, Record, picture_path
from rushes.runs.listening import address_of

MOST_BYTES = 4096  # of what a page may send
TILES = 2 * SHOWN

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer; nothing in them depends on what is sent."""

KINDS = {"arena.css": "text/css", "arena.js": "text/javascript"}


class _Step(Record):
    """What a page sends; the id is made once for each press, so sending it again has no second effect."""

    id: Id
    position: Annotated[int, Field(ge=0)]


class _Cast(_Step):
    choice: Choice
    ms: Annotated[int, Field(ge=0, le=10**9)]


def arena_app(box: Box, ended: Callable[[], None] = lambda: None) -> FastAPI:
    """The application.

    Handlers are coroutines that never wait, so each change of a ballot is one step: two pages cannot both be the
    one that votes for a pair.

    Args:
        box: of the study.
        ended: called when the last rater has finished and the study was closed.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    tokens = {rater.token: box.ballots[rater.name] for rater in box.study.raters}

    def ballot_of(token: str) -> Ballot:
        if token not in tokens:
            raise HTTPException(404, "no rater has this link")
        return tokens[token]

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        length, parts = request.headers.get("content-length", "0"), "transfer-encoding" in request.headers
        fits = length.isdecimal() and len(length) < 9 and int(length) <= MOST_BYTES
        if parts or not fits or (request.method == "POST" and not int(length)):  # parts go before a length
            answer: Response = JSONResponse({"detail": "too much, or of unknown length"}, 413)
        else:
            answer = await go_on(request)
        answer.headers.update(HEADERS)
        return answer

    @app.exception_handler(OSError)
    async def refused(request: Request, error: OSError) -> Response:
        return JSONResponse({"detail": f"the machine refuses: {error.strerror}"}, 507)

    @app.get("/favicon.ico")
    async def icon() -> Response:
        return Response(status_code=204)

    @app.get("/page/{name}")
    async def asset(name: str) -> Response:
        if name not in KINDS:
            raise HTTPException(404)
        return Response(_page_file(name), media_type=KINDS[name])

    @app.get("/r/{token}")
    async def page(token: str) -> Response:
        ballot_of(token)
        return Response(_page_file("arena.html"), media_type="text/html")

    @app.get("/r/{token}/state")
    async def state(token: str) -> dict[str, Any]:
        return _state(ballot_of(token), box.closed)

    @app.get("/r/{token}/{position}/{place}.jpg")
    async def picture(token: str, position: int, place: int) -> Response:
        ballot = ballot_of(token)
        if not 0 <= position < min(ballot.position + 2, len(ballot.showings)) or not 0 <= place <= TILES:
            raise HTTPException(404)
        shown = ballot.showings[position]
        token_of = shown.pair.picture if place == 0 else shown.tiles()[place - 1]
        if token_of is None:
            raise HTTPException(404)
        return Response(picture_path(box.folder, token_of).read_bytes(), media_type="image/jpeg")

    @app.post("/r/{token}/vote")
    async def vote(token: str, cast: _Cast) -> dict[str, Any]:
        ballot = ballot_of(token)
        if not box.closed:
            ballot.vote(cast.id, cast.position, cast.choice, cast.ms)
        return _state(ballot, box.closed)

    @app.post("/r/{token}/undo")
    async def undo(token: str, step: _Step) -> dict[str, Any]:
        ballot = ballot_of(token)
        if not box.closed:
            ballot.undo(step.id, step.position)
        return _state(ballot, box.closed)

    @app.post("/r/{token}/finish")
    async def finish(token: str, step: _Step) -> dict[str, Any]:
        ballot = ballot_of(token)
        if not box.closed:
            ballot.finish(step.id)
            if box.complete:
                box.close()
                ended()
        return _state(ballot, box.closed)

    return app


Phase = Literal["voting", "all judged", "finished", "closed"]


def _state(ballot: Ballot, closed: bool) -> dict[str, Any]:
    """All that a page is told: how far the rater is, this pair and the next; no score of any kind."""
    total = len(ballot.showings)
    phase: Phase = "voting" if ballot.position < total else "all judged"
    if ballot.finished or closed:
        phase = "finished" if ballot.finished else "closed"
    return {
        "phase": phase,
        "position": ballot.position,
        "total": total,
        "left_s": None if ballot.left_s is None else round(ballot.left_s),
        "now": _question(ballot, ballot.position),
        "next": _question(ballot, ballot.position + 1),
    }


def _question(ballot: Ballot, position: int) -> dict[str, Any] | None:
    if position >= len(ballot.showings):
        return None
    pair = ballot.showings[position].pair
    return {"position": position, "text": pair.text, "picture": pair.picture is not None}


def _page_file(name: str) -> bytes:
    return resources.files("rushes.arena").joinpath("page", name).read_bytes()


# --- the process --------------------------------------------------------------------------------------------


def links(box: Box, listening: socket.socket) -> dict[str, str]:
    """Name of each rater -> the link to send."""
    return {rater.name: f"{address_of(listening)}/r/{rater.token}" for rater in box.study.raters}


def serve(box: Box, listening: socket.socket, ended: Callable[[], None]) -> None:
    """Take votes until somebody stops the process, or ``ended`` does."""
    config = uvicorn.Config(
        arena_app(box, ended), log_level="warning", access_log=False, server_header=False, lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[listening])
