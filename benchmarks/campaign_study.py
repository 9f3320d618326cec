"""A small study that somebody may want to cheat in: real sounds, real nets, two seeds, a gate and a test side."""

from __future__ import annotations

import json
import shutil
import wave
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from typer.testing import CliRunner

from rushes.campaign.live import Show
from rushes.campaign.manifest.trials import open_campaign
from rushes.campaign.runner import Runner
from rushes.cli import app
from rushes.runs.run import Run
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run

PITCHES = {"quiet": 0, "breathe": 300, "snore": 1200}
RATE, SAMPLES = 4000, 1000
RECIPE = """\
task: sounds
name: tiny
source: {kind: folder, root: ROOT, pattern: '(?P<group>(?P<label>[^/]+)/.*)', split: shares,
  shares: {train: 0.5, val: 0.25, test: 0.25, seed: 5}}
preprocessing: {clip_s: 0.25, sample_rate: 4000, fft: 256, window: 200, hop: 80, mels: 8, high_hz: 2000}
prepare: {workers: 0}
train: {epochs: 6, batch_size: 8, learning_rate: 0.01, log_every: 1, patience: 6}
deploy: {runs: 10, calibration: 8}
"""
MANIFEST: dict[str, Any] = {
    "campaign": "study",
    "recipe": "tiny.yaml",
    "seeds": [0, 1],
    "metric": "f1_macro",
    "phases": [
        {"name": "base", "runs": {"hard": {}, "soft": {"set": {"train.epochs": 5}}}},
        {"name": "gate", "gate": {"better": ["soft"], "than": ["hard"], "margin": 0.5}},
    ],
    "select": ["hard"],
    "reasons": {"soft": "an epoch less is too few"},
}
"""Its gate asks for what two nets of the same kind do not give: it fails, honestly."""


def draw(folder: Path) -> None:
    """96 sounds of three classes, a quarter of a second each."""
    rng = np.random.default_rng(0)
    for number, (label, pitch) in enumerate(PITCHES.items()):
        (folder / label).mkdir(parents=True)
        for clip in range(40 - 8 * number):
            time_s = np.arange(SAMPLES) / RATE
            heard = 0.1 * rng.normal(size=SAMPLES) + (pitch > 0) * 0.2 * np.sin(2 * np.pi * pitch * time_s)
            with wave.open(str(folder / label / f"{label}{clip:02d}.wav"), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes((heard.clip(-1, 1) * 32000).astype("<i2").tobytes())


@dataclass(frozen=True, slots=True)
class Study:
    """A manifest and the workspace in which it was run.

    Attributes:
        folder: that holds the manifest, the recipe and the sounds.
        tree: what the manifest says.
        workspace: of all stages.
    """

    folder: Path
    tree: Mapping[str, Any]
    workspace: Path

    @classmethod
    def honest(cls, folder: Path) -> Study:
        """Drawn, run to its end, and left alone."""
        draw(folder / "sounds")
        (folder / "tiny.yaml").write_text(RECIPE.replace("ROOT", str(folder / "sounds")))
        study = cls(folder, MANIFEST, folder / "runs")
        study.go()
        return study

    def copied(self, to: Path) -> Study:
        """A copy to cheat with: of the workspace, and of the sounds."""
        to.mkdir(parents=True)
        shutil.copytree(self.workspace, to / "runs", symlinks=True)
        shutil.copytree(self.folder / "sounds", to / "sounds")
        (to / "tiny.yaml").write_text(RECIPE.replace("ROOT", str(to / "sounds")))
        return Study(to, self.tree, to / "runs")

    def saying(self, **changes: Any) -> Study:
        """The same with some keys of the manifest changed."""
        return replace(self, tree={**self.tree, **changes})

    def manifest(self) -> Path:
        """The manifest as a file."""
        path = self.folder / f"{self.tree['campaign']}.yaml"
        path.write_text(yaml.safe_dump(json.loads(json.dumps(self.tree)), sort_keys=False))
        return path

    def go(self, *, work: bool = True) -> Runner:
        """``rushes campaign run``, or ``report``, in this process."""
        campaign = open_campaign(self.manifest())
        runner = Runner(campaign, open_workspace(self.workspace), Show("f1_macro"), work=work, workers=0)
        runner.run()
        return runner

    def by_hand(self, verb: str, *options: str) -> int:
        """``rushes VERB tiny.yaml``, and how it ended."""
        asked = [verb, str(self.folder / "tiny.yaml"), "--workspace", str(self.workspace), *options]
        return CliRunner().invoke(app, asked).exit_code

    def run(self, name: str = "hard", seed: int = 0, *changes: str) -> Run[Any]:
        """A run of the study, as its stages stand in the workspace."""
        epochs = {"hard": 6, "soft": 5}[name]
        asked = (f"train.seed={seed}", f"train.epochs={epochs}", "evaluate.split=val", *changes)
        return open_run(load_recipe(self.folder / "tiny.yaml", asked), open_workspace(self.workspace))

    @property
    def place(self) -> Path:
        """The campaign's own folder."""
        return self.workspace / f"campaign-{self.tree['campaign']}"

    @property
    def looks(self) -> list[dict[str, Any]]:
        """Entries of the record of looks, in order."""
        return [json.loads(path.read_bytes()) for path in sorted((self.workspace / "looks").glob("*.json"))]
