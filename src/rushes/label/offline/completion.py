"""A chat completion of the offline service, and the two shapes in which it says that there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rushes.label.offline.answers import MODEL, answer, prompt_tokens, read_question, schema_of
from rushes.label.offline.faults import Fate

Told = tuple[int, dict[str, Any]]
"""Status and body."""

UNKNOWN_MODEL = "no-such-model"


def error(status: int, message: str, code: str | None, kind: str = "invalid_request_error") -> Told:
    """A refusal with a status of HTTP."""
    return status, {"error": {"message": message, "type": kind, "param": None, "code": code}}


def complete(body: object, created: int, name: str, fate: Fate = "fine") -> Told:
    """Answer a request.

    Args:
        body: of the request, from anybody.
        created: seconds since 1970.
        name: of the answer.
        fate: of the request.
    """
    try:
        if not isinstance(body, Mapping):
            raise ValueError("a JSON object was expected")
        if body["model"] == UNKNOWN_MODEL:
            return error(404, f"The model '{UNKNOWN_MODEL}' does not exist", "model_not_found")
        title, colour = read_question(body)
        prompt = prompt_tokens(body)
        text = json.dumps(answer(title, colour, schema_of(body)))
    except ValueError as problem:
        code = "invalid_image" if "image" in str(problem) else None
        return error(400, str(problem), code)
    except (KeyError, TypeError, AttributeError) as problem:
        return error(400, f"Missing or wrong parameter: {problem}", None)
    if fate == "failed":
        return error(
            500, "The server had an error while processing your request", "server_error", "server_error"
        )
    said: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if fate == "refused":
        said |= {"content": None, "refusal": "I'm sorry, I can't help with that."}
    elif fate == "malformed":
        said["content"] = "Here is what I see: a fine thing."
    elif fate == "cut":
        said["content"] = text[: len(text) // 2]
    spent = max(1, len(said["content"] or "") // 4)
    choice = {
        "index": 0,
        "message": said,
        "finish_reason": "length" if fate == "cut" else "stop",
        "logprobs": None,
    }
    return 200, {
        "id": f"chatcmpl-{name}",
        "object": "chat.completion",
        "created": created,
        "model": MODEL,
        "choices": [choice],
        "usage": {"prompt_tokens": prompt, "completion_tokens": spent, "total_tokens": prompt + spent},
    }
