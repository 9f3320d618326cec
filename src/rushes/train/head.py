"""Train a head on the features of a frozen encoder, phase by phase.

    rushes train RECIPE

A task gives its samples with their features, and what is known of each frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from rushes.models.head import Head, padded, save
from rushes.recipe.sections import VlmTrain
from rushes.train.batches import Batch, Collate, ShardSamples
from rushes.train.events import Event, narrate
from rushes.train.loop import FitResult, StepOutput
from rushes.train.phases import train_phases

UNKNOWN = -1
"""Number of a value that nobody knows; it teaches nothing."""


def collate(
    keys: Sequence[str], clips: Sequence[NDArray[np.floating]], truths: Sequence[NDArray[np.int64]]
) -> dict[str, Any]:
    """Clips as a batch.

    Args:
        keys: of B clips.
        clips: features (T, width) of each.
        truths: numbers of the true choices (T, values) of each, or ``UNKNOWN``.
    """
    features, valid = padded(clips)
    truth = np.full((*valid.shape, truths[0].shape[1]), UNKNOWN, np.int64)
    for row, known in zip(truth, truths, strict=True):
        row[: len(known)] = known
    return {"keys": list(keys), "features": features, "valid": valid, "truth": torch.from_numpy(truth)}


def step(head: nn.Module, batch: Batch) -> StepOutput:
    """The loss of one batch: cross-entropy, per known value."""
    truth = batch["truth"]
    losses = [
        functional.cross_entropy(
            value.flatten(0, 1), truth[..., number].flatten(), ignore_index=UNKNOWN, reduction="sum"
        )
        for number, value in enumerate(head(batch["features"], batch["valid"]))
    ]
    return StepOutput(torch.stack(losses).sum(), weight=(truth != UNKNOWN).sum())


def train(
    head: Head,
    samples: ShardSamples,
    lessons: Collate,
    settings: VlmTrain,
    folder: Path,
    signature: str,
    *,
    on_event: Callable[[Event], None] = narrate,
) -> list[FitResult]:
    """Train ``head`` through all phases, resuming wherever an earlier call was interrupted.

    Args:
        head: fresh from ``build`` with ``settings.seed``; comes back trained.
        samples: of the training split, with features.
        lessons: joins samples to batches of :func:`collate`'s form.
        settings: phases and what they share.
        folder: one subfolder for each phase; the trained head goes to ``model/``.
        signature: of features and head.
        on_event: is told everything that happens, with ``phase`` and the steps ``before`` it.

    Returns:
        What came of each phase.
    """
    results = train_phases(
        head, step, samples, lambda ask: lessons, settings, folder, signature, on_event=on_event
    )
    save(head, folder / "model")
    return results
