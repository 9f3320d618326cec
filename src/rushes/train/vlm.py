"""Fine-tune a Qwen2.5-VL on clips, phase by phase.

    rushes train recipes/operations-twin.yaml

The question is asked behind every pair of frames of a clip. A model that starts from nothing learns to see if
it is first asked about single frames, and about clips afterwards; a model that can see starts with clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from rushes import recipe
from rushes.models import vlm as family
from rushes.models.chat import Encoded
from rushes.models.pixels import patchify
from rushes.models.vlm import Batch, Vlm
from rushes.prepare.operations.sample import Sample
from rushes.shards.read import ShardDataset
from rushes.stages import canonical_json
from rushes.train.augment import augment
from rushes.train.events import Event, narrate
from rushes.train.loop import FitResult, LoopSettings, StepOutput, fit
from rushes.train.questions import clip_turns, frame_turn, random_frame

FORMAT = 1  # raised when the same recipe would train another model


class Answering(nn.Module):
    """The model as something that maps a batch to its loss, so that a wrapper sees one forward pass."""

    def __init__(self, vlm: Vlm) -> None:
        super().__init__()
        self.model = vlm.model
        self._describe = (vlm.tokenizer, vlm.contract)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Summed loss of the taught tokens, and their number."""
        return family.loss(Vlm(self.model, *self._describe), batch)


def step(model: nn.Module, batch: Batch) -> StepOutput:
    """The loss of one batch, per taught token."""
    inputs = {name: tensor for name, tensor in batch.items() if name != "keys"}
    loss_sum, weight = model(inputs)
    return StepOutput(loss_sum, weight, tokens=batch["ids"].numel())


class Clips:
    """The training clips, read from their shards; safe for several threads."""

    def __init__(self, dataset: ShardDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        return Sample.of(self.dataset.key(index), self.dataset.sample(index))


class Collator:
    """Clips to a batch: decode, augment, patch, ask.

    Args:
        vlm: whose tokens and contract.
        ask: whole clips, or one random frame of each.
        augmented: whether pictures are changed at random.
    """

    def __init__(self, vlm: Vlm, ask: str, augmented: bool) -> None:
        self.vlm = vlm
        self.ask = ask
        self.augmented = augmented
        self._chat = vlm.chat()  # one for all samples: it remembers the tokens of every piece of text

    def __call__(self, samples: Sequence[Sample], rngs: Sequence[np.random.Generator]) -> dict:
        """Join samples, each with its own randomness."""
        made = [self._encode(sample, rng) for sample, rng in zip(samples, rngs, strict=True)]
        clips, patches, grids = zip(*made, strict=True)
        batch = family.collate(clips, patches, grids, self.vlm.tokenizer.pad_token_id)
        return {**batch, "keys": [sample.key for sample in samples]}

    def _encode(self, sample: Sample, rng: np.random.Generator) -> tuple[Encoded, np.ndarray, tuple]:
        contract = self.vlm.contract
        if self.ask == "captions":
            # A clip of a timeline may be without any label: it teaches nothing.
            frame = random_frame(sample, rng)
            number = 0 if frame is None else frame
            turn = frame_turn(sample, contract, sample.times_s[number])
            pixels, times_s, turns = sample.pixels(number), (0.0, 0.0), [] if turn is None else [(0, turn)]
        else:
            pixels, times_s, turns = sample.pixels(), sample.times_s, clip_turns(sample, contract)
        patches, grid = patchify(augment(pixels, rng) if self.augmented else pixels)
        return self._chat.encode(grid, times_s, turns), patches, grid


def train(
    vlm: Vlm,
    clips: ShardDataset,
    settings: recipe.Train,
    folder: Path,
    signature: str,
    *,
    on_event: Callable[[Event], None] = narrate,
) -> list[FitResult]:
    """Train ``vlm`` through all phases, resuming wherever an earlier call was interrupted.

    Args:
        vlm: comes back trained.
        clips: the training split.
        settings: phases and what they share.
        folder: one subfolder for each phase; the trained model goes to ``model/``.
        signature: of data and model.
        on_event: is told everything that happens, with ``phase`` and the steps ``before`` it.

    Returns:
        What came of each phase.
    """
    answering, results, steps_before = Answering(vlm), [], 0
    for number, phase in enumerate(settings.phases, start=1):
        collator = Collator(vlm, phase.ask, settings.augment)
        loop = LoopSettings(
            steps=phase.steps,
            batch_size=phase.batch_size,
            learning_rate=phase.learning_rate,
            accumulate=phase.accumulate,
            warmup=round(settings.warmup * phase.steps),
            weight_decay=settings.weight_decay,
            clip_norm=settings.clip_norm,
            muon=settings.muon,
            seed=settings.seed,
            checkpoint_every=settings.checkpoint_every,
            keep=settings.keep,
            log_every=settings.log_every,
            threads=1,
        )
        # A phase starts from the weights of those before it, so they are part of what it is.
        before = [earlier.model_dump(mode="json") for earlier in settings.phases[:number]]
        of_phase = canonical_json({"signature": signature, "phases": before, "augment": settings.augment})
        name = f"phase-{number}-{phase.ask}"
        tell = partial(_tell, on_event, {"phase": name, "before": steps_before})
        results.append(
            fit(answering, step, Clips(clips), collator, loop, folder / name, of_phase, on_event=tell)
        )
        steps_before += phase.steps
    family.save(vlm, folder / "model")
    return results


def _tell(on_event: Callable[[Event], None], phase: Event, event: Event) -> None:
    on_event({**event, **phase})
