"""Batches of the offline service; where a batch stands is a function of its age, of no thread."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rushes.label.clock import Clock
from rushes.label.offline.answers import MODEL, prompt_tokens
from rushes.label.offline.completion import complete
from rushes.label.offline.faults import Fate, Faults
from rushes.label.offline.files import File, Files, Refused
from rushes.label.tickets import QUEUED, ServerState

DAY_S = 86_400.0
MOST_REQUESTS = 50_000
_CANCEL_S = 5.0
_ENDPOINT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the service works, in seconds of its clock.

    Attributes:
        validating_s, finalizing_s: of a batch.
        request_s: of a request in a batch.
        queue_tokens: prompt tokens that may wait in all batches together.
    """

    validating_s: float = 2.0
    request_s: float = 0.02
    finalizing_s: float = 2.0
    queue_tokens: int = 2_000_000


class RunningClock:
    """A clock that runs faster than another one, and can be put forward.

    Args:
        base: the other one.
        speed: seconds of this one for a second of the other.
    """

    def __init__(self, base: Clock, speed: float = 1.0) -> None:
        self._base, self._speed, self._began_s, self._ahead_s = base, speed, base.now(), 0.0

    def now(self) -> float:
        """See `Clock.now`."""
        return self._began_s + (self._base.now() - self._began_s) * self._speed + self._ahead_s

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        self._base.sleep(seconds / self._speed)

    def advance(self, seconds: float) -> None:
        """Put it forward."""
        self._ahead_s += seconds


@dataclass(slots=True)
class _Batch:
    id: str
    file: File
    created_s: float
    metadata: Mapping[str, str] | None
    requests: list[str]
    tokens: int = 0
    failure: tuple[str, str, int | None] | None = None
    stops_at: float | None = None
    cancelled_s: float | None = None
    looks: int = 0
    counts: tuple[int, int] = (0, 0)
    results: tuple[File | None, File | None] | None = None
    tokens_used: Counter[str] = field(default_factory=Counter)


class World:
    """What the service holds.

    Args:
        folder: for the content of files.
        clock: of everything that takes time.
        faults: what goes wrong.
        pace: how fast it works.
    """

    def __init__(self, folder: Path, clock: RunningClock, faults: Faults, pace: Pace) -> None:
        self.clock, self.pace, self.faults = clock, pace, faults
        self.files = Files(folder, clock)
        self._batches: dict[str, _Batch] = {}
        self._turns: Counter[str] = Counter()
        self._lock = threading.RLock()

    # --- batches ----------------------------------------------------------------------------------------------

    def add_batch(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Make a batch; what is wrong with its file shows in its state, not here."""
        if asked.get("completion_window") != "24h":
            raise Refused(400, "Invalid value for 'completion_window': only '24h' is supported")
        if asked.get("endpoint") != _ENDPOINT:
            raise Refused(400, f"Invalid value for 'endpoint': only {_ENDPOINT} is known offline")
        if "output_expires_after" in asked and "anchor" not in asked["output_expires_after"]:
            raise Refused(400, "Missing required parameter: 'output_expires_after.anchor'")
        with self._lock:
            file = self.files.of(str(asked.get("input_file_id")))
            number = sum(one.failure is None for one in self._batches.values())
            batch = _Batch(
                f"batch_{len(self._batches) + 1:08d}", file, self.clock.now(), asked.get("metadata"), []
            )
            batch.failure = self._checked(batch)
            queued = sum(one.tokens for one in self._batches.values() if self._state(one)[0] in QUEUED)
            if batch.failure is None and queued + batch.tokens > self.pace.queue_tokens:
                told = f"Enqueued token limit reached: {queued + batch.tokens} of {self.pace.queue_tokens}"
                batch.failure = ("token_limit_exceeded", told, None)
            if number < self.faults.expiring:
                batch.stops_at = self.faults.expires_at
            self._batches[batch.id] = batch
            return self._told(batch)

    def _checked(self, batch: _Batch) -> tuple[str, str, int | None] | None:
        """Read the requests of a batch; code, message and line of what is wrong."""
        models: set[str] = set()
        for number, request in enumerate(_requests(batch.file.path), start=1):
            try:
                one, model = request["custom_id"], request["body"]["model"]
                batch.tokens += prompt_tokens(request["body"])
            except (KeyError, TypeError, AttributeError):
                return "invalid_json_line", "This line is not a valid request", number
            batch.requests.append(one)
            models.add(model)
            if len(models) > 1:
                return "mismatched_model", "All requests of a batch must ask the same model", number
            if number > MOST_REQUESTS:
                return "too_many_tasks", f"The batch has more than {MOST_REQUESTS} requests", number
        if len(set(batch.requests)) < len(batch.requests):
            return "duplicate_custom_id", "Every custom_id must be there once", None
        return None if batch.requests else ("empty_file", "The input file is empty", None)

    def batch(self, name: str) -> dict[str, Any]:
        """A batch as it stands now."""
        with self._lock:
            return self._told(self._batch(name))

    def batches(self) -> list[dict[str, Any]]:
        """The newest first."""
        with self._lock:
            return [self._told(one) for one in reversed(self._batches.values())]

    def cancel(self, name: str) -> dict[str, Any]:
        """Stop a batch; what is run stays."""
        with self._lock:
            batch = self._batch(name)
            if self._state(batch)[0] not in ("validating", "in_progress", "finalizing"):
                raise Refused(409, "Cannot cancel a batch that has ended")
            batch.cancelled_s = self.clock.now()
            return self._told(batch)

    def _batch(self, name: str) -> _Batch:
        if name not in self._batches:
            raise Refused(404, f"No batch found with id '{name}'")
        return self._batches[name]

    def _state(self, batch: _Batch) -> tuple[ServerState, int]:
        """Where a batch stands by its age, and how many of its requests are run."""
        pace, now_s, count = self.pace, self.clock.now(), len(batch.requests)
        began_s = batch.created_s + pace.validating_s
        if batch.failure is not None:
            return ("validating" if now_s < began_s else "failed"), 0
        most = count if batch.stops_at is None else int(batch.stops_at * count)

        def run(at_s: float) -> int:
            return max(0, min(most, int((at_s - began_s) / pace.request_s))) if pace.request_s else most

        expires_s = batch.created_s + DAY_S
        finalized_s = began_s + count * pace.request_s + pace.finalizing_s
        if batch.cancelled_s is not None:
            ended = now_s >= batch.cancelled_s + _CANCEL_S
            return ("cancelled" if ended else "cancelling"), run(batch.cancelled_s)
        if batch.stops_at is None and finalized_s <= min(now_s, expires_s):
            return "completed", count
        if now_s >= expires_s:
            return "expired", run(expires_s)
        if now_s < began_s:
            return "validating", 0
        return ("finalizing" if run(now_s) == count else "in_progress"), run(now_s)

    def _told(self, batch: _Batch) -> dict[str, Any]:
        state, done = self._state(batch)
        ended = state in ("completed", "expired", "cancelled")
        if ended and batch.results is None:
            self._finish(batch, done, f"batch_{state}")
        output, errors = batch.results or (None, None)
        if ended:
            batch.looks += 1
        if batch.looks <= self.faults.hidden_looks:
            output = None
        completed, failed = batch.counts if ended else (done, 0)
        errs = None
        if state == "failed" and batch.failure is not None:
            code, message, line = batch.failure
            errs = {
                "object": "list",
                "data": [{"code": code, "message": message, "line": line, "param": None}],
            }
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": _ENDPOINT,
            "errors": errs,
            "input_file_id": batch.file.id,
            "completion_window": "24h",
            "status": state,
            "output_file_id": None if output is None else output.id,
            "error_file_id": None if errors is None else errors.id,
            "created_at": int(batch.created_s),
            "expires_at": int(batch.created_s + DAY_S),
            "request_counts": {"total": len(batch.requests), "completed": completed, "failed": failed},
            "metadata": batch.metadata,
            "model": MODEL,
            "usage": _usage(batch.tokens_used) if ended else None,
        }

    def _finish(self, batch: _Batch, done: int, why: str) -> None:
        """Write what became of every request."""
        requests = {one["custom_id"]: one["body"] for one in _requests(batch.file.path)}
        order = batch.requests
        if self.faults.shuffled:
            order = sorted(order, key=lambda one: self.faults.draw("order", one))
        output: list[bytes] = []
        errors: list[bytes] = []
        completed = 0
        for one in order[:done]:
            fate = self.faults.fate(one, self._turns[one])
            self._turns[one] += 1
            line, is_answer = self._line(one, requests[one], fate, batch)
            completed += is_answer  # also where its line is lost
            (output if is_answer else errors).extend([line] * {"lost": 0, "duplicated": 2}.get(fate, 1))
        for one in order[done:]:
            said = {"code": why, "message": "This request could not be executed before the batch ended."}
            errors.append(
                _bytes({"id": f"batch_req_{one}", "custom_id": one, "response": None, "error": said})
            )
        batch.counts = (completed, len(batch.requests) - completed)
        batch.results = (
            self.files.add(f"{batch.id}_output.jsonl", "batch_output", output) if output else None,
            self.files.add(f"{batch.id}_error.jsonl", "batch_output", errors) if errors else None,
        )

    def _line(self, one: str, body: object, fate: Fate, batch: _Batch) -> tuple[bytes, bool]:
        """A line, and whether it stands in the output."""
        line: dict[str, Any] = {"id": f"batch_req_{one}", "custom_id": one, "response": None, "error": None}
        if fate == "not_run":
            line["error"] = {"code": "request_timeout", "message": "The request was not run in time."}
            return _bytes(line), False
        status, told = complete(body, int(batch.created_s), one, fate)
        if fate == "zero":
            status, told = 0, {}
        batch.tokens_used.update(told.get("usage", {}))
        line["response"] = {"status_code": status, "request_id": f"req_{one}", "body": told}
        return _bytes(line), status in (0, 200)

    def chat(self, body: object) -> tuple[int, dict[str, Any]]:
        """Answer at once."""
        one = json.dumps(body, sort_keys=True)
        with self._lock:
            turn = self._turns[one]
            self._turns[one] += 1
        if self.faults.draw("busy", one, str(turn)) < self.faults.busy:
            raise Refused(429, "Rate limit reached for requests", "rate_limit_exceeded")
        fate = self.faults.fate(one, turn)
        if fate in ("lost", "not_run", "zero"):
            fate = "failed"
        return complete(body, int(self.clock.now()), f"{len(self._turns)}", fate)


def _usage(used: Counter[str]) -> dict[str, Any]:
    return {
        "input_tokens": used["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": used["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used["total_tokens"],
    }


def _requests(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                yield None


def _bytes(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line).encode() + b"\n"
