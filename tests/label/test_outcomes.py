"""Every line that a service can answer with, in its kind."""

from __future__ import annotations

import json
from datetime import date

import pytest

from rushes.errors import LabelError
from rushes.label.ledger import Ledger
from rushes.label.outcomes import MAX_LINE, kind_of, lines_of, outcome_of
from rushes.label.prices import KNOWN, price_of, sunset
from rushes.label.question import Question
from rushes.label.tickets import Ticket, Tickets
from rushes.recipe.labelling import Labelling

QUESTION = Question.of(Labelling.model_validate({"attributes": {"color": {}}}), "offline")


def answer(content: object = '{"color": "red"}', finish: str = "stop", refusal: str | None = None) -> dict:
    message = {"content": content, "refusal": refusal}
    body = {"model": "m-2026", "choices": [{"message": message, "finish_reason": finish}]}
    return {
        "response": {
            "status_code": 200,
            "body": body | {"usage": {"prompt_tokens": 7, "completion_tokens": 3}},
        }
    }


def status(code: int, error: object) -> dict:
    return {"response": {"status_code": code, "body": {"error": error}}, "error": None}


@pytest.mark.parametrize(
    ("line", "kind", "code"),
    [
        (answer(), "ok", "stop"),
        (answer("no JSON"), "retry", "malformed"),
        (answer(None), "retry", "malformed"),
        (answer(refusal="no"), "refuse", "refusal"),
        (answer('{"color": "re', "length"), "shrink", "length"),
        (answer("", "content_filter"), "refuse", "content_filter"),
        (status(429, {"code": "rate_limit_exceeded"}), "retry", "rate_limit_exceeded"),
        (status(429, {"code": "insufficient_quota"}), "fault", "insufficient_quota"),
        (status(429, {"code": None, "type": "requests"}), "retry", "requests"),
        (status(500, {"type": "server_error"}), "retry", "server_error"),
        (status(503, {}), "retry", "status_503"),
        (status(0, None), "retry", "status_0"),
        (status(400, {"type": "invalid_request_error"}), "fault", "invalid_request_error"),
        (status(400, {"code": "something_new", "type": "invalid_request_error"}), "fault", "something_new"),
        (status(400, {"code": "context_length_exceeded"}), "shrink", "context_length_exceeded"),
        (status(400, {"code": "content_policy_violation"}), "refuse", "content_policy_violation"),
        (status(400, {"code": "invalid_image_url"}), "refuse", "invalid_image_url"),
        (status(404, {"code": "model_not_found"}), "fault", "model_not_found"),
        ({"response": None, "error": {"code": "batch_expired", "message": "late"}}, "retry", "batch_expired"),
        ({"response": None, "error": {"code": "of_tomorrow"}}, "retry", "of_tomorrow"),
        ({"response": None, "error": None}, "retry", "lost"),
        ({"response": {"status_code": 200, "body": {"choices": []}}}, "retry", "malformed"),
        ({"response": {"status_code": "x"}}, "retry", "malformed"),
        ({"response": 7}, "retry", "malformed"),
        ({"response": {"status_code": float("inf")}}, "retry", "malformed"),
        (status(302, {}), "fault", "status_302"),
        ({}, "retry", "lost"),
    ],
)
def test_a_line_is_of_a_kind(line, kind, code):
    found = outcome_of(line, QUESTION)
    assert (found.kind, found.code) == (kind, code)


def test_an_answer_brings_the_model_that_gave_it_and_its_tokens():
    found = outcome_of(answer(), QUESTION)
    assert (found.answer, found.model, found.prompt_tokens, found.answer_tokens) == (
        {"color": "red"},
        "m-2026",
        7,
        3,
    )


@pytest.mark.parametrize(
    "line",
    [
        answer() | {"custom_id": "\ud800"},
        answer('{"color": "\\ud800"}'),
        answer('{"color": "\ud800"}'),
        answer(refusal="\ud800" * 9_999),
        answer(finish="\ud800"),
        status(400, {"code": "\ud800", "message": "\ud800"}),
        status(400, {"code": "x" * 9_999, "message": ["\ud800"]}),
        {"error": {"code": "\ud800", "message": "x" * 99_999}},
        {"response": {"status_code": 200, "body": {"choices": {"\ud800": 1}}}},
        {"response": {"status_code": 200, "body": {"model": "\ud800", "choices": [{"message": {}}]}}},
        {
            "response": {
                "status_code": 200,
                "body": answer()["response"]["body"] | {"usage": {"prompt_tokens": 10**30}},
            }
        },
    ],
)
def test_whatever_a_line_says_can_be_stored(tmp_path, line):
    """Half a surrogate pair and a number of any size are JSON, and nothing that SQLite takes."""
    tickets, ledger = Tickets(tmp_path), Ledger(":memory:", QUESTION)
    ticket = tickets.save(Ticket(name="000001-batch", question=QUESTION.digest, collected=True))
    tickets.write_ids(ticket.name, ["one"])
    output = tickets.answers(ticket.name)[0]
    output.parent.mkdir()
    output.write_text(json.dumps({"custom_id": "one"} | line) + "\n")
    account = ledger.take(ticket, tickets)
    assert account.ok + account.error + account.missing == account.asked == 1
    assert not any(len(code) > 500 for code in ledger.reasons())
    ledger.close()


def test_what_is_not_known_goes_by_its_status():
    assert [kind_of("?", one) for one in (400, 403, 408, 409, 429, 500, 0, None)] == [
        "fault",
        "fault",
        *["retry"] * 6,
    ]


def test_unreadable_lines_are_counted_and_hide_no_other(tmp_path):
    path = tmp_path / "answers.jsonl"
    lines = [
        b'{"custom_id": "a"}',
        b"{",
        b"[]",
        b"",
        b'{"custom_id": 7}',
        b"\xff",
        b'"' + b"x" * (MAX_LINE + 9) + b'"',
    ]
    path.write_bytes(b"\n".join([*lines, b'{"custom_id": "b"}']))
    found = [name for name, _ in lines_of(path)]
    assert found == ["a", None, None, None, None, None, "b"]
    assert json.loads('{"custom_id": "a"}') == next(iter(lines_of(path)))[1]


def test_a_model_that_ends_is_told_before_and_refused_after():
    assert "in 10 days" in (sunset("gpt-5-nano", date(2026, 12, 1)) or "")
    assert "in 10 days" in (sunset("gpt-5-nano-2025-08-07", date(2026, 12, 1)) or "")
    assert sunset("gpt-5-nano", date(2026, 1, 1)) is None
    assert sunset("of-my-own", date(2026, 12, 1)) is None
    with pytest.raises(LabelError, match="was shut down on 2026-12-11") as caught:
        sunset("gpt-5-nano", date(2026, 12, 11))
    assert "--model" in caught.value.cure


def test_a_batch_is_half_the_price():
    price = price_of("gpt-5-nano")
    assert price is not None
    assert price.usd(38.6e6, 0, batch=True) == pytest.approx(0.965)  # 66,600 pictures of 512 pixels
    assert price.usd(1e6, 1e6, batch=False) == pytest.approx(0.45)
    assert price_of("nobody-knows-it") is None
    assert all(one.prompt_usd <= one.answer_usd for one in KNOWN.values())
