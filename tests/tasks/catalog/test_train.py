"""The tiny base from drawings of another domain, and what each scenario leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rushes.errors import ModelError
from rushes.models.clip import build, restore, save
from rushes.recipe.clip import Clip
from rushes.runs.costs import read_rates
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.stages import read_json
from rushes.storage import open_workspace
from rushes.tasks.catalog.predict import model_of
from rushes.tasks.catalog.recipe import CatalogRecipe
from rushes.tasks.catalog.task import Catalog
from rushes.train.events import read_events

RECIPE = {
    "twin": {"products": 20, "other": 4, "picture_px": 32},
    "preprocessing": {"size": 32, "captions": {"per_item": 2}},
    "train": {"epochs": 2, "batch_size": 12, "micro_batch": 4, "learning_rate": 1e-3},
}


def run_of(workspace: Path, **sections: Any) -> Run[CatalogRecipe]:
    model = {"drawn_pairs": 128, **sections.pop("model", {})}
    recipe = CatalogRecipe.model_validate({**RECIPE, **sections, "model": model})
    return Run(Catalog(), recipe, open_workspace(workspace))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn, prepared, and a base pretrained on a handful of pairs."""
    folder = tmp_path_factory.mktemp("workspace")
    for name in ("twin", "prepare", "pretrain"):
        do(run_of(folder), name, lambda *said: None)
    return folder


def trained(workspace: Path, scenario: str) -> Path:
    run = run_of(workspace, model={"scenario": scenario})
    do(run, "train", lambda *said: None)
    return run.folder("train")


def test_the_base_learns_as_a_whole_and_muon_does_the_matrices(workspace: Path) -> None:
    folder = run_of(workspace).folder("pretrain")
    saved = load_file(max((folder / "checkpoints").iterdir()) / "optimizer.safetensors")
    assert any(name.endswith("fc1.weight.momentum_buffer") for name in saved)
    assert (folder / "model" / "model.safetensors").is_file()
    assert [event["step"] for event in read_events(folder / "events.jsonl") if "recall_10" in event] == [
        1,
        2,
        3,
        4,
    ]


def test_the_base_depends_on_the_size_of_pictures_and_on_no_scenario(workspace: Path) -> None:
    base = run_of(workspace).folder("pretrain")
    assert run_of(workspace, model={"scenario": "linear_probe"}).folder("pretrain") == base
    assert run_of(workspace, preprocessing={"size": 48}).folder("pretrain") != base
    assert run_of(workspace, model={"drawn_pairs": 256}).folder("pretrain") != base


def test_the_base_is_one_whatever_a_run_computes_in_and_signs_how_it_was_taught(tmp_path: Path) -> None:
    half = run_of(tmp_path, model={"precision": "bfloat16"})
    assert half.folder("pretrain") == run_of(tmp_path).folder("pretrain")
    do(half, "pretrain", lambda *said: None)
    taught = read_json(half.folder("pretrain") / "result.json")["identity"]
    assert (taught["precision"], json.loads(taught["signature"])["precision"]) == ("no", "float32")
    assert half.stages["pretrain"].signed(half.recipe)["train"]["muon"] == taught["muon"] == 3.0


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder of weights to start from."""
    save(build(Clip(), 32, seed=3), tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_a_base_that_was_exchanged_after_the_plan_is_refused(workspace: Path, checkpoint: Path) -> None:
    run = run_of(workspace, model={"name": str(checkpoint)})
    assert run.base_identity
    save(build(Clip(), 32, seed=4), checkpoint)
    with pytest.raises(ModelError, match="not what this run was planned with"):
        do(run, "train", lambda *said: None)
    with pytest.raises(ModelError, match="not what this run was planned with"):
        model_of(run, "base")


def test_a_plan_tells_the_time_from_pairs_that_were_shown_to_the_same_model(
    workspace: Path, checkpoint: Path
) -> None:
    trained(workspace, "vision_lora")
    rates = read_rates(workspace, Catalog())
    more = run_of(workspace, model={"scenario": "vision_lora"}, train=RECIPE["train"] | {"epochs": 20})
    usual = run_of(workspace, model={"scenario": "vision_lora"})
    assert rates.of(more, "train").seconds == pytest.approx(10 * rates.of(usual, "train").seconds)
    for other in ({"scenario": "zero_shot"}, {"scenario": "vision_lora", "name": str(checkpoint)}):
        assert rates.of(run_of(workspace, model=other), "train").seconds is None


def test_shards_are_read_one_after_the_other_if_asked(workspace: Path) -> None:
    """Twelve shards: another order than that of all pairs shuffled, and known features fit it as well."""
    results = {}
    for order in ("shuffled", "streamed"):
        run = run_of(
            workspace,
            prepare={"shard_samples": 4},
            model={"scenario": "linear_probe"},
            train=RECIPE["train"] | {"order": order},
        )
        for name in ("prepare", "train"):
            do(run, name, lambda *said: None)
        results[order] = run.folder("train")
    read = {order: read_json(folder / "result.json") for order, folder in results.items()}
    assert [read[order]["identity"]["streamed"] for order in results] == [False, True]
    weights = [load_file(folder / "model" / "learnt.safetensors") for folder in results.values()]
    assert not torch.equal(*(one["picture_map.weight"] for one in weights))


def test_where_nothing_learns_the_base_is_stored_as_it_is(workspace: Path) -> None:
    folder = trained(workspace, "zero_shot")
    base = load_file(run_of(workspace).folder("pretrain") / "model" / "model.safetensors")
    encoder = restore(folder / "model", run_of(workspace).recipe.model)
    assert torch.equal(encoder.picture_map.weight, base["visual_projection.weight"])
    assert torch.equal(encoder.text_map.weight, base["text_projection.weight"])
    assert read_json(folder / "DONE")["summary"]["steps"] == 0
    assert not (folder / "checkpoints").exists()


@pytest.mark.parametrize(("scenario", "towers"), [("linear_probe", False), ("dual_lora", True)])
def test_what_a_scenario_teaches_is_restored(workspace: Path, scenario: str, towers: bool) -> None:
    folder = trained(workspace, scenario)
    summary = read_json(folder / "DONE")["summary"]
    best = folder / "checkpoints" / f"step-{summary['best_epoch'] * summary['steps'] // 2:08d}"
    weights = load_file(best / "weights.safetensors")
    assert any("lora_" in name for name in weights) == towers
    encoder = restore(folder / "model", run_of(workspace).recipe.model)
    assert torch.equal(encoder.picture_map.weight, weights["encoder.picture_map.weight"])
    assert torch.equal(encoder.log_scale, weights["encoder.log_scale"])
    assert not list(folder.glob("features*"))


def test_a_shop_smaller_than_a_batch_is_one_batch_and_told_before_and_after(workspace: Path) -> None:
    settings = {**RECIPE["train"], "batch_size": 5000, "micro_batch": 64}
    run = run_of(workspace, model={"scenario": "linear_probe"}, train=settings)
    pairs = len(run.samples("train"))
    told = f"train.batch_size is 5,000: the training side, {pairs} pairs, is one batch"
    assert told in run.notes("train")
    notes: list[str] = []
    do(run, "train", lambda *said: notes.append(str(said[-1])))
    assert told in notes
    done = read_json(run.folder("train") / "DONE")["summary"]
    assert (done["batch"], done["steps"], done["epochs"]) == (pairs, 2, 2)
