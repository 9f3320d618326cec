"""Answers by scoring legal choices: what cannot be said cannot be answered.

A model's answer is a row of values between fixed pieces of text. For each value the legal choices are scored
under the model and renormalised, so every answer carries probabilities and none needs parsing.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from rushes.models.vlm import Batch, Vlm, forward


@dataclass(slots=True)
class Continuation:
    """A batch of token sequences that the model has read, and what it expects next.

    Rows may be of different lengths: each ends where its own last token is, and the padding behind it is
    never looked at.

    Attributes:
        vlm: the model.
        cache: keys and values of the S places read so far.
        valid: ``(B, S)`` bool, places that hold a token and no padding.
        last: ``(3, B)`` rotary position of each row's last token.
        logits: ``(B, vocabulary)`` float32 for the token after it.
    """

    vlm: Vlm[Any]
    cache: DynamicCache
    valid: Tensor
    last: Tensor
    logits: Tensor

    @classmethod
    def of(
        cls, vlm: Vlm[Any], batch: Batch, lengths: Sequence[int], features: Tensor | None = None
    ) -> Continuation:
        """Read a batch whose rows hold ``lengths`` tokens each, padded on the right; its ``features`` may be known."""
        ends = torch.tensor(lengths, device=batch["ids"].device)
        places = torch.arange(batch["ids"].shape[1], device=ends.device)
        keep = places == ends[:, None] - 1
        logits, cache = forward(vlm, batch, keep=keep, cache=DynamicCache(), features=features)
        rows = torch.arange(len(lengths), device=ends.device)
        return cls(vlm, cache, places < ends[:, None], batch["positions"][:, rows, ends - 1], logits.float())

    def branch(self, count: int, sees: Sequence[int] | None = None) -> Continuation:
        """Copies of each row, one behind the other, to be continued in ``count`` ways.

        Args:
            count: copies of each row.
            sees: for each of the ``B * count`` copies, how many of its first places it may look at; all
                without it.
        """
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(count)
        valid, logits = (part.repeat_interleave(count, dim=0) for part in (self.valid, self.logits))
        if sees is not None:
            places = torch.arange(valid.shape[1], device=valid.device)
            valid = valid & (places < torch.tensor(sees, device=valid.device)[:, None])
        return Continuation(self.vlm, cache, valid, self.last.repeat_interleave(count, dim=1), logits)

    def read(self, rows: Sequence[Sequence[int]], positions: Sequence[np.ndarray] | None = None) -> None:
        """Append token ids to each of the B rows.

        Args:
            rows: token ids, of any number each.
            positions: of each token, ``(n,)``; without them tokens follow one after the other.
        """
        ids, valid = _padded(rows, self.last.device)
        if positions is None:
            places = _following(self.last, ids.shape[1])
        else:
            filled = [np.pad(own, (0, ids.shape[1] - len(own))) for own in positions]
            places = torch.tensor(np.stack(filled), dtype=self.last.dtype, device=ids.device).expand(
                3, -1, -1
            )
        logits = _step(self.vlm, self.cache, self.valid, ids, places)
        ends, number = valid.sum(dim=1) - 1, torch.arange(len(rows), device=ids.device)
        self.valid = torch.cat([self.valid, valid], dim=1)
        self.last = places[:, number, ends]
        self.logits = logits[number, ends]

    def score(self, choices: Sequence[Sequence[int]]) -> np.ndarray:
        """Probability of each choice as the next piece of text, among the choices.

        Args:
            choices: token ids of each of the C choices, of any lengths.

        Returns:
            ``(B, C)`` float64, rows sum to one.
        """
        total = self.logits.log_softmax(dim=-1)[:, [choice[0] for choice in choices]]
        if max(map(len, choices)) > 1:
            total = total + self._tails(choices)
        probabilities: np.ndarray = total.double().softmax(dim=-1).cpu().numpy()
        return probabilities

    def _tails(self, choices: Sequence[Sequence[int]]) -> Tensor:
        """Log-probability of everything after the first token of each choice, ``(B, C)``."""
        rows, count = len(self.logits), len(choices)
        ids, valid = (part.repeat(rows, 1) for part in _padded(choices, self.last.device))  # (B*C, longest)
        ways = self.branch(count)
        places = _following(ways.last, ids.shape[1] - 1)
        each = _step(self.vlm, ways.cache, ways.valid, ids[:, :-1], places).log_softmax(dim=-1)
        each = each.gather(2, ids[:, 1:, None])[..., 0]
        return (each * valid[:, 1:]).sum(dim=1).reshape(rows, count)


def _following(last: Tensor, count: int) -> Tensor:
    """Positions ``(3, B, count)`` of tokens behind ``last`` (3, B)."""
    return last[:, :, None] + torch.arange(1, count + 1, device=last.device)


def _step(vlm: Vlm[Any], cache: DynamicCache, valid: Tensor, ids: Tensor, places: Tensor) -> Tensor:
    """Read ``ids`` (B, n) at ``places`` (3, B, n) after the ``valid`` (B, S) places of ``cache``.

    Returns:
        Logits ``(B, n, vocabulary)`` float32.
    """
    count, length = ids.shape
    causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
    mask = torch.cat([valid[:, None].expand(-1, length, -1), causal.expand(count, -1, -1)], dim=2)
    return vlm.model(
        input_ids=ids,
        position_ids=places,
        attention_mask={"full_attention": mask[:, None]},
        past_key_values=cache,
        use_cache=True,
    ).logits.float()


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows of token ids as one ``(B, n)`` tensor, and which of its places are theirs."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[row[-1]] * (longest - len(row))] for row in rows], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return ids, torch.arange(longest, device=device) < lengths[:, None]
