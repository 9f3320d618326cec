"""Figures of a service under load: broken uploads, too many requests, bodies without an end, kill -9.

The service runs in a process of its own over the stub of ``tests/stub_door.py``, with real uploads, decoding
processes and lane; requests are made here.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from report import Figure, at_most
from serving_client import (
    EDGE,
    FORM,
    MB,
    SILENT_S,
    TEXT,
    Answer,
    Running,
    ask,
    at_most_at_once,
    break_off,
    form,
    gauge,
    head,
    is_wait,
    predict,
    read_head,
    running,
    total,
)

# --- uploads that break off -------------------------------------------------------------------------------


AT_ONCE = 4


def broken_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """What 1,000 clients leave behind that go at random moments of their upload, or right after it."""
    count, rng = 200 if quick else 1000, random.Random(0)
    body = form(TEXT * 20_000)  # 400 kB: several blocks on their way to the disk
    whole = head("POST", "/predict", len(body), FORM) + body
    with running(folder / "broken", {"max_mb": 10, "max_frames": 10}) as service:

        def calls() -> Iterator[Callable[[], Awaitable[None]]]:
            for number in range(count):
                end = len(whole) if number % 10 == 0 else rng.randrange(1, len(whole))
                yield partial(one, whole[:end], number % 2 == 0)

        async def one(sent: bytes, reset: bool) -> None:
            await break_off(service.port, sent, reset)
            while await gauge(service.port, "rushes_admitted") >= AT_ONCE:  # none of them is to be refused
                await asyncio.sleep(0.005)

        async def first() -> None:
            for _ in range(20):
                assert (await predict(service.port)).status == 200, "a whole upload is answered"

        asyncio.run(first())
        service.settle()
        memory, descriptors = service.rss_mb(), service.descriptors()
        asyncio.run(at_most_at_once(AT_ONCE, calls()))
        service.settle()
        told = f"{count:,} uploads broken off:"
        yield at_most(f"{told} temporary files and folders left", len(service.files()), 0)
        yield at_most(f"{told} descriptors left", service.descriptors() - descriptors, 0)
        yield at_most(f"{told} resident memory, MB more", round(service.rss_mb() - memory, 2), 20)
        yield at_most(f"{told} requests in flight", service.gauge("rushes_admitted"), 0)
        yield at_most(f"{told} bytes of uploads counted", service.gauge("rushes_upload_bytes"), 0)
        refused = asyncio.run(total(service.port, "rushes_refusals_total"))
        yield Figure(f"{told} of them refused as it was busy", refused["busy"])
        after = asyncio.run(predict(service.port))
        yield Figure(
            "the same: status of a whole upload after them", after.status, "200", after.status == 200
        )


# --- more than it can do ----------------------------------------------------------------------------------

MODEL_S = 0.2
TIMES = 4


@dataclass
class Overload:
    """What clients saw, seconds.

    Attributes:
        answers: of those who asked the model.
        live: seconds of ``/live``.
    """

    answers: list[Answer] = field(default_factory=list)
    live: list[float] = field(default_factory=list)

    def of(self, status: int) -> list[float]:
        """Seconds of answers with a status."""
        return [answer.seconds for answer in self.answers if answer.status == status]


async def overloaded(port: int, per_s: float, seconds: float) -> Overload:
    """Ask at random moments, so often a second, whether or not anything is answered."""
    seen, rng = Overload(), random.Random(1)
    end, tasks = time.monotonic() + seconds, set()

    async def once() -> None:
        seen.answers.append(await predict(port))

    async def watch() -> None:
        while time.monotonic() < end:
            seen.live.append((await ask(port, "GET", "/live")).seconds)
            await asyncio.sleep(0.1)

    watching, due = asyncio.create_task(watch()), time.monotonic()
    while due < end:
        due += rng.expovariate(per_s)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(once())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(watching, *tasks)
    return seen


def overload_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """Four times what it can do: one place where the bound is tight, and the default places."""
    seconds = 20.0 if quick else 300.0
    for at_once, queue in ((1, 8), (4, 8)):
        with running(
            folder / f"overload-{at_once}", {"at_once": at_once, "queue": queue}, answer_s=MODEL_S
        ) as service:
            alone = statistics.median(asyncio.run(predict(service.port)).seconds for _ in range(10))
            per_s = TIMES * at_once / MODEL_S
            seen = asyncio.run(overloaded(service.port, per_s, seconds))
            told = f"{per_s:.0f} requests a second for {seconds:.0f} s, {at_once} at once, {queue} wait:"
            yield from overload_rows(told, seen, (queue + 1) * alone * 1.2)
            yield Figure(f"{told} seconds of one alone", round(alone, 3))


def overload_rows(told: str, seen: Overload, bar_s: float) -> Iterator[Figure]:
    """Rows of one overload."""
    accepted, refused = seen.of(200), [answer for answer in seen.answers if answer.status != 200]
    odd = [answer for answer in refused if answer.status != 429 or not is_wait(answer)]
    yield at_most(f"{told} accepted, seconds at p99 of {len(accepted)}", p99(accepted), round(bar_s, 3))
    kinds = dict(Counter(answer.status for answer in odd))
    yield at_most(
        f"{told} of {len(refused)} others not 429 with Retry-After {kinds or ''}".rstrip(), len(odd), 0
    )
    yield at_most(f"{told} refusals, seconds at p99", p99(seen.of(429)), 0.05)
    yield at_most(f"{told} /live, seconds at p99 of {len(seen.live)}", p99(seen.live), 0.05)


def p99(seconds: Sequence[float]) -> float:
    """Of them; infinite where there are none."""
    return round(float(np.percentile(seconds, 99)), 4) if seconds else float("inf")


# --- bodies without an end --------------------------------------------------------------------------------

CAP_MB = 100
CHUNK = 1 << 20


def oversize_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """A body of 1 GB to a service that takes 100 MB: with its length, without it, and as fast as it can."""
    with running(folder / "oversize", {"max_mb": CAP_MB}) as service:
        asyncio.run(predict(service.port))
        sent, status = asyncio.run(push(service, length=1000 * MB))
        yield Figure("1 GB, length told: status", status, "413", status == 413)
        yield at_most("1 GB, length told: bytes of the body sent before it", sent, 0)
        sent, status = asyncio.run(push(service, paced=True))
        yield Figure("1 GB in chunks: status", status, "413", status == 413)
        yield at_most(
            "1 GB in chunks: bytes taken before it, beyond the cap and one chunk", sent - CAP_MB * MB, CHUNK
        )
        service.forget_peak()
        before = service.rss_mb()
        _, status = asyncio.run(push(service))
        service.settle()
        yield Figure("1 GB in chunks, unhindered: status", status, "413", status == 413)
        yield at_most(
            "1 GB in chunks, unhindered: peak of resident memory, MB more", service.peak_mb() - before, 32
        )
        yield at_most("1 GB: temporary files left", len(service.files()), 0)


async def push(service: Running, length: int | None = None, paced: bool = False) -> tuple[int, int]:
    """Send a body without an end until an answer comes.

    Args:
        service: to which.
        length: that is told; the body waits to be asked for then.
        paced: send a chunk only when the service has counted all before it, so that none is under way.

    Returns:
        Bytes of the body that were sent before the answer came, and its status.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    more = "Expect: 100-continue\r\n" if length is not None else ""
    writer.write(head("POST", "/predict", length, FORM, more))
    answer = asyncio.create_task(read_head(reader))
    begins, sent = form(b"").partition(b"\r\n--" + EDGE.encode() + b"--")[0], 0
    with suppress(OSError):
        while length is None and sent < 1000 * MB and not answer.done():
            data = begins + bytes(CHUNK - len(begins)) if sent == 0 else bytes(CHUNK)
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            await writer.drain()
            sent += len(data)
            while paced and not answer.done() and await gauge(service.port, "rushes_upload_bytes") < sent:
                await asyncio.sleep(0.002)
    try:
        status, _ = await asyncio.wait_for(answer, SILENT_S)
    except (OSError, EOFError, TimeoutError):
        status = 0
    writer.close()
    return sent, status


# --- killed -----------------------------------------------------------------------------------------------


Start = Callable[[Path], AbstractContextManager[Running]]
"""Starts a service over a folder of uploads."""


def killed_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """Of a service over the stub; each of its clips takes a while to decode."""
    yield from killed(
        quick, folder / "killed", "stub", partial(running, settings={"at_once": 8}, decode_s=0.05)
    )


def killed(quick: bool, root: Path, name: str, start: Start) -> Iterator[Figure]:
    """Kill -9 while uploads come and recordings are decoded, and a new start over the same folder."""
    rounds, stale, orphans, ready, left = 3 if quick else 10, 0, 0, [], 0
    for number in range(rounds + 1):
        with start(root) as service:
            ready.append(service.ready_s)
            mine = f"{service.process.pid}-"
            stale += sum(not path.name.startswith(mine) for path in root.iterdir()) + len(service.files())
            if number == rounds:
                break
            children = service.process.children(recursive=True)
            asyncio.run(under_load(service, 0.5 + 0.1 * number))
            left += len(service.files())
            _, alive = psutil.wait_procs(children, timeout=10.0)
            orphans += len(alive)
    told = f"kill -9 under load, {name}, {rounds} times:"
    yield Figure(f"{told} files and folders that lay there then", left, "> 0", left > 0)
    yield at_most(f"{told} of them after the next start", stale, 0)
    yield at_most(f"{told} processes that outlived it for 10 s", orphans, 0)
    yield at_most(f"{told} longest until it was ready again, seconds", round(max(ready), 2), 10)


async def under_load(service: Running, seconds: float) -> None:
    """Ask and upload slowly, and kill the service in the midst of it."""

    async def slow() -> None:
        body = form(TEXT * 50_000)
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(head("POST", "/predict", len(body), FORM) + body[: len(body) // 2])
            await writer.drain()
            await reader.read()
            writer.close()

    tasks = [asyncio.create_task(slow()) for _ in range(3)]
    tasks += [asyncio.create_task(predict(service.port)) for _ in range(4)]
    await asyncio.sleep(seconds)
    service.process.kill()
    await asyncio.gather(*tasks)
