"""A learner where there is no float64, as on Apple's GPUs."""

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rushes.train.batches import MicroBatch
from rushes.train.learner import Learner, StepOutput
from rushes.train.settings import LoopSettings


class NoFloat64(TorchDispatchMode):
    """Refuses what MPS refuses."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if any(isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64 for leaf in tree_leaves(made)):
            raise TypeError(f"{func}: cannot make a float64 tensor")
        return made


def step(model, batch):
    return StepOutput(model(batch["x"]).square().sum(), weight=batch["weight"].sum(), tokens=4)


def test_an_update_needs_no_float64():
    torch.manual_seed(0)
    settings = LoopSettings(steps=1, batch_size=2, learning_rate=0.1, accumulate=3, device="cpu")
    learner = Learner(nn.Linear(2, 1), settings)
    rows = [{"x": torch.full((2, 2), float(row)), "weight": torch.tensor([2**24, 1])} for row in (1, 2, 3)]
    before = learner.model(rows[0]["x"]).square().sum().item()
    with NoFloat64():
        tally, _ = learner.update(step, iter([MicroBatch(row, (0, 1)) for row in rows]), 0.1, 1)
    assert tally.weight == 3 * (2**24 + 1)  # more than a float32 can count
    assert (tally.tokens, tally.samples) == (12, 6)
    assert tally.loss_sum > before > 0
    after = learner.tensors()["random"]
    assert all(tensor.shape[0] == 1 and tensor.device.type == "cpu" for tensor in after.values())
