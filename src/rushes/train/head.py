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
from torch import Tensor, nn
from torch.nn import functional

from rushes.models.head import Head, padded, save
from rushes.recipe.sections import VlmTrain
from rushes.train.batches import Batch, Collate, ShardSamples
from rushes.train.events import Event, narrate
from rushes.train.loop import FitResult, StepOutput
from rushes.train.phases import train_phases

UNKNOWN = -1
"""Number of a value that nobody knows; it teaches nothing."""

SMOOTHNESS, CUT = 0.15, 4.0
"""Weight of changes from frame to frame, and the change of a log-probability that counts at most: MS-TCN's."""


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
    """The loss of one batch, per known value: cross-entropy, and what changes between neighbouring frames."""
    truth, valid = batch["truth"], batch["valid"]
    logits = head(batch["features"], valid)
    known = (truth != UNKNOWN).sum()
    surprise = sum(
        functional.cross_entropy(
            value.flatten(0, 1), truth[..., number].flatten(), ignore_index=UNKNOWN, reduction="sum"
        )
        for number, value in enumerate(logits)
    )
    changes = sum(smoothness(value, valid) for value in logits)
    return StepOutput(surprise + SMOOTHNESS * known * changes, weight=known)


def smoothness(logits: Tensor, valid: Tensor) -> Tensor:
    """Truncated mean squared change of log-probabilities from frame to frame (Farha and Gall 2019, equation 7).

    Args:
        logits: (B, T, K).
        valid: (B, T) bool; a pair counts where both frames are there.
    """
    logs = functional.log_softmax(logits, dim=-1)
    changes = (logs[:, 1:] - logs[:, :-1].detach()).abs().clamp(max=CUT).square()
    pairs = valid[:, 1:] & valid[:, :-1]
    return (changes.mean(dim=-1) * pairs).sum() / pairs.sum().clamp(min=1)


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
