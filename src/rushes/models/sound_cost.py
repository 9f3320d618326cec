"""What a net of :mod:`rushes.models.sound` costs, from its sizes alone: no net is built, torch is not loaded.

Counted are the multiplications of convolutions, linear maps and GRUs, each with its addition (MAC), as DCASE
and MLPerf Tiny count them. Poolings, rectifiers, gates and biases are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from rushes.contract import SoundContract
from rushes.recipe.sounds import SoundModel

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


def parameters(model: SoundModel, labels: Sequence[str]) -> int:
    """Numbers that are learnt.

    >>> parameters(SoundModel(net="crnn"), ("quiet", "breathe", "snore"))
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


def macs(model: SoundModel, contract: SoundContract) -> int:
    """Multiplications with an addition for one clip.

    >>> macs(SoundModel(), SoundContract()), macs(SoundModel(net="crnn"), SoundContract())
    (78345408, 84489408)
    """
    near, middle, far = CHANNELS
    mels, frames = contract.shape
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
    return count + heard * len(contract.labels)


def _attends(model: SoundModel, part: str) -> bool:
    return model.attention in ("cbam", part)


def _gru_inputs(model: SoundModel) -> tuple[int, ...]:
    """Width of what each layer of the GRU hears."""
    return (CHANNELS[-1], *[model.hidden] * (model.layers - 1))
