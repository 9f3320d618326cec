"""Two processes that shard a model with FSDP2: what is saved is whole, what is restored is cut again.

Usage: sharded_worker.py FOLDER   (with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set)
"""

import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from rushes.train.state import copied, learnt_tensors, optimizer_tensors, restore_optimizer, restore_tensors


def sharded(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3, bias=False))
    fully_shard(model, mesh=init_device_mesh("cpu", (distributed.get_world_size(),)))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def update(model, optimizer):
    model(torch.linspace(-1, 1, 20).view(5, 4)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def main(folder):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    model, optimizer = sharded(seed=0)
    update(model, optimizer)
    weights, moments = copied(learnt_tensors(model)), optimizer_tensors(optimizer, model)
    other, fresh = sharded(seed=1)
    restore_tensors(learnt_tensors(other), weights)
    restore_optimizer(fresh, other, moments)
    update(model, optimizer)
    update(other, fresh)
    assert all(isinstance(parameter, DTensor) for parameter in other.parameters())
    expected, found = copied(learnt_tensors(model)), copied(learnt_tensors(other))
    if distributed.get_rank() == 0:
        save_file(weights | moments, folder / "saved.safetensors")
        save_file(expected, folder / "expected.safetensors")
        save_file(found, folder / "found.safetensors")
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    os._exit(0)  # with all said and written: torch's threads of a group that is gone may abort a usual exit
