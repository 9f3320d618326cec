"""The application: which routes there are follows from the doors of a task; the rest is the same for every one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Scope

from rushes.recipe.sections import Serve
from rushes.runs.door.contract import Door, Verb
from rushes.serve.about import about_of
from rushes.serve.bounds import bounds_text
from rushes.serve.door_routes import add_doors
from rushes.serve.envelope import Provenance
from rushes.serve.front import Front, problem, to_stderr, visit_of
from rushes.serve.gate import Admission, EarlyAnswer
from rushes.serve.item_routes import add_items
from rushes.serve.keys import EVERYBODY, Keys
from rushes.serve.openapi import definitions_of
from rushes.serve.refusal import Refusal
from rushes.serve.shared import Shared
from rushes.serve.status_routes import HERE, Machine, add_status

_SAYS = """Answers of one trained model. Every answer says which model gave it and how long it took; every refusal
has a code for programs, a sentence and a cure. Limits of this service, each with a status of its own:

"""


class Service(FastAPI):
    """A service and its parts.

    Args:
        shared: what requests share.
        keys: that it takes.
        model: which one answers.
        settings: its limits.
        workers: processes that serve together.
    """

    def __init__(self, shared: Shared, keys: Keys, model: Provenance, settings: Serve, workers: int) -> None:
        self.shared, self.keys = shared, keys

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with shared.open():
                yield

        super().__init__(
            title=f"rushes: {model.recipe}",
            version=model.rushes,
            description=_SAYS + "\n".join(f"- {line}" for line in bounds_text(settings, workers)),
            docs_url=None,
            redoc_url=None,
            lifespan=lifespan,
            redirect_slashes=False,
            strict_content_type=True,
        )

    def openapi(self) -> dict[str, Any]:
        """The document, with the keys that are needed."""
        begun = self.openapi_schema is None
        document: dict[str, Any] = super().openapi()
        if begun:
            components = document.setdefault("components", {})
            components.setdefault("schemas", {}).update(definitions_of(self.shared.doors))
            if self.keys:
                components["securitySchemes"] = {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                }
        return document


def service_app(
    doors: Mapping[Verb, Door],
    settings: Serve,
    model: Provenance,
    keys: Keys = EVERYBODY,
    *,
    folder: Path,
    machine: Machine = HERE,
    workers: int = 1,
    within: Callable[[], AbstractContextManager[object]] = nullcontext,
    write: Callable[[str], None] = to_stderr,
) -> Service:
    """The application of one process.

    Args:
        doors: of the task, by the verb under which each is asked.
        settings: the limits.
        model: which one answers.
        keys: that it takes; none lets everybody in.
        folder: of uploads while they are worked on.
        machine: on which the model answers.
        workers: processes that serve together; only told.
        within: entered around every call of the model, in its thread.
        write: takes a line of the access log.
    """
    shared = Shared(doors, settings, folder, within)
    service = Service(shared, keys, model, settings, workers)
    add_status(service, shared, keys, model, machine, about_of(doors, settings, model, keys))
    add_items(service, shared, keys)
    asked = add_doors(service, shared, settings, model, keys, machine.engine is not None)
    _add_ways_out(service)
    _add_layers(service, shared, keys, asked, write)
    return service


def _add_ways_out(service: FastAPI) -> None:
    """Say in one form whatever is refused behind the layers."""

    @service.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        return problem(refusal, visit_of(request.scope))

    @service.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
        cure = "see /docs for what there is"
        refusal = Refusal(error.status_code, code, str(error.detail), cure=cure)
        answer = problem(refusal, visit_of(request.scope))
        answer.headers.update(error.headers or {})
        return answer


def _add_layers(
    service: FastAPI, shared: Shared, keys: Keys, asked: frozenset[str], write: Callable[[str], None]
) -> None:
    """What a request passes before its route, the last one added first."""
    routes = {route.path for route in service.routes if hasattr(route, "path")} - {"/page/{name}"}

    def guards(scope: Scope) -> bool:
        return scope["method"] == "POST" and scope["path"] in asked

    def answer(scope: Scope, refusal: Refusal) -> ASGIApp:
        unavailable = shared.unavailable()  # of a model that will never be ready, more can be said
        return problem(refusal if unavailable is None else unavailable, visit_of(scope))

    def tell(path: str, status: int, reason: str | None, seconds: float) -> None:
        shared.metrics.answered(path if path in routes else "none", status, seconds)
        if reason is not None:
            shared.metrics.refused(reason)

    service.add_middleware(Admission, gate=shared.gate, guards=guards, answer=answer)
    service.add_middleware(Front, keys=keys, write=write, tell=tell)
    service.add_middleware(EarlyAnswer)
