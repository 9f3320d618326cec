"""What a net of :mod:`rushes.models.nets` costs, from its sizes alone: no net is built, torch is not loaded.

Counted are the multiplications of convolutions, linear maps and GRUs, each with its addition (MAC), as DCASE
and MLPerf Tiny count them. Poolings, rectifiers, gates and biases are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from rushes.recipe.net import Net
from rushes.recipe.spectrogram import SpectrogramPreprocessing

CHANNELS = (16, 32, 64)
"""Channels after each convolution of the trunk; a pooling halves both sides after the first two."""

ATTENDED = CHANNELS[1]
"""Channels where attention stands: after the second pooling."""

_PATCH = 3 * 3


def squeezed(channels: int, reduction: int) -> int:
    """Width inside the MLP of channel attention.

    >>> squeezed(32, 8), squeezed(8, 32)
    (4, 1)
    """
    return max(1, channels // reduction)


def parameters(model: Net, labels: Sequence[str]) -> int:
    """Numbers that are learnt.

    >>> parameters(Net(net="crnn"), ("quiet", "breathe", "snore"))
    73411
    """
    near, middle, far = CHANNELS
    count = _PATCH * (near + near * middle + middle * far) + sum(CHANNELS)
    if _attends(model, "channel"):
        inside = squeezed(ATTENDED, model.reduction)
        count += 2 * ATTENDED * inside + inside + ATTENDED
    if _attends(model, "spatial"):
        count += 2 * model.kernel**2
    heard = far
    if model.net == "crnn":
        # Reset, update and candidate: each has two matrices and two biases.
        count += sum(3 * model.hidden * (width + model.hidden + 2) for width in _gru_inputs(model))
        heard = model.hidden
    return count + len(labels) * (heard + 1)


def macs(model: Net, preprocessing: SpectrogramPreprocessing) -> int:
    """Multiplications with an addition for one clip.

    >>> macs(Net(), SpectrogramPreprocessing()), macs(Net(net="crnn"), SpectrogramPreprocessing())
    (78345408, 84489408)
    """
    near, middle, far = CHANNELS
    mels, frames = preprocessing.shape
    half, quarter = ((mels // side) * (frames // side) for side in (2, 4))
    count = _PATCH * (mels * frames * near + half * near * middle + quarter * middle * far)
    if _attends(model, "channel"):
        count += 2 * 2 * ATTENDED * squeezed(ATTENDED, model.reduction)  # of the mean and of the maximum
    if _attends(model, "spatial"):
        count += quarter * 2 * model.kernel**2
    heard = far
    if model.net == "crnn":
        moments = frames // 4
        count += moments * sum(3 * model.hidden * (width + model.hidden) for width in _gru_inputs(model))
        heard = model.hidden
    return count + heard * len(preprocessing.labels)


def _attends(model: Net, part: str) -> bool:
    return model.attention in ("cbam", part)


def _gru_inputs(model: Net) -> tuple[int, ...]:
    """Width of the input of each layer of the GRU."""
    return (CHANNELS[-1], *[model.hidden] * (model.layers - 1))
