"""The offline service keeps the protocol: the official client of the API talks to it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import httpx
import numpy as np
import openai
import pytest
from label_shop import make_rows

from rushes.label.offline.answers import COLOURS, MODEL, answer, main_colour
from rushes.label.offline.faults import Faults
from rushes.label.offline.world import Pace
from rushes.label.question import Question
from rushes.label.writing import Asked, request_of
from rushes.recipe.labelling import Labelling

QUESTION = Question.of(Labelling.model_validate({"model": "offline", "picture": {"side_px": 64}}))


def lines(count: int) -> bytes:
    return b"".join(request_of(Asked(row, 0), QUESTION, 1.5).line for row in make_rows(count))


@pytest.fixture
def client_of() -> Iterator:
    clients = []

    def make(shop) -> openai.OpenAI:
        clients.append(openai.OpenAI(base_url=shop.url, api_key="any", max_retries=0))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def send(client: openai.OpenAI, content: bytes) -> openai.types.Batch:
    file = client.files.create(file=("requests.jsonl", io.BytesIO(content)), purpose="batch")
    assert (file.bytes, file.filename, file.status) == (len(content), "requests.jsonl", "processed")
    return client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"of": "a test"},
        output_expires_after={"anchor": "created_at", "seconds": 3600},
    )


def test_a_batch_from_file_to_answers_in_the_official_client(make_shop, client_of):
    shop = make_shop(pace=Pace(validating_s=2.0, request_s=1.0, finalizing_s=2.0))
    client = client_of(shop)
    batch = send(client, lines(3))
    seen = []
    for _ in range(9):
        batch = client.batches.retrieve(batch.id)
        seen.append(batch.status)
        shop.clock.sleep(1.0)
    assert list(dict.fromkeys(seen)) == ["validating", "in_progress", "finalizing", "completed"]
    assert (batch.metadata, batch.model, batch.error_file_id) == ({"of": "a test"}, MODEL, None)
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (
        3,
        3,
        0,
    )
    answers = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    said = json.loads(answers[1]["response"]["body"]["choices"][0]["message"]["content"])
    assert said == {
        "clean_title": "blue oak chair no",
        "style": None,
        "material": "oak",
        "color": "blue",
        "object_type": "chair",
    }
    assert {line["error"] for line in answers} == {None}
    used = [line["response"]["body"]["usage"]["prompt_tokens"] for line in answers]
    assert batch.usage.input_tokens == sum(used) > 0


def test_lists_come_in_pages(make_shop, client_of):
    client = client_of(make_shop())
    made = [send(client, lines(1)).id for _ in range(5)]
    assert [one.id for one in client.batches.list(limit=2)] == made[::-1]
    assert len(list(client.files.list(purpose="batch"))) == 5


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"{}\n", "invalid_json_line"),
        (b"no JSON\n", "invalid_json_line"),
        (lines(1) * 2, "duplicate_custom_id"),
        (
            lines(1) + lines(2).splitlines(keepends=True)[1].replace(b'"offline"', b'"another"'),
            "mismatched_model",
        ),
    ],
)
def test_a_file_that_is_wrong_fails_as_a_whole_and_only_after_a_while(make_shop, client_of, content, code):
    shop = make_shop()
    client = client_of(shop)
    batch = send(client, content)
    assert batch.status == "validating"
    shop.clock.sleep(5.0)
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.errors.data[0].code) == ("failed", code)


def test_expired_and_cancelled_batches_keep_what_is_done(make_shop, client_of):
    shop = make_shop(faults=Faults(expires_at=0.5, expiring=1), pace=Pace(validating_s=0.0, request_s=10.0))
    client = client_of(shop)
    expiring, cancelled = send(client, lines(4)), send(client, lines(4))
    shop.clock.sleep(15.0)
    assert client.batches.cancel(cancelled.id).status == "cancelling"
    shop.clock.sleep(10.0)
    cancelled = client.batches.retrieve(cancelled.id)
    assert (cancelled.status, cancelled.request_counts.completed) == ("cancelled", 1)
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(cancelled.id)
    assert client.batches.retrieve(expiring.id).status == "in_progress"
    shop.clock.sleep(86_400.0)
    expiring = client.batches.retrieve(expiring.id)
    assert (expiring.status, expiring.request_counts.completed) == ("expired", 2)
    errors = [json.loads(line) for line in client.files.content(expiring.error_file_id).text.splitlines()]
    assert [(line["response"], line["error"]["code"]) for line in errors] == [(None, "batch_expired")] * 2


def test_both_shapes_of_an_error(make_shop, client_of):
    shop = make_shop(faults=Faults(shares={"failed": 0.5, "not_run": 0.4}))
    client = client_of(shop)
    batch = send(client, lines(40))
    shop.clock.sleep(60.0)
    batch = client.batches.retrieve(batch.id)
    errors = [json.loads(line) for line in client.files.content(batch.error_file_id).text.splitlines()]
    answered = [line for line in errors if line["error"] is None]
    unanswered = [line for line in errors if line["response"] is None]
    assert answered
    assert unanswered
    assert len(answered) + len(unanswered) == len(errors) == batch.request_counts.failed
    assert {line["response"]["status_code"] for line in answered} == {500}
    assert {line["response"]["body"]["error"]["code"] for line in answered} == {"server_error"}


def test_chat_in_the_official_client(make_shop, client_of):
    client = client_of(make_shop())
    body = QUESTION.body(make_rows(3)[2])
    found = client.chat.completions.create(**body)
    assert (found.model, found.choices[0].finish_reason) == (MODEL, "stop")
    assert json.loads(found.choices[0].message.content)["color"] == "green"
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens > 0


def test_refusals_are_those_of_the_api(make_shop, client_of):
    shop = make_shop(faults=Faults(busy=1.0, retry_after_s=9.0))
    client = client_of(shop)
    body = QUESTION.body(make_rows(1)[0])
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**body)
    assert caught.value.response.headers["retry-after"] == "9"
    shop.world.faults = Faults()
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(**body | {"model": "no-such-model"})
    loose = json.loads(json.dumps(body))
    del loose["response_format"]["json_schema"]["schema"]["additionalProperties"]
    with pytest.raises(openai.BadRequestError, match="'additionalProperties' is required to be false"):
        client.chat.completions.create(**loose)
    with pytest.raises(openai.NotFoundError):
        client.files.content("file-none")
    with pytest.raises(openai.BadRequestError, match="only '24h'"):
        client.batches.create(input_file_id="x", endpoint="/v1/chat/completions", completion_window="48h")
    with pytest.raises(openai.BadRequestError, match=r"output_expires_after\.anchor"):
        client.batches.create(
            input_file_id="x",
            endpoint="/v1/chat/completions",
            completion_window="24h",
            output_expires_after={"seconds": 3600},
        )
    with (
        openai.OpenAI(base_url=shop.url, api_key="wrong", max_retries=0) as other,
        pytest.raises(openai.AuthenticationError),
    ):
        other.models.list()


def test_the_clock_can_be_put_forward_from_outside(make_shop):
    shop = make_shop()
    before = shop.world.clock.now()
    told = httpx.post(shop.url.removesuffix("/v1") + "/admin/clock", json={"advance_s": 86_400})
    assert told.json()["now"] == before + 86_400


@pytest.mark.parametrize("name", COLOURS)
def test_a_colour_is_named_whatever_the_ground(name):
    for ground in ((255, 255, 255), (220, 225, 235)):
        picture = np.full((60, 80, 3), ground, np.uint8)
        picture[10:50, 15:65] = COLOURS[name]
        assert main_colour(picture) == name


def test_answers_keep_to_the_schema_that_is_asked_for():
    schema = {
        "properties": {
            "main_colour": {"enum": ["red", "blue", None]},
            "object_type": {},
            "room": {"enum": ["kitchen", None]},
            "price": {},
        }
    }
    told = answer("SALE! Modern oak sideboard 120cm for the kitchen", "red", schema)
    assert told == {"main_colour": "red", "object_type": "sideboard", "room": "kitchen", "price": None}
    assert answer("blue thing", "green", schema)["main_colour"] == "blue"
    assert answer("", None, schema) == dict.fromkeys(told)


def test_a_request_fares_alike_each_time():
    faults = Faults.of("many", 5)
    fates = [faults.fate(f"row-{n}", 0) for n in range(2_000)]
    assert fates == [faults.fate(f"row-{n}", 0) for n in range(2_000)]
    assert fates != [Faults.of("many", 6).fate(f"row-{n}", 0) for n in range(2_000)]
    assert {"fine", "lost", "duplicated", "failed", "not_run", "zero", "malformed", "cut", "refused"} == set(
        fates
    )
    refused = [n for n, fate in enumerate(fates) if fate == "refused"]
    assert all(faults.fate(f"row-{n}", 1) in ("refused", "lost", "duplicated", "failed", "not_run", "zero",
                                              "malformed") for n in refused)  # fmt: skip
