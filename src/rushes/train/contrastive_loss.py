"""Losses of pairs of unit vectors: what belongs together against all else in the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn import functional


def softmax_loss(
    pictures: Tensor, texts: Tensor, log_scale: Tensor, bias: Tensor | None, alike: Tensor
) -> Tensor:
    """Cross-entropy of each picture over all texts and of each text over all pictures, halved and summed.

    Radford et al. 2021, figure 3. What is alike is taken out of the logits after they were scaled: minus infinity
    times a scale has no gradient but NaN.

    Args:
        pictures, texts: (N, D) unit vectors; row i of both is a pair.
        log_scale: logarithm of the factor on cosines.
        bias: not used: it moves all logits of a row alike.
        alike: (N, N) bool, symmetric: what is no negative of each other; False on the diagonal.
    """
    logits = (log_scale.exp() * (pictures @ texts.T)).masked_fill(alike, -torch.inf)
    targets = torch.arange(len(logits), device=logits.device)
    of_pictures, of_texts = (
        functional.cross_entropy(way, targets, reduction="sum") for way in (logits, logits.T)
    )
    return (of_pictures + of_texts) / 2


def sigmoid_loss(
    pictures: Tensor, texts: Tensor, log_scale: Tensor, bias: Tensor | None, alike: Tensor
) -> Tensor:
    """Logistic loss of every picture with every text, summed: Zhai et al. 2023, algorithm 1.

    Args:
        pictures, texts, log_scale, alike: see :func:`softmax_loss`; what is alike is left out of the sum.
        bias: added to all logits, so that many negatives do not drown the pairs at the start.
    """
    assert bias is not None, "an encoder for this loss has one"
    logits = log_scale.exp() * (pictures @ texts.T) + bias
    signs = 2 * torch.eye(len(logits), dtype=logits.dtype, device=logits.device) - 1
    return -functional.logsigmoid(signs * logits).masked_fill(alike, 0).sum()


LossName = Literal["softmax", "sigmoid"]

LOSSES: Final[Mapping[LossName, Callable[[Tensor, Tensor, Tensor, Tensor | None, Tensor], Tensor]]] = {
    "softmax": softmax_loss,
    "sigmoid": sigmoid_loss,
}
"""Pictures, texts, log scale, bias, alike -> loss, summed over pairs."""


def alike(captions: Tensor, groups: Tensor) -> Tensor:
    """Which pairs are no negatives of each other: (N, N) bool of (N,) numbers; False on the diagonal."""
    same = (captions[:, None] == captions) | (groups[:, None] == groups)
    return same.fill_diagonal_(False)
