"""Labelling by a language model: what kills, expiry, other prompts and large results do to it, and how fast it writes.

    python benchmarks/labelling.py [--quick] [--json] [--parts splits,pictures,expiry,prompts,queue,kills,merge]

The service is the offline one of `rushes label offline`, in a process of its own. `kills`: the work is done by a child
process that is killed with SIGKILL after a random time, again and again, until 200 are dead; every job is then held
against the same job without a kill. Faults of requests (lost, doubled, shuffled and failed lines, refusals) go on
meanwhile. `merge`: a result file of 1 GB, read by a process of its own whose greatest resident memory counts. --quick:
30 kills, 100 MB, 100,000 requests.

Rates are of CPU seconds, times two for two cores, so that other work beside does not count.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from report import Figure, at_least, at_most, emit

from rushes.label.clock import WallClock
from rushes.label.desk import at_desk
from rushes.label.ledger import Ledger
from rushes.label.money import Purse
from rushes.label.offline.app import serve
from rushes.label.offline.faults import Faults
from rushes.label.offline.world import Pace
from rushes.label.question import Question
from rushes.label.row import Row
from rushes.label.service import Service
from rushes.label.tickets import Ticket, Tickets
from rushes.label.writing import Asked, Request, numbered, requests_of
from rushes.recipe.labelling import LabelLimits, Labelling
from rushes.runs.labelling.work import run_batches

PARTS = ("splits", "pictures", "expiry", "prompts", "queue", "kills", "merge")
FORK = multiprocessing.get_context("fork")
SPEED = 50.0
"""Of the service's clock."""

ASKED = Labelling.model_validate(
    {
        "model": "offline",
        "picture": {"side_px": 32},
        "limits": {"poll_s": 0.05, "settle_s": 1.0, "attempts": 30, "file_requests": 25},
    }
)


# --- items and the service --------------------------------------------------------------------------------------


def drawn(number: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture with soft shapes, which compresses as a photo does."""
    rng = np.random.default_rng(number)
    height, width = shape
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3)).astype(np.uint8)
    fine = rng.integers(0, 24, (height, width, 1)).astype(np.uint8)
    return np.repeat(np.repeat(coarse, 16, 0), 16, 1) // 2 + fine


def key_of(number: int) -> str:
    """Of an item; in no order, as hashes are."""
    return hashlib.blake2b(number.to_bytes(8), digest_size=8).hexdigest()


def rows_of(count: int, shape: tuple[int, int] = (32, 48)) -> list[Row]:
    """Items."""
    return [
        Row(
            key_of(number),
            f"red oak chair {number}",
            f"row {number}",
            partial(drawn, number, shape),
        )
        for number in range(count)
    ]


@contextmanager
def service(faults: Faults, pace: Pace, speed: float = SPEED) -> Iterator[str]:
    """The offline service in a process of its own; its address."""
    told, tell = FORK.Pipe(False)
    process = FORK.Process(target=serve, args=(0, faults, pace, speed, tell.send), daemon=True)
    process.start()
    try:
        yield told.recv()
    finally:
        process.kill()
        process.join()


def label(
    folder: Path, url: str, rows: list[Row], asked: Labelling = ASKED, at: Any = None
) -> Mapping[str, int]:
    """Label everything; items by how far they are."""
    with at_desk(folder, Question.of(asked), asked.limits, lambda: rows) as desk:
        with Marked(url, at) as calls:
            run_batches(desk, calls, Purse(yes=True), lambda ticket: None)
        return desk.states()


class Marked(Service):
    """Notes whether it waits for the service, for whoever kills it."""

    def __init__(self, url: str, at: Any) -> None:
        super().__init__(url, "", WallClock())
        self._at = at

    def _try(self, send: Callable[[], httpx.Response], *, once: bool = False) -> httpx.Response:
        if self._at is None:
            return super()._try(send, once=once)
        self._at.value = 2 if once else 1
        response = super()._try(send, once=once)
        self._at.value = 0
        return response


def batches_at(url: str) -> list[Mapping[str, Any]]:
    """All batches of a service."""
    with Service(url, "", WallClock()) as calls:
        return list(calls.batches())


# --- figures ------------------------------------------------------------------------------------------------------


def splits(quick: bool, folder: Path) -> Iterator[Figure]:
    """Random requests within both limits."""
    count, limits = 100_000 if quick else 1_000_000, LabelLimits(queue_tokens=50_000_000)
    rng = random.Random(0)
    lines = [bytes(rng.choice((300, 2_000, 48_000, 400_000))) for _ in range(64)]
    requests = (Request(str(number), rng.choice(lines), rng.randint(100, 1_500)) for number in range(count))
    size: Counter[int] = Counter()
    held: Counter[int] = Counter()
    ids: set[str] = set()
    for number, request in numbered(requests, limits):
        size[number] += len(request.line)
        held[number] += 1
        ids.add(request.id)
    broken = sum(size[one] > limits.file_bytes or held[one] > limits.file_requests for one in size)
    yield at_most(f"{count:,} random requests in {len(size):,} files: files beyond a limit", broken, 0)
    yield at_most("the same: requests that are missing or there twice", count - len(ids), 0)


def pictures(quick: bool, folder: Path) -> Iterator[Figure]:
    """Requests with pictures of 800 x 608, read from memory, as squares of 512."""
    count = 40 if quick else 200
    rows = [drawn(number, (608, 800)) for number in range(8)]
    items = [
        Asked(Row(f"{number:016x}", "red oak chair", "", partial(rows.__getitem__, number % 8)), 0)
        for number in range(count)
    ]
    rates = []
    for _ in range(3):
        began = time.process_time()
        for _ in requests_of(items, Question.of(Labelling(), "offline"), 1.5, lambda row, error: None):
            pass
        rates.append(2 * count / (time.process_time() - began))
    yield at_least("requests with a picture of 512 px, a second of two cores", round(sorted(rates)[1]), 100)


def expiry(quick: bool, folder: Path) -> Iterator[Figure]:
    """A batch that stands still at 60 % until its day is over."""
    count = 200
    asked = ASKED.model_copy(update={"limits": ASKED.limits.model_copy(update={"file_requests": count})})
    with service(Faults(expires_at=0.6, expiring=1, shuffled=True), Pace(), speed=50_000.0) as url:
        states = label(folder / "expiry", url, rows_of(count), asked)
        last, first = batches_at(url)
    yield Figure("expired at 60 %: items sent again, of 200", last["request_counts"]["total"], "== 80",
                 last["request_counts"]["total"] == 80 and first["status"] == "expired")  # fmt: skip
    yield at_most("the same: items without an answer", count - states["answered"], 0)


def prompts(quick: bool, folder: Path) -> Iterator[Figure]:
    """The same items, asked anew with another prompt, and with another schema."""
    rows, place = rows_of(50), folder / "prompts"
    fewer = {"color": ASKED.attributes["color"]}
    with service(Faults(), Pace()) as url:
        label(place, url, rows)
        for what, change in (
            ("prompt", {"instructions": "Say what it is."}),
            ("schema", {"attributes": fewer}),
        ):
            asked = ASKED.model_copy(update=change)
            before = sum(one["request_counts"]["total"] for one in batches_at(url))
            label(place, url, rows, asked)
            anew = sum(one["request_counts"]["total"] for one in batches_at(url)) - before
            yield at_most(
                f"another {what}: old answers that are used again, of {len(rows)}", len(rows) - anew, 0
            )
        label(place, url, rows)
        back = sum(one["request_counts"]["total"] for one in batches_at(url)) - before - anew
    yield at_most("the first question once more: items that are paid again", back, 0)


def queue(quick: bool, folder: Path) -> Iterator[Figure]:
    """Several waves through a queue of prompt tokens that the service enforces."""
    count, tokens = 300 if quick else 1_500, 60_000
    limits = ASKED.limits.model_copy(update={"queue_tokens": tokens, "file_requests": 100})
    with service(Faults(), Pace(queue_tokens=tokens, request_s=0.05)) as url:
        states = label(folder / "queue", url, rows_of(count), ASKED.model_copy(update={"limits": limits}))
        found = batches_at(url)
    failed = sum(one["status"] == "failed" for one in found)
    yield at_most(
        f"{len(found)} batches through a queue of {tokens:,} tokens: token_limit_exceeded", failed, 0
    )
    yield at_most("the same: items without an answer", count - states["answered"], 0)


def kills(quick: bool, folder: Path) -> Iterator[Figure]:
    """Jobs that are killed again and again, each held against the same job without a kill."""
    bar, rng = 30 if quick else 200, random.Random(0)
    dead: Counter[str] = Counter()
    lost = twice = differ = jobs = 0
    while sum(dead.values()) < bar:
        faults = Faults.of("some", jobs)
        rows, place, pace = rows_of(240), folder / f"job-{jobs}", Pace(validating_s=5.0, request_s=0.2)
        with service(faults, pace) as url:
            label(place / "whole", url, rows)
        with service(faults, pace) as url:
            dead += _killed(place / "killed", url, rows, rng)
            states = label(place / "killed", url, rows)
            made = Counter(
                (one["metadata"]["rushes_file"], one["metadata"]["rushes_send"]) for one in batches_at(url)
            )
        files = [(place / name / "attributes.csv").read_bytes() for name in ("whole", "killed")]
        lost += len(rows) - states["answered"] - states["refused"]
        twice += sum(made.values()) - len({file for file, _ in made})
        differ += files[0] != files[1]
        jobs += 1
    told = ", ".join(f"{count} {where}" for where, count in dead.items())
    yield at_least(f"kills in {jobs} jobs of 240 items ({told})", sum(dead.values()), bar)
    yield at_most("items lost", lost, 0)
    yield at_most("batches made twice", twice, 0)
    yield at_most("jobs whose CSV differs by a byte from the one without a kill", differ, 0)


def _killed(folder: Path, url: str, rows: list[Row], rng: random.Random) -> Counter[str]:
    """Start the work and kill it, until it ends by itself; where the kills fell."""
    dead: Counter[str] = Counter()
    places = ("at work", "inside of an HTTP call", "inside of the call that makes a batch")
    while True:
        at = FORK.Value("i", 0)
        child = FORK.Process(target=label, args=(folder, url, rows, ASKED, at))
        child.start()
        child.join(rng.uniform(0.01, 0.6) if rng.random() < 0.9 else 2.0)
        if child.exitcode is not None:
            assert child.exitcode == 0, "the work failed"
            return dead
        child.kill()
        child.join()
        dead[places[at.value]] += 1


def merge(quick: bool, folder: Path) -> Iterator[Figure]:
    """A large result file: written here, read by a process of its own."""
    size = 100_000_000 if quick else 1_000_000_000
    place, question = folder / "merge", Question.of(ASKED)
    tickets = Tickets(place)
    answers, _ = tickets.answers("000001-batch")
    answers.parent.mkdir(parents=True)
    said = {name: "words " * 30 for name in question.attributes}
    body = {
        "model": "m",
        "choices": [{"message": {"content": json.dumps(said)}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 500, "completion_tokens": 100},
    }
    line = (
        json.dumps({"custom_id": "KEY", "response": {"status_code": 200, "body": body}, "error": None}) + "\n"
    )
    count = size // len(line) + 1
    keys = [key_of(number) for number in range(count)]
    with answers.open("w") as file:
        file.writelines(line.replace("KEY", question.id(key)) for key in reversed(keys))
    tickets.write_ids("000001-batch", map(question.id, keys))
    ticket = Ticket(
        name="000001-batch", question=question.digest, rows=count, state="completed", collected=True
    )
    tickets.save(ticket)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--merge", str(place), str(count)],
        capture_output=True,
        text=True,
        check=True,
    )
    took_s = time.perf_counter() - began
    peak_mb, answered = json.loads(done.stdout)
    told = f"{answers.stat().st_size / 1e9:.2f} GB"
    yield at_most(f"a result file of {told} ({count:,} answers), resident MB at most", round(peak_mb), 300)
    yield at_most("the same: answers that are not in the CSV", count - answered, 0)
    yield Figure("the same: seconds, CSV and Parquet written", round(took_s))


def _merge(folder: Path, count: int) -> None:
    """Read all answers and write the result; prints the greatest resident memory in MB, and rows."""
    question = Question.of(ASKED)

    def rows() -> Iterator[Row]:
        return (
            Row(key_of(number), f"chair {number}", "", lambda: drawn(0, (32, 32))) for number in range(count)
        )

    with at_desk(folder, question, ASKED.limits, rows) as desk:
        written = desk.write()
        assert isinstance(desk.ledger, Ledger)
    print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, written["answered"]]))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer kills, a smaller result")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    parser.add_argument("--merge", nargs=2, metavar=("FOLDER", "COUNT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.merge:
        _merge(Path(asked.merge[0]), int(asked.merge[1]))
        return
    measured: Mapping[str, Callable[[bool, Path], Iterator[Figure]]] = {
        "splits": splits,
        "pictures": pictures,
        "expiry": expiry,
        "prompts": prompts,
        "queue": queue,
        "kills": kills,
        "merge": merge,
    }
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        for part in asked.parts.split(","):
            figures += measured[part](asked.quick, Path(name))
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
