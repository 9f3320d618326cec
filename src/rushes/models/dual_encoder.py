"""Two encoders that meet: pictures and words become unit vectors of one space."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from rushes.errors import ModelError
from rushes.models.base import Origin
from rushes.models.nets import best_device
from rushes.recipe.clip import Clip, Side

START_SCALE = math.log(1 / 0.07)
"""Logarithm of the scale that a softmax loss begins with (Radford et al. 2021, section 2.5)."""

START_SIGMOID = (math.log(10.0), -10.0)
"""Logarithm of the scale, and the bias, that a sigmoid loss begins with (Zhai et al. 2023, section 3.2)."""

HIGHEST_SCALE = math.log(100.0)
"""Above it training becomes unstable (Radford et al. 2021, section 2.5)."""


class PictureTower(nn.Module, ABC):
    """Pictures to features."""

    @abstractmethod
    def forward(self, pictures: Tensor) -> Tensor:
        """``(B, S, S, 3)`` uint8 RGB to ``(B, F)``."""


class TextTower(nn.Module, ABC):
    """Texts to features."""

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """What ``forward`` reads, ``(B, ...)`` each, on the CPU; a text that is too long is cut."""

    @abstractmethod
    def count_cut(self, texts: Sequence[str]) -> int:
        """How many of these texts ``tokenize`` cuts."""

    @abstractmethod
    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``(B, ...)`` each to ``(B, G)``."""


class DualEncoder(nn.Module):
    """A tower of pictures and a tower of texts, and two linear maps into one space.

    Args:
        pictures, texts: the towers, with F and G features.
        picture_map, text_map: linear maps of F and of G features to D.
        size: side S of a picture, in pixels.
        log_scale: logarithm of the scale by which cosines enter a softmax loss.
        sigmoid: whether the loss is that of pairs, which has a start of its own and a bias.
        asked: what a recipe asks of it.

    Attributes:
        learning: towers that learn; maps, scale and bias apart.
        log_scale: scalar; `clamp` holds it after each update.
        bias: scalar that a sigmoid loss adds; None for a softmax loss.
        origin: the checkpoint that it started from; None where it was built from nothing.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        pictures: PictureTower,
        texts: TextTower,
        picture_map: nn.Linear,
        text_map: nn.Linear,
        *,
        size: int,
        log_scale: float = START_SCALE,
        sigmoid: bool = False,
        asked: Clip,
    ) -> None:
        super().__init__()
        self.pictures, self.texts = pictures, texts
        self.picture_map, self.text_map = picture_map, text_map
        self.size, self.asked = size, asked
        self.learning: frozenset[Side] = frozenset()
        self.origin: Origin | None = None
        self.log_scale = nn.Parameter(torch.tensor(START_SIGMOID[0] if sigmoid else log_scale))
        self.register_parameter("bias", nn.Parameter(torch.tensor(START_SIGMOID[1])) if sigmoid else None)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.log_scale.device

    @property
    def width(self) -> int:
        """Numbers D of a vector."""
        width: int = self.picture_map.out_features
        return width

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """What `text_features` reads, ``(B, ...)`` each, on the CPU; see `count_cut`."""
        return self.texts.tokenize(texts)

    def count_cut(self, texts: Sequence[str]) -> int:
        """How many of these texts are longer than the model reads, so that only their beginning counts."""
        return self.texts.count_cut(texts)

    def picture_features(self, pictures: Tensor) -> Tensor:
        """``(B, S, S, 3)`` uint8 RGB to ``(B, F)``.

        Raises:
            ModelError: the pictures are of another form.
        """
        if pictures.shape[1:] != (self.size, self.size, 3) or pictures.dtype != torch.uint8:
            raise ModelError(
                f"pictures of the form {tuple(pictures.shape)} {str(pictures.dtype).removeprefix('torch.')}, and "
                f"this model takes (B, {self.size}, {self.size}, 3) uint8",
                cure=f"letterbox them to {self.size} pixels",
            )
        features: Tensor = self.pictures(pictures)
        return features

    def text_features(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """What `tokenize` gave to ``(B, G)``."""
        features: Tensor = self.texts(tokens)
        return features

    def project_pictures(self, features: Tensor) -> Tensor:
        """``(B, F)`` to unit vectors ``(B, D)``, in float32 or wider."""
        return _unit(self.picture_map(features))

    def project_texts(self, features: Tensor) -> Tensor:
        """``(B, G)`` to unit vectors ``(B, D)``, in float32 or wider."""
        return _unit(self.text_map(features))

    @torch.no_grad()
    def clamp(self) -> None:
        """Hold the scale at 100 at most; for after an update."""
        self.log_scale.clamp_(max=HIGHEST_SCALE)

    def embed_pictures(self, pictures: NDArray[np.uint8], batch_size: int = 64) -> NDArray[np.float32]:
        """Unit vectors of pictures; that of a picture depends on those beside it in its last bits at most.

        Args:
            pictures: ``(N, S, S, 3)`` uint8 RGB; N may be 0.
            batch_size: pictures that are computed together.

        Returns:
            ``(N, D)`` float32.
        """

        def vectors(part: slice) -> Tensor:
            copied = torch.from_numpy(np.array(pictures[part]))  # torch takes none that cannot be written to
            return self.project_pictures(self.picture_features(copied.to(self.device)))

        return self._embedded(len(pictures), batch_size, vectors)

    def embed_texts(self, texts: Sequence[str], batch_size: int = 256) -> NDArray[np.float32]:
        """Unit vectors of texts, likewise; N may be 0.

        Returns:
            ``(N, D)`` float32.
        """

        def vectors(part: slice) -> Tensor:
            tokens = {name: tensor.to(self.device) for name, tensor in self.tokenize(texts[part]).items()}
            return self.project_texts(self.text_features(tokens))

        return self._embedded(len(texts), batch_size, vectors)

    def _embedded(
        self, count: int, batch_size: int, vectors: Callable[[slice], Tensor]
    ) -> NDArray[np.float32]:
        """Vectors of ``count`` items by the batch, in evaluation mode; the mode before comes back."""
        found, training = np.empty((count, self.width), np.float32), self.training
        half = getattr(torch, self.asked.precision) if self.asked.precision != "float32" else None
        self.eval()
        try:
            with torch.inference_mode(), torch.autocast(self.device.type, half, half is not None):
                for start in range(0, count, batch_size):
                    part = slice(start, start + batch_size)
                    found[part] = vectors(part).float().cpu().numpy()
        finally:
            self.train(training)
        return found


def on_best_device(encoder: DualEncoder) -> DualEncoder:
    """The same, on a GPU where there is one."""
    encoder.to(best_device())
    return encoder


def _unit(vectors: Tensor) -> Tensor:
    wide = vectors if vectors.dtype == torch.float64 else vectors.float()
    return normalize(wide, dim=-1)
