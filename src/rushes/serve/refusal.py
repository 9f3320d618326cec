"""Whatever a service says instead of an answer: a status, a code for programs, a sentence and a cure for people."""

from __future__ import annotations

from pydantic import BaseModel

SOON_S = 5
"""When it may be worth asking a service again that starts or stops."""


class Problem(BaseModel):
    """The body of every refusal.

    Attributes:
        error: a code that programs can rely on, e.g. ``too_long``.
        detail: what was asked and what was found.
        cure: what to do.
        request_id: by which the log has it.
    """

    error: str
    detail: str
    cure: str | None = None
    request_id: str | None = None


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        error, detail, cure: see `Problem`.
        retry_after_s: when it may be worth trying again.
    """

    def __init__(
        self,
        status: int,
        error: str,
        detail: str,
        *,
        cure: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        self.status, self.error, self.detail, self.cure = status, error, detail, cure
        self.retry_after_s = retry_after_s
        super().__init__(status, error, detail)


def draining() -> Refusal:
    """The refusal of whoever comes when the service is told to stop."""
    return Refusal(
        503,
        "draining",
        "this service is about to stop",
        cure=f"ask another replica, or again in {SOON_S} s",
        retry_after_s=SOON_S,
    )


def not_ready() -> Refusal:
    """The refusal of whoever comes before the model has answered once."""
    return Refusal(
        503,
        "not_ready",
        "the model is still being loaded",
        cure=f"ask again in {SOON_S} s; /ready says when it is",
        retry_after_s=SOON_S,
    )
