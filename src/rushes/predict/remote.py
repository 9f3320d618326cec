"""An OpenAI-compatible server that answers with an export of the model, such as vLLM or SGLang."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """Where it listens.

    Attributes:
        url: up to and with ``/v1``.
        model: its name there; None takes the only one that it has.
        key: sent as a bearer token; None sends none.
    """

    url: str
    model: str | None = None
    key: str | None = None
