"""A service of stub doors on a real socket, with real uploads and real decoding processes."""

import json
import threading

import httpx
import pytest
from live_service import MODEL, SMALL, Alive, alive
from stub_door import TEXT, Stub, stub_doors

from rushes.serve.keys import Keys

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
    as_form = httpx.post(f"{here.url}/search", files={"text": (None, "a red sofa"), "top": (None, "3")}).json()
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
