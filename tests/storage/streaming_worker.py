"""Trains a small net on shards that lie elsewhere, read shard by shard: what the test runs and kills.

Usage: streaming_worker.py URL CACHE CACHE_BYTES NAME EPOCHS   (prints one line per event)

NAME tells trainings apart that are to learn the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rushes.shards.read import ShardDataset
from rushes.stages import StageSpec, sha256_file
from rushes.storage import open_workspace
from rushes.train.batches import ShardSamples, require_room
from rushes.train.loop import LoopSettings, StepOutput, fit

PREPARE = StageSpec("prepare", 1, {})
WIDTH, BATCH = 500, 3


def sample_of(key, fields):
    return key, np.frombuffer(fields["x.bin"], np.float32)


def collate(samples, generators):
    noise = [generator.normal(size=WIDTH) for generator in generators]
    x = np.stack([values for _, values in samples]) + 0.1 * np.stack(noise)
    return {"keys": [key for key, _ in samples], "x": torch.tensor(x, dtype=torch.float32)}


def step(model, batch):
    return StepOutput(((model(batch["x"]) - batch["x"][:, :1]) ** 2).sum(), weight=len(batch["x"]))


def main(url: str, cache: str, cache_bytes: str, name: str, epochs: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(7)
    workspace = open_workspace(url, Path(cache), int(cache_bytes) or None)
    dataset = ShardDataset.open(workspace.bring(PREPARE), "train", opener=workspace.opener(PREPARE))
    require_room(dataset, "streamed", workspace.cache_bytes)
    spec = StageSpec("train", 1, {"name": name}, {"prepare": PREPARE.signature})
    home = workspace.home(spec)

    def tell(event):
        if event["kind"] == "checkpoint":
            home.checkpoint(Path(event["checkpoint"]))
        print(event["kind"], event.get("step", ""), flush=True)

    settings = LoopSettings(
        steps=int(epochs) * len(dataset) // BATCH,
        batch_size=BATCH,
        learning_rate=0.001,
        checkpoint_every=10,
        log_every=1,
        seed=3,
        device="cpu",
    )
    with workspace.working(spec) as stage:
        result = fit(
            nn.Sequential(nn.Linear(WIDTH, 8), nn.Dropout(0.2), nn.Linear(8, 1)),
            step,
            ShardSamples(dataset, sample_of),
            collate,
            settings,
            stage.folder,
            "worker",
            shards=dataset,
            on_event=tell,
        )
        stage.finish({"files": {}}, {"steps": result.steps})
    print("weights", sha256_file(result.weights))


if __name__ == "__main__":
    main(*sys.argv[1:])
