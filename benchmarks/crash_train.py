"""The train half of crash.py: `rushes train` killed again and again, in the end equal to one left alone."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from report import Figure, at_least, at_most
from safetensors import SafetensorError, safe_open

from rushes.errors import StageError
from rushes.runs.proof import wrong_digests
from rushes.stages import read_json, sha256_file
from rushes.train.events import read_events, without_times

CHECKPOINTS = "*/checkpoints/step-*"
RECIPE = """\
name: crash
source: {split: {train: [U0101], test: [U0102]}}
twin: {subjects: 2, boxes: 1, difficulty: 0.0}
preprocessing: {frames: 2, frame_size: [56, 56], signal_size: [40, 30], clip_s: 4.0}
prepare: {window_stride_s: 8.0}
train:
  phases:
    - {ask: captions, steps: 20, batch_size: 2, accumulate: 1}
    - {ask: clips, steps: 60, batch_size: 2, accumulate: 2}
  checkpoint_every: 3
  log_every: 1
"""
DATA_STAGES = ("twin", "prepare")
STEPS = 20 + 60  # of both phases, a line of events.jsonl each
AT_START = 0.15  # of the kills hit a process that is still starting, the others one that trains or finishes
MOST_STEPS, LATEST_S = 30, 0.2  # such a kill comes after so many steps and so many seconds at most


@dataclass(slots=True)
class Tally:
    """What happened in all rounds together."""

    kills: int = 0
    resumed: int = 0
    finished: int = 0
    torn: int = 0
    other_weights: int = 0
    other_events: int = 0
    left_over: int = 0


def begin(verb: str, folder: Path) -> subprocess.Popen:
    """``rushes VERB`` in the workspace ``folder``, with one thread, since results depend on their number."""
    recipe = folder.parent / "crash.yaml"
    command = [sys.executable, "-m", "rushes.cli", verb, str(recipe), "--workspace", str(folder)]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> None:
    """Wait for a command that must come through."""
    _, complaint = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a command failed that nobody stopped:\n{complaint.decode()}")


def trained(workspace: Path) -> Path:
    """The folder of the training; there is one."""
    (folder,) = workspace.glob("train-*")
    return folder


def events_of(workspace: Path) -> dict[int, int]:
    """Lines of each event file, by the time of its last write, which tells it from an earlier one."""
    files = workspace.glob("train-*/*/events.jsonl")
    return {path.stat().st_mtime_ns: path.read_bytes().count(b"\n") for path in files}


def trains_for(steps: int, workspace: Path, process: subprocess.Popen) -> bool:
    """Wait until a process has begun to train and has done some steps or all; False if it ends before."""
    before, aim = events_of(workspace).keys(), None
    while process.poll() is None:
        found = events_of(workspace)
        if aim is None and found.keys() - before:  # a resumed training writes its event file anew
            aim = min(sum(found.values()) + steps, STEPS)
        if aim is not None and sum(found.values()) >= aim:
            return True
        time.sleep(0.003)
    return False


def disturb(process: subprocess.Popen, after_s: float) -> bool:
    """Wait, then kill; False if the process had ended by itself."""
    try:
        process.wait(after_s)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return process.returncode == -signal.SIGKILL


def torn_files(folder: Path) -> Iterator[Path]:
    """Files under their final names that are not whole, right after a kill."""
    for state in folder.glob(f"{CHECKPOINTS}/state.json"):
        yield from (path for path, _ in wrong_digests(state.parent, read_json(state)["files"]))
    for path in folder.rglob("*"):
        try:
            if path.suffix == ".json":
                read_json(path)
            elif path.suffix == ".safetensors" and not path.name.startswith("."):
                with safe_open(path, "numpy") as file:
                    file.keys()
        except (StageError, SafetensorError):
            yield path


def outcome(folder: Path) -> tuple[dict[str, str], dict[str, list]]:
    """SHA-256 of all weights, optimizers and generators that stay, and all events less their times."""
    tensors = {str(path.relative_to(folder)): sha256_file(path) for path in folder.rglob("*.safetensors")}
    events = {
        path.parent.name: [without_times(event) for event in read_events(path)]
        for path in folder.glob("*/events.jsonl")
    }
    return tensors, events


def train_tally(kills: int, seed: int, folder: Path) -> Tally:
    """Kill trainings until ``kills`` have hit."""
    rng, tally = random.Random(seed), Tally()
    (folder / "crash.yaml").write_text(RECIPE)
    reference, workspace = folder / "reference", folder / "workspace"
    for verb in DATA_STAGES:
        finish(begin(verb, reference))
    data = [path for stage in DATA_STAGES for path in reference.glob(f"{stage}-*")]
    began = time.monotonic()
    process = begin("train", reference)
    trains_for(1, reference, process)
    start_s = time.monotonic() - began
    finish(process)
    weights, events = outcome(trained(reference))
    if "model/model.safetensors" not in weights or sum(map(len, events.values())) != STEPS:
        raise RuntimeError(f"there is nothing to compare with: {sorted(weights)}")
    while True:
        for path in data:
            if not (workspace / path.name).exists():
                shutil.copytree(path, workspace / path.name)
        resuming = any(workspace.glob(f"train-*/{CHECKPOINTS}"))
        process = begin("train", workspace)
        if stopped := tally.kills >= kills:
            hit = False
        elif rng.random() < AT_START:
            hit = disturb(process, rng.uniform(0.05, 1.0) * start_s)
        else:
            steps = rng.randint(0, MOST_STEPS)
            hit = trains_for(steps, workspace, process) and disturb(process, rng.uniform(0, LATEST_S))
        if hit:
            tally.kills += 1
            tally.resumed += resuming
            tally.torn += sum(1 for run in workspace.glob("train-*") for _ in torn_files(run))
            continue
        finish(process)
        found_weights, found_events = outcome(trained(workspace))
        tally.finished += 1
        tally.other_weights += found_weights != weights
        tally.other_events += found_events != events
        tally.left_over += sum(1 for _ in trained(workspace).rglob("*.tmp"))
        shutil.rmtree(trained(workspace))
        if stopped:
            return tally


def train_figures(kills: int, seed: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as temporary:
        tally = train_tally(kills, seed, Path(temporary))
    rounds = f"{tally.resumed} with a checkpoint to go on from; {tally.finished} trainings"
    return [
        at_least(f"train: kill -9 ({rounds})", tally.kills, kills),
        at_most("train: torn files under final names", tally.torn, 0),
        at_most("train: trainings with other weights, optimizer or generators", tally.other_weights, 0),
        at_most("train: trainings with other events (less times)", tally.other_events, 0),
        at_most("train: temporary files left over", tally.left_over, 0),
    ]
