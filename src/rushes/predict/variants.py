"""What answers beside the trained model, and what it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

Variant = Literal["model", "untrained", "no_vision", "shuffled"]
View = Callable[[np.ndarray, np.random.Generator], np.ndarray]

#: What a variant is shown instead of a sample's frames ``(T, H, W, 3)``.
VIEWS: dict[Variant, View] = {
    "model": lambda frames, rng: frames,
    "untrained": lambda frames, rng: frames,
    "no_vision": lambda frames, rng: np.zeros_like(frames),
    "shuffled": lambda frames, rng: frames[rng.permutation(len(frames))],
}


def shown(views: Sequence[np.ndarray], variant: Variant, seed: int, key: str) -> list[np.ndarray]:
    """What a variant is shown of each view's frames; a shuffle, the same for all, depends on seed and key."""
    return [VIEWS[variant](frames, np.random.default_rng([seed, *key.encode()])) for frames in views]
