"""Made-up answers about clips of wearers, better about some wearers than about others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from rushes.tasks.sounds.predict.table import predictions_table

LABELS = ("quiet", "breathe", "snore")


def night(
    wearers: int = 8, clips: int = 40, *, skill: float = 2.0, seed: int = 0, always: int | None = None
) -> pa.Table:
    """Predictions of a net on the same clips for every ``seed``.

    Args:
        wearers: groups.
        clips: of each.
        skill: logit that the right class gets on top of noise.
        seed: of the noise.
        always: class that it answers to every clip.
    """
    world, noise = np.random.default_rng(7), np.random.default_rng(seed)
    truth = world.choice(3, wearers * clips, p=(0.54, 0.36, 0.10))
    group = np.repeat(np.arange(wearers), clips)
    ability = np.maximum(skill + world.normal(0.0, 0.5, wearers), 0.0)[group]
    logits = noise.normal(0.0, 1.0, (len(truth), 3))
    logits[np.arange(len(truth)), truth] += ability
    if always is not None:
        logits[:, always] += 50.0
    return predictions_table(
        [f"w{wearer}_{number:05d}" for number, wearer in enumerate(group)],
        [f"w{wearer}" for wearer in group],
        [LABELS[place] for place in truth],
        logits.astype(np.float32),
    )


@pytest.fixture
def predictions() -> Callable[..., pa.Table]:
    return night


@pytest.fixture
def labels() -> tuple[str, ...]:
    return LABELS
