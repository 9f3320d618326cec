"""What asking costs: estimated before, measured after, and held against what may be spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rushes.errors import LabelError
from rushes.label.ledger import Account
from rushes.label.prices import UNKNOWN_PER_PATCH, Price, price_of
from rushes.label.question import Question

_OF_AN_ATTRIBUTE = 12  # tokens of an answer
_OF_THOUGHT: Mapping[str | None, int] = {
    None: 0,
    "none": 0,
    "minimal": 64,
    "low": 256,
    "medium": 1024,
    "high": 2048,
}
"""Tokens of reasoning before an answer, by effort: assumed until a smoke batch has measured them."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a service counted.

    Attributes:
        lines: answers whose tokens it counted.
        prompt, answer: of all of these.
    """

    lines: int
    prompt: int
    answer: int

    @classmethod
    def of(cls, accounts: Iterable[Account]) -> Usage:
        """Of everything that was answered."""
        found = [(one.counted, one.prompt_tokens, one.answer_tokens) for one in accounts]
        return cls(*(sum(column) for column in zip(*found, strict=True))) if found else cls(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Tariff:
    """What an item costs.

    Attributes:
        price: of the model; None where it is not known.
        batch: whether at the price of batches.
        prompt, answer: tokens of an item.
        measured: of so many answers; 0 where they are assumed.
    """

    price: Price | None
    batch: bool
    prompt: float
    answer: float
    measured: int

    @classmethod
    def of(cls, question: Question, usage: Usage, prompt: float, *, batch: bool) -> Tariff:
        """By what was measured, else as assumed.

        Args:
            question: what is asked.
            usage: so far.
            prompt: tokens of a prompt, estimated.
            batch: whether at the price of batches.
        """
        if usage.lines:
            return cls(
                price_of(question.model),
                batch,
                usage.prompt / usage.lines,
                usage.answer / usage.lines,
                usage.lines,
            )
        answer = _OF_AN_ATTRIBUTE * len(question.attributes) + _OF_THOUGHT[question.effort]
        return cls(price_of(question.model), batch, prompt, min(answer, question.max_tokens), 0)

    def usd(self, items: float) -> float | None:
        """Of so many items; None where the price is not known."""
        if self.price is None:
            return None
        return self.price.usd(items * self.prompt, items * self.answer, batch=self.batch)


def spent_usd(model: str, accounts: Mapping[str, Account]) -> float | None:
    """What was spent on files of answers, by name; None where the price is not known.

    Batches and questions one by one have their own price.
    """
    price = price_of(model)
    if price is None:
        return None
    return sum(
        price.usd(one.prompt_tokens, one.answer_tokens, batch=name.endswith("batch"))
        for name, one in accounts.items()
    )


def per_patch(model: str) -> float:
    """Tokens of 32 x 32 pixels."""
    price = price_of(model)
    return UNKNOWN_PER_PATCH if price is None else price.per_patch


@dataclass(frozen=True, slots=True)
class Purse:
    """What may be spent.

    Attributes:
        yes: whatever it costs.
        budget_usd: in all, with what was spent before; None is no bound. It is held against a whole file of requests,
            or a whole round of questions one by one, before that is sent.
    """

    yes: bool = False
    budget_usd: float | None = None

    def require(self, tariff: Tariff, spent_usd: float | None, asked: int, more: int) -> None:
        """Refuse what may not be spent.

        Args:
            tariff: what an item costs.
            spent_usd: on what was answered, see `spent_usd`.
            asked: items that are being asked.
            more: items that are to be asked now.

        Raises:
            LabelError: nobody agreed to it, or it is more than was agreed to.
        """
        cost = tariff.usd(more)
        if cost == 0.0:
            return
        if self.budget_usd is None:
            if not self.yes:
                told = "an unknown price" if cost is None else f"about ${cost:.2f}"
                raise LabelError(
                    f"{more:,} items are to be asked, for {told}, and nobody agreed to spend it",
                    cure="add --budget USD or --yes; `rushes label plan RECIPE` says what it rests on",
                )
            return
        if cost is None or spent_usd is None:
            raise LabelError(
                "the price of this model is not known, so no budget can be kept",
                cure="see what the service takes, try --smoke 20, and write --yes in place of --budget",
            )
        held = tariff.usd(asked) or 0.0
        if spent_usd + held + cost > self.budget_usd:
            raise LabelError(
                f"{more:,} more items would take about ${cost:.4f}: with ${spent_usd:.4f} spent and about "
                f"${held:.4f} in flight that is more than the ${self.budget_usd:g} of --budget",
                cure="raise --budget, or ask as many as it is enough for: --smoke N, which counts those asked before. "
                "A file is sent as a whole or not at all; what is answered stays",
            )
