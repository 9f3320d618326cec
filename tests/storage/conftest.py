"""Places to keep a workspace: a folder by URL, memory, and a real S3 protocol server over HTTP."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from rushes.storage.remote import Remote

NEEDED = ("s3fs", "moto", "flask", "flask_cors")
_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of the server; credentials and endpoint stand in the environment, as a user has them."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"no S3 here: {', '.join(missing)} not installed")
    server = Path(__file__).with_name("s3_server.py")
    with (
        subprocess.Popen([sys.executable, server], stdin=-1, stdout=-1, stderr=-3, text=True) as process,
        pytest.MonkeyPatch.context() as environment,
    ):
        endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
        environment.setenv("AWS_ENDPOINT_URL", endpoint)
        environment.setenv("AWS_ACCESS_KEY_ID", "rushes-tests")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-at-all")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        fsspec.filesystem("s3").mkdir("rushes-tests")
        yield endpoint
        process.stdin.close()


@pytest.fixture
def s3(s3_endpoint: str) -> Remote:
    """An empty folder of the server, of a name that not only well-behaved clients can write."""
    return Remote(f"s3://rushes-tests/my runs ü, 50%20+ #{next(_numbers)}?")


@pytest.fixture
def faulty() -> Remote:
    """An empty folder of a file system whose faults go by the names of files, see ``faulty_files.py``."""
    place = Path(__file__).with_name("faulty_files.py")
    spec = importlib.util.spec_from_file_location("faulty_files", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    fsspec.register_implementation("faulty", module.FaultyFiles, clobber=True)
    return Remote(f"faulty://rushes-tests/n{next(_numbers)}")


@pytest.fixture
def folder_by_url(tmp_path: Path) -> Remote:
    """An empty folder of this machine, through fsspec."""
    return Remote(f"file://{tmp_path}/there")


@pytest.fixture(params=["file", "memory", "s3"])
def remote(request: pytest.FixtureRequest) -> Remote:
    """An empty folder of each kind."""
    if request.param == "memory":
        return Remote(f"memory://rushes-tests/n{next(_numbers)}")
    return request.getfixturevalue({"file": "folder_by_url", "s3": "s3"}[request.param])


@pytest.fixture(params=["file", "s3"])
def shared(request: pytest.FixtureRequest) -> Remote:
    """An empty folder of each kind that other processes see as well."""
    return request.getfixturevalue({"file": "folder_by_url", "s3": "s3"}[request.param])


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[..., Path]:
    """Make a local file."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write


class _Proxy:
    """Passes TCP connections on to ``endpoint``; breaks the first ``breaks``, stops after ``limit`` bytes.

    ``got`` counts by path what was asked for by GET.
    """

    def __init__(self, endpoint: str, *, breaks: int = 0, limit: int | None = None) -> None:
        self._target = endpoint.removeprefix("http://").split(":")
        self._breaks, self._left = breaks, limit
        self.reached = threading.Event()
        self.got: Counter[str] = Counter()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._server]
        self.endpoint = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                if self._breaks:
                    self._breaks -= 1
                    client.close()
                    continue
                there = socket.create_connection((self._target[0], int(self._target[1])))
                self._sockets += [client, there]
                threading.Thread(target=self._pass, args=(client, there, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(there, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if counted:
                    self.got.update(
                        path.decode() for path in re.findall(rb"^GET (\S+) HTTP", data, re.MULTILINE)
                    )
                if counted and self._left is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        self.reached.set()
                        return
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def cut_after() -> Callable:
    """A way to the server on which only so many bytes pass, and an event that says that they have."""

    @contextlib.contextmanager
    def cut(endpoint: str, passed: int) -> Iterator[tuple[str, threading.Event]]:
        proxy = _Proxy(endpoint, limit=passed)
        try:
            yield proxy.endpoint, proxy.reached
        finally:
            proxy.close()

    return cut


@pytest.fixture
def counting() -> Callable:
    """A way to the server, and the count of what was asked for on it by GET, by path."""

    @contextlib.contextmanager
    def counted(endpoint: str) -> Iterator[tuple[str, Counter[str]]]:
        proxy = _Proxy(endpoint)
        try:
            yield proxy.endpoint, proxy.got
        finally:
            proxy.close()

    return counted


@pytest.fixture
def breaking() -> Callable:
    """A way to the server whose first connections break."""

    @contextlib.contextmanager
    def broken(endpoint: str, times: int) -> Iterator[str]:
        proxy = _Proxy(endpoint, breaks=times)
        try:
            yield proxy.endpoint
        finally:
            proxy.close()

    return broken
