"""How large a CLIP is, what of it learns, and how much memory a training step takes, from sizes alone.

No weight is loaded, nor torch. What a layer keeps of each token for its gradient was measured, with tensors that
autograd saves (tests hold it), H and I being the widths of layer and MLP, r the rank of LoRA:

- with LoRA on all six linear layers and dropout: 64 H + 16 I + 24 r bytes in float32, 52 H + 11 I in 16 bit;
- where it learns as a whole: 32 H + 12 I, and 30 H + 7 I.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rushes.errors import ModelError, unreadable_as
from rushes.models.base import Base
from rushes.models.memory import GIB, MemoryEstimate
from rushes.recipe.clip import LEARNING, LOCKED, Clip, Scenario, Side, Target, TowerLora
from rushes.recipe.sections import TINY

NAME_ONE = (
    "name a folder written by save_pretrained, or a name on the hub such as openai/clip-vit-base-patch32"
)
TRAINED_BYTES = 4 + 4 + 8
"""Of a number that learns: itself, its gradient, Adam's two moments."""

TINY_SIDE = 8
"""Patches on a side of a picture of ``tiny``, whatever its size: so its time does not depend on that."""


@dataclass(frozen=True, slots=True)
class Tower:
    """A stack of transformer layers.

    Attributes:
        layers: how many.
        width: between layers.
        mlp: width inside of the MLP.
        tokens: of a picture, or of the longest text.
    """

    layers: int
    width: int
    mlp: int
    tokens: int

    @property
    def parameters(self) -> int:
        """Of its layers and of two norms around them or, of words, one behind them."""
        attention = 4 * (self.width * self.width + self.width)
        between = 2 * self.width * self.mlp + self.mlp + self.width
        return self.layers * (attention + between + 4 * self.width)

    def lora(self, lora: TowerLora) -> int:
        """Parameters of LoRA: rank times (inputs + outputs) of each adapted layer.

        >>> Tower(12, 768, 3072, 50).lora(TowerLora()), Tower(12, 512, 2048, 77).lora(TowerLora())
        (2654208, 1769472)
        """
        ends: Mapping[Target, int] = {
            **dict.fromkeys(("q_proj", "k_proj", "v_proj", "out_proj"), 2 * self.width),
            **dict.fromkeys(("fc1", "fc2"), self.width + self.mlp),
        }
        return self.layers * lora.rank * sum(ends[target] for target in set(lora.targets))

    def kept_bytes(self, rank: int | None, half: bool) -> int:
        """That one picture or text leaves for its gradient; ``rank`` None where the tower learns as a whole."""
        of_width, of_mlp = _KEPT[rank is not None, half]
        return self.tokens * self.layers * (of_width * self.width + of_mlp * self.mlp + 24 * (rank or 0))


_KEPT: Mapping[tuple[bool, bool], tuple[int, int]] = {
    (True, False): (64, 16),
    (True, True): (52, 11),
    (False, False): (32, 12),
    (False, True): (30, 7),
}


@dataclass(frozen=True, slots=True)
class ClipSizes:
    """The sizes of a CLIP.

    Attributes:
        pictures, texts: its towers.
        size, patch: sides of a picture and of a patch, in pixels.
        vocabulary: tokens that there are.
        width: of a vector.
    """

    pictures: Tower
    texts: Tower
    size: int
    patch: int
    vocabulary: int
    width: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Read a ``config.json``; what it leaves out is as in ViT-B/32.

        >>> sizes = ClipSizes.of({})
        >>> sizes.parameters, sizes.learning("dual_lora", TowerLora())
        (151277313, 5079040)
        """
        vision, text = config.get("vision_config") or {}, config.get("text_config") or {}
        size, patch = vision.get("image_size", 224), vision.get("patch_size", 32)
        return cls(
            Tower(
                vision.get("num_hidden_layers", 12),
                vision.get("hidden_size", 768),
                vision.get("intermediate_size", 3072),
                (size // patch) ** 2 + 1,
            ),
            Tower(
                text.get("num_hidden_layers", 12),
                text.get("hidden_size", 512),
                text.get("intermediate_size", 2048),
                text.get("max_position_embeddings", 77),
            ),
            size,
            patch,
            text.get("vocab_size", 49408),
            config.get("projection_dim", 512),
        )

    @classmethod
    def tiny(cls, size: int) -> Self:
        """Those of ``tiny`` for pictures of ``size`` pixels.

        Raises:
            ModelError: that size cannot be cut into patches.
        """
        if size % TINY_SIDE:
            raise ModelError(
                f"the tiny model cuts a picture into {TINY_SIDE} x {TINY_SIDE} patches, and {size} pixels are no "
                f"multiple of {TINY_SIDE}",
                where="preprocessing.size",
                cure=f"write preprocessing.size: {size // TINY_SIDE * TINY_SIDE or TINY_SIDE}",
            )
        return cls(
            Tower(3, 96, 256, TINY_SIDE**2 + 1), Tower(2, 96, 256, 64), size, size // TINY_SIDE, 1126, 64
        )

    def tower(self, side: Side) -> Tower:
        """That of a side."""
        return self.pictures if side == "pictures" else self.texts

    @property
    def maps(self) -> int:
        """Parameters of the maps from features to vectors."""
        return self.width * (self.pictures.width + self.texts.width)

    @property
    def parameters(self) -> int:
        """All of them, with the scale."""
        seen, read = self.pictures, self.texts
        pictures = seen.parameters + (3 * self.patch**2 + seen.tokens + 1) * seen.width + 4 * seen.width
        texts = read.parameters + (self.vocabulary + read.tokens) * read.width + 2 * read.width
        return pictures + texts + self.maps + 1

    def learning(self, scenario: Scenario, lora: TowerLora) -> int:
        """Parameters that learn, those of the loss apart."""
        if scenario == "zero_shot":
            return 0
        return self.maps + sum(self.tower(side).lora(lora) for side in LEARNING[scenario])

    def estimate(self, model: Clip, micro_batch: int) -> MemoryEstimate:
        """What a training step holds at its peak: with cached gradients, one micro-batch on its way."""
        learning = self.learning(model.scenario, model.adapter)
        half = model.precision != "float32"
        kept = sum(self.tower(side).kept_bytes(model.adapter.rank, half) for side in LEARNING[model.scenario])
        held = {
            "weights": 4 * self.parameters,
            "gradients and optimizer": TRAINED_BYTES * learning,
            f"micro-batch of {micro_batch}": micro_batch * (kept + 3 * 4 * self.size**2),
        }
        items = tuple((name, size / GIB) for name, size in held.items())
        return MemoryEstimate(items, self.parameters, learning, model.precision)


def sizes_of(model: Clip, size: int) -> ClipSizes | None:
    """Those of ``tiny``, or of a checkpoint; None of ``locked``, and of a checkpoint that is not on this machine.

    Raises:
        ModelError: a checkpoint cannot be read, or pictures of ``size`` pixels do not fit.
    """
    if model.name == TINY:
        return ClipSizes.tiny(size)
    folder = None if model.name == LOCKED else Base(model.name, model.revision).folder
    return None if folder is None else read_sizes(folder, size)


def read_sizes(folder: Path, size: int) -> ClipSizes:
    """Those of a checkpoint folder.

    Raises:
        ModelError: it cannot be read, is of another architecture, or takes pictures of another size than ``size``.
    """
    path = folder / "config.json"
    errors = (OSError, ValueError, TypeError, AttributeError)
    with unreadable_as(ModelError, "cannot load a CLIP", where=path, cure=NAME_ONE, errors=errors):
        config = json.loads(path.read_text("utf-8"))
        if config.get("model_type") != "clip":
            raise ValueError(f"it is a {config.get('model_type')}")
        sizes = ClipSizes.of(config)
    if sizes.size != size:
        raise ModelError(
            f"this CLIP sees pictures of {sizes.size} pixels, and the dataset has {size}",
            where="preprocessing.size",
            cure=f"write preprocessing.size: {sizes.size}",
        )
    return sizes
