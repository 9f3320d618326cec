"""Small nets for sound: a log-mel spectrogram in, a logit for each class out.

Three convolutions with two poolings between them are the trunk of both. ``tinycnn`` averages what they find
over all bands and moments; ``crnn`` averages over the bands and lets a GRU listen to the moments in order.
``tinycnn`` can attend to channels and to places (CBAM: Woo, Park, Lee and Kweon 2018, arXiv 1807.06521).
No dropout, and no normalisation but one fixed scaling of the input: what a device must compute is what is
written here.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rushes.errors import ModelError
from rushes.models.net_costs import ATTENDED, CHANNELS, squeezed
from rushes.models.stored import CONFIG_FILE, PREPROCESSING_FILE, description, restore_weights, store
from rushes.recipe.net import Net
from rushes.recipe.spectrogram import SpectrogramPreprocessing

PASS = 16
"""Sounds that go through a net at a time on a CPU. Up to here the C library hands the memory of their maps
out again and again; larger maps it takes from the system each time, and a step takes half as long again."""


class ChannelAttention(nn.Module):
    """How much each channel counts: one small MLP sees its mean and its maximum, ``(B, C, H, W)`` to itself.

    Args:
        channels: C.
        reduction: how many times fewer the MLP has inside.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        inside = squeezed(channels, reduction)
        self.squeeze = nn.Linear(channels, inside)
        self.excite = nn.Linear(inside, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Scale every channel by a number in (0, 1)."""
        gate = torch.sigmoid(self._weigh(x.mean(dim=(2, 3))) + self._weigh(x.amax(dim=(2, 3))))
        return x * gate[:, :, None, None]

    def _weigh(self, pooled: Tensor) -> Tensor:
        return self.excite(functional.relu(self.squeeze(pooled)))


class SpatialAttention(nn.Module):
    """How much each place counts: a convolution sees the mean and the maximum over channels.

    Args:
        kernel: side of the convolution, odd.
    """

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Scale every place of ``(B, C, H, W)`` by a number in (0, 1)."""
        seen = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.look(seen))


class SoundNet(nn.Module):
    """Spectrograms ``(B, 1, mels, frames)`` float32 in dB to logits ``(B, K)``.

    Args:
        config: which net.
        preprocessing: how its spectrograms are made, and its K classes.
    """

    def __init__(self, config: Net, preprocessing: SpectrogramPreprocessing) -> None:
        super().__init__()
        self.config, self.preprocessing = config, preprocessing
        near, middle, far = CHANNELS
        self.near = nn.Conv2d(1, near, 3, padding=1)
        self.middle = nn.Conv2d(near, middle, 3, padding=1)
        attention: list[nn.Module] = []
        if config.attention in ("cbam", "channel"):
            attention.append(ChannelAttention(ATTENDED, config.reduction))
        if config.attention in ("cbam", "spatial"):
            attention.append(SpatialAttention(config.kernel))
        self.attention = nn.Sequential(*attention)
        self.far = nn.Conv2d(middle, far, 3, padding=1)
        recurrent = config.net == "crnn"
        self.gru = nn.GRU(far, config.hidden, config.layers, batch_first=True) if recurrent else None
        self.head = nn.Linear(config.hidden if recurrent else far, len(preprocessing.labels))

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Logits of a batch."""
        x = spectrograms / (self.preprocessing.top_db / 2) + 1.0  # from [-top_db, 0] dB to [-1, 1]
        # The rectifier after the pooling gives what it gives before it, on a quarter of the values.
        x = functional.relu(functional.max_pool2d(self.near(x), 2))
        x = functional.relu(functional.max_pool2d(self.middle(x), 2))
        x = functional.relu(self.far(self.attention(x)))
        if self.gru is None:
            return self.head(x.mean(dim=(2, 3)))
        moments, _ = self.gru(x.mean(dim=2).transpose(1, 2))
        return self.head(moments[:, -1])


def build(model: Net, preprocessing: SpectrogramPreprocessing, *, seed: int) -> SoundNet:
    """A net with random weights, which depend on ``seed`` and on nothing else.

    Weights before a rectifier keep the size of what passes through them (He, Zhang, Ren and Sun 2015), all
    others that of a linear map (Glorot and Bengio 2010); recurrent ones are orthogonal (Saxe, McClelland and
    Ganguli 2014). Biases are zero.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = SoundNet(model, preprocessing)
        for name, weight in net.named_parameters():
            if weight.ndim == 1:
                nn.init.zeros_(weight)
            elif "weight_hh" in name:
                for gate in weight.chunk(3):
                    nn.init.orthogonal_(gate)
            elif name.split(".")[0] in ("near", "middle", "far"):
                nn.init.kaiming_normal_(weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(weight)
    # A CPU's convolutions take less than half the time where the channels of a place lie side by side.
    net.to(memory_format=torch.channels_last)
    return net


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def passes(spectrograms: Tensor) -> tuple[Tensor, ...]:
    """The parts of a batch (B, ...) that go through a net at a time: the whole on a GPU, 16 rows on a CPU."""
    return spectrograms.split(PASS) if spectrograms.device.type == "cpu" else (spectrograms,)


def float32_on(device: torch.device) -> AbstractContextManager[None]:
    """While it is open, cuDNN computes in float32 and by the same algorithms each time; then as before."""
    if device.type != "cuda":
        return nullcontext()
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return flags


def infer(net: SoundNet, features: Iterable[NDArray[np.floating]], batch_size: int) -> NDArray[np.float32]:
    """Logits of spectrograms, on the device of the net, which is left in evaluation mode.

    Every forward pass has one shape, the last one being filled up, so that the logits of a sound do not
    depend on how many follow it. Convolutions and recurrences are computed in float32 on a GPU as well, where
    cuDNN by default rounds what it multiplies to 10 bits (TF32).

    Args:
        net: asked as it is.
        features: (mels, frames) each, in dB; read as they are needed.
        batch_size: clips in one forward pass on a GPU, where another one may change the last bits of logits;
            on a CPU it is always 16.

    Returns:
        Float32 (n, K), in order; n may be 0.

    Raises:
        ModelError: a spectrogram has another shape than the net's preprocessing says.
    """
    net.eval()
    device = next(net.parameters()).device
    size = PASS if device.type == "cpu" else batch_size
    shape, found, asked = net.preprocessing.shape, [], iter(features)
    with torch.no_grad(), float32_on(device):
        while part := list(islice(asked, size)):
            batch = np.zeros((size, 1, *shape), np.float32)
            for row, spectrogram in zip(batch, part, strict=False):
                if spectrogram.shape != shape:
                    raise ModelError(
                        f"the net takes spectrograms of {shape[0]} x {shape[1]}, found one of "
                        f"{' x '.join(map(str, spectrogram.shape))}",
                        cure="prepare the clips with the preprocessing beside the weights",
                    )
                row[0] = spectrogram
            logits = net(torch.from_numpy(batch).to(device))
            found.append(logits[: len(part)].float().cpu().numpy())
    return np.concatenate([np.empty((0, len(net.preprocessing.labels)), np.float32), *found])


def save(net: SoundNet, folder: Path) -> None:
    """Write weights, preprocessing and config into a new folder, which replaces one that stands there."""
    store(net, {PREPROCESSING_FILE: net.preprocessing, CONFIG_FILE: net.config}, folder)


def load(folder: Path, schema: type[SpectrogramPreprocessing]) -> SoundNet:
    """Read what :func:`save` wrote, its preprocessing of ``schema``; it comes in evaluation mode, on the CPU.

    Raises:
        ModelError: a file is missing, torn or too large, the weights do not fit the config, or one of them
            is not finite.
        OSError: the machine refuses to read one.
    """
    folder = Path(folder)
    net = build(
        description(folder / CONFIG_FILE, Net),
        description(folder / PREPROCESSING_FILE, schema),
        seed=0,
    )
    restore_weights(net, folder)
    return net
