"""Fine-tune a Qwen2.5-VL, phase by phase, whatever it is asked.

    rushes train RECIPE

A task gives its samples, and for each phase the collator that turns them into pictures and questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from rushes.models import vlm as family
from rushes.models.trained import save
from rushes.models.vlm import Batch, Vlm
from rushes.recipe.sections import Precision, VlmTrain
from rushes.stages import canonical_json
from rushes.train.batches import Collate, ShardSamples
from rushes.train.events import Event, narrate
from rushes.train.loop import FitResult, LoopSettings, Step, StepOutput, fit

_LOOP: Mapping[Precision, Literal["no", "fp16"]] = {"float32": "no", "bfloat16": "no", "float16": "fp16"}


class Answering(nn.Module):
    """The model as something that maps a batch to its loss, so that a wrapper sees one forward pass."""

    def __init__(self, vlm: Vlm[Any]) -> None:
        super().__init__()
        self.model = vlm.model
        self._describe = (vlm.tokenizer, vlm.preprocessing)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Summed loss of the taught tokens, and their number."""
        return family.loss(Vlm(self.model, *self._describe), batch)


def step(model: nn.Module, batch: Mapping[str, Any]) -> StepOutput:
    """The loss of one batch, per taught token."""
    inputs = {name: tensor for name, tensor in batch.items() if name != "keys"}
    loss_sum, weight = model(inputs)
    return StepOutput(loss_sum, weight, tokens=batch["ids"].numel())


def train(
    vlm: Vlm[Any],
    samples: ShardSamples,
    collator_of: Callable[[str], Collate],
    settings: VlmTrain,
    folder: Path,
    signature: str,
    *,
    precision: Precision = "float32",
    on_event: Callable[[Event], None] = narrate,
) -> list[FitResult]:
    """Train ``vlm`` through all phases, resuming wherever an earlier call was interrupted.

    Args:
        vlm: comes back trained.
        samples: of the training split.
        collator_of: what joins samples to batches in a phase that asks for it by this name.
        settings: phases and what they share.
        folder: one subfolder for each phase; the trained model goes to ``model/``.
        signature: of data and model.
        precision: of frozen weights; in float16 small gradients vanish and large ones overflow, so the loss is
            scaled.
        on_event: is told everything that happens, with ``phase`` and the steps ``before`` it.

    Returns:
        What came of each phase.
    """
    results = train_phases(
        Answering(vlm), step, samples, collator_of, settings, folder, signature, _LOOP[precision], on_event
    )
    save(vlm, folder / "model")
    return results


def train_phases(
    model: nn.Module,
    step: Step,
    samples: ShardSamples,
    collator_of: Callable[[str], Collate],
    settings: VlmTrain,
    folder: Path,
    signature: str,
    precision: Literal["no", "fp16"] = "no",
    on_event: Callable[[Event], None] = narrate,
) -> list[FitResult]:
    """Train any model through all phases; as :func:`train`, but nothing is saved beside the checkpoints."""
    results: list[FitResult] = []
    steps_before = 0
    for number, phase in enumerate(settings.phases, start=1):
        warmup = round(settings.warmup * phase.steps)
        loop = LoopSettings.of(settings, phase, warmup=warmup, precision=precision, threads=1)
        # A phase starts from the weights of those before it, so they are part of what it is.
        before = [earlier.model_dump(mode="json") for earlier in settings.phases[:number]]
        of_phase = canonical_json({"signature": signature, "phases": before, "augment": settings.augment})
        name = f"phase-{number}-{phase.ask}"
        tell = partial(_tell, on_event, {"phase": name, "before": steps_before})
        results.append(
            fit(
                model,
                step,
                samples,
                collator_of(phase.ask),
                loop,
                folder / name,
                of_phase,
                shards=samples.dataset if settings.order == "streamed" else None,
                on_event=tell,
            )
        )
        steps_before += phase.steps
    return results


def _tell(on_event: Callable[[Event], None], phase: Event, event: Event) -> None:
    on_event({**event, **phase})
