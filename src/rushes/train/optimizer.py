"""AdamW for everything, or Muon for the hidden matrices and AdamW for the rest; and the rate of each update."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from rushes.errors import TrainError
from rushes.train.muon import Muon


class Joined(Optimizer):
    """Several of torch's optimizers over disjoint parameters, with one list of groups and one state.

    Args:
        members: the optimizers; each does its own step.
    """

    def __init__(self, *members: Optimizer) -> None:
        self._members = members
        super().__init__([group for member in members for group in member.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Let the members work on this optimizer's groups and state, not on copies of them."""
        groups = iter(self.param_groups)
        for member in self._members:
            member.param_groups = [next(groups) for _ in member.param_groups]
            member.state = self.state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load, and let the members see it."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Let each member do its step."""
        assert closure is None, "the loop computes gradients itself"
        for member in self._members:
            member.step()


def make_optimizer(
    model: nn.Module, learning_rate: float, weight_decay: float, betas: tuple[float, float], muon: float
) -> Optimizer:
    """The optimizer of a model.

    AdamW (Loshchilov and Hutter 2019) decays matrices and leaves biases and norms alone. Muon (Jordan 2024)
    makes each update of a matrix orthogonal; a model that starts from nothing learns to see in half the
    updates. It is scaled to AdamW's step, and kept from embeddings, as its author advises.

    Args:
        model: its parameters that ask for gradients are optimized.
        learning_rate: AdamW's.
        weight_decay: of matrices.
        betas: AdamW's.
        muon: Muon's learning rate in units of AdamW's; 0 leaves all parameters to AdamW.

    Raises:
        TrainError: nothing asks for gradients.
    """
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not learning:
        raise TrainError(
            "no parameter of the model asks for gradients", cure="unfreeze it, or add an adapter"
        )
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    hidden = [p for p in learning if muon and p.ndim == 2 and id(p) not in embeddings]
    taken = {id(p) for p in hidden}
    rest = [p for p in learning if id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    members: list[Optimizer] = []
    if hidden:
        orthogonal = Muon(hidden, learning_rate, weight_decay)
        for group in orthogonal.param_groups:
            group["rate"] = muon
        members.append(orthogonal)
    if rest:  # an adapter may be matrices alone, and torch refuses an optimizer of nothing
        members.append(AdamW([group for group in groups if group["params"]], lr=learning_rate, betas=betas))
    return Joined(*members) if hidden else members[0]


def set_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Set the learning rate of all groups, each in its own units."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("rate", 1.0)


def warmup_cosine(update: int, updates: int, peak: float, warmup: int = 0, floor: float = 0.0) -> float:
    """Learning rate of one update: a linear rise to ``peak``, then half a cosine down towards ``floor``.

    Update ``u`` of ``n``, with a warm-up of ``w`` updates, has the rate::

        u < w:   peak * (u + 1) / w
        u >= w:  floor + (peak - floor) * (1 + cos(pi * (u - w) / (n - w))) / 2

    The rise starts at ``peak / w`` and the fall ends one step before ``floor``, so that no update is spent at
    a rate of zero. Sources: Loshchilov and Hutter 2017 (SGDR, equation 5, without restarts); for the warm-up,
    Goyal et al. 2017.

    >>> [round(warmup_cosine(u, updates=6, peak=1.0, warmup=2), 3) for u in range(6)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]

    Args:
        update: number of the update, from 0 to ``updates - 1``.
        updates: how many updates the run has.
        peak: highest rate.
        warmup: updates of the rise, from 0 (none) to ``updates``.
        floor: rate that the fall ends at, from 0 to ``peak``.

    Raises:
        ValueError: ``update`` lies outside of the run.
    """
    if not 0 <= update < updates:
        raise ValueError(f"update {update} does not belong to a run of {updates} updates")
    if update < warmup:
        return peak * (update + 1) / warmup
    progress = (update - warmup) / (updates - warmup)  # [0, 1)
    return floor + (peak - floor) * (1 + math.cos(math.pi * progress)) / 2
