"""What labelling will take and how far it is, in words and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from math import ceil
from typing import Any

from rushes.label.desk import Desk, asked_of, said_of
from rushes.label.money import Tariff, spent_usd
from rushes.label.prices import KNOWN, price_of

SAMPLE = 16
"""Items whose requests are made to tell the size of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is still to be asked.

    Attributes:
        model: that is asked.
        items: of the source.
        states: items by how far they are.
        more: items that are to be asked.
        request_bytes: of a request, mean of a sample.
        files: of requests.
        waves: times that the queue of the account is filled.
        tariff: what an item costs.
        folder: where everything goes.
        warnings: what somebody should know before.
    """

    model: str
    items: int
    states: Mapping[str, int]
    more: int
    request_bytes: float
    files: int
    waves: int
    tariff: Tariff
    folder: str
    warnings: tuple[str, ...]

    def text(self) -> str:
        """For people."""
        rests = (
            f"measured on {self.tariff.measured:,} answers"
            if self.tariff.measured
            else "assumed; --smoke 20 measures it"
        )
        lines = [
            f"{'model':<10} {self.model}",
            f"{'items':<10} {_listing(self.states)}",
            f"{'to ask':<10} {self.more:,} items, {self.more * self.request_bytes / 1e6:,.1f} MB in "
            f"{_count(self.files, 'file')}, {_count(self.waves, 'wave')} of the queue",
            f"{'tokens':<10} {self.more * self.tariff.prompt:,.0f} of prompts, "
            f"{self.more * self.tariff.answer:,.0f} of answers ({rests})",
            f"{'cost':<10} {_money(self.tariff, self.more)}",
            f"{'folder':<10} {self.folder}",
            *(f"warning: {one}" for one in self.warnings),
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            **{name: getattr(self, name) for name in ("model", "items", "more", "files", "waves", "folder")},
            "states": dict(self.states),
            "bytes": round(self.more * self.request_bytes),
            "prompt_tokens": round(self.more * self.tariff.prompt),
            "answer_tokens": round(self.more * self.tariff.answer),
            "measured": self.tariff.measured,
            "usd": self.tariff.usd(self.more),
            "warnings": list(self.warnings),
        }


def plan_of(desk: Desk, *, batch: bool, warning: str | None) -> Plan:
    """What is still to be asked; the requests of a few items are made to know their size."""
    states, limits = desk.states(), desk.limits
    more = states["open"] + states["again"]
    sample = list(islice(desk.requests(), SAMPLE))
    size = sum(len(one.line) for one in sample) / len(sample) if sample else 0.0
    tokens = sum(one.tokens for one in sample) / len(sample) if sample else 0.0
    waves = ceil(more * tokens / limits.queue_tokens)
    files = max(ceil(more * size / limits.file_bytes), ceil(more / limits.file_requests), waves)
    warnings = [warning] if warning else []
    if price_of(desk.question.model) is None:
        warnings.append(f"the price of {desk.question.model} is not known; known are {', '.join(KNOWN)}")
    return Plan(
        model=desk.question.model,
        items=sum(states.values()),
        states=states,
        more=more,
        request_bytes=size,
        files=files if batch else 0,
        waves=waves if batch else 0,
        tariff=desk.tariff(batch=batch),
        folder=str(desk.folder),
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far labelling is, from what stands on disk.

    Attributes:
        files: of requests: name, items, state, what came of it.
        states: items by how far they are; they add up to all items.
        reasons: code of the last error -> items without an answer.
        usd: what was spent; None where the price is not known.
        folder: where everything stands.
        others: digest of each other question that was asked there -> items that it was asked about.
    """

    files: tuple[Mapping[str, Any], ...]
    states: Mapping[str, int]
    reasons: Mapping[str, int]
    usd: float | None
    folder: str
    others: Mapping[str, int]

    def text(self) -> str:
        """For people; where everything stands comes last."""
        names = ("file", "items", "state", "ok", "error", "missing")
        rows = [names, *(tuple(_shown(file[name]) for name in names) for file in self.files)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        ]
        lines += [f"items: {_listing(self.states)}"]
        lines += [f"without an answer: {_listing(self.reasons)}"] if self.reasons else []
        lines += [
            f"spent: ${self.usd:.4f}"
            if self.usd is not None
            else "spent: the price of the model is not known"
        ]
        if self.others and not self.files:
            lines += [f"not asked yet; {said_of(self.others)}"]
        return "\n".join([*(line.rstrip() for line in lines), f"folder: {self.folder}"])

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self)


def progress_of(desk: Desk) -> Progress:
    """How far labelling is."""
    accounts = desk.ledger.accounts()
    files = []
    for ticket in desk.tickets:
        if ticket.question != desk.question.digest:
            continue
        account = accounts.get(ticket.name)
        files.append(
            {
                "file": ticket.name,
                "items": ticket.rows,
                "state": f"{ticket.state}, finalized" if account else ticket.state,
                "batch": ticket.batch_id,
                "ok": account and account.ok,
                "error": account and account.error,
                "missing": account and account.missing,
            }
        )
    usd = spent_usd(desk.question.model, accounts)
    others = asked_of(desk.tickets)
    others.pop(desk.question.digest, None)
    return Progress(tuple(files), desk.states(), desk.ledger.reasons(), usd, str(desk.folder), others)


def _listing(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _money(tariff: Tariff, more: int) -> str:
    usd = tariff.usd(more)
    if usd is None:
        return "not known"
    return f"about ${usd:,.2f}{' at the price of batches' if tariff.batch else ''}" if usd else "nothing"


def _shown(value: object) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
