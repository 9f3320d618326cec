"""How two encoders learn from pairs of a picture and its words."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field

from rushes.recipe.sections import Count, Seconds, Share, Train

Rate = Annotated[float, Field(gt=0.0, le=1.0)]


class ContrastiveTrain(Train):
    """How to train; the best epoch on the validation side is kept.

    Attributes:
        epochs: at most.
        patience: epochs without a better validation after which training stops; null trains to the end.
        min_delta: a validation is better if its recall is higher by more than this.
        batch_size: pairs that are each other's negatives in one optimizer step, whatever fits into memory, on
            all processes together; a training side of fewer is one batch.
        micro_batch: pairs of one forward pass, at most a batch; gradients are those of the whole batch.
        loss: ``softmax`` over the batch both ways (Radford et al. 2021), or ``sigmoid`` of each pair (Zhai et al.
            2023).
        mask_equal: whether pairs of equal words or of one group are no negatives of each other.
        learning_rate: highest rate of adapters.
        projection_rate: of projections and of scale and bias of the loss; null is ``learning_rate``.
        schedule: ``cosine`` falls after the warm-up, ``onecycle`` also rises along a cosine (Smith and Topin 2018).
        warmup: share of the steps in which the rate rises.
        floor: share of the rate that it falls to.
        weight_decay: of matrices.
        clip_norm: greatest norm of a gradient; null does not clip.
        optimizer: ``adamw``, or ``adamw8bit`` with its state in 8 bits.
        augment: change pictures at random: ``none``, ``simple`` (mirror, shifted by some pixels), ``strong`` (also
            light, colour and zoom).
    """

    epochs: Count = 10
    patience: Count | None = 2
    min_delta: Share = 0.001
    batch_size: Annotated[int, Field(ge=2)] = 1024
    micro_batch: Annotated[int, Field(ge=1)] = 64
    loss: Literal["softmax", "sigmoid"] = "softmax"
    mask_equal: bool = True
    learning_rate: Rate = 1e-4
    projection_rate: Rate | None = None
    schedule: Literal["cosine", "onecycle"] = "cosine"
    warmup: Share = 0.1
    floor: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    clip_norm: Seconds | None = 1.0
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    augment: Literal["none", "simple", "strong"] = "none"

    def fitted(self, pairs: int) -> Self:
        """The same for a training side of so many pairs: no batch is larger, so none has a pair twice."""
        batch = max(1, min(self.batch_size, pairs))
        return self.model_copy(update={"batch_size": batch, "micro_batch": min(self.micro_batch, batch)})

    def whole_side(self, pairs: int, about: str = "") -> str | None:
        """In words, for events and plans: that the training side is one batch; None where it is not."""
        if self.batch_size <= pairs:
            return None
        return f"train.batch_size is {self.batch_size:,}: the training side, {about}{pairs:,} pairs, is one batch"


class Pretraining(ContrastiveTrain):
    """How to teach a model that starts from nothing.

    Attributes:
        muon: learning rate of Muon on hidden matrices in units of ``learning_rate``.
    """

    muon: float = 3.0


PRETRAINING: Final = Pretraining(
    epochs=4,
    patience=None,
    batch_size=128,
    micro_batch=128,  # a tiny model has room for a batch at once, and nothing to compute twice
    learning_rate=2e-3,
    seed=0,
)
"""With Muon three epochs teach what eight did without. The same for every run, so that all share the base."""
