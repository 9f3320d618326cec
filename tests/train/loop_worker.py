"""A small training in a process of its own: what the crash and the many-process tests run and kill.

Usage: loop_worker.py FOLDER '{"settings": {...}, "dropout": 0.1}'   (prints one line per event)
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from rushes.train.loop import LoopSettings, StepOutput, fit

TOKENS, LENGTH = 17, 6


class Sentences:
    """Runs of tokens, each the one before plus a fixed stride; some end early."""

    def __len__(self):
        return 23

    def __getitem__(self, index):
        return {
            "key": f"sentence_{index:02d}",
            "start": index,
            "stride": 1 + index % 3,
            "length": 3 + index % 4,
        }


class Reader(nn.Module):
    """A tiny causal transformer with dropout."""

    def __init__(self, dropout):
        super().__init__()
        self.embed = nn.Embedding(TOKENS, 16)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=dropout, batch_first=True, norm_first=True)
        self.head = nn.Linear(16, TOKENS)

    def forward(self, tokens):
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return self.head(self.block(self.embed(tokens), src_mask=mask, is_causal=True))


def collate(samples, generators):
    """Token ids (B, LENGTH), a random shift each, and -100 where a sentence has ended."""
    shifts = [int(generator.integers(TOKENS)) for generator in generators]
    starts = [sample["start"] + shift for sample, shift in zip(samples, shifts, strict=True)]
    rows = [
        [(s + n * x["stride"]) % TOKENS for n in range(LENGTH)] for s, x in zip(starts, samples, strict=True)
    ]
    tokens = torch.tensor(rows)
    lengths = torch.tensor([sample["length"] for sample in samples])
    targets = torch.where(torch.arange(LENGTH) < lengths[:, None], tokens, -100)
    return {"keys": [sample["key"] for sample in samples], "tokens": tokens, "targets": targets}


def step(model, batch):
    """Next-token loss, summed over supervised tokens."""
    logits, targets = model(batch["tokens"])[:, :-1], batch["targets"][:, 1:]
    loss = functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum")
    return StepOutput(loss, weight=(targets != -100).sum(), tokens=batch["tokens"].numel())


def validate(model):
    """Minus the loss on one batch; draws from the global generator, as a careless validation would."""
    torch.rand(3)
    samples = [Sentences()[index] for index in range(4)]
    output = step(model, collate(samples, [np.random.default_rng(0)] * 4))
    return {"score": -float(output.loss_sum / output.weight)}


def main(folder, settings, dropout=0.1):
    torch.set_num_threads(1)
    torch.manual_seed(7)
    model = Reader(dropout)

    def tell(event):
        print(event["kind"], event.get("step", ""), flush=True)

    fit(
        model,
        step,
        Sentences(),
        collate,
        LoopSettings(**settings, device="cpu"),
        Path(folder),
        "worker",
        validate=validate,
        on_event=tell,
    )
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], **json.loads(sys.argv[2]))
