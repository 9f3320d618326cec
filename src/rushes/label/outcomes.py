"""What came of a request: every line that a service can answer with, in one of five kinds.

A batch answers in two files, and a failure has two shapes, both in the second one: an answer with a status of HTTP
and an error in its body, or no answer at all and an error beside it. Lines with status 0 are seen, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rushes.label.question import Answer, Question

Kind = Literal["ok", "retry", "shrink", "refuse", "fault"]
"""Answered; ask again; ask a smaller question; nobody can ask this; whoever asks must change something first."""

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("batch_expired", "batch_cancelled", "request_timeout", "timeout", "lost"), "retry"),
    **dict.fromkeys(("rate_limit_exceeded", "token_limit_exceeded", "server_error", "malformed"), "retry"),
    **dict.fromkeys(("context_length_exceeded", "string_above_max_length", "length"), "shrink"),
    **dict.fromkeys(
        ("content_policy_violation", "content_filter", "moderation_blocked", "refusal"), "refuse"
    ),
    **dict.fromkeys(
        ("invalid_image", "invalid_image_format", "invalid_image_url", "image_too_large"), "refuse"
    ),
    **dict.fromkeys(("invalid_api_key", "insufficient_quota", "billing_hard_limit_reached"), "fault"),
    **dict.fromkeys(("model_not_found", "invalid_request_error", "unsupported_parameter"), "fault"),
}
"""By the code of an error; the set is open, so any other goes by its status."""

CURES: Mapping[str, str] = {
    "token_limit_exceeded": "lower label.limits.queue_tokens below what the account allows for this model",
    "invalid_api_key": "set the variable that --key-env names to a key of this service",
    "insufficient_quota": "add credit to the account, then type the same again",
    "billing_hard_limit_reached": "raise the account's limit, then type the same again",
    "model_not_found": "name a model of this service by label.model or --model",
}
CURE = "change what the message names in the recipe's section label, then type the same again"
NOT_THIS = (
    "see that --url is the address of an OpenAI-compatible service, which begins with http:// or https:// and ends "
    "in /v1"
)

MAX_LINE = 16 << 20
"""Bytes of a line of an answer; a longer one is unreadable."""

_MOST_CHARS = 500  # of a code, a message, a name
_MOST_TOKENS = 10**9  # of one request; more is no count


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request.

    Attributes:
        kind: what is to be done about it.
        code: of the error; ``stop`` of an answer.
        message: of the error, for people.
        answer: attributes, of an ``ok``.
        model: the exact one that answered.
        prompt_tokens, answer_tokens: as the service counted them; None where it did not.
    """

    kind: Kind
    code: str
    message: str = ""
    answer: Answer | None = None
    model: str = ""
    prompt_tokens: int | None = None
    answer_tokens: int | None = None


def kind_of(code: str, status: int | None = None) -> Kind:
    """What is to be done about an error.

    >>> kind_of("rate_limit_exceeded"), kind_of("?", 503), kind_of("?", 400), kind_of("?", 0), kind_of("?")
    ('retry', 'retry', 'fault', 'retry', 'retry')
    """
    if code in KINDS:
        return KINDS[code]
    return (
        "fault"
        if status is not None and 200 <= status < 500 and status not in (408, 409, 425, 429)
        else "retry"
    )


def cure_of(code: str, status: int | None = None) -> str:
    """What a person can do about an error.

    >>> cure_of("status_404", 404)[-41:]
    'and that label.model is one of its models'
    """
    nowhere = status in (404, 405)  # of a wrong path, or of a model that is called otherwise
    return CURES.get(code, f"{NOT_THIS}, and that label.model is one of its models" if nowhere else CURE)


def lines_of(path: Path) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """``custom_id`` and content of every line of an answered file; (None, {}) of one that cannot be read."""
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield None, {}
                continue
            try:
                found = json.loads(line)
                name = found["custom_id"]
            except (ValueError, KeyError, TypeError, RecursionError):
                if line.strip():
                    yield None, {}
                continue
            yield (name, found) if isinstance(name, str) and name == _plain(name) else (None, {})


def outcome_of(line: Mapping[str, Any], question: Question) -> Outcome:
    """What a line says; a line of a form that no service should send is ``malformed``, which is asked again."""
    try:
        response, error = line.get("response"), line.get("error")
        if response is None:
            code = _plain((error or {}).get("code") or "lost")
            return Outcome(kind_of(code), code, _plain((error or {}).get("message")))
        status, body = int(response["status_code"]), response.get("body") or {}
        if status != 200:
            return _refused(status, body.get("error") or error or {})
        return _answered(body, question)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as problem:
        return Outcome("retry", "malformed", _plain(f"{type(problem).__name__}: {problem}"))


def _refused(status: int, error: Mapping[str, Any]) -> Outcome:
    code = _plain(error.get("code") or error.get("type") or f"status_{status}")
    return Outcome(kind_of(code, status), code, _plain(error.get("message")))


def _answered(body: Mapping[str, Any], question: Question) -> Outcome:
    choice, usage = body["choices"][0], body.get("usage") or {}
    message, finish = choice["message"], _plain(choice.get("finish_reason") or "stop")
    said: dict[str, Any] = {
        "model": _plain(body.get("model")),
        "prompt_tokens": _count(usage.get("prompt_tokens")),
        "answer_tokens": _count(usage.get("completion_tokens")),
    }
    if message.get("refusal"):
        return Outcome("refuse", "refusal", _plain(message["refusal"]), **said)
    if finish in ("length", "content_filter"):
        return Outcome(KINDS[finish], finish, "the answer was cut off", **said)
    try:
        return Outcome("ok", finish, answer=question.read(message.get("content")), **said)
    except (ValueError, RecursionError) as problem:
        return Outcome("retry", "malformed", _plain(str(problem)), **said)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < _MOST_TOKENS else None


def _plain(value: object) -> str:
    """What a server says, short enough to keep and in letters that can be stored; half a surrogate pair cannot."""
    return str(value or "")[:_MOST_CHARS].encode(errors="replace").decode()
