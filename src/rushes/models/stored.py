"""The folder of a small net of our own: its weights as safetensors, all else as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor, nn

from rushes.errors import ModelError, unreadable_as
from rushes.stages import new_folder, write_atomic

Described = TypeVar("Described", bound=BaseModel)

WEIGHTS_FILE = "model.safetensors"
PREPROCESSING_FILE = "preprocessing.json"
CONFIG_FILE = "config.json"
_NO_NET, _REPAIR = "no trained net", "run `rushes verify RECIPE --repair`"
MAX_BYTES = 256 << 20
"""The largest net that a recipe can ask for has 100 MB; a larger file is something else, unless more is expected."""


def store(net: nn.Module, described: Mapping[str, BaseModel], folder: Path) -> None:
    """Write weights, and what describes the net by file name, into a new folder, which replaces one there."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    with new_folder(Path(folder)) as new:
        write_atomic(new / WEIGHTS_FILE, tensor_bytes(tensors))
        for name, what in described.items():
            write_atomic(new / name, what.model_dump_json(indent=2) + "\n")


def description(path: Path, kind: type[Described]) -> Described:
    """What a JSON file of such a folder says.

    Raises:
        ModelError: it is missing, torn, too large or of another kind.
        OSError: the machine refuses to read it.
    """
    with unreadable_as(ModelError, _NO_NET, where=path, cure=_REPAIR, errors=(ValueError,)):
        return kind.model_validate_json(_bytes_of(path, MAX_BYTES))


def restore_weights(net: nn.Module, folder: Path) -> None:
    """Put the weights of a folder into a net built by its descriptions; it comes in evaluation mode.

    Raises:
        ModelError: they are missing, torn or too large, do not fit the net, or one of them is not finite.
        OSError: the machine refuses to read them.
    """
    net.load_state_dict(read_weights(Path(folder) / WEIGHTS_FILE, net.state_dict()))
    net.eval()


def read_weights(path: Path, live: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a file, which must have the names and the shapes of ``live``.

    Raises:
        ModelError: they are missing, torn or too large, others are expected, or one of them is not finite.
        OSError: the machine refuses to read them.
    """
    most = max(MAX_BYTES, 2 * sum(tensor.nbytes for tensor in live.values()))
    try:
        saved: dict[str, Tensor] = read_tensors(_bytes_of(path, most))
    except SafetensorError as error:
        raise _unreadable(error, path) from error
    expected, found = ({name: tuple(t.shape) for name, t in of.items()} for of in (live, saved))
    if wrong := sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name)):
        name = wrong[0]
        raise _unreadable(
            f"{len(wrong)} tensors do not fit {CONFIG_FILE}; {name}: expected {expected.get(name)}, "
            f"found {found.get(name)}",
            path,
        )
    if broken := sorted(name for name, tensor in saved.items() if not torch.isfinite(tensor).all()):
        raise _unreadable(f"{', '.join(broken)} has values that are not finite", path)
    return saved


def _bytes_of(path: Path, most: int) -> bytes:
    with unreadable_as(ModelError, _NO_NET, where=path, cure=_REPAIR):
        if (size := path.stat().st_size) > most:
            raise _unreadable(f"it has {size} bytes", path)
        return path.read_bytes()


def _unreadable(reason: object, path: Path) -> ModelError:
    return ModelError(f"{_NO_NET}: {reason}", where=path, cure=_REPAIR)
