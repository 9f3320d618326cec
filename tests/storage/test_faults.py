"""Stores that fail: the reason within seconds, a line while they are waited for, an end after a stated time."""

from __future__ import annotations

import http.server
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import store_faults as faults
from jobs import TINY, tell

from rushes.errors import StorageError
from rushes.storage import client
from rushes.storage.client import ANSWER_LIMIT_S, CONNECT_LIMIT_S, PATIENCE
from rushes.storage.recordings import ALLOW, bring_recordings
from rushes.storage.remote import Remote
from rushes.storage.s3 import S3Files

NOTHING_LISTENS = "http://127.0.0.1:1"
NO_SUCH_NAME = "http://no-such-host.invalid"
RIGHTS, REGION, THERE = "credentials that may read", "AWS_DEFAULT_REGION", "see that the bucket"
FINAL = {
    "no rights": (faults.refuses(403, "AccessDenied"), "403 AccessDenied", RIGHTS),
    "wrong key": (faults.refuses(403, "InvalidAccessKeyId"), "403 InvalidAccessKeyId", RIGHTS),
    "wrong secret": (faults.refuses(403, "SignatureDoesNotMatch"), "403 SignatureDoesNotMatch", RIGHTS),
    "old session": (faults.refuses(400, "ExpiredToken"), "400 ExpiredToken", RIGHTS),
    "clock": (faults.refuses(403, "RequestTimeTooSkewed"), "403 RequestTimeTooSkewed", "set the clock"),
    "no bucket": (faults.refuses(404, "NoSuchBucket"), "404 NoSuchBucket", THERE),
    "moved": (
        faults.refuses(301, "PermanentRedirect", x_amz_bucket_region="eu-north-1"),
        "301 PermanentRedirect",
        REGION,
    ),
    "moved nowhere": (faults.refuses(301, "PermanentRedirect"), "RecursionError", REGION),
    "region": (faults.refuses(400, "AuthorizationHeaderMalformed"), "400 AuthorizationHeader", REGION),
    "unknown": (
        faults.refuses(400, "SomethingNew"),
        "400 SomethingNew: said by the store",
        "AWS_ENDPOINT_URL",
    ),
}
PASSING = {
    "busy": (faults.refuses(503, "SlowDown"), "503 SlowDown: said by the store"),
    "gone": (faults.refuses(503, "ServiceUnavailable"), "503 ServiceUnavailable"),
    "broken": (faults.refuses(500, "InternalError"), "500 InternalError"),
    "throttled": (faults.refuses(429, "TooManyRequests"), "429 TooManyRequests"),
    "full": (faults.refuses(507, "XMinioStorageFull"), "507 XMinioStorageFull"),
}


@pytest.fixture
def s3_at(monkeypatch: pytest.MonkeyPatch):
    """Makes an address the endpoint of S3, with a short patience."""

    def point(endpoint: str, patience_s: float = 0.5) -> Remote:
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "rushes-tests",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret-at-all",
            "AWS_DEFAULT_REGION": "us-east-1",
            PATIENCE: str(patience_s),
        }.items():
            monkeypatch.setenv(name, value)
        S3Files.clear_instance_cache()
        client._said_s.clear()  # no test before this one has said that it waits for the same place
        return Remote("s3://bucket/raw")

    yield point
    S3Files.clear_instance_cache()


@pytest.mark.parametrize("name", FINAL)
def test_what_no_waiting_mends_is_asked_once(s3_at, tmp_path, capfd, name):
    fault, reason, cure = FINAL[name]
    with faults.serving(fault) as (endpoint, asked), pytest.raises(StorageError) as caught:
        bring_recordings(s3_at(endpoint).url, tmp_path)
    assert reason in caught.value.message
    assert cure in caught.value.cure
    assert len(asked) == 1 or "moved" in name  # which the client follows by itself
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_waited_for_with_a_line_and_an_end(s3_at, tmp_path, capfd, name):
    fault, reason = PASSING[name]
    with faults.serving(fault) as (endpoint, asked), pytest.raises(StorageError) as caught:
        bring_recordings(s3_at(endpoint).url, tmp_path)
    assert reason in caught.value.message
    assert len(asked) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert re.fullmatch(rf"waiting for s3://bucket/raw until \d\d:\d\d:\d\d: .*{reason}.*", line)


@pytest.mark.parametrize("endpoint", [NOTHING_LISTENS, NO_SUCH_NAME])
def test_a_place_that_cannot_be_reached(s3_at, tmp_path, capfd, endpoint):
    with pytest.raises(StorageError, match="EndpointConnectionError") as caught:
        bring_recordings(s3_at(endpoint).url, tmp_path)
    assert "AWS_ENDPOINT_URL" in caught.value.cure
    assert "waiting for s3://bucket/raw until" in capfd.readouterr().err


def test_a_bucket_that_is_not_there_is_no_empty_folder(s3_at):
    with faults.serving(faults.refuses(404, "NoSuchBucket")) as (endpoint, _):
        remote = s3_at(endpoint)
        for ask in (
            remote.list,
            remote.folders,
            partial(remote.read_bytes, "DONE"),
            partial(remote.exists, "DONE"),
            partial(remote.remove, "DONE"),
        ):
            with pytest.raises(StorageError, match="404 NoSuchBucket"):
                ask()


@pytest.mark.parametrize("fault", [faults.refuses(404, "NoSuchBucket"), faults.refuses(503, "SlowDown")])
@pytest.mark.parametrize("where", ["recordings", "workspace"])
def test_a_plan_of_a_store_that_fails_is_none(s3_at, tmp_path, fault, where):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(TINY["sounds"])
    with faults.serving(fault) as (endpoint, _):
        url = s3_at(endpoint).url
        places = {"recordings": [tmp_path / "ws", "--set", f"source.root={url}"], "workspace": [url]}
        options = ("--cache", str(tmp_path / "cache"), "--workspace", *map(str, places[where]))
        told = tell("plan", str(recipe), *options)
    assert (told.code, told.out) == (1, "")
    assert "said by the store" in told.err


@pytest.mark.parametrize("patience", ["", "a minute", "-1", "inf", "nan"])
def test_a_patience_that_is_no_number(s3_at, monkeypatch, patience):
    remote = s3_at(NOTHING_LISTENS)
    monkeypatch.setenv(PATIENCE, patience)
    with pytest.raises(StorageError, match="no number of seconds"):
        remote.list()


@pytest.mark.slow
def test_a_store_that_falls_silent_is_given_up(s3_at, tmp_path):
    """Before the first byte, and in the middle of a file; what came is not kept."""
    assert (S3Files.connect_timeout, S3Files.read_timeout) == (CONNECT_LIMIT_S, ANSWER_LIMIT_S) == (5.0, 10.0)
    with faults.serving(faults.silent) as (endpoint, asked), pytest.raises(StorageError, match="Timeout"):
        s3_at(endpoint, 0.0).get("a", tmp_path / "a")
    assert len(asked) == 1
    with faults.serving(faults.stops) as (endpoint, _), pytest.raises(StorageError, match="imeout"):
        s3_at(endpoint, 0.0).get("a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [faults.resets, faults.refuses(503, "SlowDown")])
def test_what_breaks_once_is_brought_again_whole(s3_at, tmp_path, fault):
    with faults.serving(faults.once(fault)) as (endpoint, asked):
        s3_at(endpoint, 30.0).get("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == faults.BODY
    assert len(asked) == 2


def test_a_file_that_always_breaks_leaves_nothing(s3_at, tmp_path):
    with faults.serving(faults.resets) as (endpoint, _), pytest.raises(StorageError, match="cannot bring"):
        s3_at(endpoint).get("a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_many_that_wait_for_one_place_say_so_once(s3_at, capfd):
    with faults.serving(faults.refuses(503, "SlowDown")) as (endpoint, _):
        s3_at(endpoint, 1.5)
        remote = Remote("s3://crowded/raw")
        with ThreadPoolExecutor(8) as pool:
            waits = [pool.submit(remote.read_bytes, str(number)) for number in range(8)]
            assert all(isinstance(wait.exception(), StorageError) for wait in waits)
    assert len(capfd.readouterr().err.splitlines()) == 1


# --- protocols -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["http", "https", "ftp", "sftp", "gs", "webhdfs", "github", "smb"])
def test_a_recipe_connects_to_no_address_that_its_owner_did_not_allow(tmp_path, monkeypatch, protocol):
    monkeypatch.setenv(ALLOW, "abfs, hdfs")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"{protocol}://127.0.0.1:{server.getsockname()[1]}/raw"
        with pytest.raises(StorageError, match="owner of this machine allows") as caught:
            bring_recordings(url, tmp_path)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert f"{ALLOW}={protocol}" in caught.value.cure
    assert list(tmp_path.iterdir()) == []


def test_a_chain_of_protocols_is_none(tmp_path):
    for url in ("simplecache::http://127.0.0.1/raw", "zip::http://127.0.0.1/a.zip"):
        with pytest.raises(StorageError, match="not the URL of a folder"):
            bring_recordings(url, tmp_path)


def test_a_folder_is_named_without_a_protocol(tmp_path):
    with pytest.raises(StorageError) as caught:
        bring_recordings(f"file://{tmp_path}", tmp_path / "cache")
    assert caught.value.cure == "name the folder itself"


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder as the server of Python's library shows it, allowed."""
    monkeypatch.setenv(ALLOW, "http,https")
    monkeypatch.setenv(PATIENCE, "0.5")
    for name, content in {"take 1/a.wav": b"1" * 5000, "b.csv": b"file,label\n"}.items():
        path = tmp_path / "web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=tmp_path / "web")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_folder_by_http_comes_whole(web, tmp_path):
    root = bring_recordings(web, tmp_path / "cache")
    sizes = {p.relative_to(root).as_posix(): p.stat().st_size for p in root.rglob("*") if p.is_file()}
    assert sizes == {"b.csv": 11, "take%201/a.wav": 5000}


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (faults.refuses(403, "Forbidden"), "403"),
        (faults.refuses(404, "NotFound"), "no recordings"),
        (faults.refuses(503, "Busy"), "503"),
        (faults.refuses(500, "Broken"), "500"),
    ],
)
def test_http_gives_its_reason(web, tmp_path, fault, says):
    with faults.serving(fault) as (endpoint, _), pytest.raises(StorageError, match=says):
        bring_recordings(f"{endpoint}/raw", tmp_path / "cache")


@pytest.mark.parametrize("endpoint", [NOTHING_LISTENS, NO_SUCH_NAME])
def test_http_without_a_server_is_no_empty_folder(web, tmp_path, endpoint):
    with pytest.raises(StorageError, match="ClientConnector") as caught:
        bring_recordings(f"{endpoint}/raw", tmp_path / "cache")
    assert "nothing below" not in caught.value.message


def test_a_folder_in_it_that_cannot_be_listed_is_not_passed_over(web, tmp_path):
    index = b'<a href="one.wav">one</a><a href="closed/">closed</a>'

    def answer(request) -> None:
        if "closed" in request.path:
            faults.refuses(500, "Broken")(request)
        else:
            request.send_response(200)
            request.send_header("Content-Type", "text/html")
            request.send_header("Content-Length", str(len(index)))
            request.end_headers()
            request.wfile.write(index if request.command == "GET" else b"")

    with faults.serving(answer) as (endpoint, _), pytest.raises(StorageError, match="500"):
        bring_recordings(f"{endpoint}/raw", tmp_path / "cache")
