"""What a service replied: JSON or none, an error with its code, and how long it asks to be left alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

import httpx

from rushes.errors import LabelError
from rushes.label.outcomes import cure_of

MOST_WAIT_S = 600.0
"""That a service may ask for by Retry-After."""

_BUSY = frozenset({408, 409, 425, 429})


def json_of(response: httpx.Response) -> Any:
    """What an answer holds; None where that is no JSON."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def may_pass(response: httpx.Response) -> bool:
    """Whether the same request may be answered later: the service is busy or fails, and the account has credit."""
    busy = response.status_code >= 500 or response.status_code in _BUSY
    return busy and code_of(response) not in ("insufficient_quota", "billing_hard_limit_reached")


def refusal(response: httpx.Response) -> LabelError:
    """What the service refuses, and what to do about it."""
    code = code_of(response)
    if response.status_code == 401:
        code = "invalid_api_key"
    return LabelError(
        f"the service refuses: {error_of(response)}",
        where=str(response.url),
        cure=cure_of(code, response.status_code),
    )


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds that a service asks to be left alone for; None where it does not, or not in seconds."""
    for header, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            asked_s = float(response.headers[header]) * unit
        except (KeyError, ValueError):
            continue
        if isfinite(asked_s):
            return min(max(asked_s, 0.0), MOST_WAIT_S)
    return None


def code_of(response: httpx.Response) -> str:
    """Code of an error, or its type; empty where it has none."""
    error = _error(response)
    return str(error.get("code") or error.get("type") or "")


def error_of(response: httpx.Response) -> str:
    """Status, code and message, in a line."""
    message = str(_error(response).get("message") or response.text)
    return " ".join(f"{response.status_code} {code_of(response)} {message}".split())[:400]


def _error(response: httpx.Response) -> Mapping[str, Any]:
    found = json_of(response)
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {"message": error}
