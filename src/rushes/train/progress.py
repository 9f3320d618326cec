"""How far a training has come, and what it came to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rushes.train.learner import Tally


@dataclass(frozen=True, slots=True)
class FitResult:
    """A finished training.

    Attributes:
        steps: updates done.
        stopped_early: whether patience ended it.
        last_loss: mean loss of the last update.
        best: highest judged figure of a validation; None without validations.
        best_step: the update after which it was measured.
        weights: safetensors file of the result: trained parameters and saved buffers.
        seconds: time in the loop, validations and checkpoints included, of all sessions that count.
        samples_per_s: over the updates alone.
        data_wait_share: share of the time of the updates that was spent waiting for data, 0 to 1.
        peak_memory_bytes: highest allocation on the GPU; without one, highest resident memory of the process.
    """

    steps: int
    stopped_early: bool
    last_loss: float
    best: float | None
    best_step: int | None
    weights: Path
    seconds: float
    samples_per_s: float
    data_wait_share: float
    peak_memory_bytes: int

    @classmethod
    def of(cls, saved: Mapping[str, Any], folder: Path) -> FitResult:
        """From the form that :meth:`to_json` gives."""
        return cls(**{**saved, "weights": folder / saved["weights"]})

    def to_json(self, folder: Path) -> dict[str, Any]:
        """As JSON values; ``weights`` relative to the training's folder, which can then be moved."""
        return asdict(self) | {"weights": str(self.weights.relative_to(folder))}


@dataclass(slots=True)
class Progress:
    """How far a run has come: the part of a checkpoint that is not tensors.

    Attributes:
        step: updates done.
        total: sums over all updates.
        since: sums since the last line of the log.
        last_loss: mean loss of the last update.
        grad_norm: of the last update, before clipping; None if it overflowed in fp16.
        best: highest judged figure so far.
        best_step: the update after which it was measured.
        bar: the figure that the last validation that counted for patience brought.
        stale: validations since then.
        seconds: time in the loop.
    """

    step: int = 0
    total: Tally = field(default_factory=Tally)
    since: Tally = field(default_factory=Tally)
    last_loss: float | None = None
    grad_norm: float | None = None
    best: float | None = None
    best_step: int | None = None
    bar: float | None = None
    stale: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Progress:
        """From the form that ``dataclasses.asdict`` gives."""
        return cls(
            **{
                "bar": saved["best"],
                **saved,
                "total": Tally(**saved["total"]),
                "since": Tally(**saved["since"]),
            }
        )

    def add(self, tally: Tally, grad_norm: float) -> None:
        """Take note of one more update: its sums, and the norm of its gradient."""
        self.step += 1
        self.last_loss = tally.loss
        self.grad_norm = grad_norm if math.isfinite(grad_norm) else None
        self.total += tally
        self.since += tally

    def event(self) -> dict[str, Any]:
        """What the log says: means over the updates since its last line, counts from the beginning."""
        return {
            "loss": self.since.loss,
            "grad_norm": self.grad_norm,
            "samples": self.total.samples,
            "tokens": self.total.tokens,
            "overflows": self.total.overflows,
            "samples_per_s": self.since.samples_per_s,
            "data_wait_share": self.since.data_wait_share,
        }

    def judge(self, figure: float, min_delta: float = 0.0) -> None:
        """Take note of a validation; what is not higher than the bar by more than ``min_delta`` is a plateau."""
        if self.best is None or figure > self.best:
            self.best, self.best_step = figure, self.step
        if self.bar is None or figure > self.bar + min_delta:
            self.bar, self.stale = figure, 0
        else:
            self.stale += 1

    def out_of_patience(self, patience: int | None) -> bool:
        """Whether the last ``patience`` validations brought nothing better."""
        return patience is not None and self.stale >= patience

    def result(self, *, early: bool, weights: Path, peak_memory_bytes: int) -> FitResult:
        """The result of a training that ends here."""
        assert self.last_loss is not None, "a training has at least one update"
        return FitResult(
            steps=self.step,
            stopped_early=early,
            last_loss=self.last_loss,
            best=self.best,
            best_step=self.best_step,
            weights=weights,
            seconds=self.seconds,
            samples_per_s=self.total.samples_per_s,
            data_wait_share=self.total.data_wait_share,
            peak_memory_bytes=peak_memory_bytes,
        )
