"""A whole recipe through the command line, its workspace elsewhere: killed, continued with an empty disk."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rushes.storage.remote import Remote

RECIPE = """\
name: tiny
source: {split: {train: [U0101], test: [U0102]}}
twin: {subjects: 2, boxes: 1, difficulty: 0.0}
preprocessing: {frames: 2, frame_size: [56, 56], signal_size: [40, 30], clip_s: 4.0}
prepare: {window_stride_s: 8.0, workers: 1}
train:
  phases: [{ask: clips, steps: 60, batch_size: 2, accumulate: 1}]
  checkpoint_every: 10
  log_every: 10
evaluate: {compare: [untrained]}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return path


def begin(
    verb: str, recipe: Path, workspace: str, cache: Path | None = None, *options: str
) -> subprocess.Popen:
    command = [sys.executable, "-m", "rushes.cli", verb, str(recipe), "--workspace", workspace, "--json"]
    command += options
    if cache is not None:
        command += ["--cache", str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(process: subprocess.Popen) -> dict:
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return json.loads(out)


def wait_for_a_checkpoint(remote: Remote, process: subprocess.Popen) -> None:
    end = time.monotonic() + 400
    while time.monotonic() < end:
        if any("checkpoints" in name and name.endswith("state.json") for name in remote.list()):
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    raise AssertionError("no checkpoint arrived")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_elsewhere_is_killed_and_continued_with_an_empty_disk(shared, recipe, tmp_path):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    process = begin("run", recipe, shared.url, first)
    wait_for_a_checkpoint(shared, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    shutil.rmtree(first)
    # The lock of a process that died on this machine is free at once.
    continued = told(begin("run", recipe, shared.url, second))
    states = {stage["name"]: stage["state"] for stage in continued["stages"]}
    assert (states["twin"], states["prepare"], states["train"]) == ("done", "done", "ran")

    here = told(begin("run", recipe, str(tmp_path / "here")))
    assert continued["metrics"] == here["metrics"]
    assert continued["baselines"] == here["baselines"]

    again = told(begin("run", recipe, shared.url, third))
    assert {stage["state"] for stage in again["stages"]} == {"done"}
    assert again["metrics"] == here["metrics"]
    assert Path(again["report"]).is_file()
    assert not list(third.rglob("*.tar"))  # nobody asked for a sample
    assert told(begin("verify", recipe, shared.url, third))["whole"]

    few = "train.phases=[{ask: clips, steps: 2, batch_size: 2}]"
    streamed = ("--set", few, "--set", "train.order=streamed", "--cache-gb")
    refused = begin("train", recipe, shared.url, third, *streamed, "0.00001")
    assert "streamed reads from" in refused.communicate(timeout=200)[1]
    assert refused.returncode == 1
    trained = told(begin("train", recipe, shared.url, third, *streamed, "0.1"))
    assert [stage["state"] for stage in trained["stages"]] == ["ran"]
    assert trained["stages"][0]["signature"] not in {stage["signature"] for stage in here["stages"]}
