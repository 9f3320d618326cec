"""What the OpenAPI document says of a route: what it takes, and every status that it can answer with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from rushes.runs.door.contract import Door
from rushes.serve.keys import Keys
from rushes.serve.refusal import Problem

FORM, JSON, EVENTS = "multipart/form-data", "application/json", "text/event-stream"
COMPONENTS = "#/components/schemas/{model}"

Schema = dict[str, Any]

REFUSALS: Mapping[int, str] = {
    400: "the body is no form that can be read",
    401: "no key was sent, or one that is not known here",
    404: "there is no such item",
    408: "the upload takes too long",
    413: "the upload is larger than the service takes",
    415: "the body is of another type, or compressed",
    422: "what was sent cannot be answered; `error` says why: a field or file that is missing or unknown, "
    "undecodable, kind_not_allowed, too_long, too_large_pixels, too_many_frames, decoded_bytes_exceeded, "
    "unanswerable, crashed",
    429: "as many requests as the service takes are inside",
    500: "unexpected, or unreadable_answer where the model's answer cannot be read",
    502: "the engine that answers cannot be reached",
    503: "not_ready while the model is loaded, draining before the service stops, no_model where none can answer",
    504: "no answer in time",
    507: "there is no room for the upload",
}
"""Status -> what it means."""

_LATER = frozenset((429, 503))  # statuses that say when to come again
_REQUEST_ID = {"description": "by which the log has this request", "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "seconds until it may be worth trying again", "schema": {"type": "integer"}}


def answers(
    said: type[BaseModel], statuses: list[int], *, says: str, events: bool = False
) -> dict[int | str, Schema]:
    """The ``responses`` of a route.

    Args:
        said: its answer.
        statuses: with which it can refuse.
        says: what its answer is.
        events: whether it can be told event by event.
    """
    whole: Schema = {"model": said, "description": says, "headers": {"X-Request-Id": _REQUEST_ID}}
    if events:
        whole["content"] = {EVENTS: {"schema": {"type": "string", "description": EVENTS_SAY}}}
    return {200: whole, **refusals(statuses)}


def refusals(statuses: list[int]) -> dict[int | str, Schema]:
    """Of the ``responses`` of a route, those that answer nothing."""
    return {status: _refused(status) for status in statuses}


EVENTS_SAY = (
    "with `Accept: text/event-stream`: events `progress` (`done` of `total` parts), `partial` (what can be said "
    "already), and as the last one `result` (the whole answer) or `error` (the body of a refusal)"
)


def _refused(status: int) -> Schema:
    headers = {"X-Request-Id": _REQUEST_ID} | ({"Retry-After": _RETRY_AFTER} if status in _LATER else {})
    return {"model": Problem, "description": REFUSALS[status], "headers": headers}


def secured(keys: Keys) -> Schema:
    """That a route needs a key, where the service takes any."""
    return {"security": [{"bearer": []}, {"key": []}]} if keys else {}


# --- what a route takes -------------------------------------------------------------------------------------


def body_of(door: Door) -> Schema:
    """The ``requestBody`` of a door: a form with its files; a JSON object too where no file must be there."""
    content = {FORM: {"schema": _form(door, {name: _FILE for name in door.files}, _needed(door))}}
    if not any(door.files.values()):
        content[JSON] = {"schema": asked_schema(door)}
    return {"required": True, "content": content}


def body_of_batch(door: Door, most: int) -> Schema:
    """The ``requestBody`` of several files, each for itself."""
    files = {"files": {"type": "array", "items": _FILE, "minItems": 1, "maxItems": most}}
    return {"required": True, "content": {FORM: {"schema": _form(door, files, ["files"])}}}


_FILE = {"type": "string", "format": "binary"}


def _needed(door: Door) -> list[str]:
    return [name for name, needed in door.files.items() if needed]


def _form(door: Door, files: Mapping[str, Schema], needed: list[str]) -> Schema:
    """Texts and files of a form; a field of a form can be missing, but it cannot be null."""
    asked = asked_schema(door)
    fields = {name: _without_null(field) for name, field in asked.get("properties", {}).items()}
    return {
        "type": "object",
        "properties": {**files, **fields},
        "required": [*needed, *asked.get("required", [])],
        "additionalProperties": False,
    }


def asked_schema(door: Door) -> Schema:
    """Of what is asked beside the files; what it refers to is in `definitions_of`."""
    schema = door.asked.model_json_schema(ref_template=COMPONENTS)
    schema.pop("$defs", None)
    return schema


def definitions_of(doors: Mapping[Any, Door]) -> dict[str, Schema]:
    """Schemas that those of questions refer to."""
    found: dict[str, Schema] = {}
    for door in doors.values():
        found |= door.asked.model_json_schema(ref_template=COMPONENTS).get("$defs", {})
    return found


def _without_null(field: Schema) -> Schema:
    choices = [choice for choice in field.get("anyOf", []) if choice != {"type": "null"}]
    if not choices:
        return field
    kept = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
    return {**kept, **choices[0]} if len(choices) == 1 else {**kept, "anyOf": choices}
