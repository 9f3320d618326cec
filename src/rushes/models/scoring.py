"""Answers by scoring legal choices: what cannot be said cannot be answered.

A model's answer is a row of values between fixed pieces of text. For each value the legal choices are scored
under the model and renormalised, so every answer carries probabilities and none needs parsing.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

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

    vlm: Vlm
    cache: DynamicCache
    valid: Tensor
    last: Tensor
    logits: Tensor

    @classmethod
    def of(cls, vlm: Vlm, batch: Batch, lengths: Sequence[int]) -> Continuation:
        """Read a batch whose rows hold ``lengths`` tokens each, padded on the right."""
        ends = torch.tensor(lengths, device=batch["ids"].device)
        places = torch.arange(batch["ids"].shape[1], device=ends.device)
        logits, cache = forward(vlm, batch, keep=places == ends[:, None] - 1, cache=DynamicCache())
        rows = torch.arange(len(lengths), device=ends.device)
        return cls(vlm, cache, places < ends[:, None], batch["positions"][:, rows, ends - 1], logits.float())

    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append token ids to each of the B rows."""
        ids, valid = _padded(rows, self.last.device)
        logits = _step(self.vlm, self.cache, self.valid, ids, self.last)
        ends = valid.sum(dim=1)
        self.valid = torch.cat([self.valid, valid], dim=1)
        self.last = self.last + ends
        self.logits = logits[torch.arange(len(rows), device=ids.device), ends - 1]

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
        return total.double().softmax(dim=-1).cpu().numpy()

    def _tails(self, choices: Sequence[Sequence[int]]) -> Tensor:
        """Log-probability of everything after the first token of each choice, ``(B, C)``."""
        rows, count = len(self.logits), len(choices)
        ids, valid = (part.repeat(rows, 1) for part in _padded(choices, self.last.device))  # (B*C, longest)
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(count)
        seen, last = self.valid.repeat_interleave(count, dim=0), self.last.repeat_interleave(count, dim=1)
        each = _step(self.vlm, cache, seen, ids[:, :-1], last).log_softmax(dim=-1)
        each = each.gather(2, ids[:, 1:, None])[..., 0]
        return (each * valid[:, 1:]).sum(dim=1).reshape(rows, count)


def _step(vlm: Vlm, cache: DynamicCache, valid: Tensor, ids: Tensor, last: Tensor) -> Tensor:
    """Read ``ids`` (B, n) after the ``valid`` (B, S) places of ``cache``; logits (B, n, vocabulary)."""
    count, length = ids.shape
    causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
    mask = torch.cat([valid[:, None].expand(-1, length, -1), causal.expand(count, -1, -1)], dim=2)
    steps = torch.arange(1, length + 1, device=ids.device)
    return vlm.model(
        input_ids=ids,
        position_ids=last[:, :, None] + steps,
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


def median_choice(probabilities: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """Index of the median of ordered choices, which minimises the expected absolute error.

    Args:
        probabilities: ``(B, C)`` over ordered values.
        legal: ``(B, C)`` bool, at least one True a row; the others cannot be chosen.

    Returns:
        ``(B,)`` int64, always legal.

    >>> median_choice(np.array([[0.3, 0.1, 0.2, 0.4]]), np.array([[True, True, True, False]]))
    array([0])
    """
    weights = np.where(legal, probabilities + 1e-12, 0.0)
    reached = weights.cumsum(axis=1) >= 0.5 * weights.sum(axis=1, keepdims=True)
    return (reached & legal).argmax(axis=1)
