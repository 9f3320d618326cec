"""Contrastive training in a workspace on S3: interrupted, and continued by a machine that has nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.storage import open_workspace
from rushes.storage.remote import Remote
from rushes.tasks.catalog.recipe import CatalogRecipe
from rushes.tasks.catalog.task import Catalog

RECIPE = {
    "twin": {"products": 20, "other": 4, "picture_px": 32},
    "preprocessing": {"size": 32, "captions": {"per_item": 2}},
    "model": {"scenario": "vision_lora", "drawn_pairs": 128},
    "train": {"epochs": 3, "patience": None, "batch_size": 12, "micro_batch": 4, "log_every": 1, "keep": 1},
}


class Interrupted(Exception):
    pass


def run_of(place: str, cache: Path | None = None) -> Run[CatalogRecipe]:
    return Run(Catalog(), CatalogRecipe.model_validate(RECIPE), open_workspace(place, cache))


def silent(*said: object) -> None:
    pass


def model(run: Run[CatalogRecipe]) -> dict[str, bytes]:
    folder = run.bring("train")
    return {path.name: path.read_bytes() for path in sorted((folder / "model").glob("*.safetensors"))}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_goes_on_from_a_checkpoint_there_with_the_best_weights_and_no_features(
    s3: Remote, tmp_path: Path
) -> None:
    here = run_of(str(tmp_path / "here"))
    for name in ("twin", "prepare", "pretrain", "train"):
        do(here, name, silent)

    def stop_in_the_last_epoch(stage: str, done: float, total: float, words: str) -> None:
        if words.startswith("loss") and done == total - 1:
            raise Interrupted

    first = run_of(s3.url, tmp_path / "first")
    for name in ("twin", "prepare", "pretrain"):
        do(first, name, silent)
    with pytest.raises(Interrupted):
        do(first, "train", stop_in_the_last_epoch)
    there = [name for name in s3.list() if "/checkpoints/" in name]
    assert {name.split("/")[-2] for name in there if name.startswith("train")} >= {"step-00000008"}
    assert not [name for name in s3.list() if "features" in name]
    shutil.rmtree(tmp_path / "first")

    steps: list[float] = []
    second = run_of(s3.url, tmp_path / "second")
    do(second, "train", lambda stage, done, total, words: steps.append(done))
    assert steps[0] > 8
    assert model(second) == model(here)
