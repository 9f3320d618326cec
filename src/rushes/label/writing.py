"""Files of requests: within the limits of the service, and the same bytes whenever they are written."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

from rushes.errors import LabelError, MediaError
from rushes.label.question import Question
from rushes.label.row import Row
from rushes.label.service import ENDPOINT
from rushes.label.tickets import Ticket, Tickets
from rushes.recipe.labelling import LabelLimits
from rushes.stages import atomic_file

T = TypeVar("T")
R = TypeVar("R")

THREADS = 2
_AHEAD = 16


@dataclass(frozen=True, slots=True)
class Request:
    """A line of a file of requests.

    Attributes:
        id: its ``custom_id``.
        line: JSON, with its newline.
        tokens: of its prompt, estimated.
    """

    id: str
    line: bytes
    tokens: int


@dataclass(frozen=True, slots=True)
class Asked:
    """An item that is to be asked, and how much smaller than the recipe says."""

    row: Row
    level: int


def request_of(asked: Asked, question: Question, per_patch: float) -> Request:
    """The request about an item.

    Raises:
        MediaError: its picture cannot be read.
    """
    one = question.id(asked.row.key)
    body = question.body(asked.row, asked.level)
    line = {"custom_id": one, "method": "POST", "url": ENDPOINT, "body": body}
    tokens = question.prompt_tokens(asked.row.title, per_patch, asked.level)
    return Request(one, json.dumps(line, ensure_ascii=False).encode() + b"\n", tokens)


def requests_of(
    asked: Iterable[Asked],
    question: Question,
    per_patch: float,
    unreadable: Callable[[Row, MediaError], None],
    threads: int = THREADS,
) -> Iterator[Request]:
    """Requests in the order of the items; pictures are read and encoded on threads, a few ahead.

    Args:
        asked: items.
        question: what is asked.
        per_patch: tokens of 32 x 32 pixels.
        unreadable: told, in this thread, of each item whose picture cannot be read; it gives no request.
        threads: that work.
    """

    def make(one: Asked) -> Request | tuple[Row, MediaError]:
        try:
            return request_of(one, question, per_patch)
        except MediaError as error:
            return one.row, error

    for made in _ahead(make, asked, threads):
        if isinstance(made, Request):
            yield made
        else:
            unreadable(*made)


def _ahead(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Results in the order of items, worked on by threads; only a few wait."""
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def numbered(requests: Iterable[Request], limits: LabelLimits) -> Iterator[tuple[int, Request]]:
    """Each request with the number of its file: as many in order as fit into each.

    Raises:
        LabelError: one request alone is larger than a file may be.
    """
    number = size = count = tokens = 0
    for request in requests:
        if len(request.line) > limits.file_bytes:
            raise LabelError(
                f"a request of {len(request.line):,} bytes does not fit into a file of {limits.file_bytes:,}",
                where=request.id,
                cure="lower label.picture.side_px, or raise label.limits.file_bytes",
            )
        size, count, tokens = size + len(request.line), count + 1, tokens + request.tokens
        if count > 1 and (
            size > limits.file_bytes or count > limits.file_requests or tokens > limits.queue_tokens
        ):
            number += 1
            size, count, tokens = len(request.line), 1, request.tokens
        yield number, request


def write_files(
    requests: Iterable[Request], question: Question, limits: LabelLimits, tickets: Tickets
) -> Iterator[Ticket]:
    """Write requests into files, each with its ticket, which comes last."""
    for _, group in groupby(numbered(requests, limits), itemgetter(0)):
        name, digest, size, tokens, ids = tickets.next_name("batch"), hashlib.sha256(), 0, 0, []
        with atomic_file(tickets.requests(name)) as file:
            for _, request in group:
                file.write(request.line)
                digest.update(request.line)
                size, tokens = size + len(request.line), tokens + request.tokens
                ids.append(request.id)
        tickets.write_ids(name, ids)
        yield tickets.save(
            Ticket(
                name=name,
                question=question.digest,
                rows=len(ids),
                bytes=size,
                tokens=tokens,
                sha256=digest.hexdigest(),
            )
        )
