"""A small training of sounds, with a teacher's logits, in a process of its own: what the crash test kills.

Usage: sounds_worker.py FOLDER SHARDS NET   (prints one line per event)
"""

import sys
from pathlib import Path

import numpy as np
import torch

from rushes.models.nets import build
from rushes.recipe.net import Net
from rushes.shards.read import ShardDataset
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.recipe import Distil, TrainOnSounds
from rushes.tasks.sounds.train import FeatureSet, train


def main(folder, shards, net):
    torch.set_num_threads(1)
    preprocessing = SoundPreprocessing(mels=16, clip_s=0.5)
    dataset = ShardDataset.of_shards(sorted(Path(shards).glob("*.tar")))
    logits = np.random.default_rng(0).normal(size=(len(dataset), 3)).astype(np.float32)
    sounds = FeatureSet(dataset, preprocessing.labels, logits=logits)
    settings = TrainOnSounds(epochs=16, patience=16, batch_size=20, checkpoint_every=2, log_every=1, seed=5)
    train(
        build(Net(net=net), preprocessing, seed=5),
        sounds,
        sounds,
        settings,
        Path(folder),
        "worker",
        distil=Distil(soft_weight=0.5, temperature=3.0),
        on_event=lambda event: print(event["kind"], event.get("step", ""), flush=True),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
