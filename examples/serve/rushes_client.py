"""A client of a rushes service, in one file to copy. Needs httpx alone.

from rushes_client import Rushes

service = Rushes("http://127.0.0.1:8000", key="...")
print(service.predict("clip.mp4")["dominant_operation"])
for segment in service.analyze("session.mp4", told=print)["segments"]:
    print(segment["start_s"], segment["end_s"], segment["label"])
print(service.search("grey oak sideboard")["hits"][0])
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx


class Refused(Exception):
    """The service did not answer.

    Attributes:
        status: of HTTP.
        error: a code that programs can rely on, e.g. ``too_long``.
        detail, cure: for people.
        request_id: by which the log of the service has it.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.error = problem.get("error", "unknown")
        self.detail = problem.get("detail", "")
        self.cure = problem.get("cure")
        self.request_id = problem.get("request_id")
        super().__init__(" ".join(filter(None, [f"{status} {self.error}: {self.detail}", self.cure])))


class Rushes:
    """A running service.

    Args:
        url: where it listens.
        key: of the API, if it wants one.
        patience_s: how long a busy service (429, 503) is asked again, as often as it says.
    """

    def __init__(self, url: str, key: str | None = None, *, patience_s: float = 60.0) -> None:
        headers = {} if key is None else {"X-API-Key": key}
        # An answer may take as long as the service lets it; a connection that is dead is noticed by its heartbeats.
        timeout = httpx.Timeout(60.0, read=None)
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        self._patience_s = patience_s

    def __enter__(self) -> Rushes:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, file: str | Path | Mapping[str, str | Path], **asked: Any) -> dict[str, Any]:
        """The answer about one clip, or about the files of a rig by camera."""
        return self._ask("/predict", file, asked)

    def analyze(
        self,
        file: str | Path,
        told: Callable[[str, Mapping[str, Any]], object] | None = None,
        **asked: Any,
    ) -> dict[str, Any]:
        """A whole recording.

        Args:
            file: video or sound.
            told: called with ``progress`` or ``partial`` and what it says, as the answer is made.
            asked: what the door takes beside the file.
        """
        if told is None:
            return self._ask("/analyze", file, asked)
        for event, said in self._events("/analyze", file, asked):
            if event == "result":
                return said
            if event == "error":
                raise Refused(said.get("status", 500), said)
            told(event, said)
        raise Refused(502, {"error": "cut_off", "detail": "the service went away in the middle of an answer"})

    def search(
        self, words: str | None = None, image: str | Path | None = None, **asked: Any
    ) -> dict[str, Any]:
        """Items, best first, by words, by a picture, or by both."""
        said = {**asked, **({} if words is None else {"words": words})}
        return self._ask("/search", {} if image is None else {"image": image}, said)

    def ready(self) -> bool:
        """Whether the model answers."""
        return self._http.get("/ready").status_code == httpx.codes.OK

    def _ask(self, path: str, file: str | Path | Mapping[str, str | Path], asked: Mapping[str, Any]) -> Any:
        with self._sent(path, file, asked, "application/json") as response:
            response.read()
            return response.json()

    def _events(
        self, path: str, file: str | Path | Mapping[str, str | Path], asked: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        with self._sent(path, file, asked, "text/event-stream") as response:
            yield from _parsed(response.iter_lines())

    def _sent(
        self,
        path: str,
        file: str | Path | Mapping[str, str | Path],
        asked: Mapping[str, Any],
        accept: str,
    ) -> _Answer:
        files = file if isinstance(file, Mapping) else {"file": file}
        until = time.monotonic() + self._patience_s
        while True:
            answer = _Answer(self._http, path, files, asked, accept)
            if answer.response.is_success:
                return answer
            with answer as response:
                response.read()
                wait_s = float(response.headers.get("Retry-After", "nan"))
                if response.status_code not in (429, 503) or not time.monotonic() + wait_s < until:
                    raise Refused(response.status_code, _problem(response))
            time.sleep(wait_s)


class _Answer:
    """A response whose files are open as long as it is."""

    def __init__(
        self,
        http: httpx.Client,
        path: str,
        files: Mapping[str, str | Path],
        asked: Mapping[str, Any],
        accept: str,
    ) -> None:
        with ExitStack() as stack:
            opened = {name: stack.enter_context(Path(place).open("rb")) for name, place in files.items()}
            fields = {name: _text(value) for name, value in asked.items()}
            body: Mapping[str, Any] = {"data": fields, "files": opened} if opened else {"json": dict(asked)}
            self.response = stack.enter_context(http.stream("POST", path, headers={"Accept": accept}, **body))
            self._stack = stack.pop_all()

    def __enter__(self) -> httpx.Response:
        return self.response

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        said = response.json()
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"detail": response.text[:200]}


def _parsed(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events that carry JSON; comments are heartbeats."""
    event, data = "message", []
    for line in lines:
        name, _, value = line.partition(":")
        if not line and data:
            yield event, json.loads("\n".join(data))
            event, data = "message", []
        elif name == "event":
            event = value.strip()
        elif name == "data":
            data.append(value.removeprefix(" "))
