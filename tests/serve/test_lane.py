"""One thread that answers whoever asks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from stub_door import Stub

from rushes.errors import ModelError
from rushes.runs.door.contract import Part
from rushes.serve.lane import Lane
from rushes.serve.metrics import Metrics
from rushes.serve.refusal import Refusal


class Held(Stub):
    """Answers when it is told to, and refuses a line ``bad``."""

    def __init__(self, **said):
        super().__init__(**said)
        self.go_on, self.asked_about, self.threads = threading.Semaphore(0), [], set()

    def answer(self, parts):
        lines = [bytes(part.members["line"]).decode() for part in parts]
        self.asked_about.append(lines)
        self.threads.add(threading.current_thread())
        self.go_on.acquire()
        if "bad" in lines:
            raise ModelError("this one cannot be answered")
        if "exit" in lines:
            raise SystemExit(3)
        if "stop" in lines:
            raise StopIteration
        return lines[:-1] if "short" in lines else lines


def parts_of(text):
    return [Part(f"{number}", {"line": line.encode()}) for number, line in enumerate(text.split())]


def in_lane(body, **more):
    """Run ``body(lane)`` before an open lane."""

    async def run():
        lane = Lane(Metrics(), **more)
        await lane.start()
        try:
            async with asyncio.timeout(30):
                await body(lane)
        finally:
            await lane.close()

    asyncio.run(run())


async def until(holds):
    while not holds():
        await asyncio.sleep(0.001)


async def asking(lane, door, *texts):
    """Tasks that ask, in order, after the first of them has been taken alone."""
    tasks = []
    for text in texts:
        tasks.append(asyncio.create_task(lane.ask(door, parts_of(text))))
        await asyncio.sleep(0)
        if len(tasks) == 1:
            await until(lambda: door.asked_about)
    return tasks


def test_those_who_wait_are_answered_together_and_fairly():
    door = Held(batch_size=4)

    async def body(lane):
        tasks = await asking(lane, door, "first", "a1 a2 a3 a4 a5 a6", "b1", "c1 c2")
        door.go_on.release(99)
        said = await asyncio.gather(*tasks)
        assert said == [["first"], ["a1", "a2", "a3", "a4", "a5", "a6"], ["b1"], ["c1", "c2"]]

    in_lane(body)
    assert [sorted(batch) for batch in door.asked_about] == [
        ["first"],
        ["a1", "a2", "b1", "c1"],
        ["a3", "a4", "a5", "c2"],
        ["a6"],
    ]
    assert len(door.threads) == 1


def test_a_batch_is_of_one_door_and_the_other_comes_next():
    door, other = Held(batch_size=2), Held(batch_size=2)

    async def body(lane):
        tasks = await asking(lane, door, "first", "a1 a2 a3 a4")
        theirs = asyncio.create_task(lane.ask(other, parts_of("x")))
        await asyncio.sleep(0)
        other.go_on.release(9)
        door.go_on.release(2)
        assert await theirs == ["x"]
        assert door.asked_about == [["first"], ["a1", "a2"], ["a3", "a4"]][: len(door.asked_about)]
        assert not tasks[1].done()
        door.go_on.release(9)
        await asyncio.gather(*tasks)

    in_lane(body)


def test_whoever_is_cancelled_is_not_asked_about():
    door = Held(batch_size=2)

    async def body(lane):
        tasks = await asking(lane, door, "first", "a1 a2 a3 a4 a5", "b1 b2 b3")
        tasks[2].cancel()
        await asyncio.sleep(0)
        door.go_on.release(1)
        await until(lambda: len(door.asked_about) == 2)
        tasks[1].cancel()
        await asyncio.sleep(0)
        door.go_on.release(9)
        assert await lane.ask(door, parts_of("last")) == ["last"]

    in_lane(body)
    assert door.asked_about == [["first"], ["a1", "a2"], ["last"]]


def test_a_bad_request_costs_itself_only():
    door = Held(batch_size=8)

    async def body(lane):
        tasks = await asking(lane, door, "first", "a1 a2", "bad", "c1")
        door.go_on.release(9)
        first, mine, bad, other = await asyncio.gather(*tasks, return_exceptions=True)
        assert (first, mine, other) == (["first"], ["a1", "a2"], ["c1"])
        assert isinstance(bad, ModelError)

    in_lane(body)
    assert sorted(map(sorted, door.asked_about[2:])) == [["a1", "a2"], ["bad"], ["c1"]]


@pytest.mark.parametrize("line", ["bad", "stop", "exit", "short"])
def test_the_lane_goes_on_after_whatever_a_door_raises(line):
    door = Held(batch_size=2)
    door.go_on.release(9)

    async def body(lane):
        with pytest.raises((ModelError, RuntimeError, StopIteration)):
            await lane.ask(door, parts_of(f"{line} x y z"))
        assert await lane.ask(door, parts_of("well")) == ["well"]

    in_lane(body)
    assert len(door.asked_about) == 2  # what comes after a failure is not asked


def test_the_loop_is_free_while_the_model_works_and_all_is_within():
    door, within = Held(), []

    @contextmanager
    def noted() -> Iterator[None]:
        within.append(threading.current_thread().name)
        yield

    async def body(lane):
        [task] = await asking(lane, door, "first")
        assert not task.done()
        door.go_on.release(9)
        await task
        assert await lane.run(lambda: threading.current_thread() in door.threads)

    in_lane(body, within=noted)
    assert within == ["lane_0", "lane_0"]


def test_those_who_wait_hear_when_it_closes():
    door = Held(batch_size=1)

    async def run():
        lane = Lane(Metrics())
        await lane.start()
        tasks = await asking(lane, door, "first", "second")
        closing = asyncio.create_task(lane.close())
        await asyncio.sleep(0)
        door.go_on.release(9)
        await closing
        assert await tasks[0] == ["first"]
        with pytest.raises(Refusal):
            await asyncio.wait_for(tasks[1], 30.0)
        with pytest.raises(Refusal):
            await lane.ask(door, parts_of("third"))

    asyncio.run(run())
    assert door.asked_about == [["first"]]


def test_nothing_is_said_about_nothing():
    async def body(lane):
        assert await lane.ask(Held(), []) == []

    in_lane(body)
