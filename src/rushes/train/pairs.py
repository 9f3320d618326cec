"""Pairs of a picture and its words for two encoders: as batches to learn from, and as a side to measure on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from accelerate.utils import send_to_device
from numpy.typing import NDArray
from torch import Tensor, nn

from rushes.media.image import decode_jpeg
from rushes.metrics.retrieval import Relevant, rank_vectors
from rushes.metrics.sharing import right_items
from rushes.models.dual_encoder import DualEncoder
from rushes.prepare.pair import Pair
from rushes.recipe.clip import Side
from rushes.recipe.sections import Precision
from rushes.train.augment import AUGMENTS, Augment
from rushes.train.batches import Batch, Samples
from rushes.train.features import Features, features

SIDES: Final[tuple[Side, ...]] = ("pictures", "texts")

DEPTHS = (1, 10)
MONITOR = f"recall_{DEPTHS[-1]}"
"""The figure of the validation side by which the best epoch is chosen."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one side is computed.

    Attributes:
        features: inputs of n samples -> (n, F), by the tower.
        project: (n, F) -> (n, D) unit vectors, by the map.
    """

    features: Callable[[Any], Tensor]
    project: Callable[[Tensor], Tensor]

    def vectors(self, inputs: Any) -> Tensor:
        """Inputs of n samples -> (n, D) unit vectors."""
        return self.project(self.features(inputs))


def ways(encoder: DualEncoder) -> Mapping[Side, Way]:
    """How both sides are computed."""
    return {
        "pictures": Way(encoder.picture_features, encoder.project_pictures),
        "texts": Way(encoder.text_features, encoder.project_texts),
    }


def cut(inputs: Tensor | Mapping[str, Tensor], size: int) -> list[Any]:
    """Inputs of a tower in parts of at most ``size``."""
    if isinstance(inputs, Tensor):
        return list(inputs.split(size))
    parts = zip(*(tensor.split(size) for tensor in inputs.values()), strict=True)
    return [dict(zip(inputs, part, strict=True)) for part in parts]


class Lessons:
    """Pairs to a batch: one caption of each, and its picture changed at random, by the generator of the pair.

    ``captions`` and ``groups`` (B,) int64 are equal where texts and groups are; a pair without a group has one of its
    own. ``pictures`` (B, S, S, 3) uint8 and ``texts`` are what the towers read; ``pictures_features`` and
    ``texts_features`` stand in their place where they are known.

    Args:
        encoder: whose tokens.
        augment: how pictures are changed.
        known: features of pictures by key, and of texts by caption.
    """

    def __init__(self, encoder: DualEncoder, augment: Augment, known: Mapping[Side, Features]) -> None:
        self._encoder, self._augment, self._known = encoder, AUGMENTS[augment], known

    def __call__(self, pairs: Sequence[Pair], rngs: Sequence[np.random.Generator]) -> Batch:
        """Join pairs, each with its own randomness."""
        drawn = [
            pair.words.captions[int(rng.integers(len(pair.words.captions)))]
            for pair, rng in zip(pairs, rngs, strict=True)
        ]
        keys = [pair.key for pair in pairs]
        batch: dict[str, Any] = {
            "keys": keys,
            "captions": torch.tensor([number_of(caption) for caption in drawn]),
            "groups": torch.tensor([number_of(group_of(pair)) for pair in pairs]),
        }
        if "pictures" in self._known:
            batch["pictures_features"] = self._known["pictures"].of(keys)
        else:
            changed = [self._augment(picture_of(pair), rng) for pair, rng in zip(pairs, rngs, strict=True)]
            batch["pictures"] = torch.from_numpy(np.stack(changed))
        if "texts" in self._known:
            batch["texts_features"] = self._known["texts"].of(drawn)
        else:
            batch["texts"] = self._encoder.tokenize(drawn)
        return batch


def picture_of(pair: Pair) -> NDArray[np.uint8]:
    """Its picture, (S, S, 3) uint8 RGB."""
    return decode_jpeg(pair.picture, where=pair.key)


def pictures_at(samples: Samples, places: range) -> Tensor:
    """Pictures of some pairs, (n, S, S, 3) uint8 RGB."""
    return torch.from_numpy(np.stack([picture_of(samples[place]) for place in places]))


def group_of(pair: Pair) -> str:
    """Its group; one of its own where it has none."""
    return pair.group or f"\0{pair.key}"


def number_of(text: str) -> int:
    """A number of 64 bits that is the same in every process for equal texts, and for no others in practice."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


def known_features(
    encoder: DualEncoder,
    samples: Samples,
    folder: Path,
    signature: str,
    *,
    pictures: bool,
    batch_size: int,
    precision: Precision,
) -> dict[Side, Features]:
    """What the towers that do not learn make of everything that they will see, for :class:`Lessons`.

    Memory holds the captions and the keys; features lie on the disk.

    Args:
        encoder: asked in evaluation mode, in which it comes back.
        samples: of the training side; each is a `Pair`.
        folder: of the features; what an earlier call has left there whole is taken.
        signature: of all that they depend on.
        pictures: whether pictures are the same in every epoch.
        batch_size: inputs that are computed at a time.
        precision: of the computation.
    """
    frozen = [side for side in SIDES if side not in encoder.learning and (pictures or side != "pictures")]
    if not frozen:
        return {}
    encoder.eval()
    pairs = (samples[place] for place in range(len(samples)))
    keys, spoken = zip(*((pair.key, pair.words.captions) for pair in pairs), strict=True)
    captions = list(dict.fromkeys(chain.from_iterable(spoken)))
    inputs: Mapping[Side, tuple[Sequence[str], Callable[[range], Any]]] = {
        "pictures": (keys, partial(pictures_at, samples)),
        "texts": (captions, lambda places: encoder.tokenize(captions[places.start : places.stop])),
    }
    device, digest = encoder.log_scale.device, hashlib.sha256(signature.encode()).hexdigest()[:12]
    dtype = None if precision == "float32" else getattr(torch, precision)

    def embed(side: Side, places: range) -> Tensor:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            return ways(encoder)[side].features(send_to_device(inputs[side][1](places), device))

    return {
        side: features(folder / f"{side}-{digest}.npy", inputs[side][0], partial(embed, side), batch_size)
        for side in frozen
    }


class Validation:
    """How well words find their picture among all of a side, and a picture its words.

    A hit is any item with equal words or of the same group: who finds a twin of the sofa has found the sofa. What a
    tower that does not learn makes of the side is computed once.

    Args:
        samples: of the side; each is a `Pair`.
        encoder: whose tokens.
        batch_size: inputs that are computed at a time.
    """

    def __init__(self, samples: Samples, encoder: DualEncoder, batch_size: int) -> None:
        self._samples, self._batch_size = samples, batch_size
        pairs = (samples[place] for place in range(len(samples)))
        texts, groups = zip(*((pair.words.text, group_of(pair)) for pair in pairs), strict=True)
        self._tokens = cut(encoder.tokenize(texts), batch_size)
        self._relevant = equals(texts, groups)
        self._known: dict[Side, Tensor] = {}

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Share of questions with a hit among the first 1 and 10, mean of both ways."""
        encoder: DualEncoder = model.encoder
        texts, pictures = (self._vectors(side, encoder) for side in ("texts", "pictures"))
        ranked = [rank_vectors(*way, self._relevant) for way in ((texts, pictures), (pictures, texts))]
        return {
            f"recall_{depth}": float(np.mean([way.hit_rate(depth).mean() for way in ranked]))
            for depth in DEPTHS
        }

    def _vectors(self, side: Side, encoder: DualEncoder) -> NDArray[np.float16]:
        way, found = ways(encoder)[side], self._known.get(side)
        if found is None:
            device = encoder.log_scale.device
            found = torch.cat([way.features(send_to_device(part, device)) for part in self._inputs(side)])
            if side not in encoder.learning:
                self._known[side] = found
        vectors: NDArray[np.float16] = way.project(found).half().cpu().numpy()
        return vectors

    def _inputs(self, side: Side) -> Iterable[Any]:
        if side == "texts":
            return self._tokens
        starts = range(0, len(self._samples), self._batch_size)
        ranges = (range(start, min(start + self._batch_size, len(self._samples))) for start in starts)
        return (pictures_at(self._samples, places) for places in ranges)


def equals(texts: Sequence[str], groups: Sequence[str]) -> Relevant:
    """Which items answer each other: those with equal texts, and those of one group."""
    every = np.arange(len(texts))
    return right_items(every, every, np.array(texts, object), np.array(groups, object))
