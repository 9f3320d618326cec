"""What learns: a model and its optimizer under accelerate. One update, one validation, all of its state."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, send_to_device, set_seed
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from rushes.errors import TrainError
from rushes.train.batches import Batch, MicroBatch
from rushes.train.optimizer import make_optimizer, set_rate
from rushes.train.settings import LoopSettings
from rushes.train.state import (
    copied,
    learnt_tensors,
    optimizer_tensors,
    random_state,
    restore_optimizer,
    restore_random_state,
    restore_tensors,
)


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a step returns. An update minimises the sum of ``loss_sum`` over the sum of ``weight``.

    Attributes:
        loss_sum: summed, not averaged, loss of the batch; scalar tensor with a graph, best in float32.
        weight: what the sum is over: supervised tokens, or samples; at least 0.
        tokens: tokens that went through the model, for the log; 0 if unknown.
    """

    loss_sum: Tensor
    weight: float | Tensor
    tokens: int = 0


Step = Callable[[nn.Module, Batch], StepOutput]
"""The loss of one batch. It calls the model it is given, which may be a wrapper of the family's own."""

Validate = Callable[[nn.Module], Mapping[str, float]]
"""Figures of a model in evaluation mode, without gradients."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over a stretch of updates, of all processes; times are the main process's."""

    loss_sum: float = 0.0
    weight: float = 0.0
    samples: int = 0
    tokens: int = 0
    overflows: int = 0
    step_s: float = 0.0
    wait_s: float = 0.0

    @property
    def loss(self) -> float:
        """Mean loss."""
        return self.loss_sum / self.weight

    @property
    def samples_per_s(self) -> float:
        """Of the time in updates."""
        return self.samples / max(self.step_s, 1e-9)

    @property
    def data_wait_share(self) -> float:
        """Share of the time in updates that was spent waiting for data, 0 to 1."""
        return self.wait_s / max(self.step_s, 1e-9)

    def __add__(self, other: Tally) -> Tally:
        """Both stretches together."""
        return Tally(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))


class Learner:
    """A model and its optimizer, prepared for the processes and the precision at hand.

    Random generators are seeded, differently on each process.

    Args:
        model: its parameters that ask for gradients are trained.
        settings: see :class:`LoopSettings`.

    Attributes:
        model: the caller's model, without the wrapper of many processes.
        processes, process: how many there are, and which one this is, from 0.

    Raises:
        TrainError: no parameter asks for gradients.
    """

    def __init__(self, model: nn.Module, settings: LoopSettings) -> None:
        optimizer = make_optimizer(
            model,
            settings.learning_rate,
            settings.weight_decay,
            settings.betas,
            settings.muon,
            rates=settings.rates,
            name=settings.optimizer,
        )
        self._settings = settings
        AcceleratorState._reset_state()  # or a process would keep the precision of whatever it trained first
        self._accelerator = Accelerator(mixed_precision=settings.precision, cpu=settings.device == "cpu")
        if settings.precision == "fp16" and self._accelerator.scaler is None:
            # On a CPU accelerate would go on in float32 without a word; torch has both parts there, too.
            self._accelerator.native_amp = True
            self._accelerator.scaler = torch.amp.GradScaler(self._accelerator.device.type)
        self.processes, self.process = self._accelerator.num_processes, self._accelerator.process_index
        set_seed(settings.seed, device_specific=True)
        self._wrapped, self._optimizer = self._accelerator.prepare(model, optimizer)
        self.model = self._accelerator.unwrap_model(self._wrapped)
        self._parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        if self._accelerator.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._accelerator.device)

    def update(
        self, step: Step, micro_batches: Iterator[MicroBatch], rate: float, number: int
    ) -> tuple[Tally, float]:
        """Do one update: take ``accumulate`` micro-batches, add up their gradients, clip, step.

        Gradients are those of summed losses, divided once by the weight of the whole update on all processes:
        how its samples are cut into micro-batches and dealt to processes makes no difference but rounding.

        Args:
            step: the loss of one micro-batch.
            micro_batches: the next ones of this process.
            rate: learning rate.
            number: of the update, from 1, for errors.

        Returns:
            Its sums, and the norm of the whole gradient before clipping.

        Raises:
            TrainError: a loss or a gradient is not finite, or nothing in the update has weight.
        """
        began, accelerator = time.perf_counter(), self._accelerator
        self._wrapped.train()
        local, keys = self._gradients(step, micro_batches, number)
        loss_sum, weight, tokens = self._of_all([local.loss_sum, local.weight, local.tokens])
        if weight <= 0:
            raise TrainError(
                f"nothing to learn from in update {number}: the weight of its samples is {weight:g}",
                where=_named(keys),
                cure="see that every sample has something supervised, e.g. that no answer was cut off",
            )
        for parameter in self._parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(self.processes / weight)  # processes: accelerate has averaged over them
        norm = accelerator.clip_grad_norm_(self._parameters, self._settings.clip_norm or math.inf)
        norm = float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
        # In fp16 an overflow is normal: the update is left out and the loss scale halved, down to 1.
        overflow_is_normal = accelerator.scaler is not None and accelerator.scaler.get_scale() >= 1
        if not math.isfinite(norm) and not overflow_is_normal:
            raise _not_finite(f"norm of the gradient ({norm})", number, keys)
        set_rate(self._optimizer, rate)
        self._optimizer.step()
        self._optimizer.zero_grad()
        tally = Tally(
            loss_sum=loss_sum,
            weight=weight,
            samples=self._settings.batch_size * self._settings.accumulate * self.processes,
            tokens=int(tokens),
            overflows=int(self._optimizer.step_was_skipped),
            step_s=time.perf_counter() - began,
            wait_s=local.wait_s,
        )
        return tally, norm

    def _gradients(
        self, step: Step, micro_batches: Iterator[MicroBatch], number: int
    ) -> tuple[Tally, list[str]]:
        """Add up the gradients of summed losses over this process's micro-batches of one update.

        Returns:
            This process's share of the update, and the keys of its samples.
        """
        accelerator, accumulate = self._accelerator, self._settings.accumulate
        wait_s, tokens, losses, weights, keys = 0.0, 0, [], [], []
        for place in range(accumulate):
            asked = time.perf_counter()
            drawn = next(micro_batches)
            wait_s += time.perf_counter() - asked
            batch = send_to_device(drawn.batch, accelerator.device)
            with nullcontext() if place == accumulate - 1 else accelerator.no_sync(self._wrapped):
                output = step(self._wrapped, batch)
                accelerator.backward(output.loss_sum)
            losses.append(output.loss_sum.detach())
            weights.append(output.weight)
            keys.append(drawn.keys)
            tokens += output.tokens
        # Here the device is waited for. Sums are float64, and made by the host: MPS has no float64.
        values = list(zip(torch.stack(losses).tolist(), map(float, weights), strict=True))
        for (loss_sum, weight), of_batch in zip(values, keys, strict=True):
            if not (math.isfinite(loss_sum) and math.isfinite(weight)):
                raise _not_finite(f"loss (sum {loss_sum}, weight {weight:g})", number, of_batch)
        loss_sum, weight = (math.fsum(column) for column in zip(*values, strict=True))
        local = Tally(loss_sum=loss_sum, weight=weight, tokens=tokens, wait_s=wait_s)
        return local, list(chain.from_iterable(keys))

    def figures(self, validate: Validate, monitor: str) -> dict[str, float]:
        """Measure the model; what ``validate`` draws at random does not reach the training.

        Raises:
            TrainError: the figure ``monitor`` is missing or not finite.
        """
        before = random_state()
        self._wrapped.eval()
        with torch.no_grad():
            figures = {name: float(value) for name, value in validate(self.model).items()}
        restore_random_state(before)
        if not math.isfinite(figures.get(monitor, math.nan)):
            raise TrainError(
                f"the validation gives no finite figure {monitor!r}; it gives {figures}",
                cure="set monitor to one of them",
            )
        if self.processes == 1:
            return figures
        # All processes must come to the same decision: the main one's figure counts.
        judged = torch.tensor(figures[monitor], dtype=torch.float64, device=self._accelerator.device)
        return figures | {monitor: broadcast(judged).item()}

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """All state that is tensors, by file; every process must call it, the main one writes."""
        return {
            "weights": copied(learnt_tensors(self.model)),
            "optimizer": optimizer_tensors(self._optimizer, self.model),
            "random": {name: self._beside_others(value) for name, value in random_state().items()},
        }

    def _of_all(self, values: list[float]) -> list[float]:
        """Sums over processes."""
        if self.processes == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64, device=self._accelerator.device)
        reduced: list[float] = self._accelerator.reduce(sums, "sum").tolist()
        return reduced

    def _beside_others(self, value: Tensor) -> Tensor:
        """A tensor (n,) of each process, (processes, n), on the host."""
        if self.processes == 1:
            return value[None]
        return self._accelerator.gather(value.to(self._accelerator.device)[None]).cpu()

    def scaler_state(self) -> dict[str, Any]:
        """State of the fp16 loss scale, as JSON; empty in other precisions."""
        return {} if self._accelerator.scaler is None else self._accelerator.scaler.state_dict()

    def restore(self, tensors: Callable[[str], dict[str, Tensor]], scaler_state: Mapping[str, Any]) -> None:
        """Put back what :meth:`tensors`, here asked for file by file, and :meth:`scaler_state` gave."""
        restore_tensors(learnt_tensors(self.model), tensors("weights"))
        restore_optimizer(self._optimizer, self.model, tensors("optimizer"))
        restore_random_state({name: value[self.process] for name, value in tensors("random").items()})
        if self._accelerator.scaler is not None:
            self._accelerator.scaler.load_state_dict(dict(scaler_state))

    def wait(self) -> None:
        """Wait for all processes."""
        self._accelerator.wait_for_everyone()

    def release(self) -> None:
        """Give the model back without accelerate's precision wrapper, and forget it."""
        self._accelerator.unwrap_model(self._wrapped, keep_fp32_wrapper=False)
        self._accelerator.free_memory()

    def peak_memory_bytes(self) -> int:
        """Highest allocation on the GPU; without one, highest resident memory of the process so far."""
        if self._accelerator.device.type == "cuda":
            peak: int = torch.cuda.max_memory_allocated(self._accelerator.device)
            return peak
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _not_finite(quantity: str, number: int, keys: list[str]) -> TrainError:
    return TrainError(
        f"the {quantity} is not finite in update {number}",
        where=_named(keys),
        cure="look at these samples; if they are sound, lower learning_rate or clip_norm, or train in bf16",
    )


def _named(keys: list[str]) -> str:
    return "samples " + ", ".join(keys)
