"""Results as the stages of finished trials give them, and the campaign that they belong to."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from campaigns import WHOLE, Job, written
from jobs import TONES

from rushes.campaign.judging.standing import Board
from rushes.campaign.records import Result, Trial
from rushes.campaign.runner import Runner
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run

Make = Callable[..., Result]


def result(
    name: str,
    seed: int,
    value: float | None,
    *,
    group: str | None = None,
    phase: str = "base",
    control: str | None = None,
    state: str = "done",
    test: float | None = None,
    costs: Mapping[str, float] | None = None,
    **other,
) -> Result:
    """A trial whose macro-F1 is ``value`` with an interval of 0.04; its majority class has 0.2."""

    def figures(of: float) -> dict[str, dict[str, float]]:
        return {"f1_macro": {"value": of, "low": of - 0.02, "high": of + 0.02, "n": 320}}

    stages = {"train": f"{seed:012x}"}
    return Result(
        Trial(name, group or name, phase, seed, {"model.net": "tinycnn"}, control),
        state,
        signatures=stages,
        fingerprints={part: f"{part}-{name}-{seed}" for part in ("dataset", "weights", "predictions")},
        figures=None if value is None else figures(value),
        baselines={"majority": {"f1_macro": 0.2}, "prior": {"f1_macro": 0.3}},
        test=None if test is None else figures(test),
        costs={"parameters": 23491.0, "seconds": 10.0} if costs is None else costs,
        **other,
    )


@pytest.fixture
def make() -> Make:
    return result


@pytest.fixture
def board() -> Board:
    return Board("sleep", "sounds", "f1_macro")


RECIPE = TONES + "evaluate: {split: val}\n"
STAGES = ("features", "train", "predict", "evaluate")
WITHOUT = ("export", "report")


@dataclass(frozen=True)
class Finished:
    """A finished run in a workspace of its own."""

    recipe: Path
    workspace: Path

    def run(self, *overrides: str) -> Run:
        return open_run(load_recipe(self.recipe, overrides), open_workspace(self.workspace))

    def do(self, *overrides: str) -> Run:
        run = self.run(*overrides)
        for name in STAGES:
            do(run, name, lambda *told: None)
        return run

    def copied(self, to: Path) -> Finished:
        shutil.copytree(self.workspace, to)
        return Finished(self.recipe, to)


@pytest.fixture(scope="session")
def tones(tmp_path_factory) -> Path:
    """A folder of 96 sounds of three classes that any net tells apart, a quarter of a second each."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    for number, (label, pitch) in enumerate((("quiet", 0), ("breathe", 300), ("snore", 1200))):
        (folder / label).mkdir()
        for clip in range(40 - 8 * number):
            time_s = np.arange(1000) / 4000
            wave_form = 0.02 * rng.normal(size=1000) + (pitch > 0) * 0.5 * np.sin(2 * np.pi * pitch * time_s)
            with wave.open(str(folder / label / f"{label}{clip:02d}.wav"), "wb") as file:
                file.setparams((1, 2, 4000, 0, "NONE", ""))
                file.writeframes((wave_form.clip(-1, 1) * 32000).astype("<i2").tobytes())
    return folder


@pytest.fixture(scope="session")
def trained(tones: Path, tmp_path_factory) -> Finished:
    """The tones, heard, trained, answered and measured by the real stages."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = folder / "tiny.yaml"
    recipe.write_text(RECIPE.replace("ROOT", str(tones)))
    finished = Finished(recipe, folder / "runs")
    finished.do()
    return finished


@pytest.fixture
def finished(trained: Finished, tmp_path: Path) -> Finished:
    """A copy to damage."""
    return trained.copied(tmp_path / "runs")


@pytest.fixture(scope="session")
def whole(tones: Path, tmp_path_factory) -> tuple[Job, Runner]:
    """The campaign, run once from nothing; tests that write take a copy."""
    job = written(tmp_path_factory.mktemp("whole"), tones, WHOLE)
    runner, failure = job.go()
    assert failure is None, failure
    return job, runner


@pytest.fixture
def copy(whole, tmp_path: Path) -> Job:
    return whole[0].copied(tmp_path)
