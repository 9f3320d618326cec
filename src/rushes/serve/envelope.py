"""What a service adds to whatever a door answers: which request, which model, and how long it took."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from rushes.runs.door.contract import Door
from rushes.serve.refusal import Problem

T = TypeVar("T")

Stretch = Literal["upload", "queue", "decode", "model"]


class Body(BaseModel):
    """Of an answer; no more than is declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Provenance(Body):
    """Which model answers, so that an answer can be told from that of another one.

    Attributes:
        recipe, task: their names.
        train: signature of the stage that made the weights.
        weights: SHA-256 of them.
        preprocessing: SHA-256 of what is done to a recording before the model sees it.
        rushes: version of the program.
    """

    recipe: str
    task: str
    train: str
    weights: str
    preprocessing: str
    rushes: str


class Timings(Body):
    """Milliseconds of a request.

    Attributes:
        upload: reading the body.
        queue: waiting for a place before it.
        decode: waiting for the process that decodes.
        model: waiting for the model, its other requests included.
        total: from the first byte of the request to this answer.
    """

    upload: float = 0.0
    queue: float = 0.0
    decode: float = 0.0
    model: float = 0.0
    total: float = 0.0


@dataclass
class Clock:
    """Measures the stretches of one request.

    Attributes:
        began: when it came in, by `monotonic`.
        spent_s: stretch -> seconds.
    """

    began: float = field(default_factory=monotonic)
    spent_s: dict[Stretch, float] = field(default_factory=dict)

    @contextmanager
    def on(self, stretch: Stretch) -> Iterator[None]:
        """Count the block to a stretch."""
        before = monotonic()
        try:
            yield
        finally:
            self.spent_s[stretch] = self.spent_s.get(stretch, 0.0) + monotonic() - before

    @asynccontextmanager
    async def entering(self, stretch: Stretch, context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """Be in ``context``, and count how long it takes to enter and to leave it."""
        with ExitStack() as leaving:
            async with AsyncExitStack() as inside:
                with self.on(stretch):
                    entered = await inside.enter_async_context(context)
                try:
                    yield entered
                finally:
                    leaving.enter_context(self.on(stretch))

    def timings(self) -> Timings:
        """So far."""
        spent = {name: round(1000.0 * value, 3) for name, value in self.spent_s.items()}
        return Timings(**spent, total=round(1000.0 * (monotonic() - self.began), 3))


ADDED: Mapping[str, Any] = {
    "request_id": (str, Field(description="by which the log has this request")),
    "model": (Provenance, Field(description="which model answered")),
    "timings_ms": (Timings, Field(description="milliseconds that it took")),
}
"""Fields of every answer."""


def answer_of(door: Door) -> type[BaseModel]:
    """What a route says: the answer of its door, and what a service adds to every one."""
    name = f"{door.verb.capitalize()}Answer"
    return create_model(name, __base__=door.answered, __doc__=door.answered.__doc__, **ADDED)


def batch_of(door: Door) -> type[BaseModel]:
    """What a route says that answers about several recordings: of each its answer, or why there is none."""
    predictions = (list[door.answered | Problem], Field(description="of each file, in order"))  # type: ignore[name-defined]
    return create_model("BatchAnswer", __base__=Body, predictions=predictions, **ADDED)


def added(request_id: str, model: Provenance, clock: Clock) -> dict[str, Any]:
    """What a service adds to an answer."""
    return {
        "request_id": request_id,
        "model": model.model_dump(),
        "timings_ms": clock.timings().model_dump(),
    }
