"""Bodies of requests on their way to the disk, and nothing left of them."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from rushes.errors import StorageError
from rushes.serve import form, uploads
from rushes.serve.metrics import Metrics
from rushes.serve.refusal import Refusal
from rushes.serve.scratch import Scratch
from rushes.serve.uploads import Uploads

EDGE = "edge"
KIND = f"multipart/form-data; boundary={EDGE}"
TAKES = {"file": True, "second": False}


def part(name, value, filename=None):
    told = "" if filename is None else f'; filename="{filename}"'
    return (
        f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'.encode() + value + b"\r\n"
    )


END = f"--{EDGE}--\r\n".encode()


def body_of(*parts):
    return b"".join(parts) + END


@contextmanager
def taking(root, **more):
    """Uploads below ``root``; nothing is left there after each test, on the disk and in the counts."""
    scratch = Scratch(root)
    wanted = {"max_bytes": 1 << 20, "disk_bytes": 4 << 20, "upload_s": 30.0} | more
    taken = Uploads(scratch, metrics=Metrics(), **wanted)
    try:
        yield taken
        assert [path.name for path in scratch.folder.iterdir()] == ["lock"]
        assert taken.disk.taken == 0
    finally:
        taken.close()
        scratch.close()
        assert not any(root.iterdir())


def request_of(chunks, kind=KIND, length=None, ends=True):
    """A request whose body comes in such pieces; None is a client that leaves, a number a pause in seconds."""
    headers = [(b"content-type", kind.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    coming = iter(chunks)

    async def receive():
        for chunk in coming:
            if chunk is None:
                return {"type": "http.disconnect"}
            if isinstance(chunk, float):
                await asyncio.sleep(chunk)
                continue
            return {"type": "http.request", "body": chunk, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    return Request({"type": "http", "headers": headers, "method": "POST"}, receive)


def received(taken, request, takes=TAKES, most=1):
    """Fields, files by name and labels."""

    async def run():
        async with taken.receive(request, takes, most) as came:
            files = [(upload.field, upload.label, upload.path.read_bytes()) for upload in came.uploads]
            modes = {stat.S_IMODE(upload.path.parent.stat().st_mode) for upload in came.uploads}
            assert modes <= {0o700}
            assert set(came.files) == {upload.field for upload in came.uploads}
            return dict(came.fields), files, came.nbytes

    return asyncio.run(run())


def refusal_of(taken, request, takes=TAKES):
    with pytest.raises(Refusal) as caught:
        received(taken, request, takes)
    return caught.value.status, caught.value.error


def test_a_form_comes_as_it_was_sent(tmp_path):
    body = body_of(part("clip_id", "ü 7".encode()), part("file", b"\r\n--edg\0", "C:\\a\\b.c.mp4"))
    with taking(tmp_path / "root") as taken:
        fields, files, nbytes = received(taken, request_of([body], length=len(body)))
    assert (fields, files, nbytes) == (
        {"clip_id": "ü 7"},
        [("file", "b.c", b"\r\n--edg\0")],
        len(body),
    )


@given(
    content=st.binary(max_size=300) | st.just(f"\r\n--{EDGE}".encode() * 3).map(lambda data: data[:-1]),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
@settings(deadline=None, max_examples=60)
def test_pieces_make_no_difference(tmp_path_factory, content, cuts):
    if f"\r\n--{EDGE}".encode() in content:
        content = content.replace(b"edge", b"egde")
    body = body_of(part("file", content, "x"))
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[low:high] for low, high in pairwise(edges)]
    with taking(tmp_path_factory.mktemp("any") / "root") as taken:
        assert received(taken, request_of(filter(None, chunks)))[1] == [("file", "x", content)]


def test_names_of_clients_are_never_those_of_files(tmp_path):
    root = tmp_path / "root"
    names = ["../../escaped", "/etc/passwd", "", ".", "a\0b", "x" * 900, "lock"]
    with taking(root) as taken:
        body = body_of(*(part("file", b"x", name) for name in names))
        _, files, _ = received(taken, request_of([body]), most=len(names))
    assert [label for _, label, _ in files] == ["escaped", "passwd", "", "", "ab", "x" * 100, "lock"]
    assert list(tmp_path.iterdir()) == [root]


@pytest.mark.parametrize(
    ("parts", "status", "error"),
    [
        ([], 422, "missing_file"),
        ([part("clip_id", b"x")], 422, "missing_file"),
        ([part("other", b"x", "x")], 422, "unknown_file"),
        ([part("file", b"x", "x")] * 2, 422, "too_many_files"),
        ([part("file", b"x")], 422, "not_a_file"),
        ([part("a", b"x")] * 2, 422, "twice"),
        ([part(f"f{number}", b"") for number in range(101)], 422, "too_many_fields"),
        ([part("a", bytes(40_000)), part("b", bytes(40_000))], 422, "too_many_fields"),
        ([part("a", b"\xff"), part("file", b"x", "x")], 400, "bad_multipart"),
        ([part("a", b"x").replace(b"form-data", b"attachment")], 400, "bad_multipart"),
        (
            [part("a", b"x").replace(b"\r\n\r\n", b"\r\nX: " + b"y" * 9000 + b"\r\n\r\n")],
            400,
            "bad_multipart",
        ),
        ([part("a", b"x").replace(b"\r\n\r\n", b"\r\nX: y" * 99 + b"\r\n\r\n")], 400, "bad_multipart"),
        ([b"what is this"], 400, "bad_multipart"),
    ],
)
def test_a_form_that_is_not_taken(tmp_path, parts, status, error):
    with taking(tmp_path / "root") as taken:
        assert refusal_of(taken, request_of([body_of(*parts)])) == (status, error)


@pytest.mark.parametrize(
    "kind", ["", "video/mp4", "application/json; boundary=x", "multipart/form-data", KIND + "e" * 300]
)
def test_what_is_no_form_is_not_read(tmp_path, kind):
    def fail():
        raise AssertionError("it was read")
        yield b""

    with taking(tmp_path / "root") as taken:
        assert refusal_of(taken, request_of(fail(), kind)) == (415, "not_multipart")


@pytest.mark.parametrize("cut", [3, 60, 80, 88])
def test_a_body_that_stops_early_is_refused(tmp_path, cut):
    body = body_of(part("file", b"x" * 10, "x"))
    with taking(tmp_path / "root") as taken:
        assert refusal_of(taken, request_of([body[:cut]])) == (400, "bad_multipart")
        with pytest.raises(ClientDisconnect):
            received(taken, request_of([body[:cut], None]))


def endless(seen):
    yield part("file", b"", "x")[:-2]
    while True:
        seen.append(1)
        yield bytes(64 << 10)


@pytest.mark.parametrize(
    ("bounds", "status", "error", "chunks"),
    [
        ({"max_bytes": 1 << 20}, 413, "too_large", 16),
        ({"max_bytes": 8 << 20, "disk_bytes": 1 << 20}, 507, "no_room", 16),
    ],
)
def test_a_body_without_an_end_is_counted(tmp_path, bounds, status, error, chunks):
    seen = []
    with taking(tmp_path / "root", **bounds) as taken:
        assert refusal_of(taken, request_of(endless(seen))) == (status, error)
    assert len(seen) == chunks


def test_room_is_taken_when_the_length_is_told(tmp_path):
    body = body_of(part("file", b"x", "x"))

    async def run(taken):
        async with taken.receive(request_of([body], length=3 << 20), TAKES):
            assert taken.disk.taken == 3 << 20
            with pytest.raises(Refusal, match="507"):
                async with taken.receive(request_of([body], length=2 << 20), TAKES):
                    pass
            async with taken.receive(request_of([body], length=len(body)), TAKES):
                assert taken.disk.taken > 3 << 20

    with taking(tmp_path / "root") as taken:
        asyncio.run(run(taken))


@pytest.mark.parametrize("bounds", [{"upload_s": 0.2}, {"silent_s": 0.1}])
def test_who_is_too_slow_is_refused(tmp_path, bounds):
    with taking(tmp_path / "root", **bounds) as taken:
        drip = (piece for _ in range(100) for piece in (b"-", 0.15))
        assert refusal_of(taken, request_of(drip)) == (408, "upload_too_slow")


def test_a_byte_now_and_then_is_too_slow_and_a_steady_stream_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "BEGIN_S", 0.2)
    with taking(tmp_path / "root") as taken:
        drip = (piece for _ in range(100) for piece in (b"-", 0.05))
        assert refusal_of(taken, request_of(drip)) == (408, "upload_too_slow")
        begins, rest = part("file", b"", "x")[:-2], b"\r\n" + END
        steady = [begins, *(piece for _ in range(6) for piece in (bytes(20_000), 0.1)), rest]
        assert received(taken, request_of(steady))[1] == [("file", "x", bytes(120_000))]


class FullFile:
    def __init__(self, file, code):
        self.file, self.code = file, code

    def write(self, data):
        raise OSError(self.code, os.strerror(self.code))

    def close(self):
        self.file.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_told_from_a_broken_one(tmp_path, monkeypatch, code):
    whole = form.FormReader._new_file
    monkeypatch.setattr(form.FormReader, "_new_file", lambda *told: FullFile(whole(*told), code))
    with taking(tmp_path / "root") as taken:
        request = request_of([body_of(part("file", b"x", "x"))])
        if code == errno.EIO:
            with pytest.raises(OSError, match="Input/output"):
                received(taken, request)
        else:
            assert refusal_of(taken, request) == (507, "no_room")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_bytes_that_only_closing_writes_are_missed_too(tmp_path, monkeypatch):
    whole = form.FormReader._new_file

    def full(reader, name, filename):
        whole(reader, name, filename).close()
        return open("/dev/full", "wb")

    monkeypatch.setattr(form.FormReader, "_new_file", full)
    with taking(tmp_path / "root") as taken:
        assert refusal_of(taken, request_of([body_of(part("file", b"x", "x"))])) == (507, "no_room")


def test_cancelling_at_any_moment_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "BLOCK", 1000)
    descriptors = len(os.listdir("/proc/self/fd"))
    pieces = [part("file", b"x" * 900, "x")[:-2], *[b"y" * 1000] * 30, b"\r\n", END]

    async def run(taken):
        for turns in range(120):
            inside = asyncio.Event()

            async def request(inside=inside):
                async with taken.receive(request_of(pieces), TAKES):
                    inside.set()
                    await asyncio.sleep(60)

            task = asyncio.create_task(request())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with taking(tmp_path / "root") as taken:
        asyncio.run(run(taken))
        del taken
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_freed_memory_goes_back_when_the_last_upload_is_over(tmp_path, monkeypatch):
    trims = []
    monkeypatch.setattr(uploads, "_trim", trims.append)
    body = body_of(part("file", b"x", "x"))

    async def run(taken):
        async with taken.receive(request_of([body]), TAKES):
            async with taken.receive(request_of([body]), TAKES):
                pass
            among = len(trims)
        return among, len(trims)

    with taking(tmp_path / "root") as taken:
        taken._trimmed = time.monotonic() + 1000
        assert asyncio.run(run(taken)) == (0, 1)


# --- what dead processes leave ------------------------------------------------------------------------------

DIES = """
import os, sys
from pathlib import Path
from rushes.serve.scratch import Scratch
scratch = Scratch(Path(sys.argv[1]))
(scratch.new_folder(0) / "0").write_bytes(b"left")
print(scratch.folder.name, flush=True)
sys.stdin.read()
os._exit(1)
"""


def test_the_dead_are_swept_and_the_living_are_not(tmp_path):
    root = tmp_path / "root"
    command = [sys.executable, "-c", DIES, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        name = other.stdout.readline().strip()
        scratch = Scratch(root)
        assert scratch.sweep() == 0
        other.kill()
        other.wait()
        assert (root / name).is_dir()
        assert scratch.sweep() == 1
    assert [path.name for path in root.iterdir()] == [scratch.folder.name]
    scratch.close()


def test_a_process_of_the_same_number_is_another(tmp_path):
    scratch = Scratch(tmp_path / "root")
    (tmp_path / "root" / f"{os.getpid()}-1").mkdir()
    assert scratch.sweep() == 1
    scratch.close()


def test_one_that_cannot_be_seen_is_alive_by_its_lock(tmp_path):
    """As in another container: its number says nothing here."""
    scratch, other = Scratch(tmp_path / "root"), Scratch(tmp_path / "other")
    other.folder.rename(tmp_path / "root" / "1-1")
    assert scratch.sweep() == 0
    other.close()
    assert scratch.sweep() == 1
    scratch.close()


def test_only_what_is_ours_is_swept(tmp_path):
    scratch = Scratch(tmp_path / "root")
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "root" / "1-1").symlink_to(precious)
    (tmp_path / "root" / "2-1").write_text("a file")
    (tmp_path / "root" / "notes").mkdir()
    left = tmp_path / "root" / "3-1"
    left.mkdir()
    (left / "0").symlink_to(precious)
    assert scratch.sweep() == 1
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == sorted(
        ["1-1", "2-1", "notes", scratch.folder.name]
    )
    assert precious.is_dir()
    scratch.close()


def test_a_folder_that_others_can_reach_is_refused(tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "file").write_text("")
    for name in ("open", "link", "file"):
        with pytest.raises(StorageError):
            Scratch(tmp_path / name)
