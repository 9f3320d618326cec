"""A tiny model with its preprocessing, and clips of noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from rushes.models import vlm as family
from rushes.models.chat import Encoded
from rushes.models.pixels import Pictures
from rushes.models.vlm import Batch, Vlm
from rushes.recipe.turns import Turn
from rushes.tasks.operations.preprocessing import ClipPreprocessing

torch.set_num_threads(1)

LABELS = ("Pick", "Tape", "Press", "Label")

Asked = tuple[int, Turn]
MakeBatch = Callable[..., tuple[Batch, list[Encoded]]]


@pytest.fixture(scope="session")
def preprocessing() -> ClipPreprocessing:
    return ClipPreprocessing(frames=4, frame_size=(84, 56), labels=LABELS)


@pytest.fixture(scope="session")
def shared_vlm(preprocessing: ClipPreprocessing) -> Vlm:
    """For tests that change nothing."""
    vlm = family.load("tiny", preprocessing, seed=3)
    vlm.model.eval()
    return vlm


@pytest.fixture
def vlm(preprocessing: ClipPreprocessing) -> Vlm:
    """For tests that change it."""
    return family.load("tiny", preprocessing, seed=3)


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Frames of noise, ``(count, height, width, 3)``."""

    def make(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)

    return make


@pytest.fixture(scope="session")
def turns(preprocessing: ClipPreprocessing) -> list[Asked]:
    """Three questions with answers: one behind the first pair of frames, two behind the second."""
    return [
        (0, preprocessing.turn("Pick", "Tape")),
        (1, preprocessing.turn("Tape", None)),
        (1, preprocessing.turn("Press", "Pick")),
    ]


@pytest.fixture(scope="session")
def make_batch(noise: Callable) -> MakeBatch:
    """Clips of noise with the given turns each: a batch and its clips."""

    def make(
        vlm: Vlm, clips: list[list[Asked]], sizes: list[tuple[int, int]] | None = None
    ) -> tuple[Batch, list[Encoded]]:
        made = []
        for number, turns in enumerate(clips):
            height, width = (56, 84) if sizes is None else sizes[number]
            shown = Pictures.of([noise(4, height, width, number)])
            made.append((vlm.chat().encode(shown.view, [0.0, 0.7, 2.9, 4.8], turns), shown))
        encoded, pictures = zip(*made, strict=True)
        return family.collate(encoded, pictures, vlm.tokenizer.pad_token_id), list(encoded)

    return make
