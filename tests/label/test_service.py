"""A service that is hostile, or none at all: bounds hold, no key is shown, nothing is taken for done that is not."""

from __future__ import annotations

import gzip
import json
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from label_shop import FakeClock

from rushes.errors import LabelError
from rushes.label import service as calls
from rushes.label.clock import WallClock
from rushes.label.replies import retry_after_s
from rushes.label.service import Service, Unreadable, Unsure

Answer = tuple[int, dict[str, str], bytes]
KEY = "sk-0123456789abcdefghij"


@contextmanager
def answering(answer: Callable[[str], Answer]) -> Iterator[Service]:
    """A service that answers to each path as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, content = answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with Service(f"http://127.0.0.1:{server.server_port}/v1", KEY, FakeClock(), random.Random(0)) as made:
            yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def told(body: object) -> Answer:
    return 200, {}, json.dumps(body).encode()


MOVED: Answer = (302, {"location": "http://169.254.169.254/latest"}, b"")
DEEP: Answer = (200, {}, b"[" * 200_000)
BOMB: Answer = (200, {"content-encoding": "gzip"}, gzip.compress(b" " * 50_000_000))
LARGE: Answer = (200, {}, b" " * 40_000)


@pytest.mark.parametrize("answer", [MOVED, DEEP, BOMB, LARGE, told([]), (204, {}, b"")])
def test_what_no_such_service_answers_is_told_and_never_followed_nor_unpacked(answer, tmp_path, monkeypatch):
    monkeypatch.setattr(calls, "MOST_BYTES", 30_000)
    paths = []
    with answering(lambda path: paths.append(path) or answer) as service:
        for ask in (
            lambda: service.batch("b"),
            lambda: list(service.batches()),
            lambda: list(service.files()),
        ):
            with pytest.raises(Unreadable):
                ask()
        with pytest.raises(Unsure):  # it may have been made
            service.create("f", {})
    assert all(path.startswith("/v1/") for path in paths)
    assert len(paths) == 4


@pytest.mark.parametrize("answer", [MOVED, BOMB, LARGE, (204, {}, b"")])
def test_a_file_that_does_not_come_is_not_taken_for_an_empty_one(answer, tmp_path):
    with answering(lambda path: answer) as service, pytest.raises(Unreadable):
        service.download("f", tmp_path / "answers.jsonl", 30_000)
    assert not list(tmp_path.iterdir())


def test_a_list_without_an_end_is_left(monkeypatch):
    with (
        answering(lambda path: told({"data": [{"id": "same"}], "has_more": True})) as service,
        pytest.raises(Unreadable, match="no end"),
    ):
        list(service.batches())


def test_a_key_that_the_service_repeats_is_in_no_message_and_no_answer():
    error = json.dumps(
        {"error": {"code": "invalid_api_key", "message": f"Incorrect API key: {KEY}"}}
    ).encode()
    with answering(lambda path: (401, {}, error)) as service:
        with pytest.raises(LabelError) as caught:
            service.batch("b")
        answer = service.complete({})
    assert answer is not None
    assert "(key)" in answer.text
    assert KEY not in str(caught.value) + answer.text


def lost(tmp_path: Path) -> tuple[Callable[[Service], object], ...]:
    """First calls of batches and of questions one by one."""
    (tmp_path / "asked").write_text("{}")
    return lambda service: service.upload(
        tmp_path / "asked", "asked"
    ), lambda service: service.batches().__next__()


def test_an_address_without_v1_is_told_by_the_first_call(tmp_path):
    nowhere: Answer = (404, {}, b'{"detail": "Not Found"}')
    for ask in lost(tmp_path):
        with answering(lambda path: nowhere) as service, pytest.raises(LabelError) as caught:
            ask(service)
        assert "--url" in str(caught.value.cure)
        assert "ends in /v1" in str(caught.value.cure)


def test_an_address_where_nobody_listens_is_left_soon(tmp_path):
    for ask in lost(tmp_path):
        clock, said = FakeClock(), []
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with (
            Service(address, "", clock, tell=said.append) as service,
            pytest.raises(LabelError, match="nobody listens there: Connection refused") as caught,
        ):
            ask(service)
        assert "--url" in str(caught.value.cure)
        assert sum(clock.slept) <= 3.0
        assert said == [f"{address}: Connection refused; tries again, for up to 3 s"]


def test_a_service_that_fails_later_is_tried_again_and_that_is_said_once():
    answers = iter(
        [told({"id": "b"}), *[(503, {}, b"busy")] * 3, told({"id": "b"}), (503, {}, b""), told({"id": "b"})]
    )
    said: list[str] = []
    with (
        answering(lambda path: next(answers)) as made,
        Service(made.url, "", FakeClock(), tell=said.append) as service,
    ):
        for _ in range(3):
            assert service.batch("b") == {"id": "b"}
    assert [one.partition(": ")[2] for one in said] == [
        "503 busy; tries again, for up to 123 s",
        "503; tries again, for up to 123 s",
    ]


@pytest.mark.parametrize("key", [f"{KEY}\r", f"{KEY}\n", f"Bearer {KEY}", "sk-é" + KEY])
def test_a_key_that_cannot_be_sent_is_not_shown(key):
    with pytest.raises(LabelError, match="the key holds") as caught:
        Service("http://127.0.0.1:1/v1", key, FakeClock())
    assert KEY not in str(caught.value) + str(caught.value.cure)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("nan", None), ("inf", None), ("-3", 0.0), ("7", 7.0), ("1e9", 600.0), ("soon", None)],
)
def test_whatever_a_service_asks_to_wait_is_a_time(header, seconds):
    assert retry_after_s(httpx.Response(429, headers={"retry-after": header})) == seconds


def test_nobody_who_sets_the_clock_makes_time_jump(monkeypatch):
    clock = WallClock()
    before_s = clock.now()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert clock.now() >= before_s
