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
from rushes.train.settings import OptimizerName, Schedule


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
    model: nn.Module,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    muon: float,
    *,
    rates: Mapping[str, float] | None = None,
    name: OptimizerName = "adamw",
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
        rates: part of a parameter's name -> its learning rate in units of AdamW's, see `LoopSettings.rates`.
        name: which AdamW.

    Raises:
        TrainError: nothing asks for gradients, or bitsandbytes is asked for and missing.
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
    rate_of = _rates_of(model, rates or {})
    groups = [
        {"params": of_rate, "weight_decay": decay, **({} if rate == 1.0 else {"rate": rate})}
        for rate in dict.fromkeys(rate_of[id(p)] for p in rest)
        for of_rate, decay in (
            ([p for p in rest if rate_of[id(p)] == rate and p.ndim >= 2], weight_decay),
            ([p for p in rest if rate_of[id(p)] == rate and p.ndim < 2], 0.0),
        )
        if of_rate
    ]
    members: list[Optimizer] = []
    if hidden:
        orthogonal = Muon(hidden, learning_rate, weight_decay)
        for group in orthogonal.param_groups:
            group["rate"] = muon
        members.append(orthogonal)
    if rest:  # an adapter may be matrices alone, and torch refuses an optimizer of nothing
        members.append(OPTIMIZERS[name](groups, learning_rate, betas))
    return Joined(*members) if hidden else members[0]


def _rates_of(model: nn.Module, rates: Mapping[str, float]) -> dict[int, float]:
    """The rate of each parameter, by its identity."""
    return {
        id(parameter): next((rate for part, rate in rates.items() if part in name), 1.0)
        for name, parameter in model.named_parameters()
    }


def _adamw(groups: list[dict[str, Any]], learning_rate: float, betas: tuple[float, float]) -> Optimizer:
    return AdamW(groups, lr=learning_rate, betas=betas)


def _adamw8bit(groups: list[dict[str, Any]], learning_rate: float, betas: tuple[float, float]) -> Optimizer:
    """AdamW with its two moments in 8 bits (Dettmers et al. 2022); those of small tensors stay in 32."""
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise TrainError(
            "the optimizer adamw8bit needs bitsandbytes, which is not installed",
            cure="pip install 'rushes[cuda]' (it runs on a CPU, too), or set optimizer: adamw",
        ) from error
    made: Optimizer = AdamW8bit(groups, lr=learning_rate, betas=betas)
    return made


OPTIMIZERS: Mapping[OptimizerName, Callable[..., Optimizer]] = {"adamw": _adamw, "adamw8bit": _adamw8bit}


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


START = 25
"""One cycle begins at its highest rate over this: torch's ``div_factor``."""


def one_cycle(update: int, updates: int, peak: float, warmup: int = 0, floor: float = 0.0) -> float:
    """Learning rate of one update: half a cosine up to ``peak``, then half a cosine down to ``floor``.

    Update ``u`` of ``n``, with a rise of ``w`` updates, has the rate::

        u < w:   peak + (peak / START - peak) * (1 + cos(pi * u / (w - 1))) / 2
        u >= w:  floor + (peak - floor) * (1 + cos(pi * (u - w + 1) / (n - w))) / 2

    Update ``w - 1`` has ``peak`` and the last one ``floor``. Source: Smith and Topin 2018, in the form of torch's
    ``OneCycleLR`` with ``pct_start = w / n`` and ``floor = peak / 25 / final_div_factor``; the rate alone, AdamW's
    momentum stays.

    >>> [round(one_cycle(u, updates=6, peak=1.0, warmup=3), 3) for u in range(6)]
    [0.04, 0.52, 1.0, 0.75, 0.25, 0.0]

    Args:
        update: number of the update, from 0 to ``updates - 1``.
        updates: how many updates the run has.
        peak: highest rate.
        warmup: updates of the rise, from 0 (none) to ``updates``; one alone begins at ``peak``.
        floor: rate of the last update, from 0 to ``peak``.

    Raises:
        ValueError: ``update`` lies outside of the run.
    """
    if not 0 <= update < updates:
        raise ValueError(f"update {update} does not belong to a run of {updates} updates")
    if update < warmup:
        start, end, progress = peak / START, peak, update / (warmup - 1) if warmup > 1 else 1.0
    else:
        start, end, progress = peak, floor, (update - warmup + 1) / (updates - warmup)
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: Mapping[Schedule, Callable[[int, int, float, int, float], float]] = {
    "cosine": warmup_cosine,
    "onecycle": one_cycle,
}
"""Update, updates, peak, warm-up, floor -> rate."""
