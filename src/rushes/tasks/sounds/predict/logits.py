"""Logits of a net for every sound of a side, and the stored ones of a teacher.

A teacher is asked once, and its pupils learn from what it said. The file carries the hash of the sounds and
of the classes that it was asked about, so that it is read for these alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rushes.errors import ShardError
from rushes.models.nets import SoundNet, best_device, infer
from rushes.stages import write_atomic

FILE = "logits.safetensors"


def logits_of(
    net: SoundNet,
    features: Iterable[NDArray[np.floating]],
    batch_size: int,
    *,
    device: torch.device | None = None,
) -> NDArray[np.float32]:
    """Logits (n, K) of spectrograms (mels, frames) in dB, in order.

    On a CPU the logits of a sound are the same bits whatever ``batch_size`` and whichever sounds follow; on a
    GPU another ``batch_size`` may change their last bits.

    Args:
        net: put on ``device``, and left there in evaluation mode.
        features: of each sound, read as they are needed.
        batch_size: sounds in one forward pass on a GPU.
        device: None takes CUDA, else Apple's MPS, else the CPU.

    Raises:
        ModelError: a spectrogram has another shape than the net's preprocessing says.
    """
    return infer(net.to(device or best_device()), features, batch_size)


def write_logits(
    folder: Path, keys: Sequence[str], labels: Sequence[str], logits: NDArray[np.float32]
) -> None:
    """Write the logits of a teacher, whole or not at all.

    Args:
        folder: of the stage; the file is ``logits.safetensors``.
        keys: n, of the sounds in the order of the dataset.
        labels: the K classes in order.
        logits: (n, K), finite.

    Raises:
        ShardError: logits of another shape, or one that is not finite.
    """
    path = Path(folder) / FILE
    _check(logits, len(keys), len(labels), path)
    tensors = {"logits": np.ascontiguousarray(logits), "keys": _hash(keys), "labels": _hash(labels)}
    write_atomic(path, save(tensors))  # hashes are tensors: metadata comes in another order each time


def read_logits(folder: Path, keys: Sequence[str], labels: Sequence[str]) -> NDArray[np.float32]:
    """Read what :func:`write_logits` wrote, for the same sounds and classes in the same order.

    Raises:
        ShardError: the file is missing or torn, or is about other sounds or classes.
        OSError: the machine refuses to read it.
    """
    path = Path(folder) / FILE
    logits: NDArray[np.float32]
    try:
        tensors = load(path.read_bytes())  # by its path, safetensors says of every refusal that it is missing
        logits, of_keys, of_labels = (tensors[name] for name in ("logits", "keys", "labels"))
    except (FileNotFoundError, KeyError, SafetensorError) as error:
        raise ShardError(f"no logits of a teacher: {error}", where=path, cure=_CURE) from error
    whom = (keys, of_keys, f"{len(keys)} sounds"), (labels, of_labels, f"the classes {', '.join(labels)}")
    for names, found, words in whom:
        if not np.array_equal(found, _hash(names)):
            raise ShardError(
                f"a teacher's logits were asked for, of {words}; the file is about other ones",
                where=path,
                cure=_CURE,
            )
    _check(logits, len(keys), len(labels), path)
    return logits


_CURE = "let the teacher answer about this dataset: move the folder away and run the stage `logits` again"


def _check(logits: NDArray[np.generic], n: int, k: int, path: Path) -> None:
    if logits.shape != (n, k) or logits.dtype != np.float32:
        raise ShardError(
            f"logits of {n} sounds and {k} classes are float32 ({n}, {k}), found {logits.dtype} "
            f"{logits.shape}",
            where=path,
        )
    if not np.isfinite(logits).all():
        row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise ShardError(f"logits that are not finite: {logits[row].tolist()} in row {row}", where=path)


def _hash(names: Sequence[str]) -> NDArray[np.uint8]:
    """SHA-256 (32,) of names in order, each with its length, so that no two lists look alike."""
    text = "".join(f"{len(name)}:{name}\n" for name in names)
    return np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
