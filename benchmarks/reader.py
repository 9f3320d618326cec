"""How fast and how lean the reader is, beside the `webdataset` package.

    python benchmarks/reader.py [--quick] [--json] [--folder DIR]

Makes its own shards (about 3 GB, with --quick 1.3 GB; removed at the end) and reads them from the page cache,
each reader in a process of its own, in turns, the best pass of each. Both hand out every member as `bytes`;
rushes copies them out of its map for that, which training does not need. `webdataset` has no random access:
its shuffled shards and shuffle buffer of 1,000 samples stand against an even shuffle of the whole dataset.
Memory is the most that a process held while it read a dataset in order and shuffled, mapped pages included.
`webdataset` comes from peers.py. Takes a few minutes, with --quick about one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import peers
from report import Figure, at_least, at_most, emit, not_measured

from rushes.media.image import encode_jpeg
from rushes.shards.manifest import Manifest, split_folder
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
from rushes.train.batches import sample_order

FRAMES, SIDE = 8, 336
ORDERS = ("sequential", "random")


# --- what is read ----------------------------------------------------------------------------------------


def jpegs(count: int) -> list[bytes]:
    """Pictures of about 20 kB, as frames of 336 pixels are."""
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(count):
        coarse = random.integers(0, 255, (SIDE // 8, SIDE // 8, 3))
        noise = random.integers(-9, 9, (SIDE, SIDE, 3))
        picture = np.clip(coarse.repeat(8, axis=0).repeat(8, axis=1) + noise, 0, 255).astype(np.uint8)
        pictures.append(encode_jpeg(picture, 75))
    return pictures


def make_dataset(folder: Path, samples: int, frames: list[bytes], max_bytes: int) -> float:
    """Write a dataset of one split and one series; returns the CPU seconds that the writer took."""
    shape = {"meta.json": bytes(600), "target.json": bytes(300), "signals.npy": bytes(128 + 96 * 12)}
    seconds = -time.process_time()
    with ShardWriter(split_folder(folder, "train"), "U0101_S0100", max_bytes) as writer:
        for number in range(samples):
            pictures = {f"frame_{i:02d}.jpg": frames[(number + i) % len(frames)] for i in range(FRAMES)}
            writer.write(f"U0101_S0100_t{number:07d}_before", pictures | shape)
        shards = writer.close()
    seconds += time.process_time()
    Manifest("0" * 12, {"train": shards}, (), {}).save(folder)
    return seconds


# --- what a child process does ---------------------------------------------------------------------------


def one_pass(order: str, folder: Path, copy: bool = True) -> tuple[int, int, float]:
    """Samples, bytes and seconds of one epoch, opening included."""
    started = time.perf_counter()
    samples = size = 0
    dataset = ShardDataset.open(folder, "train")
    whole = (len(dataset),)
    for number in sample_order(1, 0, whole).tolist() if order == "random" else range(len(dataset)):
        samples += 1
        contents = dataset.sample(number).values()
        size += sum(map(len, map(bytes, contents) if copy else contents))
    return samples, size, time.perf_counter() - started


def open_and_read_one(folder: Path) -> float:
    """Seconds from nothing to the last sample of the last shard."""
    started = time.perf_counter()
    dataset = ShardDataset.open(folder, "train")
    bytes(dataset.sample(len(dataset) - 1)["meta.json"])
    return time.perf_counter() - started


def peak_bytes() -> int:
    """Most memory that this process ever held, mapped pages of shards included (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def child(task: str, passes: int, folder: Path) -> object:
    if task in ORDERS:
        return [one_pass(task, folder) for _ in range(passes)]
    if task == "views":
        return [one_pass("random", folder, copy=False) for _ in range(passes)]
    if task == "open":
        return [open_and_read_one(folder) for _ in range(passes)]
    for order in ORDERS * passes:
        one_pass(order, folder)
    return peak_bytes()


# --- figures ---------------------------------------------------------------------------------------------


def ask(task: str, passes: int, folder: Path) -> object:
    """What a child process answers."""
    options = ["--child", task, "--passes", str(passes), "--folder", str(folder)]
    done = subprocess.run([sys.executable, __file__, *options], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def best_rate(passes: list[list[float]], samples: int, size: int) -> float:
    """Samples per second of the best pass, after checking that every pass read everything."""
    for found in passes:
        if found[:2] != [samples, size]:
            raise SystemExit(f"a pass read {found[:2]} instead of {[samples, size]}")
    return samples / min(seconds for _, _, seconds in passes)


def speed(folder: Path, samples: int, size: int, rounds: int) -> list[Figure]:
    shards = sorted(split_folder(folder, "train").glob("*.tar"))
    figures = []
    for order in ORDERS:
        ours, theirs, missing = [], [], None
        for _ in range(rounds):  # in turns, so that a busy machine is busy for both
            ours += ask(order, 2, folder)
            try:
                theirs += peers.ask("webdataset", "reader_peer.py", order, 2, *shards)
            except peers.Unavailable as why:
                missing = why
        rate = best_rate(ours, samples, size)
        figures.append(
            Figure(f"{order}: samples/s, {size / samples / 1000:.0f} kB each, bytes copied out", rate)
        )
        name = f"{order}: times the samples/s of webdataset"
        if missing is None:
            figures.append(at_least(name, rate / best_rate(theirs, samples, size), 2))
        else:
            figures.append(not_measured(name, ">= 2", missing))
    views = best_rate(ask("views", 2 * rounds, folder), samples, size)
    return [*figures, Figure("random: samples/s as views, nothing copied", views)]


def measure(folder: Path, quick: bool) -> list[Figure]:
    frames = jpegs(16)
    samples = 600 if quick else 4000
    seconds = make_dataset(folder / "speed", samples, frames, 200_000_000)
    size = sum(
        len(frames[(number + i) % len(frames)]) for number in range(samples) for i in range(FRAMES)
    ) + samples * (600 + 300 + 128 + 96 * 12)
    figures = [Figure("write: MB per CPU second, sha256 and crc32 included", size / seconds / 1e6)]
    figures += speed(folder / "speed", samples, size, 2 if quick else 4)

    small = [frame[: 200 if quick else 1500] for frame in frames]
    make_dataset(folder / "few", 1000, small, 1 << 30)
    few = ask("memory", 1, folder / "few")
    make_dataset(folder / "many", 100_000, small, 8_600_000 if quick else 21_000_000)
    many = ask("memory", 1, folder / "many")
    shards = len(list(split_folder(folder / "many", "train").glob("*.tar")))
    figures.append(Figure("peak memory, 1,000 samples, MB", few / 1e6))
    figures.append(Figure(f"peak memory, 100,000 samples in {shards} shards, MB", many / 1e6))
    figures.append(at_most("peak memory: 100,000 samples over 1,000", many / few, 1.1))
    opening = min(ask("open", 1, folder / "many")[0] for _ in range(3))
    figures.append(at_most(f"open {shards} shards and read a sample, s", opening, 1.0))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller samples")
    parser.add_argument("--folder", type=Path, help="where the shards are made for the time of the run")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--passes", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.passes, options.folder)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        emit(measure(Path(folder), options.quick), options.json)


if __name__ == "__main__":
    main()
