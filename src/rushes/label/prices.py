"""What known models cost, and until when they answer.

From price lists as the public code of 2026 quotes them; no promise. A smoke batch measures tokens anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from rushes.errors import LabelError

BATCH_SHARE = 0.5
"""What a request in a batch costs, of one that is answered at once."""

UNKNOWN_PER_PATCH = 2.5
"""Tokens of 32 x 32 pixels of a model that is not known: the most that any is said to take."""

WARN_DAYS = 90


@dataclass(frozen=True, slots=True)
class Price:
    """Of a model.

    Attributes:
        prompt_usd, answer_usd: for a million tokens, answered at once.
        per_patch: tokens of 32 x 32 pixels.
        ends: day from which it no longer answers, where that is known.
    """

    prompt_usd: float
    answer_usd: float
    per_patch: float = UNKNOWN_PER_PATCH
    ends: date | None = None

    def usd(self, prompt_tokens: float, answer_tokens: float, *, batch: bool) -> float:
        """What so many tokens cost."""
        whole = (prompt_tokens * self.prompt_usd + answer_tokens * self.answer_usd) / 1e6
        return whole * (BATCH_SHARE if batch else 1.0)


KNOWN: Mapping[str, Price] = {
    "gpt-5-nano": Price(0.05, 0.40, 1.5, date(2026, 12, 11)),
    "gpt-5-mini": Price(0.25, 2.00),
    "gpt-5.4-nano": Price(0.20, 1.25),
    "gpt-5.4-mini": Price(0.75, 4.50),
    "gpt-4.1-nano": Price(0.10, 0.40),
    "gpt-4.1-mini": Price(0.40, 1.60),
    "offline": Price(0.0, 0.0, 1.5),
}
"""By the name that is asked for; ``offline`` is what `rushes label offline` answers as."""


def price_of(model: str) -> Price | None:
    """Of a model, or of its dated snapshot; None where it is not known.

    >>> price_of("gpt-5-nano-2025-08-07").prompt_usd, price_of("mine")
    (0.05, None)
    """
    if model in KNOWN:
        return KNOWN[model]
    stem, parts = model, model.rsplit("-", 3)
    if len(parts) == 4 and all(part.isdigit() for part in parts[1:]):
        stem = parts[0]
    return KNOWN.get(stem)


def living() -> str:
    """Known models of which no end is known, in words."""
    return ", ".join(name for name, one in KNOWN.items() if one.ends is None and name != "offline")


def sunset(model: str, today: date) -> str | None:
    """What is to be said of the end of a model; None where it is far or not known.

    Raises:
        LabelError: it no longer answers.
    """
    price = price_of(model)
    if price is None or price.ends is None:
        return None
    days = (price.ends - today).days
    cure = f"name another one by label.model or --model: {living()}"
    if days <= 0:
        raise LabelError(f"the model {model} was shut down on {price.ends}", cure=cure)
    if days > WARN_DAYS:
        return None
    return f"the model {model} is shut down on {price.ends}, in {days} days; {cure}"
