"""A service over hours: mixed traffic at half of what it can do, good and bad, and what stays of it in memory.

What it can do is measured first: how many clips a second are answered where there are always enough.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from report import Figure, at_most
from serving_client import FORM, TEXT, Answer, Running, ask, break_off, form, head, is_wait, predict, running

AT_ONCE, MODEL_S = 4, 0.2
SAMPLE_S = 2.0

Kind = Callable[[int, random.Random], Awaitable[Answer | None]]


async def _analyze(port: int, rng: random.Random) -> Answer:
    body = form(TEXT * rng.randrange(1, 6), clip_id="a")
    return await ask(port, "POST", "/analyze", body, more="Accept: text/event-stream\r\n")


async def _search(port: int, rng: random.Random) -> Answer:
    words = json.dumps({"text": f"item {rng.random()}"}).encode()
    return await ask(port, "POST", "/search", words, "application/json")


async def _undecodable(port: int, rng: random.Random) -> Answer:
    return await ask(port, "POST", "/predict", form(b"\xff" + rng.randbytes(100_000)))


async def _wrong_form(port: int, rng: random.Random) -> Answer:
    return await ask(port, "POST", "/predict", form(rng.randbytes(200_000), name=f"f{rng.random()}"))


async def _too_large(port: int, rng: random.Random) -> Answer:
    return await ask(port, "POST", "/predict", bytes(3_000_000))


async def _broken(port: int, rng: random.Random) -> None:
    body = form(TEXT * 20_000)
    whole = head("POST", "/predict", len(body), FORM) + body
    await break_off(port, whole[: rng.randrange(1, len(whole))], rng.random() < 0.5)


async def _leaves(port: int, rng: random.Random) -> None:
    body = form(TEXT)
    await break_off(port, head("POST", "/analyze", len(body), FORM) + body, reset=True)


async def _unknown(port: int, rng: random.Random) -> Answer:
    return await ask(port, "GET", f"/{rng.randrange(10**9)}")


KINDS: Sequence[tuple[int, str, int | None, Kind]] = (
    (8, "predict", 200, lambda port, rng: predict(port)),
    (3, "analyze, event by event", 200, _analyze),
    (3, "search", 200, _search),
    (1, "no recording", 422, _undecodable),
    (1, "wrong form", 422, _wrong_form),
    (1, "too large", 413, _too_large),
    (1, "broken off", None, _broken),
    (1, "leaves while at work", None, _leaves),
    (1, "unknown path", 404, _unknown),
)
"""Share, name, status (None where nobody waits for it), and how it is asked."""


def soak_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """Slope of memory after the first part, and leaks."""
    seconds = 300.0 if quick else 7200.0
    settings = {"at_once": AT_ONCE, "max_mb": 2.0}
    with running(folder / "soak", settings, answer_s=MODEL_S) as service:
        asyncio.run(predict(service.port))
        service.settle()
        per_s = asyncio.run(answered_per_s(service, 10.0 if quick else 60.0)) / 2
        service.settle()
        descriptors, children = service.descriptors(), len(service.process.children(recursive=True))
        told = f"soak of {seconds:.0f} s:"
        odd, busy, samples, asked = asyncio.run(soaked(service, seconds, per_s))
        service.settle()
        yield at_most(f"{told} MB an hour, after the first third", round(slope(samples), 3), 1)
        first, last = (np.mean([mb for _, mb in some]) for some in (samples[:5], samples[-5:]))
        yield Figure(f"{told} resident memory at its begin and end, MB", f"{first:.1f} -> {last:.1f}")
        yield at_most(
            f"{told} of {asked:,} requests not as expected {dict(odd) or ''}".rstrip(), odd.total(), 0
        )
        yield Figure(f"{told} requests a second; of them refused as it was busy", f"{per_s:.1f}; {busy}")
        yield at_most(f"{told} files left", len(service.files()), 0)
        yield at_most(f"{told} descriptors left", service.descriptors() - descriptors, 0)
        more = len(service.process.children(recursive=True)) - children
        yield at_most(f"{told} processes left", more, 0)
        yield at_most(f"{told} requests in flight", service.gauge("rushes_admitted"), 0)


async def answered_per_s(service: Running, seconds: float) -> float:
    """How many clips a second are answered where as many clients as it lets in ask again and again."""
    end, answered = time.monotonic() + seconds, 0

    async def client() -> None:
        nonlocal answered
        while time.monotonic() < end:
            answered += (await predict(service.port)).status == 200

    await asyncio.gather(*(client() for _ in range(AT_ONCE + 4)))
    return answered / seconds


async def soaked(
    service: Running, seconds: float, per_s: float
) -> tuple[Counter[str], int, list[tuple[float, float]], int]:
    """Ask at random moments, so often a second.

    Returns:
        What was answered otherwise than it must be; how many were refused as it was busy; (hours, MB) of the
        service's memory; how many were asked.
    """
    busy: list[str] = []
    rng, odd, samples, tasks = random.Random(2), Counter[str](), [], set[asyncio.Task[None]]()
    begin = time.monotonic()

    async def once(name: str, status: int | None, kind: Kind) -> None:
        answer = await kind(service.port, rng)
        if answer is not None and answer.status == 429 and is_wait(answer):
            busy.append(name)  # those who came at once by chance
        elif answer is not None and answer.status != status:
            odd[f"{name}: {answer.status}"] += 1

    async def watch() -> None:
        while time.monotonic() < begin + seconds:
            samples.append(((time.monotonic() - begin) / 3600, service.rss_mb()))
            await ask(service.port, "GET", "/metrics")
            await asyncio.sleep(SAMPLE_S)

    watching, due, asked = asyncio.create_task(watch()), time.monotonic(), 0
    while due < begin + seconds:
        due += rng.expovariate(per_s)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        [(_, name, status, kind)] = rng.choices(KINDS, [share for share, *_ in KINDS])
        task = asyncio.create_task(once(name, status, kind))
        asked += 1
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(watching, *tasks)
    return odd, len(busy), samples, asked


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """MB an hour: the median of slopes between pairs, of the last two thirds of the time.

    One request that is larger than all before moves a line of least squares, and not this one.
    """
    hours, mb = np.array(samples[len(samples) // 3 :]).T
    thin = max(1, len(hours) // 400)
    hours, mb = hours[::thin], mb[::thin]
    low, high = np.triu_indices(len(hours), 1)
    return float(np.median((mb[high] - mb[low]) / (hours[high] - hours[low])))
