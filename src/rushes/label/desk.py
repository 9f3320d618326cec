"""A folder in which items are labelled: what is asked, of whom, and how far it is.

asked/000001-batch.json     ticket: state, and ids at the service
asked/000001-batch.ids      who is asked
asked/000001-batch.jsonl    the requests, until their answers are here
answered/...output.jsonl, ...error.jsonl
index-<question>.sqlite     follows from the above; may be deleted
attributes.parquet, attributes.csv, quarantine.jsonl, page.html
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rushes.errors import LabelError
from rushes.label import chat
from rushes.label.batches import Batches
from rushes.label.chat import Chat
from rushes.label.clock import Clock, WallClock
from rushes.label.ledger import Ledger
from rushes.label.money import Purse, Tariff, Usage, per_patch, spent_usd
from rushes.label.question import Question
from rushes.label.result import CSV, PARQUET, QUARANTINE, write_result
from rushes.label.row import Row
from rushes.label.service import Service
from rushes.label.tickets import Ticket, Tickets
from rushes.label.writing import Asked, Request, requests_of, write_files
from rushes.recipe.labelling import LabelLimits
from rushes.stages import canonical_json, locked, make_folder, read_json, write_new

Rows = Callable[[], Iterable[Row]]
"""All items in a fixed order, each time it is called."""

_RUN = "run.json"
_FORM = 1  # of the index
_WRITTEN = (_RUN, PARQUET, CSV, QUARANTINE)


class Desk:
    """The labelling of items in a folder; made by `at_desk`.

    Args:
        folder: of everything that is written.
        question: what is asked.
        limits: of the recipe.
        rows: who is asked.
        ledger: of the folder and the question.
        clock: of all waits.
    """

    def __init__(
        self,
        folder: Path,
        question: Question,
        limits: LabelLimits,
        rows: Rows,
        ledger: Ledger,
        clock: Clock | None = None,
    ) -> None:
        self.folder, self.question, self.limits = folder, question, limits
        self.ledger, self.clock = ledger, clock or WallClock()
        self.tickets = Tickets(folder)
        self.rows = rows

    @property
    def items(self) -> int:
        """How many there are."""
        return sum(self.states().values())

    @property
    def usage(self) -> Usage:
        """Tokens that were counted so far."""
        return Usage.of(self.ledger.accounts().values())

    def states(self) -> Mapping[str, int]:
        """Items by how far they are, see `Ledger.states`."""
        return self.ledger.states(self.limits.attempts)

    def tariff(self, *, batch: bool) -> Tariff:
        """What an item costs; a title is taken to have 80 characters until prompts are measured."""
        prompt = self.question.prompt_tokens(" " * 80, per_patch(self.question.model))
        return Tariff.of(self.question, self.usage, prompt, batch=batch)

    def require_agreed(self, purse: Purse, more: int, *, batch: bool) -> None:
        """Refuse what may not be spent, see `Purse.require`."""
        self._require(purse, self.states()["asked"], more, batch=batch)

    def _require(self, purse: Purse, asked: int, more: int, *, batch: bool) -> None:
        spent = spent_usd(self.question.model, self.ledger.accounts())
        purse.require(self.tariff(batch=batch), spent, asked, more)

    def requests(self) -> Iterator[Request]:
        """Whatever is to be asked now; items whose picture cannot be read are refused."""
        asked = (
            Asked(row, level)
            for row in self.rows()
            if (level := self.ledger.level_of(row, self.limits.attempts)) is not None
        )
        patch = per_patch(self.question.model)
        return requests_of(
            asked, self.question, patch, lambda row, error: self.ledger.refuse(row, "picture", error.message)
        )

    def cut(self, tell: Callable[[Ticket], None]) -> int:
        """Write files of requests for whatever is to be asked now; how many items that is."""
        asked = 0
        for ticket in write_files(self.requests(), self.question, self.limits, self.tickets):
            self.ledger.fly(ticket.name, self.tickets)
            asked += ticket.rows
            tell(ticket)
        return asked

    def batches(self, service: Service, purse: Purse, tell: Callable[[Ticket], None]) -> Batches:
        """The batches of this folder at a service."""

        def allow(ticket: Ticket) -> None:
            others = (one for one in self.tickets if one.name != ticket.name and not one.collected)
            sent = sum(one.rows for one in others if one.batch_id or one.meant == "create")
            self._require(purse, sent, ticket.rows, batch=True)

        return Batches(service, self.tickets, self.ledger, self.limits, self.clock, self._run(), allow, tell)

    def chat(self, service: Service, purse: Purse, tell: Callable[[Ticket], None]) -> Chat:
        """Questions one by one at a service."""

        def allow(more: int) -> None:
            self._require(purse, 0, more, batch=False)

        return Chat(service, self.tickets, self.ledger, self.limits, self.clock, allow, tell)

    def forget(self, name: str) -> None:
        """Take the answers of a file for lost, though they are paid for: its items are asked anew.

        Raises:
            LabelError: no such file waits for answers.
        """
        waiting = {ticket.name: ticket for ticket in self.tickets if not ticket.collected}
        if name not in waiting:
            raise LabelError(
                f"no file {name} waits for its answers",
                where=self.folder,
                cure=f"those that do: {', '.join(waiting) or 'none'}",
            )
        ticket = self.tickets.save(replace(waiting[name], collected=True))
        if ticket.question == self.question.digest:
            self.ledger.take(ticket, self.tickets)

    def require_no_more(self, only: int) -> None:
        """Refuse a smoke batch beside files that wait to be sent: they would go out, and be paid for, with it.

        Raises:
            LabelError: says how many items wait.
        """
        asks = self.question.digest
        unsent = [one for one in self.tickets if one.question == asks and one.state == "prepared"]
        unsent = [one for one in unsent if not one.collected]
        if (waiting := sum(one.rows for one in unsent)) > only:
            names = " ".join(f"--forget {one.name}" for one in unsent)
            raise LabelError(
                f"{waiting:,} items wait to be sent already, more than the {only:,} of --smoke",
                where=self.folder,
                cure=f"type the same without --smoke; or give them up: {names}",
            )

    def write(self) -> Mapping[str, int]:
        """Write the result, see `write_result`."""
        return write_result(self.folder, self.ledger.labelled(self.limits.attempts), self.question)

    def _run(self) -> str:
        """Name of this folder at the service, the same for ever."""
        path = self.folder / _RUN
        write_new(path, canonical_json({"run": secrets.token_hex(8)}).encode())
        run: str = read_json(path)["run"]
        return run


def index_of(folder: Path, question: Question) -> Path:
    """Of the answers to a question."""
    return folder / f"index-{question.digest}-{_FORM}.sqlite"


def asked_of(tickets: Tickets) -> Counter[str]:
    """Digest of each question that was asked in a folder -> items that it was asked about, again and again included."""
    asked = Counter[str]()
    for ticket in tickets:
        asked[ticket.question] += ticket.rows
    return asked


def said_of(others: Mapping[str, int]) -> str:
    """What to make of answers that are there, to other questions than the one that is asked for."""
    listed = ", ".join(f"{digest} ({count:,} items)" for digest, count in others.items())
    return (
        f"there are answers to {listed} in this folder: another model, prompt, attributes or picture is another "
        "question, so repeat --model and --set as they were then"
    )


def _sweep(folder: Path) -> None:
    """Delete files that a killed process left half written: our own alone, since a folder may hold others' as well."""
    for pattern in (*(f".{name}.*.tmp" for name in _WRITTEN), "asked/.*.tmp", "answered/.*.tmp"):
        for torn in folder.glob(pattern):
            torn.unlink()


@contextmanager
def at_desk(
    folder: Path,
    question: Question,
    limits: LabelLimits,
    rows: Rows,
    *,
    only: int | None = None,
    clock: Clock | None = None,
) -> Iterator[Desk]:
    """Work in a folder, alone, to the end of the block.

    Args:
        folder: made if it is missing.
        question, limits, rows: see `Desk`.
        only: ask so many items, spread by their keys; all if None.
        clock: of all waits; the machine's if None.

    Raises:
        LabelError: two items have one key.
        StageError: somebody else works there, or no folder can be made there.
    """
    make_folder(folder)
    with locked(folder):
        _sweep(folder)
        ledger = Ledger(index_of(folder, question), question)
        try:
            ledger.enrol(rows(), only)
            desk = Desk(folder, question, limits, rows, ledger, clock)
            for ticket in desk.tickets:
                if ticket.provider == "chat" and not ticket.collected:
                    chat.close(ticket, desk.tickets)
            ledger.follow(desk.tickets)
            yield desk
        finally:
            ledger.close()
