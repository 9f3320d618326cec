"""Two small frozen encoders from the package registry as towers: what learns is the two maps alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from rushes.models.base import Origin
from rushes.models.dual_encoder import DualEncoder, PictureTower, TextTower
from rushes.models.encoder import encoder
from rushes.models.once import Once
from rushes.models.sentences import sentences
from rushes.recipe.clip import LOCKED, LOCKED_DROPOUT, LOCKED_PICTURES, LOCKED_WIDTH, Clip, made_of
from rushes.recipe.frozen import SENTENCES, Encoding, SentenceEncoding
from rushes.stages import canonical_json

KEPT = 1 << 14
"""Pictures whose features a process keeps, in 80 MB."""


@lru_cache(maxsize=1)
def _once(encoding: Encoding) -> Once:
    return Once(encoder(encoding).encode, KEPT)


class FrozenPictures(PictureTower):
    """EfficientNet-Lite0, on the CPU wherever the pictures are; all models of a process share what it made of them."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encode = _once(encoding)

    def forward(self, pictures: Tensor) -> Tensor:
        """See `PictureTower`."""
        return torch.from_numpy(self.encode(pictures.cpu().numpy())).to(pictures.device)


class FrozenTexts(TextTower):
    """The sentence encoder; it has no weights that torch knows, so its tokens are what it says of a text."""

    def __init__(self, encoding: SentenceEncoding) -> None:
        super().__init__()
        self.encode, self.longest = sentences(encoding), encoding.longest

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """See `TextTower`."""
        return {"features": torch.from_numpy(self.encode([text[: self.longest] for text in texts]))}

    def count_cut(self, texts: Sequence[str]) -> int:
        """See `TextTower`."""
        return sum(len(text) > self.longest for text in texts)

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """See `TextTower`."""
        return tokens["features"]


class Map(nn.Linear):
    """A linear map, of whose inputs some are left out at random in each step of training."""

    def forward(self, features: Tensor) -> Tensor:
        """``(B, in)`` to ``(B, out)``."""
        return super().forward(dropout(features, LOCKED_DROPOUT, self.training))


def build(model: Clip, size: int, *, seed: int, sigmoid: bool) -> DualEncoder:
    """Both encoders, with maps drawn by ``seed``.

    Raises:
        ModelError: a package is missing, or its weights are others than expected.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = DualEncoder(
            FrozenPictures(LOCKED_PICTURES),
            FrozenTexts(SENTENCES),
            Map(LOCKED_PICTURES.width, LOCKED_WIDTH, bias=False),
            Map(SENTENCES.width, LOCKED_WIDTH, bias=False),
            size=size,
            sigmoid=sigmoid,
            asked=model,
        )
    signed = canonical_json(made_of(model)).encode()
    encoder.origin = Origin(LOCKED, "sha256:" + hashlib.sha256(signed).hexdigest())
    return encoder
