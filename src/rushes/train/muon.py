"""Muon, as torch does it on a GPU; on a CPU in float32, with matrices of equal shape as one batch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn


class Muon(torch.optim.Muon):
    """Muon (Jordan 2024, kellerjordan.github.io/posts/muon), scaled to AdamW's step (Liu et al. 2025).

    Of a matrix ``W`` with gradient ``G`` and momentum ``M``::

        M <- mu M + (1 - mu) G
        W <- (1 - rate decay) W - 0.2 sqrt(max(W.shape)) rate orthogonal((1 - mu) G + mu M)

    torch iterates in bfloat16 on every device, one matrix after the other. A CPU without bfloat16
    instructions takes over twenty times as long for that as for float32, so on a CPU the iteration is
    float32, and matrices of one shape are one batch, in four copies. State and constants are torch's.

    Args:
        matrices: the parameters.
        lr: learning rate, in units of AdamW's.
        weight_decay: decoupled, as AdamW's.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every matrix that has a gradient."""
        if any(matrix.device.type != "cpu" for group in self.param_groups for matrix in group["params"]):
            loss: float | None = super().step(closure)
            return loss
        assert closure is None, "the loop computes gradients itself"
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            directions = [self._direction(matrix, group["momentum"]) for matrix in matrices]
            updates = orthogonal(directions, group["ns_coefficients"], group["ns_steps"], group["eps"])
            for matrix, update in zip(matrices, updates, strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-0.2 * math.sqrt(max(matrix.shape)) * group["lr"])
        return None

    def _direction(self, matrix: nn.Parameter, momentum: float) -> Tensor:
        """Take the gradient into the momentum, and look one step ahead (Nesterov)."""
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix.grad)
        average = state["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(average, momentum)


def orthogonal(
    matrices: Sequence[Tensor], coefficients: tuple[float, float, float], steps: int, eps: float
) -> list[Tensor]:
    """Nearly orthogonal matrices with the singular vectors of the given ones: Newton-Schulz iteration.

    Singular values, at most 1 after a division by the Frobenius norm, go ``steps`` times through
    ``a s + b s^3 + c s^5``, which brings all but the smallest of them near 1.

    Args:
        matrices: of any shapes; those that are equal or each other's transposes share a batch.
        coefficients: ``a, b, c``.
        steps: of the iteration.
        eps: least norm that is divided by.

    Returns:
        float32, of the shapes of ``matrices``.
    """
    a, b, c = coefficients
    batches: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, matrix in enumerate(matrices):
        batches[min(matrix.shape), max(matrix.shape)].append(place)
    found: dict[int, Tensor] = {}
    for shape, places in batches.items():
        wide = torch.stack([_wide(matrices[place]).float() for place in places])
        wide /= torch.linalg.matrix_norm(wide, keepdim=True).clamp(min=eps)
        for _ in range(steps):
            gram = wide @ wide.mT
            wide = torch.baddbmm(wide, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
        for place, result in zip(places, wide, strict=True):
            found[place] = result if matrices[place].shape == shape else result.mT
    return [found[place] for place in range(len(matrices))]


def _wide(matrix: Tensor) -> Tensor:
    """The matrix, or its transpose if it is tall."""
    return matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
