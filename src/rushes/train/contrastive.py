"""Teach two encoders which picture and which words belong together.

    rushes train RECIPE

All pairs of a batch are each other's negatives, whatever fits into memory: `rushes.train.cached`. Batches run on
across epochs (`rushes.train.batches`), so none is short, and an epoch may end within one. With several processes each
takes its part of a batch, and the loss is that of the whole batch on each of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Literal, Self

import torch
from accelerate import PartialState
from torch import Tensor, distributed, nn

from rushes.errors import TrainError
from rushes.models.dual_encoder import DualEncoder
from rushes.models.nets import best_device
from rushes.recipe.clip import Side
from rushes.recipe.contrastive import ContrastiveTrain
from rushes.recipe.sections import Precision
from rushes.stages import canonical_json
from rushes.train.batches import Batch, Samples, ShardSamples
from rushes.train.cached import Chunk, cached_loss
from rushes.train.contrastive_loss import LOSSES, LossName, alike
from rushes.train.events import Event, narrate
from rushes.train.loop import FitResult, LoopSettings, StepOutput, fit
from rushes.train.pairs import MONITOR, SIDES, Lessons, Validation, cut, known_features, ways

FORMAT = 1  # raised when the same recipe would train another model

FEATURES = "features.partial"
"""Folder of features in that of a training: what is partial is not mirrored, and a finished training has none."""

_PRECISIONS: Final[Mapping[Precision, Literal["no", "bf16", "fp16"]]] = {
    "float32": "no",
    "bfloat16": "bf16",
    "float16": "fp16",
}

_PROJECTIONS = ("encoder.picture_map", "encoder.text_map", "encoder.log_scale", "encoder.bias")
"""What ``projection_rate`` is the rate of, by its name within :class:`Contrasting`."""


def train(
    encoder: DualEncoder,
    samples: Samples,
    validation: Samples,
    settings: ContrastiveTrain,
    folder: Path,
    signature: str,
    *,
    precision: Precision = "float32",
    on_event: Callable[[Event], None] = narrate,
) -> FitResult:
    """Train ``encoder``, resuming where an earlier call was interrupted; its best epoch is the result.

    After each epoch the validation side is searched both ways, see `rushes.train.pairs.Validation`. What a tower that
    does not learn makes of inputs that no epoch changes is computed once, before the first, on the disk.

    Args:
        encoder: before training; comes back trained, on the device of the training.
        samples: of the training side; each is a `Pair`.
        validation: of the validation side, likewise.
        settings: how. ``batch_size`` is that of all processes together; a smaller training side is one batch, of
            which a ``note`` tells.
        folder: of this training alone.
        signature: of data and encoder.
        precision: of the computation.
        on_event: is told everything that happens.

    Raises:
        TrainError: a side has too few pairs, a batch cannot be dealt to the processes, or the loss is not finite.
        StageError: the folder holds another training.
    """
    folder, on_cpu = Path(folder), best_device().type == "cpu"
    # Without being told, accelerate takes several processes on CPUs for so many lonely ones.
    state = PartialState(cpu=on_cpu)
    smaller, settings = settings.whole_side(len(samples)), settings.fitted(len(samples))
    _require(settings, len(samples), len(validation), state.num_processes, folder)
    if smaller and state.is_main_process:
        on_event({"kind": "note", "note": smaller})
    decisive = {
        "signature": signature,
        "format": FORMAT,
        "precision": precision,
        **settings.model_dump(mode="json", include={"loss", "mask_equal", "micro_batch", "augment"}),
    }
    encoder.to(state.device)
    with state.main_process_first():
        known = known_features(
            encoder,
            samples,
            folder / FEATURES,
            canonical_json(decisive),
            pictures=settings.augment == "none",
            batch_size=settings.micro_batch,
            precision=precision,
        )
    shards = samples.dataset if settings.order == "streamed" and isinstance(samples, ShardSamples) else None
    result = fit(
        Contrasting(encoder, settings.loss, settings.mask_equal, settings.micro_batch),
        step,
        samples,
        Lessons(encoder, settings.augment, known),
        _loop(settings, len(samples), state.num_processes, precision, on_cpu),
        folder,
        canonical_json(decisive),
        shards=shards,
        validate=Validation(validation, encoder, settings.micro_batch),
        constrain=lambda model: model.encoder.clamp(),
        on_event=on_event,
    )
    if state.is_main_process:
        shutil.rmtree(folder / FEATURES, ignore_errors=True)
    return result


def _require(settings: ContrastiveTrain, pairs: int, validated: int, processes: int, where: Path) -> None:
    """Refuse what cannot be trained."""
    if not validated:
        raise TrainError("there are no pairs on the validation side", where=where)
    if pairs < 2:
        raise TrainError(
            f"a pair learns to be told from others, and the training side has {pairs}",
            where=where,
            cure="prepare more, or give train a larger share of source.shares",
        )
    if settings.batch_size % processes:
        raise TrainError(
            f"a batch of {settings.batch_size} pairs cannot be dealt evenly to {processes} processes",
            where=where,
            cure=f"write train.batch_size: {settings.batch_size // processes * processes or processes}",
        )


def _loop(
    settings: ContrastiveTrain, pairs: int, processes: int, precision: Precision, on_cpu: bool
) -> LoopSettings:
    """Settings of the loop: a validation, and with it a checkpoint, after each epoch, of which the best counts."""
    epoch = -(-pairs // settings.batch_size)
    steps, rate = settings.epochs * epoch, settings.projection_rate
    return LoopSettings.of(
        settings,
        steps=steps,
        batch_size=settings.batch_size // processes,
        warmup=round(settings.warmup * steps),
        floor=settings.floor * settings.learning_rate,
        rates={} if rate is None else dict.fromkeys(_PROJECTIONS, rate / settings.learning_rate),
        eval_every=epoch,
        monitor=MONITOR,
        patience=settings.patience or settings.epochs,  # without patience the best epoch is the result, too
        precision=_PRECISIONS[precision],
        threads=1,
        device="cpu" if on_cpu else "auto",
    )


def of_all_processes(local: Tensor) -> Tensor:
    """Rows (n, ...) of every process in their order, (processes * n, ...), with the graph of this one's.

    Each process computes the same loss from them and counts its share of it, so a row's gradient, which all of them
    would send back, is this one's times their number.
    """
    if not distributed.is_initialized():
        return local
    processes = distributed.get_world_size()
    rows = [torch.empty_like(local) for _ in range(processes)]
    distributed.all_gather(rows, local.detach().contiguous())
    if local.requires_grad:
        local.register_hook(lambda gradient: gradient * processes)
    rows[distributed.get_rank()] = local
    return torch.cat(rows)


class Contrasting(nn.Module):
    """The encoder as something that maps a batch to its loss, so that a wrapper sees one forward pass.

    Args:
        encoder: with a bias where the loss wants one.
        loss: which.
        mask_equal: whether pairs of equal words or of one group are no negatives of each other.
        micro_batch: pairs that a tower computes at a time.
    """

    def __init__(self, encoder: DualEncoder, loss: LossName, mask_equal: bool, micro_batch: int) -> None:
        super().__init__()
        self.encoder = encoder
        self._loss, self._mask_equal, self._micro_batch = LOSSES[loss], mask_equal, micro_batch

    def train(self, mode: bool = True) -> Self:
        """Change the mode; a tower that does not learn stays in evaluation mode, as its features are computed."""
        super().train(mode)
        for side in set(SIDES) - self.encoder.learning:
            getattr(self.encoder, side).eval()
        return self

    def forward(self, batch: Batch) -> Tensor:
        """This process's share of the summed loss of all processes' pairs."""
        encoder = self.encoder
        captions, groups = (of_all_processes(batch[name]) for name in ("captions", "groups"))
        masked = alike(captions, groups)
        if not self._mask_equal:
            masked.zero_()

        def loss(*embeddings: Tensor) -> Tensor:
            pictures, texts = map(of_all_processes, embeddings)
            whole = self._loss(pictures, texts, encoder.log_scale, encoder.bias, masked)
            return whole * (len(batch["captions"]) / len(pictures))

        sides = [self._chunks(side, batch) for side in SIDES]
        return cached_loss(sides, loss, [p for p in encoder.parameters() if p.requires_grad])

    def _chunks(self, side: Side, batch: Batch) -> list[Chunk]:
        """A side in parts that can be computed once more; only its map, in one, where its tower does not learn."""
        way = ways(self.encoder)[side]
        if (known := batch.get(f"{side}_features")) is not None:
            return [partial(way.project, known)]
        parts = cut(batch[side], self._micro_batch)
        if side in self.encoder.learning:
            return [partial(way.vectors, part) for part in parts]
        with torch.no_grad():
            found = torch.cat([way.features(part) for part in parts])
        return [partial(way.project, found)]


def step(model: nn.Module, batch: Batch) -> StepOutput:
    """The loss of one batch, per pair."""
    return StepOutput(model(batch), weight=len(batch["captions"]))
