"""Tiny jobs of every task, and one that is run once from the command line; tests that change things get a copy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rushes.cli import app
from rushes.runs.looks import LOOKS
from rushes.runs.run import Run
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run

OPERATIONS = """\
task: operations
name: tiny
source: {split: {train: [U0101], test: [U0102]}}
twin: {subjects: 2, boxes: 1, difficulty: 0.0}
preprocessing: {frames: 2, frame_size: [56, 56], signal_size: [40, 30], clip_s: 4.0}
prepare: {window_stride_s: 8.0, workers: 0}
train:
  phases:
    - {ask: captions, steps: 1, batch_size: 2, accumulate: 1}
    - {ask: clips, steps: 2, batch_size: 2, accumulate: 1}
  checkpoint_every: 1
  log_every: 1
evaluate: {compare: [untrained]}
"""


FRONT, LEFT = "camera_front_wide_120fov", "camera_rear_left_70fov"
DRIVING = f"""\
task: driving
name: tiny-drive
twin: {{train: 4, val: 1, test: 1, clip_s: 2.0, picture: [64, 36], difficulty: 0.2, missing: 0.0}}
preprocessing:
  setup: {{name: pair, reference: {FRONT}, rows: [[{FRONT}, {LEFT}]]}}
  layout: separate
  reasoning: words
  frames: 8
  tile_size: [56, 28]
  signal_size: [32, 18]
prepare: {{stride: 4, workers: 0}}
train:
  phases:
    - {{ask: pairs, steps: 1, batch_size: 2, accumulate: 1}}
    - {{ask: windows, steps: 2, batch_size: 2, accumulate: 1}}
  checkpoint_every: 1
  log_every: 1
evaluate: {{compare: [untrained, shuffled]}}
"""

SOUNDS = """\
task: sounds
name: tiny-night
twin: {train: 2, val: 2, test: 2, clips: 12, difficulty: 0.0}
preprocessing: {clip_s: 1.0, sample_rate: 8000, fft: 256, window: 200, hop: 100, mels: 16, high_hz: 4000}
prepare: {workers: 0}
model: {net: tinycnn, attention: cbam}
train: {epochs: 2, batch_size: 8, learning_rate: 0.005, log_every: 1}
distil:
  teacher:
    model: {net: crnn, hidden: 8, layers: 1}
    train: {epochs: 1, batch_size: 8, learning_rate: 0.005, log_every: 1}
  soft_weight: 0.5
deploy: {runs: 10, calibration: 8}
"""

CATALOG = """\
task: catalog
name: tiny-shop
twin: {products: 24, other: 8, noise: 0.0, picture_px: 32}
source: {shares: {train: 0.5, val: 0.25, test: 0.25, seed: 0}}
preprocessing: {size: 32}
prepare: {shard_samples: 20, workers: 0}
train: {epochs: 2, batch_size: 16, micro_batch: 8, log_every: 1}
"""

TONES = """\
task: sounds
name: tiny
source: {kind: folder, root: ROOT, pattern: '(?P<group>(?P<label>[^/]+)/.*)', split: shares,
  shares: {train: 0.5, val: 0.25, test: 0.25}}
preprocessing: {clip_s: 0.25, sample_rate: 4000, fft: 256, window: 200, hop: 80, mels: 8, high_hz: 2000}
prepare: {workers: 0}
train: {epochs: 6, batch_size: 8, learning_rate: 0.02, log_every: 1, patience: 6}
"""
"""Of sounds in a folder ROOT, a quarter of a second each, for campaigns."""

TINY = {"operations": OPERATIONS, "driving": DRIVING, "sounds": SOUNDS, "catalog": CATALOG}
"""The smallest recipe of each task that shows anything."""


@dataclass(frozen=True)
class Told:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def tell(*arguments: str) -> Told:
    """What ``rushes`` answers in this process."""
    told = CliRunner().invoke(app, arguments, catch_exceptions=True)
    if told.exception is not None and not isinstance(told.exception, SystemExit):
        raise told.exception
    return Told(told.exit_code, told.stdout, told.stderr)


def begin(*arguments: str, **how: Any) -> subprocess.Popen:
    """``rushes`` in a process of its own."""
    command = [sys.executable, "-m", "rushes.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


@dataclass(frozen=True)
class Job:
    """A recipe and its workspace."""

    recipe: Path
    workspace: Path

    def tell(self, verb: str, *options: str) -> Told:
        """``rushes VERB RECIPE`` in this process."""
        return tell(verb, str(self.recipe), "--workspace", str(self.workspace), *options)

    def begin(self, verb: str, *options: str) -> subprocess.Popen:
        """``rushes VERB RECIPE`` in a process of its own."""
        return begin(verb, str(self.recipe), "--workspace", str(self.workspace), *options)

    def run(self, *overrides: str) -> Run:
        return open_run(load_recipe(self.recipe, overrides), open_workspace(self.workspace))

    def one(self, stage: str, pattern: str) -> Path:
        """The first of the stage's files that fit."""
        return sorted(self.run().folder(stage).glob(pattern))[0]


@dataclass(frozen=True)
class Finished:
    """A job that was run from nothing, and what it printed."""

    job: Job
    told: Told


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("job")
    (folder / "tiny.yaml").write_text(OPERATIONS)
    job = Job(folder / "tiny.yaml", folder / "workspace")
    process = job.begin("run", "--json")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return Finished(job, Told(process.returncode, out, err))


CopyOf = Callable[..., Job]
OpenJob = Callable[[str, Path], Job]


@pytest.fixture(scope="session")
def open_job() -> OpenJob:
    """A job of a recipe's text, with nothing done yet."""

    def open_(text: str, folder: Path) -> Job:
        (folder / "tiny.yaml").write_text(text)
        return Job(folder / "tiny.yaml", folder / "workspace")

    return open_


@pytest.fixture(scope="module")
def copy_of(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> CopyOf:
    """The finished job again, with some of its stages or all."""

    def copy(*stages: str) -> Job:
        run = finished.job.run()
        folder = tmp_path_factory.mktemp("copy")
        for name in stages or run.stages:
            shutil.copytree(run.folder(name), folder / run.folder(name).name)
        shutil.copytree(run.workspace.root / LOOKS, folder / LOOKS)
        return Job(finished.job.recipe, folder)

    return copy
