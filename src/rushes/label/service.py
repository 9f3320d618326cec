"""The calls of an OpenAI-compatible service that labelling needs: files, batches, chat completions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from rushes.errors import LabelError
from rushes.label.clock import Clock, backoff_s
from rushes.label.outcomes import CURE, CURES
from rushes.stages import atomic_file

OPENAI = "https://api.openai.com/v1"
ENDPOINT = "/v1/chat/completions"
TRIES = 8
MOST_WAIT_S = 600.0
"""That a service may ask for by Retry-After."""

_BUSY = frozenset({408, 409, 425, 429})
_LATER = "see to the network and the service, then type the same again: it resumes"
_PAGE = 100


class Unsure(Exception):
    """A request that may or may not have been carried out."""


class Absent(Exception):
    """No such thing at the service, or not yet."""


class Service:
    """A service at an address.

    Args:
        url: up to and with ``/v1``.
        key: sent as a bearer token, and written nowhere; empty for a service that wants none.
        clock: by which is waited.
        rng: of the waits.
        timeout_s: for each part of an answer.

    Every call that may be repeated is, where it meets a broken connection, a busy or a failing service: up to `TRIES`
    times, with waits that double, or as long as the service asks for.
    """

    def __init__(
        self,
        url: str,
        key: str,
        clock: Clock,
        rng: random.Random | None = None,
        *,
        timeout_s: float = 120.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._clock, self._rng = clock, rng or random.Random()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Timeout(timeout_s, connect=10.0)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=limits, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    # --- files ------------------------------------------------------------------------------------------------

    def upload(self, path: Path, name: str) -> str:
        """Send a file of requests; its id."""

        def send() -> httpx.Response:
            with path.open("rb") as file:
                return self._http.post("/files", data={"purpose": "batch"}, files={"file": (name, file)})

        return str(self._told(send)["id"])

    def files(self) -> Iterator[Mapping[str, Any]]:
        """All files of requests."""
        return self._pages("/files", purpose="batch")

    def download(self, file: str, path: Path) -> None:
        """Bring a file, whole or not at all.

        Raises:
            Absent: the service does not find it.
        """
        self._try(lambda: self._stream(file, path))

    def _stream(self, file: str, path: Path) -> httpx.Response:
        with self._http.stream("GET", f"/files/{file}/content") as response:
            if response.status_code != 200:
                response.read()
                return response
            with atomic_file(path) as target:
                for chunk in response.iter_bytes(1 << 16):
                    target.write(chunk)
            return response

    # --- batches ----------------------------------------------------------------------------------------------

    def create(self, file: str, metadata: Mapping[str, str]) -> Mapping[str, Any]:
        """Make a batch of a file, once.

        Raises:
            Unsure: the service may have made it.
        """
        asked = {
            "input_file_id": file,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": dict(metadata),
        }
        made: Mapping[str, Any] = self._told(lambda: self._http.post("/batches", json=asked), once=True)
        return made

    def batch(self, name: str) -> Mapping[str, Any]:
        """A batch as it is now.

        Raises:
            Absent: there is none.
        """
        found: Mapping[str, Any] = self._told(lambda: self._http.get(f"/batches/{name}"))
        return found

    def batches(self) -> Iterator[Mapping[str, Any]]:
        """All batches, the newest first."""
        return self._pages("/batches")

    def _pages(self, place: str, **asked: str) -> Iterator[Mapping[str, Any]]:
        after: dict[str, str] = {}
        while True:
            params = {"limit": str(_PAGE), **asked, **after}
            try:
                told = self._told(partial(self._http.get, place, params=params))
            except Absent as error:
                raise LabelError(
                    f"the service has no list of its {place[1:]}, so nothing can be made safely: {error}",
                    where=self.url,
                    cure="ask one by one, with --provider chat",
                ) from None
            yield from told["data"]
            if not told.get("has_more") or not told["data"]:
                return
            after = {"after": str(told["data"][-1]["id"])}

    # --- chat -------------------------------------------------------------------------------------------------

    def complete(self, body: Mapping[str, Any]) -> httpx.Response:
        """One chat completion, tried once; whatever the service answers.

        Raises:
            Unsure: no answer came.
        """
        try:
            return self._http.post("/chat/completions", json=body)
        except httpx.TransportError as error:
            raise Unsure(f"{type(error).__name__}: {error}") from error

    # --- how a call is tried ----------------------------------------------------------------------------------

    def _told(self, send: Callable[[], httpx.Response], *, once: bool = False) -> Any:
        response = self._try(send, once=once)
        try:
            return response.json()
        except ValueError:
            raise LabelError(
                f"an object of JSON was to come, found {response.text[:80]!r}",
                where=str(response.url),
                cure="see that --url is the address of an OpenAI-compatible service, up to and with /v1",
            ) from None

    def _try(self, send: Callable[[], httpx.Response], *, once: bool = False) -> httpx.Response:
        """Send until there is an answer; with ``once`` never again after it may have been carried out."""
        for failures in range(1, TRIES + 1):
            try:
                response = send()
            except httpx.TransportError as error:
                said, asked_s = f"{type(error).__name__}: {error}", None
                if once and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    raise Unsure(said) from error
            else:
                if response.status_code < 400:
                    return response
                said, asked_s = error_of(response), retry_after_s(response)
                if once and response.status_code >= 500:
                    raise Unsure(said)
                if not may_pass(response):
                    raise self._refused(response)
            if failures < TRIES:
                self._clock.sleep(backoff_s(failures, self._rng) if asked_s is None else asked_s)
        raise LabelError(f"the service does not answer: {said}", where=self.url, cure=_LATER)

    def _refused(self, response: httpx.Response) -> Exception:
        if response.status_code == 404 and response.request.method == "GET":
            return Absent(error_of(response))
        return refusal(response)


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
        f"the service refuses: {error_of(response)}", where=str(response.url), cure=CURES.get(code, CURE)
    )


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds that a service asks to be left alone for; None where it does not, or not in seconds."""
    for header, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return min(max(float(response.headers[header]) * unit, 0.0), MOST_WAIT_S)
        except (KeyError, ValueError):
            continue
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
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, Mapping) else {"message": error}
