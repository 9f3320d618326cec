"""The batch machine: what is to be done about a file of requests follows from its state alone.

    prepared                                          send it, if the queue has room
    validating, in_progress, finalizing, cancelling   look again
    completed, expired, cancelled                     bring what there is of answers and errors
    failed                                            send it again

Nothing that costs money is done before it is on disk that it is meant; a process that finds such a note asks the
server's own list first. So a kill at any point loses nothing and pays nothing twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rushes.errors import LabelError
from rushes.label.clock import Clock, backoff_s
from rushes.label.ledger import Account, Ledger
from rushes.label.outcomes import CURE, CURES, kind_of
from rushes.label.service import Absent, Service, Unreadable, Unsure
from rushes.label.tickets import SERVER_STATES, State, Ticket, Tickets
from rushes.recipe.labelling import LabelLimits

LOOKS = 10
"""How often a result that must be there is looked for, before a person is asked."""

SENDS = 6
"""How often a batch is sent that fails as a whole with no other one beside it, before a person is asked."""

FAULTY_SHARE = 0.05
"""Of the items of a file: more of them that are at fault stop the work, since the others will be, too."""

ROW_BYTES = 1 << 18
"""Of an answer, on average: a file with more than so many for each request is not brought."""

_MOST_WAIT_S = 3600.0

Tell = Callable[[Ticket], None]
"""Told of every change."""


class Batches:
    """The batches of a folder.

    Args:
        service: that makes them; files of another question that were not sent are left as they are.
        tickets: of the folder.
        ledger: of the question that is asked now; answers to others are brought, and read when it is asked again.
        limits: of the recipe.
        clock: of all waits.
        run: name of the folder at the service.
        allow: raises a LabelError where a file may not be paid for.
        tell: told of every change.
        rng: of the waits.
    """

    def __init__(
        self,
        service: Service,
        tickets: Tickets,
        ledger: Ledger,
        limits: LabelLimits,
        clock: Clock,
        run: str,
        allow: Callable[[Ticket], None],
        tell: Tell,
        rng: random.Random | None = None,
    ) -> None:
        self._service, self._tickets, self._ledger = service, tickets, ledger
        self._limits, self._clock, self._run = limits, clock, run
        self._allow, self._tell, self._rng = allow, tell, rng or random.Random()
        self._moves: Mapping[State, Callable[[Ticket], Ticket]] = {
            "prepared": self._send,
            "validating": self._look,
            "in_progress": self._look,
            "finalizing": self._look,
            "cancelling": self._look,
            "completed": self._collect,
            "expired": self._collect,
            "cancelled": self._collect,
            "failed": self._again,
        }

    def step(self, *, collect: bool = True) -> float | None:
        """Do everything that can be done now.

        Args:
            collect: bring answers, too.

        Returns:
            Seconds after which to look again; None where no file has anything to wait for.

        Raises:
            LabelError: a person has to do something first.
        """
        waits = []
        for ticket in list(self._tickets):
            if ticket.provider != "batch" or self._is_left(ticket):
                continue
            ticket = self._advance(ticket, collect)
            if ticket.collected or self._is_left(ticket):
                continue
            if collect or self._moves[ticket.state] != self._collect:
                waits.append(self._wait_s(ticket) or self._limits.poll_s)
        return min(waits, default=None)

    def _is_left(self, ticket: Ticket) -> bool:
        """Whether it was never sent, and asks another question than the one that is asked now."""
        asks_other = ticket.question != self._ledger.question.digest
        return asks_other and ticket.state == "prepared" and ticket.meant != "create"

    def _wait_s(self, ticket: Ticket) -> float:
        """Seconds that a ticket has to wait; none where it would be longer than any wait: the clock was put back."""
        left_s = ticket.wait_until_s - self._clock.now()
        return left_s if 0.0 < left_s <= _MOST_WAIT_S else 0.0

    def _advance(self, ticket: Ticket, collect: bool) -> Ticket:
        """Move a ticket on until nothing changes any more, or it has to wait."""
        while not ticket.collected and not self._is_left(ticket) and not self._wait_s(ticket):
            move = self._moves[ticket.state]
            if move == self._collect and not collect:
                return ticket
            moved = move(ticket)
            if moved != ticket:
                self._tell(moved)
            if moved.state == ticket.state:
                return moved
            ticket = moved
        return ticket

    # --- there ------------------------------------------------------------------------------------------------

    def _send(self, ticket: Ticket) -> Ticket:
        if ticket.meant != "create" and not self._has_room(ticket):
            return ticket
        if ticket.file_id is None:
            ticket = self._upload(ticket)
        return self._create(ticket)

    def _has_room(self, ticket: Ticket) -> bool:
        queued = sum(other.tokens for other in self._tickets if other.queued and not other.collected)
        return queued == 0 or queued + ticket.tokens <= self._limits.queue_tokens

    def _upload(self, ticket: Ticket) -> Ticket:
        name = f"rushes-{self._run}-{ticket.name}.jsonl"
        if ticket.meant == "upload":
            for file in self._service.files():
                if file.get("filename") == name and file.get("bytes") == ticket.bytes:
                    return self._save(ticket, file_id=str(file["id"]), meant="")
        ticket = self._save(ticket, meant="upload", meant_s=self._clock.now())
        file_id = self._service.upload(self._tickets.requests(ticket.name), name)
        return self._save(ticket, file_id=file_id, meant="")

    def _create(self, ticket: Ticket) -> Ticket:
        """Make the batch; where one was meant to be made, see first whether it was."""
        if ticket.meant == "create":
            if (found := self._at_server(ticket)) is not None:
                return self._seen(ticket, found)
            now_s = self._clock.now()
            meant_s = min(ticket.meant_s, now_s)  # later than now where the clock was put back
            settled_s = meant_s + self._limits.settle_s
            if now_s < settled_s:  # a request that was cut off may still be on its way
                return self._save(ticket, meant_s=meant_s, wait_until_s=settled_s)
            ticket = self._save(ticket, meant="")
            if self._is_left(ticket):
                return ticket
        else:
            self._allow(ticket)
        ticket = self._save(ticket, meant="create", meant_s=self._clock.now(), sends=ticket.sends + 1)
        assert ticket.file_id is not None
        try:
            made = self._service.create(ticket.file_id, self._named(ticket))
        except Unsure:
            return self._wait(ticket, 1)
        except LabelError:  # refused, so it was not made; perhaps its file is gone
            self._save(ticket, meant="", file_id=None)
            raise
        return self._seen(ticket, made)

    def _named(self, ticket: Ticket) -> dict[str, str]:
        """How a batch is found again."""
        return {
            "rushes_run": self._run,
            "rushes_file": ticket.name,
            "rushes_send": str(ticket.sends),
            "rushes_sha256": ticket.sha256,
        }

    def _at_server(self, ticket: Ticket) -> Mapping[str, Any] | None:
        """The batch that was made of a ticket's last sending; None where there is none.

        The whole list is read: where to stop would follow from times, and this machine's clock may be wrong.
        """
        named = self._named(ticket)
        return next((batch for batch in self._service.batches() if batch.get("metadata") == named), None)

    # --- and back ---------------------------------------------------------------------------------------------

    def _look(self, ticket: Ticket) -> Ticket:
        assert ticket.batch_id is not None
        try:
            return self._seen(ticket, self._service.batch(ticket.batch_id))
        except Absent:
            return self._not_found(ticket, f"the batch {ticket.batch_id}")

    def _seen(self, ticket: Ticket, batch: Mapping[str, Any]) -> Ticket:
        """Take over what the server says of a batch."""
        state = batch.get("status")
        if state not in SERVER_STATES:
            raise LabelError(
                f"the service knows a state of batches that is not known here: {state!r}",
                where=batch.get("id"),
                cure="see its page at the service; nothing was changed",
            )
        try:
            counts, errors = batch.get("request_counts") or {}, (batch.get("errors") or {}).get("data") or ()
            ticket = replace(
                ticket,
                state=state,
                meant="",
                batch_id=_name(batch["id"]),
                output_file_id=batch.get("output_file_id"),
                error_file_id=batch.get("error_file_id"),
                counts=(int(counts.get("completed") or 0), int(counts.get("failed") or 0)),
                expires_s=batch.get("expires_at"),
                errors=tuple((str(one.get("code")), str(one.get("message"))[:500]) for one in errors[:20]),
            )
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
            raise Unreadable(
                f"the service tells of a batch otherwise than the API does: {type(problem).__name__}: {problem}",
                where=ticket.name,
                cure="see its page at the service; nothing was changed",
            ) from None
        return self._failed(ticket) if state == "failed" else self._tickets.save(ticket)

    def _failed(self, ticket: Ticket) -> Ticket:
        """A batch of which nothing was run: sent again later where that may help, else told to a person."""
        codes = {code for code, _ in ticket.errors}
        alone = not any(other.queued for other in self._tickets if other.name != ticket.name)
        passes = codes and all(kind_of(code, 400) == "retry" for code in codes)
        if passes and (ticket.sends % SENDS or not alone):
            return self._wait(self._unsent(ticket), ticket.sends)
        self._tickets.save(ticket)
        code, message = ticket.errors[0] if ticket.errors else ("", "the service does not say why")
        raise LabelError(
            f"a batch of {ticket.rows:,} requests failed: {code} {message}",
            where=f"{ticket.name}, at the service {ticket.batch_id}",
            cure=CURES.get(code, CURE),
        )

    def _again(self, ticket: Ticket) -> Ticket:
        """Somebody has read why it failed, and typed the same again."""
        return self._tickets.save(self._unsent(ticket))

    def _unsent(self, ticket: Ticket) -> Ticket:
        return replace(ticket, state="prepared", batch_id=None)

    def _collect(self, ticket: Ticket) -> Ticket:
        """Bring what there is, of a batch that ended in whatever way; then its requests may go."""
        if _is_hidden(ticket):
            ticket = self._look(ticket)
            if _is_hidden(ticket):
                return self._not_found(ticket, f"the file of {ticket.counts[0] or ticket.rows:,} answers")
        files = (ticket.output_file_id, ticket.error_file_id)
        for file, path in zip(files, self._tickets.answers(ticket.name), strict=True):
            if file is None or path.is_file():
                continue
            try:
                self._service.download(file, path, max(ticket.rows, 64) * ROW_BYTES)
            except Absent:
                return self._not_found(ticket, f"the file {file}")
        self._tickets.requests(ticket.name).unlink(missing_ok=True)
        ticket = self._save(ticket, collected=True)
        if ticket.question == self._ledger.question.digest:
            require_few_faults(self._ledger.take(ticket, self._tickets), self._ledger, ticket.name)
        return ticket

    def _not_found(self, ticket: Ticket, what: str) -> Ticket:
        """Wait for what must be there; after long, ask a person: to ask again would be to pay again."""
        if ticket.looks + 1 >= LOOKS:
            self._save(ticket, looks=0)
            raise LabelError(
                f"the service does not find {what} of {ticket.name}, which is paid for",
                where=ticket.batch_id,
                cure=f"type the same again later; `--forget {ticket.name}` asks its items anew, which is paid again",
            )
        return self._wait(replace(ticket, looks=ticket.looks + 1), ticket.looks + 1)

    def _wait(self, ticket: Ticket, failures: int) -> Ticket:
        until_s = self._clock.now() + backoff_s(failures, self._rng, _MOST_WAIT_S)
        return self._save(ticket, wait_until_s=until_s)

    def _save(self, ticket: Ticket, **changed: Any) -> Ticket:
        return self._tickets.save(replace(ticket, **changed))


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"an id was to come, found {value!r}")
    return value


def _is_hidden(ticket: Ticket) -> bool:
    """Whether answers must be there, and the service names no file of them."""
    ended = ticket.state == "completed" and ticket.error_file_id is None
    return ticket.output_file_id is None and (ended or ticket.counts[0] > 0)


def require_few_faults(account: Account, ledger: Ledger, name: str) -> None:
    """Stop where the service says of many items that whoever asks is at fault.

    Raises:
        LabelError: says what the service says.
    """
    if account.faults <= FAULTY_SHARE * account.asked:
        return
    code, message = ledger.fault()
    raise LabelError(
        f"the service refuses {account.faults:,} of {account.asked:,} requests: {code} {message}",
        where=name,
        cure=CURES.get(code, CURE),
    )
