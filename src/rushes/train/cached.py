"""The loss of a whole batch at the memory of one chunk, with the gradient of the whole batch.

In a contrastive loss every sample meets every other, so a batch cannot be cut and its parts' gradients added up.
But the loss meets the towers through embeddings alone (GradCache; Gao et al. 2021, arXiv 2101.06983): compute them
chunk by chunk without a graph, take the gradient of the loss with respect to them, then compute each chunk once more,
with a graph and the same dropout, and go back from its part of that gradient. What differs from one graph over the
same chunks is rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    value: Tensor = _Cached.apply(_Replay(sides, loss, parameters), *parameters)
    return value


class _Cached(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, replay: _Replay, *parameters: nn.Parameter) -> Tensor:
        ctx.replay = replay
        return replay.forward()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        replay, ctx.replay = ctx.replay, None  # graphs and gradients go as soon as they are used
        return (None, *replay.backward(gradient))


@dataclass(slots=True)
class _Played:
    """A chunk after the first pass.

    Attributes:
        chunk: computes it.
        draws: state of the random generators before that; None where the graph was kept.
        found: its embeddings, with the graph where that was kept.
        cotangent: gradient of the loss with respect to them.
    """

    chunk: Chunk
    draws: _Draws | None
    found: Tensor
    cotangent: Tensor


class _Replay:
    """Both passes over a batch, see :func:`cached_loss`."""

    def __init__(
        self, sides: Sequence[Sequence[Chunk]], loss: Loss, parameters: Sequence[nn.Parameter]
    ) -> None:
        self._sides, self._loss, self._parameters = sides, loss, parameters
        self._device = parameters[0].device
        kind = self._device.type
        self._autocast = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
        self._played: list[_Played] = []
        # Made before any graph, and added to in place: small tensors that came to lie between the large ones of a graph
        # would split the memory that it gives back, and the next graph would take new memory.
        self._sums = [torch.zeros_like(parameter) for parameter in parameters]
        self._used: set[int] = set()

    def forward(self) -> Tensor:
        """Compute all embeddings and the loss; go back from the loss to the embeddings."""
        played = [
            [*(self._play(chunk, keep=False) for chunk in chunks[:-1]), self._play(chunks[-1], keep=True)]
            for chunks in self._sides
        ]
        embeddings = [torch.cat([found.detach() for _, found in side]).requires_grad_() for side in played]
        with torch.enable_grad(), torch.autocast(self._device.type, enabled=False):
            loss = self._loss(*embeddings)
        gradients = torch.autograd.grad(loss, [*embeddings, *self._parameters], allow_unused=True)
        for chunks, side, gradient in zip(self._sides, played, gradients, strict=False):
            assert gradient is not None, "the loss is one of all embeddings"
            cotangents = gradient.split([len(found) for _, found in side])
            self._played += [
                _Played(chunk, *of_chunk, cotangent)
                for chunk, of_chunk, cotangent in zip(chunks, side, cotangents, strict=True)
            ]
        self._add(gradients[len(embeddings) :])
        return loss.detach()

    def backward(self, scale: Tensor) -> list[Tensor | None]:
        """Go back from the embeddings to the parameters; ``scale`` is the gradient with respect to the loss."""
        for total in self._sums:
            total.mul_(scale)
        before = _Draws.now(self._device)
        # Kept graphs first: the replays want their memory.
        for one in sorted(self._played, key=lambda one: one.draws is not None):
            found = one.found
            if one.draws is not None:
                one.draws.restore(self._device)
                found = self._embed(one.chunk, graph=True)
            if found.requires_grad:
                gradient = one.cotangent * scale
                self._add(torch.autograd.grad(found, self._parameters, gradient, allow_unused=True))
        before.restore(self._device)
        return [total if place in self._used else None for place, total in enumerate(self._sums)]

    def _play(self, chunk: Chunk, *, keep: bool) -> tuple[_Draws | None, Tensor]:
        draws = None if keep else _Draws.now(self._device)
        return draws, self._embed(chunk, graph=keep)

    def _embed(self, chunk: Chunk, *, graph: bool) -> Tensor:
        """The embeddings of a chunk, in the precision of the step: backward runs outside of its autocast."""
        enabled, dtype = self._autocast
        with torch.set_grad_enabled(graph), torch.autocast(self._device.type, dtype=dtype, enabled=enabled):
            return chunk()

    def _add(self, gradients: Sequence[Tensor | None]) -> None:
        for place, gradient in enumerate(gradients):
            if gradient is not None:
                self._sums[place].add_(gradient)
                self._used.add(place)


@dataclass(frozen=True, slots=True)
class _Draws:
    """State of the random generators that a layer draws from: the CPU's, and that of its device."""

    cpu: Tensor
    device: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> _Draws:
        apart = None if device.type == "cpu" else torch.get_device_module(device).get_rng_state()
        return cls(torch.get_rng_state(), apart)

    def restore(self, device: torch.device) -> None:
        torch.set_rng_state(self.cpu)
        if self.device is not None:
            torch.get_device_module(device).set_rng_state(self.device)
