"""How processes of a service begin and end: told once, told twice, killed, and with clients that say nothing."""

import gc
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from live_service import MODEL, SMALL, alive
from stub_door import stub_doors

from rushes.runs.listening import listen
from rushes.serve import process as process_module
from rushes.serve.app import service_app

TESTS = Path(__file__).parents[1]
LINES = {"file": b"pick\n" * 10}


def until(holds: Callable[[], object], within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "what should become true does not"
        time.sleep(0.05)


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def started(
    folder: Path, workers: int, answer_s: float, *more: str
) -> Iterator[tuple[subprocess.Popen, str]]:
    command = [
        sys.executable,
        str(TESTS / "stub_service.py"),
        str(folder),
        str(workers),
        str(answer_s),
        *more,
    ]
    with (folder.parent / "log").open("w") as log:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        url = running.stdout.readline().strip()
        until(lambda: is_ready(url))
        yield running, url
    finally:
        running.kill()
        running.stdout.close()
        running.wait()


def log_of(folder: Path) -> str:
    return (folder.parent / "log").read_text()


@contextmanager
def asking(url: str, path: str = "/predict") -> Iterator[list[httpx.Response | Exception]]:
    """Ask meanwhile; the answer, or why there is none, is in the list after the block."""
    found: list[httpx.Response | Exception] = []

    def ask() -> None:
        try:
            found.append(httpx.post(url + path, files=LINES, timeout=60.0))
        except httpx.TransportError as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield found
    finally:
        thread.join()


def at_work(url: str) -> float:
    [line] = [
        line for line in httpx.get(f"{url}/metrics").text.splitlines() if line.startswith("rushes_at_work ")
    ]
    return float(line.split()[1])


def test_told_to_stop_it_finishes_what_it_has_begun_and_refuses_the_rest(tmp_path):
    with started(tmp_path / "root", 1, 0.3) as (running, url), asking(url) as answers:
        until(lambda: at_work(url))
        running.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(f"{url}/ready").json().get("error") == "draining")
        late = httpx.post(f"{url}/predict", files=LINES)
        assert (late.status_code, late.json()["error"]) == (503, "draining")
        assert int(late.headers["retry-after"]) > 0
        assert running.wait(30.0) == 0
    assert answers[0].json()["lines"] == 10
    assert not is_ready(url)
    assert not list((tmp_path / "root").iterdir()), "nothing is left behind"


def test_what_takes_longer_than_it_may_is_cut_off(tmp_path):
    with started(tmp_path / "root", 1, 1.0, "0.2") as (running, url), asking(url) as answers:
        until(lambda: at_work(url))
        running.send_signal(signal.SIGTERM)
        assert running.wait(30.0) == 0
    assert (answers[0].status_code, answers[0].json()["error"]) == (503, "draining")
    assert "requests not finished in time: 1" in log_of(tmp_path / "root")


def test_told_twice_it_ends_at_once(tmp_path):
    with started(tmp_path / "root", 1, 2.0) as (running, url), asking(url) as answers:
        until(lambda: at_work(url))
        running.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(f"{url}/ready").json().get("error") == "draining")
        running.send_signal(signal.SIGTERM)
        running.wait(15.0)  # the request alone would take 20 s
    assert not isinstance(answers[0], httpx.Response) or answers[0].status_code == 503


@pytest.mark.slow
def test_several_processes_share_the_socket_and_end_together(tmp_path):
    with started(tmp_path / "root", 2, 0.0) as (running, url):
        of_it = psutil.Process(running.pid)
        served = [child for child in of_it.children() if "spawn_main" in " ".join(child.cmdline())]
        assert len(served) == 2
        until(lambda: len(list((tmp_path / "root").iterdir())) == 3)  # theirs, and what they count
        served[0].send_signal(signal.SIGKILL)
        served[0].wait(10.0)
        until(lambda: "ended with -9; another one is started" in log_of(tmp_path / "root"))
        until(lambda: is_ready(url))
        assert httpx.post(f"{url}/predict", files=LINES).json()["lines"] == 10
        assert 'rushes_parts_total{verb="predict"} 10.0' in httpx.get(f"{url}/metrics").text
        of_all = [child for child in of_it.children(recursive=True) if child.is_running()]
        running.send_signal(signal.SIGTERM)
        assert running.wait(60.0) == 0
        until(lambda: not any(child.is_running() for child in of_all))
    assert not list((tmp_path / "root").iterdir()), "nothing is left behind"


@pytest.mark.slow
def test_several_that_are_killed_leave_nothing_that_the_next_start_does_not_sweep(tmp_path, monkeypatch):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with started(tmp_path / "root", 2, 0.0) as (running, _):
        of_it = psutil.Process(running.pid).children(recursive=True)
        for process in (running, *of_it):
            process.kill()
        psutil.wait_procs(of_it, 20.0)
    assert len(list((tmp_path / "root").iterdir())) == 3
    with started(tmp_path / "root", 1, 0.0):
        assert len(list((tmp_path / "root").iterdir())) == 1
    assert not list(temporary.iterdir())


def test_a_client_that_says_nothing_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(process_module, "HEAD_S", 0.3)
    with alive(tmp_path / "root") as here:
        host, port = here.url.removeprefix("http://").split(":")
        for said in (b"", b"POST /predict HTTP/1.1\r\nHost: x\r\n"):
            with socket.create_connection((host, int(port)), timeout=20.0) as client:
                client.sendall(said)
                assert client.recv(1000) == b""  # closed
        assert httpx.post(f"{here.url}/predict", files=LINES).status_code == 200


def test_a_head_that_does_not_end_is_not_read(tmp_path):
    with alive(tmp_path / "root") as here:
        try:
            status = httpx.get(f"{here.url}/live", headers={"X-Long": "x" * 400_000}).status_code
        except httpx.TransportError:  # it hung up while we were still sending
            status = 400
        assert status == 400
        assert httpx.get(f"{here.url}/live").status_code == 200


def test_its_end_looks_at_nothing_that_libraries_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(process_module.Drained, "run", lambda server, sockets: None)
    service = service_app(stub_doors(), SMALL, MODEL, folder=tmp_path / "root")
    try:
        with listen("127.0.0.1", 0) as socket:
            process_module.serve(lambda: service, tmp_path / "root", socket, 1.0)
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
        service.shared.uploads.close()
        service.shared.scratch.close()


def test_it_says_once_that_it_is_ready(tmp_path):
    with started(tmp_path / "root", 1, 0.0):
        until(lambda: "ready after" in log_of(tmp_path / "root"))
    assert len(re.findall(r"^ready after \d+ s$", log_of(tmp_path / "root"), re.MULTILINE)) == 1
