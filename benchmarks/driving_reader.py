"""Memory and opening of a reader of driving samples, while the dataset grows; starts itself as a child."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from reader import peak_bytes
from report import Figure, at_most

from rushes.shards.manifest import Manifest, split_folder
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter

CLIP_WINDOWS, FRAMES = 24, 16
ONE = 100  # samples of the smallest dataset; the others have ten and a hundred times as many
DRAWS = 2000


def make_dataset(folder: Path, samples: int, picture_bytes: int) -> None:
    """Shards as prepare makes them, a series for each clip; pictures are bytes of their size."""
    pictures = [np.random.default_rng(n).bytes(picture_bytes) for n in range(FRAMES)]
    other = {"meta.json": bytes(2800), "target.json": bytes(1800), "signals.npy": bytes(128 + FRAMES * 36)}
    shards = []
    for start in range(0, samples, CLIP_WINDOWS):
        clip = f"clip-{start // CLIP_WINDOWS:05d}"
        with ShardWriter(split_folder(folder, "train"), clip, 200_000_000) as writer:
            for number in range(start, min(start + CLIP_WINDOWS, samples)):
                fields = {f"frame_{n:02d}.jpg": pictures[(number + n) % FRAMES] for n in range(FRAMES)}
                writer.write(f"{clip}_w{8 * (number - start):05d}", fields | other)
            shards += writer.close()
    Manifest("0" * 12, {"train": tuple(shards)}, (), {}).save(folder)


def draw(folder: Path) -> dict[str, float]:
    """Read random samples, every byte of them; the process's peak, and seconds until the first was there."""
    began_s = time.perf_counter()
    dataset = ShardDataset.open(folder, "train")
    bytes(dataset.sample(len(dataset) - 1)["meta.json"])
    opened_s = time.perf_counter() - began_s
    total = 0
    for number in np.random.default_rng(0).integers(0, len(dataset), DRAWS):
        total += sum(len(bytes(content)) for content in dataset.sample(int(number)).values())
    assert total > DRAWS
    return {"peak": peak_bytes(), "opened_s": opened_s, "samples": len(dataset), "shards": len(dataset.tars)}


def reader_figures(folder: Path, quick: bool) -> list[Figure]:
    told = {}
    for times in (1, 10, 100):
        home = folder / f"times-{times}"
        make_dataset(home, ONE * times, 6_000 if quick else 24_000)
        command = [sys.executable, __file__, str(home)]
        runs = [json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for _ in "123"]
        told[times] = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    figures = [
        Figure(f"reader, peak MB for {DRAWS} random samples of {found['samples']}", found["peak"] / 1e6)
        for found in told.values()
    ]
    for times in (10, 100):
        ratio = round(told[times]["peak"] / told[1]["peak"], 3)
        figures.append(at_most(f"reader, peak memory at {times}x over 1x", ratio, 1.1))
    last = told[100]
    figures.append(
        at_most(f"reader, s to open {last['shards']} shards and read a sample", last["opened_s"], 1.0)
    )
    return figures


if __name__ == "__main__":
    print(json.dumps(draw(Path(sys.argv[1]))))
