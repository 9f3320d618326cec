"""The same questions one by one: any OpenAI-compatible chat endpoint, several at a time, as fast as it allows.

Who is asked is on disk before the question is sent, and each answer before the next one is looked at. A process that is
killed loses the few answers that were on their way; they are counted as lost, and asked again.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import islice
from typing import Any

from rushes.errors import LabelError
from rushes.label.batches import FAULTY_SHARE, require_few_faults
from rushes.label.clock import Clock, backoff_s
from rushes.label.ledger import Ledger
from rushes.label.outcomes import cure_of, outcome_of
from rushes.label.question import Question
from rushes.label.replies import json_of, may_pass, retry_after_s
from rushes.label.service import LATER, TRIES, Service, Unsure
from rushes.label.tickets import Ticket, Tickets
from rushes.label.writing import Request
from rushes.recipe.labelling import LabelLimits

ROUND = 500
"""Requests in a file of answers; before each the purse is asked."""

_ENOUGH = 20
_UNREACHED = "no_connection"


class Pace:
    """Hands out moments at which a request may be sent, evenly, for all threads.

    Args:
        requests_per_minute, tokens_per_minute: at most.
        clock: by which is waited.
    """

    def __init__(self, requests_per_minute: int, tokens_per_minute: int, clock: Clock) -> None:
        self._request_s, self._token_s = 60.0 / requests_per_minute, 60.0 / tokens_per_minute
        self._clock, self._lock, self._next_s = clock, threading.Lock(), 0.0

    def wait(self, tokens: int) -> None:
        """Wait for the turn of a request of so many tokens."""
        with self._lock:
            at_s = max(self._next_s, self._clock.now())
            self._next_s = at_s + max(self._request_s, tokens * self._token_s)
        while (left_s := at_s - self._clock.now()) > 0.0:
            self._clock.sleep(left_s)

    def hold(self, seconds: float) -> None:
        """Let nobody send for a while."""
        with self._lock:
            self._next_s = max(self._next_s, self._clock.now() + seconds)


class Chat:
    """Asks one by one.

    Args:
        service: that answers.
        tickets, ledger, limits, clock: as of `Batches`.
        allow: raises a LabelError where so many requests may not be paid for.
        tell: told of every round, before and after.
        rng: of the waits.
    """

    def __init__(
        self,
        service: Service,
        tickets: Tickets,
        ledger: Ledger,
        limits: LabelLimits,
        clock: Clock,
        allow: Callable[[int], None],
        tell: Callable[[Ticket], None],
        rng: random.Random | None = None,
    ) -> None:
        self._service, self._tickets, self._ledger = service, tickets, ledger
        self._limits, self._clock = limits, clock
        self._allow, self._tell, self._rng = allow, tell, rng or random.Random()
        self._pace = Pace(limits.requests_per_minute, limits.tokens_per_minute, clock)

    def ask(self, requests: Iterable[Request]) -> int:
        """Ask everything once; how much that was.

        Raises:
            LabelError: the service refuses more than a few of the requests.
        """
        left, asked = iter(requests), 0
        while some := list(islice(left, ROUND)):
            self._allow(len(some))
            self._service.require_there()
            self._round(some)
            asked += len(some)
        return asked

    def _round(self, requests: list[Request]) -> None:
        name = self._tickets.next_name("chat")
        self._tickets.write_ids(name, ())
        ticket = self._tickets.save(
            Ticket(name=name, question=self._ledger.question.digest, rows=len(requests), state="in_progress")
        )
        self._tell(ticket)
        try:
            self._converse(name, requests)
        finally:
            ticket = close(ticket, self._tickets)
            account = self._ledger.take(ticket, self._tickets)
            self._tell(ticket)
        require_few_faults(account, self._ledger, name)

    def _converse(self, name: str, requests: list[Request]) -> None:
        answers = self._tickets.answers(name)[0]
        answers.parent.mkdir(exist_ok=True)
        with (
            self._tickets.ids_file(name).open("ab", buffering=0) as ids,
            answers.open("ab", buffering=0) as file,
            ThreadPoolExecutor(self._limits.concurrency) as pool,
        ):
            waiting: set[Future[Mapping[str, Any]]] = set()
            watch = _Watch(self._ledger.question, self._service.url)
            try:
                for request in (*requests, None):
                    while waiting and (request is None or len(waiting) >= self._limits.concurrency):
                        for one in wait(waiting, return_when=FIRST_COMPLETED).done:
                            waiting.remove(one)
                            _append(file, json.dumps(one.result()))
                            watch.require_sense(one.result())
                    if request is not None:
                        _append(ids, request.id)
                        waiting.add(pool.submit(self._answer, request))
            finally:
                for one in waiting:  # on their way when the work was stopped, and paid for
                    if one.exception() is None:
                        _append(file, json.dumps(one.result()))

    def _answer(self, request: Request) -> Mapping[str, Any]:
        """A line as a batch would have it; a busy service is asked again, when it says or with waits that double.

        What was sent and not answered may be paid for: it is not sent again before the round is counted.
        """
        body = json.loads(request.line)["body"]
        line: dict[str, Any] = {}
        for failures in range(1, TRIES + 1):
            self._pace.wait(request.tokens)
            asked_s = None
            try:
                response = self._service.complete(body)
            except Unsure as error:
                return _line(request.id, error={"code": "request_timeout", "message": str(error)})
            if response is None:
                line = _line(request.id, error={"code": _UNREACHED, "message": "no connection"})
            else:
                found = json_of(response)
                told = {"error": {"message": response.text[:300]}} if found is None else found
                line = _line(request.id, response.status_code, told)
                if not may_pass(response):
                    return line
                asked_s = retry_after_s(response)
            if failures < TRIES:
                self._pace.hold(backoff_s(failures, self._rng) if asked_s is None else asked_s)
        return line


class _Watch:
    """Stops a round that makes no sense: too much is refused, or nobody answers any more.

    Args:
        question: that is asked.
        url: of the service.
    """

    def __init__(self, question: Question, url: str) -> None:
        self._question, self._url = question, url
        self._done = self._faults = self._silent = 0

    def require_sense(self, line: Mapping[str, Any]) -> None:
        """Look at an answer.

        Raises:
            LabelError: this one was one too many.
        """
        outcome = outcome_of(line, self._question)
        status = (line["response"] or {}).get("status_code", 0)
        self._done += 1
        self._faults += outcome.kind == "fault"
        self._silent = self._silent + 1 if outcome.kind == "retry" and status != 200 else 0
        if self._faults > max(FAULTY_SHARE * self._done, FAULTY_SHARE * _ENOUGH):
            raise LabelError(
                f"the service refuses {self._faults} of {self._done} requests: {outcome.code} {outcome.message}",
                where=self._url,
                cure=cure_of(outcome.code, status),
            )
        if self._silent >= _ENOUGH:
            raise LabelError(
                f"the service did not answer {self._silent} requests in a row: {outcome.code} {outcome.message}",
                where=self._url,
                cure=LATER,
            )


def close(ticket: Ticket, tickets: Tickets) -> Ticket:
    """End a round, also one of a process that was killed: whoever was asked and has no answer is lost."""
    count = sum(1 for _ in tickets.ids(ticket.name))
    return tickets.save(replace(ticket, state="completed", collected=True, rows=count))


def _line(one: str, status: int = 0, body: object = None, error: object = None) -> dict[str, Any]:
    response = None if error else {"status_code": status, "body": body}
    return {"custom_id": one, "response": response, "error": error}


def _append(file: Any, text: str) -> None:
    """A line that outlives a power cut."""
    file.write(text.encode() + b"\n")
    os.fsync(file.fileno())
