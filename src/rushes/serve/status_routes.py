"""The routes that say how the service is, and its pages."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata, resources
from typing import Any, Literal

from fastapi import FastAPI, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from rushes.serve.about import About
from rushes.serve.docs_page import docs_page
from rushes.serve.envelope import Body, Provenance
from rushes.serve.keys import EVERYBODY, Keys
from rushes.serve.openapi import answers, secured
from rushes.serve.shared import Shared

KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".html": "text/html"}
"""Suffix of a file of the page -> what it is."""


@dataclass(frozen=True, slots=True)
class Machine:
    """On which the model answers.

    Attributes:
        device: as a person would call it, e.g. ``cpu`` or ``cuda``.
        gpus: how many it has.
        engine: another server that answers; None where this process does.
    """

    device: str = "cpu"
    gpus: int = 0
    engine: str | None = None


HERE = Machine()
"""Without a GPU."""


class Live(Body):
    """The process lives; the model was not touched."""

    status: Literal["alive"] = "alive"


class Ready(Body):
    """The model has answered, and requests are taken."""

    status: Literal["ready"] = "ready"
    model: str
    adapter: str
    device: str


class Health(Body):
    """As earlier systems told it; it says so with 200 whatever the state is."""

    status: Literal["healthy", "starting", "draining", "unhealthy"]
    timestamp: str
    model_loaded: bool
    gpu_available: bool
    gpu_count: int


class Version(Body):
    """What answers, and what decodes."""

    rushes: str
    python: str
    torch: str
    av: str
    ffmpeg: str
    model: Provenance


_STATES = {"not_ready": "starting", "draining": "draining", "no_model": "unhealthy"}


def add_status(
    service: FastAPI, shared: Shared, keys: Keys, model: Provenance, machine: Machine, about: About
) -> None:
    """Add the routes that ask no model, and the pages."""

    async def live() -> dict[str, Any]:
        return Live().model_dump()

    async def ready() -> dict[str, Any]:
        refusal = shared.unavailable()
        if refusal is not None:
            raise refusal
        return Ready(model=model.recipe, adapter=model.weights, device=machine.device).model_dump()

    async def health() -> dict[str, Any]:
        refusal = shared.unavailable()
        return {
            "status": "healthy" if refusal is None else _STATES[refusal.error],
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "model_loaded": shared.gate.ready,
            "gpu_available": machine.gpus > 0,
            "gpu_count": machine.gpus,
        }

    version_said = _version(model).model_dump()

    async def version() -> dict[str, Any]:
        return version_said

    async def metrics() -> Response:
        text, kind = shared.metrics.text()
        return Response(text, media_type=kind)

    about_said = about.model_dump()

    async def what() -> dict[str, Any]:
        return about_said

    def add(path: str, says: Callable[[], Any], said: type[BaseModel], refuses: list[int], key: Keys) -> None:
        summary = (said.__doc__ or "").split(";")[0].rstrip(".")
        statuses = sorted({*refuses, *([401] if key else ())})
        service.add_api_route(
            path,
            says,
            methods=["GET"],
            response_model=None,
            summary=summary,
            responses=answers(said, statuses, says=summary),
            openapi_extra=secured(key),
        )

    add("/live", live, Live, [], EVERYBODY)
    add("/ready", ready, Ready, [503], keys)
    add("/health", health, Health, [], keys)
    add("/version", version, Version, [], keys)
    add("/about.json", what, About, [], keys)
    says = "Figures for Prometheus"
    plain = {"description": says, "content": {"text/plain": {"schema": {"type": "string"}}}}
    service.add_api_route(
        "/metrics",
        metrics,
        response_class=Response,
        summary=says,
        responses={**answers(Live, [401] if keys else [], says=says), 200: plain},
        openapi_extra=secured(keys),
    )
    _add_pages(service)


def _version(model: Provenance) -> Version:
    import av  # of what it bundles the version alone is wanted: nothing is decoded in this process

    return Version(
        rushes=model.rushes,
        python=platform.python_version(),
        torch=metadata.version("torch"),
        av=av.__version__,
        ffmpeg=av.ffmpeg_version_info,
        model=model,
    )


def _add_pages(service: FastAPI) -> None:
    pages = _page_files()

    @service.get("/", include_in_schema=False)
    async def page() -> Response:
        return asset("index.html")

    @service.get("/page/{name}", include_in_schema=False)
    async def named(name: str) -> Response:
        return asset(name)

    @service.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(docs_page(service.openapi()), media_type="text/html")

    @service.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return Response(status_code=204)

    def asset(name: str) -> Response:
        if name not in pages:
            raise HTTPException(404)
        return Response(pages[name], media_type=KINDS[name[name.rindex(".") :]])


def _page_files() -> dict[str, bytes]:
    folder = resources.files("rushes.serve").joinpath("page")
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.is_file() and file.name[file.name.rfind(".") :] in KINDS
    }
