"""The route of pictures of found items."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Response

from rushes.errors import QuestionError, ShardError
from rushes.runs.door.contract import ShowsItems
from rushes.serve.keys import Keys
from rushes.serve.openapi import refusals, secured
from rushes.serve.refusal import Refusal
from rushes.serve.shared import Shared

_SAYS = "The picture of an item that was found"


def add_items(service: FastAPI, shared: Shared, keys: Keys) -> None:
    """Add the route, where a door names items that have a picture."""
    shows = next((door for door in shared.doors.values() if isinstance(door, ShowsItems)), None)
    if shows is None:
        return

    async def picture(key: str) -> Response:
        refusal = shared.unavailable()
        if refusal is not None:
            raise refusal
        try:
            return Response(await asyncio.to_thread(shows.picture, key), media_type="image/jpeg")
        except QuestionError as error:
            raise Refusal(404, "not_found", error.message, cure="ask for an item that was found") from None
        except ShardError as error:
            raise Refusal(503, "no_model", error.message, cure=error.cure) from error

    service.add_api_route(
        "/items/{key:path}.jpg",
        picture,
        methods=["GET"],
        response_class=Response,
        summary=_SAYS,
        responses={
            200: {"description": _SAYS, "content": {"image/jpeg": {"schema": {"type": "string"}}}},
            **refusals([404, 503, *([401] if keys else ())]),
        },
        openapi_extra=secured(keys),
    )
