"""Two small frozen encoders from the package registry as towers: what learns is the two maps alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from rushes.models.base import Origin
from rushes.models.dual_encoder import DualEncoder, PictureTower, TextTower
from rushes.models.encoder import encoder
from rushes.models.sentences import sentences
from rushes.recipe.clip import LOCKED, Clip
from rushes.recipe.frozen import ENCODING, SENTENCES, Encoding, SentenceEncoding
from rushes.stages import canonical_json

WIDTH = 256
"""Numbers of a vector."""

PICTURES = ENCODING.model_copy(update={"side": 224})
"""The encoder of pictures at the size that it was trained with, to which every picture is scaled."""


class FrozenPictures(PictureTower):
    """EfficientNet-Lite0, on the CPU wherever the pictures are."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encode = encoder(encoding).encode

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


def build(model: Clip, size: int, *, seed: int, sigmoid: bool) -> DualEncoder:
    """Both encoders, with maps drawn by ``seed``.

    Raises:
        ModelError: a package is missing, or its weights are others than expected.
    """
    pictures, texts = PICTURES, SENTENCES
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        maps = (nn.Linear(width, WIDTH, bias=False) for width in (pictures.width, texts.width))
        encoder = DualEncoder(
            FrozenPictures(pictures), FrozenTexts(texts), *maps, size=size, sigmoid=sigmoid, asked=model
        )
    signed = canonical_json([pictures.model_dump(mode="json"), texts.model_dump(mode="json")])
    encoder.origin = Origin(LOCKED, "sha256:" + hashlib.sha256(signed.encode()).hexdigest())
    return encoder
