"""How many threads torch computes with on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

SMALL = 10_000_000
"""Parameters below which a model computes on one thread. The products of the tiny models take milliseconds:
where something else ran on the two cores as well, two threads took 3.8 times as long as one and 3.6 times the
processor time, most of it in waiting for each other."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, here, to the end of the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(model: nn.Module) -> AbstractContextManager[None]:
    """One thread for a small model on a CPU, whatever ``OMP_NUM_THREADS`` says; else torch's own number.

    Sums depend in their last bits on the threads that share them, so a small model also learns the same bits
    on any number of cores.
    """
    parameters = list(model.parameters())
    small = sum(parameter.numel() for parameter in parameters) < SMALL
    on_cpu = all(parameter.device.type == "cpu" for parameter in parameters)
    return one_thread() if small and on_cpu else nullcontext()
