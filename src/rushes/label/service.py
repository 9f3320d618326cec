"""The calls of an OpenAI-compatible service that labelling needs: files, batches, chat completions."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from rushes.errors import LabelError
from rushes.label.clock import Clock, backoff_s, longest_s
from rushes.label.outcomes import MAX_LINE, NOT_THIS
from rushes.label.replies import error_of, json_of, may_pass, refusal, retry_after_s
from rushes.stages import atomic_file

OPENAI = "https://api.openai.com/v1"
ENDPOINT = "/v1/chat/completions"
TRIES, FIRST_TRIES = 8, 3
CONNECT_S = 10.0
MOST_BYTES = MAX_LINE
"""Of an answer that is held in memory."""

LATER = "see to the network and the service, then type the same again: it resumes"
_PAGE, _MOST_PAGES = 100, 10_000
_SECRET_BYTES = 16  # a shorter key, such as "none", is no secret, and may be part of an answer


class Unreadable(LabelError):
    """An answer that came, and is not what such a service answers; whatever was asked may have been done."""


class Unsure(Exception):
    """A request that may or may not have been carried out."""


class Absent(Exception):
    """No such thing at the service, or not yet."""


class Service:
    """A service at an address.

    Args:
        url: up to and with ``/v1``.
        key: sent as a bearer token, and written nowhere, also where an error or a completion repeats it; empty for a
            service that wants none.
        clock: by which is waited.
        rng: of the waits.
        timeout_s: for each part of an answer.
        tell: told, in words, that something is tried again and for how long; once until something is answered.

    Every call that may be repeated is, where it meets a broken connection, a busy or a failing service: up to `TRIES`
    times, with waits that double, or as long as the service asks for. Where nobody listens from the start it ends after
    `FIRST_TRIES`: the address will be wrong. No redirect is followed, and nothing is
    unpacked: an answer is as long as what was sent, and bounded.

    Raises:
        LabelError: the key is none that can be sent.
    """

    def __init__(
        self,
        url: str,
        key: str,
        clock: Clock,
        rng: random.Random | None = None,
        *,
        timeout_s: float = 120.0,
        tell: Callable[[str], None] = lambda said: None,
    ) -> None:
        self.url = url.rstrip("/")
        self._clock, self._rng, self._tell = clock, rng or random.Random(), tell
        self._there = self._told_again = False
        if not all("!" <= char <= "~" for char in key):  # httpx would quote it in an error
            raise LabelError(
                "the key holds a space, a line's end or another character that no key has",
                cure="set its variable again, to the key alone",
            )
        self._key = key.encode()
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
        limits = httpx.Timeout(timeout_s, connect=CONNECT_S)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=limits, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def require_there(self) -> None:
        """See, before the first call, that somebody listens at the address; nothing is sent.

        Raises:
            LabelError: nobody does.
        """
        if self._there:
            return
        url = self._http.base_url
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        for failures in range(1, FIRST_TRIES + 1):
            try:
                socket.create_connection((url.host, port), CONNECT_S).close()
            except OSError as error:
                said = f"{error.strerror or error}"
            else:
                self._there = True
                return
            if failures < FIRST_TRIES:
                self._say_again(said, FIRST_TRIES)
                self._clock.sleep(backoff_s(failures, self._rng))
        raise LabelError(
            f"nobody listens there: {said}", where=self.url, cure=f"{NOT_THIS}, and that it runs"
        )

    def _say_again(self, said: str, tries: int) -> None:
        if not self._told_again:
            self._tell(f"{self.url}: {said}; tries again, for up to {longest_s(tries - 1):.0f} s")
        self._told_again = True

    # --- files ------------------------------------------------------------------------------------------------

    def upload(self, path: Path, name: str) -> str:
        """Send a file of requests; its id."""

        def send() -> httpx.Response:
            with path.open("rb") as file:
                return self._call("POST", "/files", data={"purpose": "batch"}, files={"file": (name, file)})

        told = self._told(send)
        if not isinstance(told.get("id"), str):
            raise Unreadable("a file was sent, and the service names none", where=self.url, cure=NOT_THIS)
        return str(told["id"])

    def files(self) -> Iterator[Mapping[str, Any]]:
        """All files of requests."""
        return self._pages("/files", purpose="batch")

    def download(self, file: str, path: Path, most_bytes: int) -> None:
        """Bring a file, whole or not at all.

        Raises:
            Absent: the service does not find it.
            LabelError: it is larger than ``most_bytes``, or does not come.
        """

        def send() -> httpx.Response:
            with self._http.stream("GET", f"/files/{file}/content") as response:
                if response.status_code != 200:
                    return self._whole(response)
                with atomic_file(path) as target:
                    for part in _parts(response, most_bytes):
                        target.write(part)
                return response

        if (status := self._try(send).status_code) != 200:
            raise Unreadable(f"a file was to come, found status {status}", where=f"{self.url}/files/{file}")

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
        try:
            return self._told(lambda: self._call("POST", "/batches", json=asked), once=True)
        except Unreadable as error:
            raise Unsure(str(error)) from error

    def batch(self, name: str) -> Mapping[str, Any]:
        """A batch as it is now.

        Raises:
            Absent: there is none.
        """
        return self._told(lambda: self._call("GET", f"/batches/{name}"))

    def batches(self) -> Iterator[Mapping[str, Any]]:
        """All batches, the newest first."""
        return self._pages("/batches")

    def _pages(self, place: str, **asked: str) -> Iterator[Mapping[str, Any]]:
        after: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            params = {"limit": str(_PAGE), **asked, **after}
            try:
                told = self._told(partial(self._call, "GET", place, params=params))
            except Absent as error:
                raise LabelError(
                    f"the service has no list of its {place[1:]}, so nothing can be made safely: {error}",
                    where=self.url,
                    cure=f"{NOT_THIS}; one that has no batches is asked one by one, with --provider chat",
                ) from None
            rows = told.get("data")
            if not isinstance(rows, list) or not all(isinstance(row, dict) and "id" in row for row in rows):
                break
            yield from rows
            last = {"after": str(rows[-1]["id"])} if rows else after
            if not told.get("has_more") or not rows:
                return
            if last == after:
                break
            after = last
        raise Unreadable(f"the list of {place[1:]} has no end, or is none", where=self.url, cure=NOT_THIS)

    # --- chat -------------------------------------------------------------------------------------------------

    def complete(self, body: Mapping[str, Any]) -> httpx.Response | None:
        """One chat completion, tried once; whatever the service answers, None where it was not reached.

        Raises:
            Unsure: it was sent, and no answer came.
        """
        try:
            response = self._call("POST", "/chat/completions", json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            self._say_again(f"{error}", TRIES)
            return None
        except httpx.TransportError as error:
            raise Unsure(f"{type(error).__name__}: {error}") from error
        self._told_again = False
        return response

    # --- how a call is tried ----------------------------------------------------------------------------------

    def _call(self, method: str, place: str, **sent: Any) -> httpx.Response:
        with self._http.stream(method, place, **sent) as response:
            return self._whole(response)

    def _whole(self, response: httpx.Response) -> httpx.Response:
        """An answer in memory, without the key."""
        content = b"".join(_parts(response, MOST_BYTES))
        if len(self._key) >= _SECRET_BYTES:
            content = content.replace(self._key, b"(key)")
        status, request = response.status_code, response.request
        return httpx.Response(status, headers=_waits(response), content=content, request=request)

    def _told(self, send: Callable[[], httpx.Response], *, once: bool = False) -> dict[str, Any]:
        response = self._try(send, once=once)
        found = json_of(response)
        if response.status_code >= 300 or not isinstance(found, dict):
            raise Unreadable(
                f"an object of JSON was to come, found status {response.status_code} and {response.text[:80]!r}",
                where=str(response.url),
                cure=NOT_THIS,
            )
        return found

    def _try(self, send: Callable[[], httpx.Response], *, once: bool = False) -> httpx.Response:
        """Send until there is an answer; with ``once`` never again after it may have been carried out."""
        self.require_there()
        for failures in range(1, TRIES + 1):
            try:
                response = send()
            except httpx.TransportError as error:
                said, asked_s = f"{type(error).__name__}: {error}", None
                if once and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    raise Unsure(said) from error
            else:
                if response.status_code < 400:
                    self._told_again = False
                    return response
                said, asked_s = error_of(response), retry_after_s(response)
                if once and response.status_code >= 500:
                    raise Unsure(said)
                if not may_pass(response):
                    raise self._refused(response)
            if failures < TRIES:
                self._say_again(said, TRIES)
                self._clock.sleep(backoff_s(failures, self._rng) if asked_s is None else asked_s)
        raise LabelError(f"the service does not answer: {said}", where=self.url, cure=LATER)

    def _refused(self, response: httpx.Response) -> Exception:
        if response.status_code == 404 and response.request.method == "GET":
            return Absent(error_of(response))
        return refusal(response)


def _parts(response: httpx.Response, most_bytes: int) -> Iterator[bytes]:
    """The body of an answer as it was sent.

    Raises:
        Unreadable: it is packed, so a few bytes could become any number, or larger than ``most_bytes``.
    """
    where, packed = str(response.url), response.headers.get("content-encoding", "identity")
    if packed != "identity":
        raise Unreadable(f"an answer comes packed as {packed}, which was not asked for", where=where)
    size = 0
    for part in response.iter_raw():
        size += len(part)
        if size > most_bytes:
            raise Unreadable(f"an answer is larger than {most_bytes:,} bytes", where=where, cure=NOT_THIS)
        yield part


def _waits(response: httpx.Response) -> dict[str, str]:
    names = ("retry-after", "retry-after-ms")
    return {name: response.headers[name] for name in names if name in response.headers}
