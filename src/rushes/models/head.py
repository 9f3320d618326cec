"""A small head on a frozen encoder: the features of a clip's frames in, every value of an answer at each frame out.

One stage of MS-TCN (Farha and Gall 2019, arXiv 1903.01945): residual layers of dilated convolutions, whose
dilation doubles, between two linear maps. Frames stand in order of time; how far apart they are it is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rushes.errors import ModelError
from rushes.models.stored import CONFIG_FILE, PREPROCESSING_FILE, description, restore_weights, store
from rushes.recipe.frozen import ENCODING, HEAD, Encoding, HeadConfig
from rushes.recipe.preprocessing import FramePreprocessing

ENCODING_FILE = "encoding.json"
FRAMES_PER_S = 8_000
"""That a head is taught on one core: measured on two cores of a server with other work beside."""


class _Layer(nn.Module):
    """Adds to each frame (B, C, T) what the frames ``dilation`` before and behind it say."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.look = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        added = self.mix(functional.relu(self.look(x)))
        return x + functional.dropout(added, self.dropout, self.training)


class Head(nn.Module):
    """Features ``(B, T, width)`` to logits ``(B, T, choices)`` of each value of an answer.

    Args:
        config: which head.
        encoding: what made the features.
        preprocessing: how clips are cut, and the choices of each value, ``slots()``.
    """

    def __init__(self, config: HeadConfig, encoding: Encoding, preprocessing: FramePreprocessing) -> None:
        super().__init__()
        self.config, self.encoding, self.preprocessing = config, encoding, preprocessing
        channels = config.channels
        self.norm = nn.LayerNorm(encoding.width)
        self.enter = nn.Linear(encoding.width, channels)
        self.layers = nn.ModuleList(
            _Layer(channels, 2**number, config.dropout) for number in range(config.layers)
        )
        self.values = nn.ModuleList(nn.Linear(channels, len(slot.choices)) for slot in preprocessing.slots())

    def forward(self, features: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """Logits of a batch; frames that are not ``valid``, ``(B, T)`` bool, are as if they were not there."""
        seen = functional.dropout(self.norm(features), self.config.input_dropout, self.training)
        there = valid[:, None]
        x = self.enter(seen).transpose(1, 2) * there
        for layer in self.layers:
            x = layer(x) * there
        x = x.transpose(1, 2)
        return tuple(value(x) for value in self.values)


def build(
    preprocessing: FramePreprocessing,
    *,
    seed: int,
    config: HeadConfig = HEAD,
    encoding: Encoding = ENCODING,
) -> Head:
    """A head with random weights, which depend on ``seed`` and on nothing else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = Head(config, encoding, preprocessing)
    head.eval()
    return head


def save(head: Head, folder: Path) -> None:
    """Write weights, config, preprocessing and encoding into a new folder, which replaces one that stands there."""
    described = {
        CONFIG_FILE: head.config,
        PREPROCESSING_FILE: head.preprocessing,
        ENCODING_FILE: head.encoding,
    }
    store(head, described, folder)


def load(folder: Path, schema: type[FramePreprocessing]) -> Head:
    """Read what :func:`save` wrote, its preprocessing of ``schema``; it comes in evaluation mode, on the CPU.

    Raises:
        ModelError: a file is missing, torn or too large, the weights do not fit the config, or one of them
            is not finite.
        OSError: the machine refuses to read one.
    """
    folder = Path(folder)
    head = build(
        description(folder / PREPROCESSING_FILE, schema),
        seed=0,
        config=description(folder / CONFIG_FILE, HeadConfig),
        encoding=description(folder / ENCODING_FILE, Encoding),
    )
    restore_weights(head, folder)
    return head


def padded(clips: Sequence[NDArray[np.floating]]) -> tuple[Tensor, Tensor]:
    """Features of clips, (T, width) each, as float32 (B, T, width), and bool (B, T): which frames are there."""
    lengths = [len(clip) for clip in clips]
    features = np.zeros((len(clips), max(lengths), clips[0].shape[1]), np.float32)
    for row, clip in zip(features, clips, strict=True):
        row[: len(clip)] = clip
    valid = np.arange(max(lengths)) < np.array(lengths)[:, None]
    return torch.from_numpy(features), torch.from_numpy(valid)


@torch.inference_mode()
def infer(
    head: Head, clips: Sequence[NDArray[np.floating]], batch_size: int
) -> Iterator[tuple[NDArray[np.float64], ...]]:
    """Probabilities (T, choices) of each value at each frame of each clip; rows sum to one.

    Args:
        head: in evaluation mode.
        clips: features (T, width) each, T at least 1.
        batch_size: clips in one forward pass.

    Raises:
        ModelError: features of another width than the head's encoder gives.
    """
    width = head.encoding.width
    for clip in clips:
        if clip.ndim != 2 or clip.shape[1] != width or not len(clip):
            raise ModelError(
                f"the head reads frames of {width} features, found {' x '.join(map(str, clip.shape))}",
                cure=f"take them with the encoder {head.encoding.name}",
            )
    for start in range(0, len(clips), batch_size):
        part = clips[start : start + batch_size]
        logits = head(*padded(part))
        values = [value.double().softmax(-1).numpy() for value in logits]
        for row, clip in enumerate(part):
            yield tuple(value[row, : len(clip)] for value in values)
