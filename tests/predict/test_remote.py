"""An engine that is busy, slow, hostile or no engine at all."""

from __future__ import annotations

import json
import random

import httpx
import pytest

from rushes.errors import AnswerError, ModelError
from rushes.predict.remote import MOST_BYTES, MOST_WAIT_S, TRIES, Engine, Remote, Shown
from rushes.tasks.operations.preprocessing import ClipPreprocessing

PREPROCESSING = ClipPreprocessing(frames=2, frame_size=(56, 56), labels=("Pick", "Tape", "Inner Packing"))
SHOWN = Shown([[b"one", b"two"]], [0.0, 0.5])
KEY = "sk-a-very-secret-key"
MODELS = {"data": [{"id": "tiny", "owned_by": "vllm"}]}


class Script:
    """Answers one completion after the other as it is told, the last one again and again."""

    def __init__(self, *replies: object, models: object = MODELS) -> None:
        self.replies, self.models, self.asked, self.slept = list(replies), models, [], []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/models"):
            return self._response(self.models)
        self.asked.append((request, json.loads(request.content)))
        return self._response(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])

    def _response(self, reply: object) -> httpx.Response:
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx.Response):
            headers = {name: text for name, text in reply.headers.items() if name != "content-length"}
            return httpx.Response(reply.status_code, headers=headers, stream=httpx.ByteStream(reply.content))
        if isinstance(reply, str):
            reply = {"choices": [{"message": {"content": reply}}]}
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(reply).encode()))

    def remote(self, **how: object) -> Remote:
        engine = Engine("http://127.0.0.1:9/v1", **how)
        client = httpx.Client(transport=httpx.MockTransport(self))
        return Remote(engine, PREPROCESSING, client, self.slept.append, random.Random(0))

    def ask(self, **how: object):
        remote = self.remote(**how)
        try:
            return remote.ask(SHOWN)
        finally:
            remote.close()


def busy(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, json={"error": {"message": "busy"}})


# --- what is sent -------------------------------------------------------------------------------------------------


def test_each_value_is_a_choice_behind_the_answer_so_far():
    script = Script("Tape", "Inner Packing")
    assert script.ask() == (("Tape", "Inner Packing"), "choice")
    (first, one), (_, two) = script.asked
    assert "authorization" not in first.headers
    for body, so_far in ((one, '{"operation": "'), (two, '{"operation": "Tape", "next": "')):
        assert body["messages"][-1] == {"role": "assistant", "content": so_far}
        assert body["structured_outputs"] == {"choice": list(PREPROCESSING.labels)}
        assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
        assert body["temperature"] == 0.0
        assert "media_io_kwargs" not in body
    texts = [part.get("text") for part in one["messages"][0]["content"]]
    assert texts == ["0.0", "0.5", None, PREPROCESSING.question]
    assert one["messages"][0]["content"][2]["video_url"]["url"] == "data:video/jpeg;base64,b25l,dHdv"


def test_a_schema_asks_for_the_whole_answer():
    script = Script('{"operation": "Tape", "next": "Pick"}')
    assert script.ask(form="schema", pictures="images") == (("Tape", "Pick"), "json")
    ((_, body),) = script.asked
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["next"] == {"type": "string", "enum": list(PREPROCESSING.labels)}
    kinds = [part["type"] for part in body["messages"][0]["content"]]
    assert kinds == ["text", "text", "image_url", "image_url", "text"]


# --- what comes back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        ('{"operation": "Tape", "next": "Pick"}', "json"),
        ('Tape", "next": "Pick"}', "json"),  # goes on behind what was put before it
        ('```json\n{"operation": "Tape", "next": "Pick"}\n```', "fence"),
    ],
)
def test_an_engine_that_is_not_held_to_choices_is_read_all_the_same(said, stage):
    assert Script(said).ask() == (("Tape", "Pick"), stage)


HOSTILE = [
    "",
    "Taping",
    "Tape Pick",
    '{"operation": "Taping", "next": "Pick"}',
    '{"operation": "Tape"}',
    '{"operation": "Tape", "next": null}',
    '{"operation": "Tape", "operation": "Pick", "next": "Pick"}',
    '{"operation": "Tape", "next": "Pick"} {"operation": "Pick", "next": "Pick"}',
    "previous operation: Tape, next: Pick",
    "Pick, Tape, Inner Packing",
    "[" * 9_000,
    "x" * 30_000,
]


@pytest.mark.parametrize("said", HOSTILE)
@pytest.mark.parametrize("form", ["choice", "schema", "text"])
def test_what_is_no_answer_is_asked_once_more_and_then_refused(said, form):
    script = Script(said)
    with pytest.raises(AnswerError):
        script.ask(form=form)
    assert len(script.asked) == 2


def test_a_second_answer_counts():
    assert Script("nonsense", "Tape", "Pick").ask() == (("Tape", "Pick"), "choice")


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"choices": []},
        {"choices": [{"message": {}}]},
        {"choices": [{"message": {"content": None}}]},
        {"choices": 3},
    ],
)
def test_a_reply_without_a_message_is_no_answer(reply):
    with pytest.raises(AnswerError):
        Script(reply).ask()


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"3", b"", b"{" * 5000])
def test_what_is_no_engine_is_told(content):
    with pytest.raises(ModelError, match="no such engine"):
        Script(httpx.Response(200, content=content)).ask()


def test_a_reply_that_does_not_end_is_cut():
    with pytest.raises(ModelError, match=f"longer than {MOST_BYTES} bytes"):
        Script(httpx.Response(200, content=b" " * (MOST_BYTES + 1))).ask()


# --- busy, failing, refusing --------------------------------------------------------------------------------------


def test_a_busy_engine_is_asked_again_when_it_says():
    script = Script(busy(429, **{"Retry-After": "7"}), busy(503), "Tape", "Pick")
    assert script.ask() == (("Tape", "Pick"), "choice")
    assert script.slept[0] == 7.0
    assert 0.0 < script.slept[1] < 1.0


@pytest.mark.parametrize(
    ("asked", "slept"), [("1e9", MOST_WAIT_S), ("-5", 0.0), ("nan", None), ("Wed, 21 Oct", None)]
)
def test_a_wait_that_makes_no_sense_is_bounded(asked, slept):
    script = Script(busy(429, **{"Retry-After": asked}), "Tape", "Pick")
    script.ask()
    assert script.slept[0] == slept or (slept is None and 0.0 < script.slept[0] < 1.0)


@pytest.mark.parametrize(
    "fault", [busy(500), busy(429), httpx.ConnectError("refused"), httpx.ReadTimeout("slow")]
)
def test_an_engine_that_stays_away_is_unavailable(fault):
    script = Script(fault)
    with pytest.raises(ModelError, match="the engine does not answer"):
        script.ask()
    assert len(script.asked) == TRIES


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 302])
def test_a_refusal_is_told_and_not_repeated(status):
    reply = httpx.Response(
        status, headers={"Location": "http://other/"}, json={"error": {"message": f"bad {KEY}"}}
    )
    script = Script(reply)
    with pytest.raises(ModelError, match="the engine refuses") as caught:
        script.ask(key=KEY)
    assert len(script.asked) == 1
    assert script.asked[0][0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(caught.value)


def test_no_time_is_no_request():
    script = Script("Tape")
    with pytest.raises(ModelError, match="does not answer"):
        script.ask(timeout_s=0.0)
    assert script.asked == []


# --- which engine -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "models", [{"data": []}, {"data": None}, {"data": [{"id": "a"}, {"id": "b"}]}, {"data": [3]}]
)
def test_a_model_must_be_named_where_it_is_not_the_only_one(models):
    with pytest.raises(ModelError, match="none was named"):
        Script("Tape", models=models).ask()


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000/v1", "ftp://a/v1", "http://", "http://[::1/v1", "file:///etc/passwd"]
)
def test_an_address_must_be_one(url):
    with pytest.raises(ModelError, match="address begins with"):
        Remote(Engine(url), PREPROCESSING)


def test_a_key_is_not_shown():
    assert KEY not in repr(Engine("http://a/v1", key=KEY))
    with pytest.raises(ModelError, match="no key has"):
        Remote(Engine("http://a/v1", key="two words"), PREPROCESSING)
