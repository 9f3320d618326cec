"""The loss of a whole batch at the memory of one chunk, with the gradient of the whole batch.

In a contrastive loss every sample meets every other, so a batch cannot be cut and its parts' gradients added up.
But the loss meets the towers through embeddings alone (GradCache; Gao et al. 2021, arXiv 2101.06983): compute them
chunk by chunk without a graph, take the gradient of the loss with respect to them, then compute each chunk once more,
with a graph and the same dropout, and go back from its part of that gradient. What differs from one graph over the
same chunks is rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Chunk = Callable[[], Tensor]
"""Computes the embeddings (n, D) of some samples; called a second time, it does the same work once more."""

Loss = Callable[..., Tensor]
"""The embeddings (N, D) of each side -> a scalar. It draws nothing at random."""


def cached_loss(sides: Sequence[Sequence[Chunk]], loss: Loss, parameters: Sequence[nn.Parameter]) -> Tensor:
    """The loss of all embeddings as a function of ``parameters``, whose gradient replays chunks.

    The last chunk of a side keeps its graph, and is not replayed; a side of a single chunk never is. A side whose last
    chunk asks for no gradient is left alone. The order of random draws is that of the sides and of their chunks. For
    autograd, and so for the wrapper of many processes and the scale of float16, the result has one edge to each
    parameter: its gradient arrives once, whole.

    Args:
        sides: what is compared, each cut into at least one chunk.
        loss: of the embeddings of all sides; autocast is off inside.
        parameters: of chunks and loss; those that neither uses get no gradient.

    Returns:
        A scalar; it can be differentiated once.
    """
    value: Tensor = _Cached.apply(_Plan(sides, loss, parameters), *parameters)
    return value


@dataclass(slots=True)
class _Played:
    """A side after the first pass.

    Attributes:
        chunks: all but the last.
        draws: state of the random generators before each of them.
        last: embeddings of the last chunk, with their graph.
    """

    chunks: Sequence[Chunk]
    draws: list[_Draws]
    last: Tensor


@dataclass(slots=True)
class _Plan:
    """A loss on its way from the first pass to the second.

    Attributes:
        sides, loss, parameters: see :func:`cached_loss`.
        played: each side after the first pass.
        cotangents: gradient of the loss with respect to the embeddings of each side.
        of_loss: and with respect to each parameter, through the loss alone; None where it does not use it.
    """

    sides: Sequence[Sequence[Chunk]]
    loss: Loss
    parameters: Sequence[nn.Parameter]
    device: torch.device = field(init=False)
    autocast: tuple[bool, torch.dtype] = field(init=False)
    played: list[_Played] = field(init=False)
    cotangents: list[Tensor] = field(init=False)
    of_loss: list[Tensor | None] = field(init=False)

    def __post_init__(self) -> None:
        self.device = self.parameters[0].device
        kind = self.device.type
        self.autocast = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

    def first(self) -> Tensor:
        """Compute all embeddings and the loss, and go back as far as the embeddings."""
        self.played, embeddings = [], []
        for chunks in self.sides:
            draws, found = [], []
            with torch.no_grad(), self._precision():
                for chunk in chunks[:-1]:
                    draws.append(_Draws.of(self.device))
                    found.append(chunk())
            with torch.enable_grad(), self._precision():
                last = chunks[-1]()
            self.played.append(_Played(chunks[:-1], draws, last))
            embeddings.append(torch.cat([*found, last.detach()]).requires_grad_())
        with torch.enable_grad(), torch.autocast(self.device.type, enabled=False):
            value = self.loss(*embeddings)
        wanted = [*embeddings, *self.parameters]
        gradients = torch.autograd.grad(value, wanted, allow_unused=True, materialize_grads=False)
        self.of_loss = list(gradients[len(embeddings) :])
        self.cotangents = [
            torch.zeros_like(of_side) if gradient is None else gradient
            for of_side, gradient in zip(embeddings, gradients, strict=False)
        ]
        return value.detach()

    def second(self, scale: Tensor) -> list[Tensor | None]:
        """Go back from the embeddings to the parameters, chunk by chunk.

        Args:
            scale: gradient with respect to the loss.
        """
        totals = [None if gradient is None else gradient * scale for gradient in self.of_loss]
        parts: list[tuple[_Played, tuple[Tensor, ...]]] = []
        for side, cotangent in zip(self.played, self.cotangents, strict=True):
            if side.last.requires_grad:
                sizes = [len(side.last)] if not side.chunks else self._sizes(side, cotangent)
                parts.append((side, (cotangent * scale).split(sizes)))
        for side, cut in parts:  # graphs that were kept go first: their memory is wanted for the others
            self._add(totals, side.last, cut[-1])
            side.last = side.last.detach()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            for side, cut in parts:
                for chunk, draws, cotangent in zip(side.chunks, side.draws, cut, strict=False):
                    draws.restore(self.device)
                    with torch.enable_grad(), self._precision():
                        embeddings = chunk()
                    self._add(totals, embeddings, cotangent)
        return totals
