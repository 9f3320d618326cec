"""What goes wrong at the offline service: drawn for each request from a seed, so the same request fares alike."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Fate = Literal[
    "fine",
    "duplicated",
    "lost",
    "failed",
    "not_run",
    "zero",
    "malformed",
    "cut",
    "refused",
]
"""Of a request: answered; answered twice; no line; status 500; never run; status 0; no JSON; too long; refused."""

Setting = Literal["none", "some", "many"]

_SOME: Mapping[Fate, float] = {
    "duplicated": 0.03,
    "lost": 0.03,
    "failed": 0.03,
    "not_run": 0.02,
    "zero": 0.02,
    "malformed": 0.02,
    "cut": 0.02,
    "refused": 0.01,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong, and how often.

    Attributes:
        seed: of every draw.
        shares: of requests; the rest is fine.
        shuffled: lines of a result come in any order.
        hidden_looks: how often a finished batch is shown without the id of its output.
        missing_looks: how often a file that is there is not found.
        expires_at: share of its requests after which a batch stands still until it expires; None is never.
        expiring: batches that do, from the first one on.
        busy: share of chat completions that are told to come again.
        retry_after_s: when.
    """

    seed: int = 0
    shares: Mapping[Fate, float] = field(default_factory=dict)
    shuffled: bool = False
    hidden_looks: int = 0
    missing_looks: int = 0
    expires_at: float | None = None
    expiring: int = 0
    busy: float = 0.0
    retry_after_s: float = 1.0

    @classmethod
    def of(cls, setting: Setting, seed: int = 0) -> Faults:
        """As the command line names them."""
        if setting == "none":
            return cls(seed=seed)
        if setting == "some":
            return cls(seed=seed, shares=_SOME, shuffled=True, hidden_looks=1, missing_looks=1, busy=0.05)
        shares: Mapping[Fate, float] = {name: 3.0 * share for name, share in _SOME.items()}
        return cls(
            seed=seed,
            shares=shares,
            shuffled=True,
            hidden_looks=2,
            missing_looks=2,
            expires_at=0.6,
            expiring=1,
            busy=0.2,
        )

    def fate(self, request: str, turn: int) -> Fate:
        """Of a request that is run for the ``turn``-th time, from 0.

        A refusal does not pass; a request is cut off the first time alone.
        """
        at = 0.0
        for fate in get_args(Fate):
            share = self.shares.get(fate, 0.0)
            lasting = fate in ("refused", "cut")
            if at <= self.draw(request, fate if lasting else str(turn)) < at + share:
                return "fine" if fate == "cut" and turn else fate
            at += 0.0 if lasting else share
        return "fine"

    def draw(self, *what: str) -> float:
        """A number from 0 to 1 that follows from its name."""
        digest = hashlib.sha256("\0".join((str(self.seed), *what)).encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64
