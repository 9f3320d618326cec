"""Decoding processes: what they may say, what they may not do, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from decoders import Do, Endless, Lie, Modules, Pages, Refuse

from rushes.errors import MediaReason
from rushes.media.limits import Limits
from rushes.runs.door.contract import Decode
from rushes.serve.child import Job
from rushes.serve.children import Children, Stream
from rushes.serve.refusal import Refusal
from rushes.serve.wire import _KINDS, _SIZES

DEADLINE_S = 30.0
Asked = Callable[[Children, Mapping[str, Path]], Any]

_ABOUT = b'{"duration_s": null, "fps": null, "parts": 1}'


def within(asked: Asked, path: Path, warm: int = 1) -> Any:
    """What ``asked`` gives, of a pool of its own that is ended behind it."""

    async def run() -> Any:
        async with Children(["numpy", "decoders"], Limits(), 512, warm) as children:
            return await asked(children, {"file": path})

    return asyncio.run(run())


class Pool:
    """One pool for many tests, so that not each of them waits for its imports."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._children = Children(["numpy", "decoders"], Limits(), 512, 1)
        runner.run(self._children.start())

    def within(self, asked: Asked, path: Path) -> Any:
        return self._runner.run(asked(self._children, {"file": path}))

    def close(self) -> None:
        self._runner.run(self._children.close())


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with asyncio.Runner() as runner:
        made = Pool(runner)
        yield made
        made.close()


async def members(
    children: Children, decode: Decode, files: Mapping[str, Path], deadline_s: float = DEADLINE_S
) -> list[tuple[str, dict[str, bytes]]]:
    async with children.decode(decode, files, deadline_s) as stream:
        return [
            (part.key, {name: bytes(data) for name, data in part.members.items()}) async for part in stream
        ]


async def members_of_pages(children: Children, files: Mapping[str, Path]) -> None:
    assert len(await members(children, Pages(), files)) == 3


def refusal(pool: Pool, decode: Decode, path: Path, deadline_s: float = DEADLINE_S) -> Refusal:
    """What is said of an upload; the next one is decoded as if nothing had been."""

    async def asked(children: Children, files: Mapping[str, Path]) -> Refusal:
        with pytest.raises(Refusal) as caught:
            await members(children, decode, files, deadline_s)
        assert len(await members(children, Pages(), files)) == 3
        return caught.value

    found: Refusal = pool.within(asked, path)
    return found


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload.bin"
    path.write_bytes(b"0123456789")
    return path


def children_of(process: int) -> list[int]:
    """Ids of processes that it started and that are there, dead or alive."""
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(one) for one in found.split()]


def is_there(process: int) -> bool:
    """Whether a process runs; one that nobody reaped yet does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("warm", [0, 2])
def test_parts_come_in_order_with_their_bytes(upload: Path, warm: int) -> None:
    async def asked(children: Children, files: Mapping[str, Path]) -> Any:
        async with children.decode(Pages(), files, DEADLINE_S) as stream:
            return stream.about, [(part.key, bytes(part.members["page"])) async for part in stream]

    about, parts = within(asked, upload, warm)
    assert about == {"duration_s": 1.5, "fps": "30000/1001", "parts": 3}
    assert parts == [("0", b"0123"), ("4", b"4567"), ("8", b"89")]


def test_a_child_imports_no_model_and_serves_one_upload(pool: Pool, upload: Path) -> None:
    async def asked(children: Children, files: Mapping[str, Path]) -> Any:
        return [(await members(children, Modules(), files))[0][1] for _ in range(3)]

    found = pool.within(asked, upload)
    assert len({one["process"] for one in found}) == 3
    modules = set(found[0]["modules"].decode().split())
    assert not modules & {"torch", "transformers", "fastapi", "uvicorn"}


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("damaged", "undecodable"),
        ("kind", "kind_not_allowed"),
        ("pixels", "too_large_pixels"),
        ("frames", "too_many_frames"),
        ("duration_s", "too_long"),
        ("decoded_bytes", "decoded_bytes_exceeded"),
        ("memory", "crashed"),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
def test_what_media_refuses_has_a_code_and_no_path(
    pool: Pool, upload: Path, reason: MediaReason, code: str, after: int
) -> None:
    found = refusal(pool, Refuse(reason, after), upload)
    assert (found.status, found.error) == (422, code)
    assert found.cure
    assert str(upload.parent) not in f"{found.detail} {found.cure}"


def test_a_question_that_cannot_be_asked_is_told_from_a_bad_file(pool: Pool, upload: Path) -> None:
    found = refusal(pool, Do("question"), upload)
    assert (found.error, found.detail, found.cure) == ("unanswerable", "no two pictures of it", "send two")


@pytest.mark.parametrize("what", ["segfault", "exit", "bug", "memory"])
def test_a_child_that_breaks_down_is_a_refusal(pool: Pool, upload: Path, what: str) -> None:
    found = refusal(pool, Do(what), upload)
    assert (found.status, found.error) == (422, "crashed")


@pytest.mark.parametrize("what", ["sleep", "loop"])
def test_the_deadline_ends_a_child(pool: Pool, upload: Path, what: str) -> None:
    found = refusal(pool, Do(what), upload, deadline_s=0.5)
    assert (found.status, found.error) == (504, "deadline")


def test_a_child_has_no_output_no_files_and_no_network(
    pool: Pool, upload: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pool.within(lambda children, files: members(children, Do("print"), files), upload) == []
    assert capfd.readouterr().out == ""
    assert refusal(pool, Do("write"), upload).error == "crashed"
    assert (upload.parent / "written").read_bytes() == b""

    async def connect(children: Children, files: Mapping[str, Path]) -> bool | None:
        try:
            await members(children, Do("connect"), files)
        except Refusal:
            return None
        return children.isolated

    with socket.create_server(("127.0.0.1", 0)) as server:
        upload.write_text(str(server.getsockname()[1]))
        assert pool.within(connect, upload) is not True  # False: this system lets nobody give up the network


def said(kind: str, head: bytes, body: bytes = b"", nbody: int | None = None) -> bytes:
    return _SIZES.pack(_KINDS.index(kind), len(head), len(body) if nbody is None else nbody) + head + body  # type: ignore[arg-type]  # the tests' own words


def a_part(members: str, body: bytes = b"") -> bytes:
    return said("about", _ABOUT) + said("part", b'{"key": "a", "members": ' + members.encode() + b"}", body)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 100,
        _SIZES.pack(1, 1 << 31, 0),
        _SIZES.pack(1, 2, 1 << 62) + b"{}",
        _SIZES.pack(99, 2, 0) + b"{}",
        said("about", b"{}"),
        said("about", b"[" * 100_000),
        said("about", b"not json"),
        said("about", b'{"parts": NaN}'),
        said("about", b'{"parts": true}'),
        said("about", b'{"parts": 1e99}'),
        said("about", b'{"parts": 100000000000}'),
        said("about", b'{"parts": 1, "duration_s": "long"}'),
        said("about", b'{"parts": 1, "duration_s": -1}'),
        said("about", b'{"parts": 1, "fps": "1/0"}'),
        said("end", b"{}"),
        said("part", b'{"key": "a", "members": []}'),
        a_part('[["x", 9]]', b"short"),
        a_part('[["x", 2]]', b"longer"),
        a_part('[["x", -1], ["y", 6]]', b"minus"),
        a_part('[["x", 1], ["x", 1]]', b"xx"),
        a_part('[["", 1]]', b"x"),
        a_part("[[1, 1]]", b"x"),
        a_part('["xy"]', b"xy"),
        a_part("7"),
        a_part("[]") + said("part", b'{"key": "b", "members": []}'),
        said("about", b'{"parts": 2}') + 2 * said("part", b'{"key": "a", "members": []}'),
        a_part("[]") + said("about", _ABOUT),
    ],
)
def test_a_child_that_lies_is_ended(pool: Pool, upload: Path, data: bytes) -> None:
    found = refusal(pool, Lie(data), upload)
    assert (found.status, found.error) == (422, "crashed")


def test_a_child_waits_where_nobody_reads(pool: Pool, upload: Path) -> None:
    upload.write_bytes(bytes(1000))

    async def asked(children: Children, files: Mapping[str, Path]) -> int:
        async with children.decode(Endless(), files, DEADLINE_S) as stream:
            await anext(stream)
            await asyncio.sleep(0.5)
            return sum(upload.read_bytes())

    assert 2 <= pool.within(asked, upload) < 20


def test_nothing_is_left_of_two_hundred_uploads(upload: Path) -> None:
    async def asked(children: Children, files: Mapping[str, Path]) -> None:
        (forkserver,) = set(children_of(os.getpid())) - before
        await members(children, Pages(), files)
        descriptors, waiting = len(os.listdir("/proc/self/fd")), len(children_of(forkserver))
        for number in range(200):
            if number % 4 == 0:
                with pytest.raises(Refusal):
                    await members(children, Do("segfault"), files)
                continue
            async with children.decode(Pages(1) if number % 2 else Endless(), files, DEADLINE_S) as stream:
                await anext(stream)
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert len(children_of(forkserver)) == waiting == 1

    before = set(children_of(os.getpid()))
    upload.write_bytes(bytes(1000))
    within(asked, upload)
    assert set(children_of(os.getpid())) == before


def test_a_request_that_is_given_up_ends_its_child(upload: Path) -> None:
    async def asked(children: Children, files: Mapping[str, Path]) -> None:
        (forkserver,) = set(children_of(os.getpid())) - before
        task = asyncio.create_task(members(children, Do("sleep"), files))
        while len(children_of(forkserver)) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(children_of(forkserver)) == 1

    before = set(children_of(os.getpid()))
    within(asked, upload)


def test_the_process_that_forks_may_be_lost(upload: Path) -> None:
    async def asked(children: Children, files: Mapping[str, Path]) -> None:
        (forkserver,) = set(children_of(os.getpid())) - before
        task = asyncio.create_task(members(children, Do("sleep"), files))
        while len(children_of(forkserver)) < 2:
            await asyncio.sleep(0.01)
        os.kill(forkserver, signal.SIGKILL)
        with pytest.raises(Refusal, match="crashed"):
            await task
        assert len(await members(children, Pages(), files)) == 3

    before = set(children_of(os.getpid()))
    within(asked, upload)


_SERVER = """
import asyncio, sys
from pathlib import Path
from decoders import Do
from rushes.media.limits import Limits
from rushes.serve.children import Children

async def run():
    async with Children(["decoders"], Limits(), 512, 2) as children:
        print("ready", flush=True)
        async with children.decode(Do("loop"), {"file": Path(sys.argv[1])}, 600.0):
            pass

asyncio.run(run())
"""


def test_all_leave_with_a_server_that_is_killed(upload: Path) -> None:
    places = os.pathsep.join(place for place in sys.path if place)
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(upload)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": places},
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        assert server.stdout.readline() == b"ready\n"
        (forkserver,) = children_of(server.pid)
        while len(started := children_of(forkserver)) < 3:  # one that works, two that wait
            time.sleep(0.01)
        server.kill()
        server.wait()
        for process in (forkserver, *started):
            while is_there(process):
                time.sleep(0.01)
        assert server.stderr.read() == b"", "they leave without a word"


def test_one_that_died_while_it_waited_is_no_fault_of_an_upload(upload: Path) -> None:
    async def asked(children: Children, files: Mapping[str, Path]) -> None:
        (forkserver,) = set(children_of(os.getpid())) - before
        while len(waiting := children_of(forkserver)) < 2:
            await asyncio.sleep(0.01)
        for process in waiting:
            os.kill(process, signal.SIGKILL)
        while any(one.alive for one in children._waiting):  # until the server has heard of it
            await asyncio.sleep(0.01)
        assert len(await members(children, Pages(), files)) == 3
        while len(children_of(forkserver)) != 2:  # two wait again, as soon as they are forked
            await asyncio.sleep(0.01)

    before = set(children_of(os.getpid()))
    within(asked, upload, warm=2)


def test_the_next_one_is_started_behind_the_job(upload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    give, refill = Stream.give, Children._refill

    async def given(self: Stream, job: Job) -> None:
        await give(self, job)
        order.append("given")

    async def refilled(self: Children) -> None:
        order.append("refilled")
        await refill(self)

    monkeypatch.setattr(Stream, "give", given)
    monkeypatch.setattr(Children, "_refill", refilled)
    within(members_of_pages, upload)
    assert order == ["given", "refilled"]
