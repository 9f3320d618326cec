"""Who is let in, in which order, and what the rest is told."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from asgi_server import Client, serving, until
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import JSONResponse

from rushes.serve.gate import Admission, EarlyAnswer, Gate
from rushes.serve.metrics import Metrics
from rushes.serve.refusal import Refusal

NO_HEADERS = ()


def refused(call):
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


def open_gate(at_once=1, queue=1, max_bytes=1000, metrics=None, **more):
    gate = Gate(at_once, queue, max_bytes, metrics or Metrics(), **more)
    gate.ready = True
    return gate


def value_of(metrics, name):
    """Of the only sample of that name."""
    text, _ = metrics.text()
    families = text_string_to_metric_families(text.decode())
    [sample] = [sample for family in families for sample in family.samples if sample.name == name]
    return sample.value


def test_whoever_comes_to_a_full_house_is_refused_until_somebody_leaves():
    gate = open_gate(at_once=2, queue=1)
    tickets = [gate.admit(NO_HEADERS) for _ in range(3)]
    busy = refused(lambda: gate.admit(NO_HEADERS))
    assert (busy.status, busy.error) == (429, "busy")
    assert busy.retry_after_s >= 1
    tickets[1].give_back()
    tickets[1].give_back()
    gate.admit(NO_HEADERS)
    assert refused(lambda: gate.admit(NO_HEADERS)).error == "busy"
    assert value_of(gate.metrics, "rushes_admitted") == 3


def test_places_are_given_in_order_and_one_who_leaves_while_waiting_takes_none():
    async def run():
        gate, order = open_gate(at_once=1, queue=9), []
        go_on = asyncio.Event()

        async def request(name):
            ticket = gate.admit(NO_HEADERS)
            try:
                async with ticket:
                    order.append(name)
                    await go_on.wait()
            finally:
                ticket.give_back()

        tasks = [asyncio.create_task(request(name)) for name in "abcd"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        assert (len(gate.inside), gate.at_work) == (3, 1)
        go_on.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == ["a", "c", "d"]
        assert (len(gate.inside), gate.at_work) == (0, 0)
        assert value_of(gate.metrics, "rushes_at_work") == value_of(gate.metrics, "rushes_admitted") == 0
        async with asyncio.timeout(1), gate.admit(NO_HEADERS):
            pass

    asyncio.run(run())


def test_the_wait_that_is_told_follows_from_recent_times():
    now = [0.0]

    async def run():
        gate = open_gate(at_once=2, queue=4, clock=lambda: now[0])
        assert gate.estimate_s() == 1
        for _ in range(3):
            ticket = gate.admit(NO_HEADERS)
            async with ticket:
                now[0] += 10.0
            ticket.give_back()
        for _ in range(6):
            gate.admit(NO_HEADERS)
        assert refused(lambda: gate.admit(NO_HEADERS)).retry_after_s == 30  # six, two at a time, 10 s each

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ([(b"content-length", b"1001")], 413, "too_large"),
        ([(b"content-length", b"9" * 5000)], 413, "too_large"),
        ([(b"content-length", b"-1")], 400, "bad_length"),
        ([(b"content-encoding", b"gzip")], 415, "compressed"),
    ],
)
def test_a_head_that_cannot_end_well_is_refused(headers, status, error):
    gate = open_gate()
    refusal = refused(lambda: gate.admit(headers))
    assert (refusal.status, refusal.error) == (status, error)
    assert not gate.inside


def test_a_head_that_fits_is_let_in():
    assert open_gate().admit([(b"content-length", b"1000"), (b"content-encoding", b"Identity")])


def test_nobody_is_let_in_before_the_model_is_there_or_while_the_service_stops():
    gate = Gate(1, 1, 1000, Metrics())
    assert refused(lambda: gate.admit(NO_HEADERS)).error == "not_ready"
    gate.ready = gate.draining = True
    draining = refused(lambda: gate.admit(NO_HEADERS))
    assert (draining.status, draining.error) == (503, "draining")
    assert draining.retry_after_s


# --- before a real server -----------------------------------------------------------------------------------


def answer(scope, refusal):
    headers = {} if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
    return JSONResponse({"error": refusal.error}, refusal.status, headers)


def app_behind(gate, told):
    """Reads a whole body; ``told`` holds the bytes of it that came; `/fail` fails after the first of them."""

    async def app(scope, receive, send):
        more = True
        while more:
            message = await receive()
            told.append(len(message.get("body", b"")))
            more = message.get("more_body", False)
            if scope["path"] == "/fail":
                await JSONResponse({"error": "early"}, 422)(scope, receive, send)
                return
        await JSONResponse(sum(told))(scope, receive, send)

    return EarlyAnswer(Admission(app, gate, lambda scope: scope["path"] != "/live", answer))


HEAD = "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n"


def test_a_refusal_comes_before_the_body_is_asked_for():
    gate, told = open_gate(), []
    with serving(app_behind(gate, told)) as port, Client(port) as client:
        client.send(HEAD.format(path="/", length=1001, more="Expect: 100-continue\r\n").encode())
        status, headers, body = client.response()
    assert (status, json.loads(body)["error"], told) == (413, "too_large", [])
    assert headers["connection"] == "close"


def test_a_body_is_asked_for_once_its_sender_is_let_in():
    gate, told = open_gate(), []
    with serving(app_behind(gate, told)) as port, Client(port) as client:
        client.send(HEAD.format(path="/", length=5, more="Expect: 100-continue\r\n").encode())
        assert client.response()[0] == 100
        client.send(b"12345")
        status, headers, body = client.response()
    assert (status, body, "connection" in headers) == (200, b"5", False)
    assert not gate.inside


def test_a_full_house_does_not_keep_the_health_check_out():
    gate, told = open_gate(at_once=1, queue=0), []
    gate.admit(NO_HEADERS)
    with serving(app_behind(gate, told)) as port:
        with Client(port) as client:
            client.send(HEAD.format(path="/", length=3, more="").encode())
            status, headers, _ = client.response()
        assert (status, headers["retry-after"], told) == (429, "1", [])
        with Client(port) as client:
            client.send(HEAD.format(path="/live", length=3, more="").encode() + b"abc")
            assert client.response()[0] == 200


def test_an_early_answer_is_heard_by_one_who_sends_on():
    """All is sent before anything is read: a connection that were closed at once would be reset."""
    gate, told = open_gate(max_bytes=10 << 20), []
    with serving(app_behind(gate, told)) as port, Client(port) as client:
        client.send(HEAD.format(path="/fail", length=4 << 20, more="").encode())
        for _ in range(64):
            client.send(bytes(64 << 10))
        status, headers, body = client.response()
    assert (status, json.loads(body), headers["connection"]) == (422, {"error": "early"}, "close")
    assert len(told) == 1
    assert not gate.inside


def test_one_who_leaves_in_the_middle_gives_the_place_back():
    gate, told = open_gate(at_once=1, queue=0), []
    with serving(app_behind(gate, told)) as port:
        with Client(port) as client:
            client.send(HEAD.format(path="/", length=100, more="").encode() + b"abc")
            until(lambda: told)
            client.socket.shutdown(socket.SHUT_RDWR)
        until(lambda: not gate.inside)
        with Client(port) as client:
            client.send(HEAD.format(path="/", length=0, more="").encode())
            assert client.response()[0] == 200


def test_a_body_that_nobody_asked_for_is_not_waited_for():
    """Its sender waits for `100 Continue`, and learns from the answer that it will not come."""
    said = []

    async def receive():
        raise AssertionError("it was asked for")

    async def send(message):
        said.append(message)

    app = EarlyAnswer(JSONResponse({"error": "early"}, 413))
    headers = [(b"content-length", b"5"), (b"expect", b"100-continue")]
    asyncio.run(app({"type": "http", "method": "POST", "headers": headers}, receive, send))
    assert [message["type"] for message in said][:2] == ["http.response.start", "http.response.body"]
    assert (b"connection", b"close") in said[0]["headers"]
    assert not said[-1].get("more_body", False)
