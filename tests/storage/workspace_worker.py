"""Makes a small dataset and a small training in a workspace: what the crash test runs and kills.

Usage: workspace_worker.py URL CACHE MACHINE   (prints a line for each thing that was committed)

``prepare`` makes units in worker processes; ``train`` is a stand-in for arithmetic only: its state is a hash
chain over the samples that it reads, so that a step lost or done twice shows in the end. Checkpoints are
written, sent, brought and checked by the real code.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from rushes.engine import Unit, map_units
from rushes.shards.index import ShardInfo
from rushes.shards.manifest import Manifest, split_folder
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
from rushes.stages import StageSpec, account, read_receipt, sha256_file, write_json
from rushes.storage import Home, open_workspace

UNITS = tuple(f"U{number:04d}_S0100" for number in range(6))
STEPS, EVERY = 16, 4
PREPARE = StageSpec("prepare", 1, {"units": list(UNITS)})
TRAIN = StageSpec("train", 1, {"steps": STEPS}, {"prepare": PREPARE.signature})


@dataclass(frozen=True)
class Making:
    """Makes a unit and publishes it, in whatever process."""

    home: Home

    def __call__(self, unit: str) -> dict:
        folder = split_folder(self.home.folder, "train")
        with ShardWriter(folder, unit, 40_000) as writer:
            for number in range(5):
                noise = hashlib.shake_256(f"{unit}{number}".encode()).digest(15_000)
                writer.write(f"{unit}_t{number}", {"noise.bin": noise, "meta.json": b"{}"})
            shards = writer.close()
        self.home.publish(folder / name for shard in shards for name in (shard.name, shard.index_name))
        return {"shards": [shard.to_json() for shard in shards]}


def prepare(workspace, machine):
    home = workspace.home(PREPARE)
    # Workers of another machine: a cache of their own.
    afar = type(workspace)(machine / "worker", url=workspace.url).home(PREPARE)
    with workspace.working(PREPARE) as stage:
        todo = account(stage.folder, UNITS).pending
        print("prepare", len(todo), flush=True)
        for result in map_units(Making(afar), [Unit(unit, unit) for unit in todo], workers=2):
            assert result.error is None, result.error
            home.write_receipt(result.key, result.value)
            print("unit", result.key, flush=True)
        counts = account(stage.folder, UNITS).close(0.0).counts
        receipts = [read_receipt(stage.folder, unit) for unit in UNITS]
        shards = tuple(ShardInfo.from_json(shard, "") for receipt in receipts for shard in receipt["shards"])
        Manifest(PREPARE.signature, {"train": shards}, (), {}).save(stage.folder)
        stage.finish({"files": {"manifest.json": sha256_file(stage.folder / "manifest.json")}}, counts)


def train(workspace):
    import torch  # here, for the workers of prepare import this file as well

    from rushes.train.checkpoint import keep_newest, newest_checkpoint, write_checkpoint

    folder, home = workspace.bring(PREPARE), workspace.home(TRAIN)
    clips = ShardDataset.open(folder, "train", opener=workspace.home(PREPARE).open)
    with workspace.working(TRAIN) as stage:
        root, identity = stage.folder / "phase-1" / "checkpoints", {"signature": TRAIN.signature}
        found = newest_checkpoint(root, identity, lambda reason: print("note", reason, flush=True))
        step, chain = (0, "") if found is None else (found.step, found.state["chain"])
        print("train", step, flush=True)
        while step < STEPS:
            sample = clips.sample(step % len(clips))
            chain = hashlib.sha256(chain.encode() + bytes(sample["noise.bin"])).hexdigest()
            step += 1
            if step % EVERY == 0:
                weights = {"weights": {"w": torch.full((50_000,), float(step))}}
                path = write_checkpoint(root, step, identity, weights, {"chain": chain})
                keep_newest(root, step, 2)
                home.checkpoint(path)
                print("checkpoint", step, flush=True)
        write_json(stage.folder / "model" / "chain.json", {"chain": chain})
        stage.finish({"files": {}}, {"steps": STEPS})


def main(url: str, cache: Path, machine: Path) -> None:
    workspace = open_workspace(url, cache)
    if workspace.status(PREPARE).state != "done":
        prepare(workspace, machine)
    if workspace.status(TRAIN).state != "done":
        train(workspace)
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
