"""How to train: the settings of the loop, checked at birth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from rushes.errors import RecipeError

Schedule = Literal["cosine", "onecycle"]
OptimizerName = Literal["adamw", "adamw8bit"]


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How to train; all counts are of updates (optimizer steps) unless they say otherwise.

    Attributes:
        steps: updates of the whole run.
        batch_size: samples of one forward pass on one process.
        learning_rate: highest rate of the schedule, see :data:`rushes.train.optimizer.SCHEDULES`.
        accumulate: forward passes of one update on one process.
        schedule: ``cosine`` rises linearly and falls along half a cosine; ``onecycle`` also rises along one.
        floor: rate that the fall ends at.
        warmup: updates of the rise.
        rates: part of a parameter's name -> its learning rate in units of ``learning_rate``; the first part that
            a name has counts, and a name that has none of them learns at 1.
        optimizer: ``adamw``, or ``adamw8bit`` with its state in 8 bits, by bitsandbytes.
        weight_decay: AdamW's, on matrices; vectors (biases, norms) are not decayed.
        betas: AdamW's.
        muon: learning rate of Muon on hidden matrices in units of ``learning_rate``; 0 leaves all to AdamW.
        clip_norm: largest norm of the whole gradient; None does not clip.
        precision: ``no`` computes in the type of the weights; ``fp16`` scales the loss, and leaves an update out
            whose gradient overflows.
        seed: of the order, the augmentation and the dropout; not negative.
        checkpoint_every: updates from one checkpoint to the next.
        keep: newest checkpoints that stay; the best one stays too where there are validations.
        log_every: updates from one line of events.jsonl to the next.
        eval_every: updates from one validation to the next; 0 never validates.
        monitor: figure of the validation that is judged; higher is better.
        patience: validations without a better figure after which training stops; the weights of the best one
            are then the result. None trains to the end, and the last weights are the result.
        min_delta: a figure is better, for ``patience``, if it is higher by more than this: a plateau, or a rise
            too slow to wait for, uses patience up. The best weights are those of the highest figure anyway.
        threads: threads that read samples ahead; 0 reads between the steps.
        device: ``auto`` takes a GPU where there is one.

    Raises:
        RecipeError: lists every setting that is out of its range.
    """

    steps: int
    batch_size: int
    learning_rate: float
    accumulate: int = 1
    schedule: Schedule = "cosine"
    floor: float = 0.0
    warmup: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    optimizer: OptimizerName = "adamw"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    muon: float = 0.0
    clip_norm: float | None = 1.0
    precision: Literal["no", "bf16", "fp16"] = "no"
    seed: int = 0
    checkpoint_every: int = 50
    keep: int = 2
    log_every: int = 10
    eval_every: int = 0
    monitor: str = "score"
    patience: int | None = None
    min_delta: float = 0.0
    threads: int = 2
    device: Literal["auto", "cpu"] = "auto"

    @classmethod
    def of(cls, *sections: BaseModel, **more: Any) -> LoopSettings:
        """What sections of a recipe say under the names of these settings, and what ``more`` says over that."""
        named = [(name, value) for section in sections for name, value in section]
        return cls(**{name: value for name, value in named if name in cls.__dataclass_fields__} | more)

    def decisive(self) -> dict[str, Any]:
        """What a training must share with a checkpoint to go on from it: settings that decide what is learnt."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in FREE and not (name in LATER and value == LATER[name])
        }

    def __post_init__(self) -> None:
        def below(least: int, *names: str) -> list[str]:
            values = {name: getattr(self, name) for name in names}
            return [
                f"{name}: at least {least}, found {value}" for name, value in values.items() if value < least
            ]

        faults = below(1, "steps", "batch_size", "accumulate", "checkpoint_every", "keep", "log_every")
        faults += below(
            0, "seed", "warmup", "eval_every", "threads", "floor", "weight_decay", "muon", "min_delta"
        )
        if self.learning_rate <= self.floor:
            faults.append(f"learning_rate: above floor ({self.floor}), found {self.learning_rate}")
        if self.warmup > self.steps:
            faults.append(f"warmup: at most steps ({self.steps}), found {self.warmup}")
        if not all(0 <= beta < 1 for beta in self.betas):
            faults.append(f"betas: both in [0, 1), found {self.betas}")
        if self.clip_norm is not None and self.clip_norm <= 0:
            faults.append(f"clip_norm: positive or none, found {self.clip_norm}")
        if self.patience is not None and (self.patience < 1 or self.eval_every < 1):
            faults.append(f"patience: at least 1, and with eval_every at least 1, found {self.patience}")
        faults += [
            f"rates.{part}: above 0, found {rate}" for part, rate in self.rates.items() if not rate > 0
        ]
        if self.optimizer == "adamw8bit" and self.muon:
            faults.append("optimizer: adamw8bit has no Muon beside it; set muon to 0, or optimizer to adamw")
        if faults:
            raise RecipeError.of(faults, "training settings")


FREE = frozenset({"checkpoint_every", "keep", "log_every", "threads", "device"})
"""Settings that may change between an interruption and the resume: they do not decide what is learnt."""

LATER: Mapping[str, Any] = {"schedule": "cosine", "rates": {}, "optimizer": "adamw", "min_delta": 0.0}
"""Settings that are younger than trainings on disk, and the defaults at which those were done: there, a setting is
no part of what a training is, so that they are found finished and can be resumed."""
