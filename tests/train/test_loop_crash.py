"""kill -9 at random moments, also in the middle of a checkpoint, against an undisturbed run."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rushes.train.events import read_events, without_times

WORKER = Path(__file__).with_name("loop_worker.py")
SETTINGS = {
    "steps": 180,
    "batch_size": 2,
    "accumulate": 2,
    "learning_rate": 0.01,
    "warmup": 20,
    "checkpoint_every": 4,
    "eval_every": 25,
    "log_every": 2,
    "threads": 2,
}
KILLS = 7


def worker(folder):
    command = [sys.executable, "-W", "error", str(WORKER), str(folder), json.dumps({"settings": SETTINGS})]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def train_and_kill(folder, rng):
    """Kill the worker a few milliseconds after one of its first 20 events; returns the events."""
    with worker(folder) as process:
        events = [process.stdout.readline() for _ in range(rng.randint(2, 20))]
        time.sleep(rng.uniform(0, 0.006))
        process.kill()
    assert process.returncode == -9
    return events


def train_to_the_end(folder):
    with worker(folder) as process:
        output = process.stdout.read()
    assert process.returncode == 0
    return output


def final(folder):
    newest = folder / "checkpoints" / f"step-{SETTINGS['steps']:08d}"
    files = {path.name: path.read_bytes() for path in newest.glob("*.safetensors")}
    return files, [without_times(event) for event in read_events(folder / "events.jsonl")]


@pytest.mark.slow
def test_killed_at_random_moments_is_bit_identical(tmp_path):
    train_to_the_end(tmp_path / "whole")
    rng = random.Random(2)
    resumed = [train_and_kill(tmp_path / "cut", rng)[0].startswith("resume") for _ in range(KILLS)]
    assert sum(resumed) >= 5
    assert train_to_the_end(tmp_path / "cut").startswith("resume")
    files, events = final(tmp_path / "cut")
    expected, undisturbed = final(tmp_path / "whole")
    assert (
        files.keys()
        == expected.keys()
        == {"weights.safetensors", "optimizer.safetensors", "random.safetensors"}
    )
    assert all(files[name] == expected[name] for name in files)
    assert events == undisturbed
    assert len(events) == 90 + 8


CONTRAST = {"epochs": 6, "batch_size": 20, "micro_batch": 8, "learning_rate": 0.01, "log_every": 1}
CONTRAST |= {"patience": None, "checkpoint_every": 1, "keep": 2, "augment": "strong"}


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "learning"), [("adamw8bit", ["pictures", "texts"]), ("adamw", [])])
def test_a_killed_contrastive_training_is_bit_identical(tmp_path, optimizer, learning):
    options = json.dumps({"settings": CONTRAST | {"optimizer": optimizer}, "towers": {"learning": learning}})

    def start(folder):
        script = WORKER.with_name("contrastive_worker.py")
        command = [sys.executable, "-W", "error", str(script), str(folder), options]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    rng = random.Random(3)
    for _ in range(2):
        with start(tmp_path / "cut") as process:
            for _ in range(rng.randint(3, 9)):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.006))
            process.kill()
        assert process.returncode == -9
    for name in ("cut", "whole"):
        with start(tmp_path / name) as process:
            said = process.stdout.read()
        assert process.returncode == 0
        assert said.startswith("resume") == (name == "cut")
    found, expected = (
        {
            path.name: path.read_bytes()
            for path in (tmp_path / name / "checkpoints" / "step-00000012").glob("*.safetensors")
        }
        for name in ("cut", "whole")
    )
    assert len(expected) == 3
    assert found == expected
