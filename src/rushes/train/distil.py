"""What a teacher adds to the loss of a classifier.

Of logits ``z`` (n, K), a teacher's logits ``t`` and a temperature ``T``::

    hard  = sum_i w[y_i] * -log softmax(z_i)[y_i] / sum_i w[y_i]
    soft  = T**2 * mean_i KL(softmax(t_i / T) || softmax(z_i / T))
    loss  = soft_weight * soft + (1 - soft_weight) * hard

``T**2`` keeps the gradient of the soft part at one size whatever the temperature (Hinton, Vinyals and Dean
2015, section 2). Elsewhere ``soft_weight`` is called alpha, and in places alpha weighs the other part.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def soft_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far the pupil's opinion lies from the teacher's: a scalar, 0 where they agree.

    Args:
        logits: (n, K) the pupil's.
        teacher: (n, K) the teacher's.
        temperature: positive; above 1 the teacher's opinion on wrong classes counts more.
    """
    pupil, guide = (functional.log_softmax(scores / temperature, dim=1) for scores in (logits, teacher))
    return temperature**2 * functional.kl_div(pupil, guide, reduction="batchmean", log_target=True)
