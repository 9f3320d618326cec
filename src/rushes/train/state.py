"""What training changes, as plain tensors by name: weights, optimizer state, random generators.

Under FSDP2 the tensors are DTensors: they are gathered whole on their way out (every process must take part)
and cut again on their way in, so a checkpoint does not know how a model was cut.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from rushes.errors import ModelError


def learnt_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The live tensors that training changes: parameters that ask for gradients, and saved buffers.

    A frozen base is left out, so the checkpoint of an adapter is as small as the adapter.
    """
    saved = model.state_dict().keys()
    parameters = {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
    return parameters | {name: tensor for name, tensor in model.named_buffers() if name in saved}


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole copies on the CPU."""
    return {name: _whole(tensor) for name, tensor in tensors.items()}


@torch.no_grad()
def restore_tensors(live: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    """Put ``saved`` values into the ``live`` tensors.

    Raises:
        ModelError: the names or the shapes are not the same.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in live.items()}
    found = {name: tuple(tensor.shape) for name, tensor in saved.items()}
    if wrong := sorted(name for name in {*shapes, *found} if shapes.get(name) != found.get(name)):
        name = wrong[0]
        raise ModelError(
            f"the saved weights do not fit the model in {len(wrong)} tensors; {name!r}: "
            f"the model has {shapes.get(name)}, the file {found.get(name)}",
            cure="build the model that the weights were trained with",
        )
    for name, tensor in live.items():
        tensor.copy_(_placed_like(tensor, saved[name]))


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Whole copies of the optimizer's state on the CPU, named ``<parameter>.<slot>``.

    bitsandbytes counts its updates in a Python integer; it becomes an integer tensor, which no other slot is.
    """
    return {
        f"{name}.{slot}": torch.tensor(value) if isinstance(value, int) else _whole(value)
        for name, parameter in model.named_parameters()
        for slot, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, model: nn.Module, saved: Mapping[str, Tensor]
) -> None:
    """Put back what :func:`optimizer_tensors` gave."""
    parameters = dict(model.named_parameters())
    for name, value in saved.items():
        owner, slot = name.rsplit(".", 1)
        parameter = parameters[owner]
        optimizer.state[parameter][slot] = _restored(slot, parameter, value)


def _restored(slot: str, parameter: Tensor, value: Tensor) -> Tensor | int:
    if value.dtype == torch.int64:
        return int(value)
    if slot == "step":  # torch counts AdamW's updates on the CPU, whatever the parameter's device
        return value
    # Scales and code books of 8-bit moments have shapes of their own.
    return _placed_like(parameter, value) if value.shape == parameter.shape else value.to(parameter.device)


def random_state() -> dict[str, Tensor]:
    """The state of the global generators of python, numpy, torch and, if used, CUDA; each a flat tensor."""
    _, words, gauss = random.getstate()
    of_numpy = np.random.get_state()
    assert isinstance(of_numpy, tuple), "the legacy form, which `restore_random_state` puts back"
    _, keys, position, has_gauss, cached = of_numpy
    states = {
        "python.words": torch.tensor(words, dtype=torch.int64),
        "python.gauss": torch.tensor([np.nan if gauss is None else gauss], dtype=torch.float64),
        "numpy.words": torch.tensor([*keys.tolist(), position, has_gauss], dtype=torch.int64),
        "numpy.gauss": torch.tensor([cached], dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_state(states: Mapping[str, Tensor]) -> None:
    """Put back what :func:`random_state` gave."""
    gauss = states["python.gauss"].item()
    random.setstate((3, tuple(states["python.words"].tolist()), None if np.isnan(gauss) else gauss))
    *keys, position, has_gauss = states["numpy.words"].tolist()
    cached = states["numpy.gauss"].item()
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"].contiguous())
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].contiguous())


def _whole(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.to("cpu", copy=True).contiguous()


def _placed_like(live: Tensor, value: Tensor) -> Tensor:
    value = value.to(live.device)
    if isinstance(live, DTensor):
        return distribute_tensor(value, live.device_mesh, live.placements)
    # In memory as the live one lies (channels last, say): another order may round otherwise.
    return torch.empty_like(live, dtype=value.dtype).copy_(value)
