"""A service of stub doors on a real socket, with real uploads and real decoding processes."""

import asyncio
import json
import threading

import av
import httpx
import pytest
from live_service import MODEL, SMALL, Alive, alive
from stub_door import TEXT, Stub

from rushes.serve import shared
from rushes.serve.bounds import bounds_text
from rushes.serve.keys import Keys
from rushes.serve.responses import Events

FILE = {"file": ("session 7.txt", TEXT)}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with alive(tmp_path_factory.mktemp("uploads") / "root") as found:
        yield found


def test_a_clip_is_answered_with_model_request_and_times(here: Alive):
    answer = httpx.post(f"{here.url}/predict", files=FILE, data={"clip_id": "c7"})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["clip_id"], said["label"], said["lines"]) == ("c7", "pack", 4)
    assert said["model"] == MODEL.model_dump()
    assert answer.headers["x-request-id"] == said["request_id"]
    times = said["timings_ms"]
    assert set(times) == {"upload", "queue", "decode", "model", "total"}
    assert times["total"] >= max(times[name] for name in ("upload", "decode", "model"))


def test_a_whole_recording_is_answered(here: Alive):
    said = httpx.post(f"{here.url}/analyze", files=FILE).json()
    assert said["labels"] == ["pick", "pack", "pack", "tape"]


def test_words_are_looked_for_as_json_and_as_a_form(here: Alive):
    as_json = httpx.post(f"{here.url}/search", json={"text": "a red sofa", "top": 3}).json()
    as_form = httpx.post(
        f"{here.url}/search", files={"text": (None, "a red sofa"), "top": (None, "3")}
    ).json()
    assert as_json["looked_for"] == as_form["looked_for"] == "a red sofa"
    assert as_json["top"] == as_form["top"] == 3
    by_picture = httpx.post(f"{here.url}/search", files={"image": ("a.jpg", b"a blue sofa\n")}).json()
    assert by_picture["looked_for"] == "a blue sofa"


def test_of_several_files_each_is_answered_or_refused_by_itself(here: Alive):
    files = [("files", ("a", TEXT)), ("files", ("b", b"\xff\xfe")), ("files", ("c", b"tape\n"))]
    answer = httpx.post(f"{here.url}/batch_predict", files=files)
    first, second, third = answer.json()["predictions"]
    assert answer.status_code == 200
    assert (first["label"], third["label"]) == ("pack", "tape")
    assert second["error"] == "undecodable"
    assert answer.json()["model"] == MODEL.model_dump()


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "data", "status", "code"),
    [
        ({"file": b"\xff\xfe"}, {}, 422, "undecodable"),
        ({"file": b""}, {}, 422, "unanswerable"),
        ({"file": TEXT + b"!broken\n"}, {}, 422, "undecodable"),
        ({"file": b"!crash\n"}, {}, 422, "crashed"),
        ({"file": TEXT}, {"colour": "red"}, 422, "wrong_fields"),
        ({"file": TEXT}, {"clip_id": "x" * 201}, 422, "wrong_fields"),
        ({"video": TEXT}, {}, 422, "unknown_file"),
        ({"file": b"!unreadable\n"}, {}, 500, "unreadable_answer"),
        ({"file": b"x" * 1_100_000}, {}, 413, "too_large"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_code(here: Alive, files, data, status, code):
    answer = httpx.post(f"{here.url}/predict", files=files, data=data)
    said = answer.json()
    assert (answer.status_code, said["error"]) == (status, code), said
    assert set(said) == {"error", "detail", "cure", "request_id"}
    assert said["request_id"] == answer.headers["x-request-id"]
    assert httpx.post(f"{here.url}/predict", files=FILE).status_code == 200  # and it lives


def test_json_is_strict_and_names_the_fields_at_fault(here: Alive):
    answer = httpx.post(f"{here.url}/search", json={"text": "sofa", "top": "3", "colour": "red"})
    assert answer.status_code == 422
    assert "top: " in answer.json()["detail"]
    assert "colour: there is no such field; there are text, top" in answer.json()["detail"]
    near = httpx.post(f"{here.url}/search", json={"text": "sofa", "topp": 3}).json()
    assert "did you mean top?" in near["cure"]
    assert httpx.post(f"{here.url}/search", json={}).json()["error"] == "unanswerable"
    assert httpx.post(f"{here.url}/search", content=b'{"text": "' + b"x" * 70_000).status_code == 415
    large = httpx.post(f"{here.url}/search", json={"text": "x" * 70_000})
    assert (large.status_code, large.json()["error"]) == (413, "too_large")


def test_a_refusal_says_what_came_and_what_to_type(here: Alive):
    large = httpx.post(f"{here.url}/predict", files={"file": b"x" * 2_500_000}).json()
    assert "may have 1 MB, and this one has 2.50 MB" in large["detail"]
    assert "serve.max_mb" in large["cure"]
    assert "-F file=@" in httpx.post(f"{here.url}/predict", files={"video": TEXT}).json()["cure"]
    two = httpx.post(f"{here.url}/predict", files=[("file", ("a", TEXT)), ("file", ("b", TEXT))]).json()
    assert (two["error"], two["detail"]) == (
        "too_many_files",
        "one file can come as file, and at least 2 came",
    )


def test_paths_and_methods_that_are_not_there_say_so_in_the_same_form(here: Alive):
    nowhere, wrong = httpx.get(f"{here.url}/predictions"), httpx.get(f"{here.url}/predict")
    assert (nowhere.status_code, nowhere.json()["error"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["error"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


def test_a_request_id_is_taken_over_where_it_is_a_sane_one(here: Alive):
    ours = httpx.get(f"{here.url}/live", headers={"X-Request-Id": "night-shift.0042"})
    assert ours.headers["x-request-id"] == "night-shift.0042"
    for insane in ("x", 'a"b\\c d e f g', "a" * 65):
        assert (
            httpx.get(f"{here.url}/live", headers={"X-Request-Id": insane}).headers["x-request-id"] != insane
        )


def test_the_log_has_a_line_a_request_and_nothing_of_what_was_sent(here: Alive):
    before = len(here.lines)
    file = {"file": ("secret name.mp4", b"secret line\n")}
    answer = httpx.post(f"{here.url}/predict?who=secret", files=file, data={"clip_id": "secret id"})
    here.until(lambda: len(here.lines) > before)
    [line] = here.log()[before:]
    assert set(line) == {"time", "request_id", "method", "path", "status", "bytes", "ms", "reason"}
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["method"], line["path"], line["status"], line["reason"]) == ("POST", "/predict", 200, None)
    assert line["bytes"] == len(answer.content)
    assert "secret" not in here.lines[before]


def test_no_other_host_is_needed_and_none_is_let_in(here: Alive):
    docs = httpx.get(f"{here.url}/docs")
    assert docs.status_code == 200
    assert "//" not in docs.text
    assert "POST /batch_predict" in docs.text
    assert "requests: 2 at once, 2 more wait" in docs.text
    assert httpx.get(f"{here.url}/page/docs.css").headers["content-type"].startswith("text/css")
    assert httpx.get(f"{here.url}/page/..%2fapp.py").status_code == 404
    answer = httpx.options(f"{here.url}/predict", headers={"Origin": "http://elsewhere"})
    assert answer.status_code == 405
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_limits_in_the_document_are_the_ones_that_hold(here: Alive):
    told = httpx.get(f"{here.url}/openapi.json").json()["info"]["description"]
    for line in bounds_text(SMALL):
        assert line in told
    assert "upload: 1 MB in 20 s" in told


def test_how_it_is_can_be_asked(here: Alive):
    ready, health, version = (
        httpx.get(f"{here.url}/{name}").json() for name in ("ready", "health", "version")
    )
    assert ready == {"status": "ready", "model": "stub", "adapter": "1" * 64, "device": "cpu"}
    assert (health["status"], health["model_loaded"], health["gpu_count"]) == ("healthy", True, 0)
    assert version["ffmpeg"] == av.ffmpeg_version_info
    assert version["model"] == MODEL.model_dump()
    httpx.get(f"{here.url}/nowhere")
    figures = httpx.get(f"{here.url}/metrics").text
    assert 'rushes_requests_total{route="none",status="404"}' in figures
    assert 'rushes_refusals_total{error="not_found"}' in figures


# --- events ---------------------------------------------------------------------------------------------------


def events_of(url: str, content: bytes) -> tuple[httpx.Response, list[tuple[str, dict]]]:
    answer = httpx.post(f"{url}/analyze", files={"file": content}, headers={"Accept": "text/event-stream"})
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if fields.get("event"):
            found.append((fields["event"], json.loads(fields["data"])))
    return answer, found


def test_a_recording_is_told_event_by_event(here: Alive):
    answer, events = events_of(here.url, b"pick\n" * 5 + b"pack\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in events] == [
        "progress",
        "partial",
        "progress",
        "partial",
        "progress",
        "result",
    ]
    assert [said["done"] for name, said in events if name == "progress"] == [0, 4, 6]
    assert events[1][1] == {"from": 0, "label": "pick"}
    whole = httpx.post(f"{here.url}/analyze", files={"file": b"pick\n" * 5 + b"pack\n"}).json()
    told = events[-1][1]
    assert {**told, "request_id": 0, "timings_ms": 0} == {**whole, "request_id": 0, "timings_ms": 0}


def test_what_fails_after_the_first_event_is_the_last_event(here: Alive):
    answer, events = events_of(here.url, b"pick\n" * 9 + b"!broken\n")
    name, said = events[-1]
    assert (answer.status_code, name, said["error"]) == (200, "error", "undecodable")
    assert said["request_id"] == answer.headers["x-request-id"]
    here.until(lambda: here.log()[-1]["request_id"] == said["request_id"])
    assert here.log()[-1]["reason"] == "undecodable"


def test_what_fails_before_it_has_a_status_of_its_own(here: Alive):
    accept = {"Accept": "text/event-stream"}
    answer = httpx.post(f"{here.url}/analyze", files={"file": b"\xff\xfe"}, headers=accept)
    assert (answer.status_code, answer.json()["error"]) == (422, "undecodable")


def test_a_silent_stream_is_kept_open_by_comments():
    async def sent() -> list[bytes]:
        found: list[bytes] = []

        async def send(message):
            found.append(message.get("body", b""))

        events = Events({}, send, heartbeat_s=0.01)
        await events.show("progress", {"done": 0})
        while len(found) < 4:
            await asyncio.sleep(0.01)
        await events.close()
        return found

    assert asyncio.run(sent())[2:4] == [b": still at work\n\n"] * 2


# --- keys -----------------------------------------------------------------------------------------------------


def test_only_who_has_a_key_comes_in(tmp_path):
    key, other = "correct horse battery", "staple of the night shift"
    keys = Keys.of([key, other])
    assert key not in repr(keys)
    with alive(tmp_path / "root", keys=keys) as here:
        here.ready({"X-API-Key": key})
        for path in ("/live", "/", "/page/docs.css"):
            assert httpx.get(here.url + path).status_code != 401, path
        for path in (
            "/ready",
            "/health",
            "/metrics",
            "/version",
            "/docs",
            "/openapi.json",
            "/nowhere",
            "/live/",
        ):
            answer = httpx.get(here.url + path)
            assert (answer.status_code, answer.json()["error"]) == (401, "no_key"), path
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/predict", "/analyze", "/search", "/batch_predict"):
            assert httpx.post(here.url + path, files=FILE).status_code == 401, path
        for wrong in ({"Authorization": f"Bearer {key}x"}, {"X-API-Key": key[:-1]}, {"X-API-Key": "\udcff"}):
            headers = {name: value.encode("utf-8", "surrogateescape") for name, value in wrong.items()}
            said = httpx.post(f"{here.url}/predict", files=FILE, headers=headers).json()
            assert said["error"] == "wrong_key"
        for right in ({"Authorization": f"bearer {other}"}, {"X-API-Key": key}):
            assert httpx.post(f"{here.url}/predict", files=FILE, headers=right).status_code == 200
        assert not any(key in line for line in here.lines)


# --- a model that is slow, or none ------------------------------------------------------------------------------


def test_nothing_is_asked_of_a_model_that_is_not_ready(tmp_path):
    class Waits(Stub):
        def load(self) -> None:
            assert may_load.wait(60.0)

    may_load = threading.Event()
    with alive(tmp_path / "root", {"predict": Waits()}, wait=False) as here:
        ready, asked = httpx.get(f"{here.url}/ready"), httpx.post(f"{here.url}/predict", files=FILE)
        for answer in (ready, asked):
            assert (answer.status_code, answer.json()["error"]) == (503, "not_ready")
            assert int(answer.headers["retry-after"]) > 0
        assert httpx.get(f"{here.url}/live").json() == {"status": "alive"}
        assert httpx.get(f"{here.url}/health").json()["status"] == "starting"
        may_load.set()
        here.ready()
        assert httpx.post(f"{here.url}/predict", files=FILE).status_code == 200


def test_without_a_model_there_is_no_answer(tmp_path):
    door = Stub()
    door.broken = True  # before its first answer
    with alive(tmp_path / "root", {"predict": door}, wait=False) as here:
        here.until(lambda: here.service.shared.failed is not None)
        for answer in (httpx.get(f"{here.url}/ready"), httpx.post(f"{here.url}/predict", files=FILE)):
            assert (answer.status_code, answer.json()["error"]) == (503, "no_model")
        assert httpx.get(f"{here.url}/health").json()["status"] == "unhealthy"


def test_a_model_that_can_be_loaded_later_is(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "AGAIN_S", 0.05)
    door = Stub()
    door.broken = True
    with alive(tmp_path / "root", {"predict": door}, wait=False) as here:
        here.until(lambda: here.service.shared.failed is not None)
        door.broken = False
        here.ready()
        assert httpx.post(f"{here.url}/predict", files=FILE).status_code == 200


def test_every_stage_of_a_request_is_measured(tmp_path):
    with alive(tmp_path / "root") as here:
        assert httpx.post(f"{here.url}/predict", files=FILE).status_code == 200
        assert httpx.post(f"{here.url}/predict", files={"file": b"\xff"}).status_code == 422
        text = httpx.get(f"{here.url}/metrics").text
    for stage, times in {"upload": 2, "queue": 2, "decode": 2, "lane": 1}.items():
        assert f'rushes_stage_seconds_count{{stage="{stage}"}} {times}.0' in text


def test_the_least_speed_of_an_upload_is_told():
    [line] = [line for line in bounds_text(SMALL) if line.startswith("upload: ")]
    assert line == "upload: 1 MB in 20 s, after 20 s at 16 kB a second or more, never 30 s without a byte"


def test_a_model_that_fails_later_answers_nobody(tmp_path):
    door = Stub()
    with alive(tmp_path / "root", {"predict": door}) as here:
        door.broken = True
        answer = httpx.post(f"{here.url}/predict", files=FILE)
        assert (answer.status_code, answer.json()["error"]) == (503, "no_model")
        door.broken = False
        assert httpx.post(f"{here.url}/predict", files=FILE).status_code == 200


def test_an_answer_that_takes_too_long_is_given_up(tmp_path):
    hasty = SMALL.model_copy(update={"deadline_s": 1.0})
    door = Stub(answer_s=0.3, batch_size=1)
    with alive(tmp_path / "root", {"predict": door}, hasty) as here:
        answer = httpx.post(f"{here.url}/predict", files={"file": b"pick\n" * 50}, timeout=30.0)
        assert (answer.status_code, answer.json()["error"]) == (504, "deadline")
        hung = httpx.post(f"{here.url}/predict", files={"file": b"!hang\n"}, timeout=30.0)
        assert (hung.status_code, hung.json()["error"]) == (504, "deadline")
        here.until(lambda: not here.service.shared.gate.inside)
        assert httpx.post(f"{here.url}/predict", files={"file": b"pick\n"}).status_code == 200


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_nothing_is_done_for_a_client_that_left(tmp_path, accept):
    door = Stub("analyze", answer_s=0.2, batch_size=1)
    with alive(tmp_path / "root", {"analyze": door}) as here:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{here.url}/analyze",
                files={"file": b"pick\n" * 200},
                headers={"Accept": accept},
                timeout=httpx.Timeout(30.0, read=0.15),
            )
        here.until(lambda: not here.service.shared.gate.inside)
        here.until(lambda: [line for line in here.log() if line["reason"] == "client_gone"])
        begun = len(door.batches)
        said = httpx.post(f"{here.url}/analyze", files={"file": b"pick\n"}).json()
        assert said["labels"] == ["pick"]
        assert len(door.batches) <= begun + 2  # the window that had begun, and ours
        assert not list(here.service.shared.scratch.folder.glob("*/*"))
