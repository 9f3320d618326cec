"""Sizes of a CLIP without its weights, against the real classes."""

from __future__ import annotations

import json
import shutil
from typing import get_args

import pytest
import torch
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModel

from rushes.errors import ModelError
from rushes.models import clip_tiny, clip_towers
from rushes.models.clip import build, save
from rushes.models.clip_sizes import ClipSizes, Tower, read_sizes, sizes_of
from rushes.recipe.clip import Clip, Scenario, TowerLora

VIT_B_16 = {"vision_config": {"patch_size": 16}}
ODD = {
    "vision_config": {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "image_size": 96},
    "text_config": {
        "hidden_size": 32,
        "vocab_size": 500,
        "max_position_embeddings": 30,
        "num_hidden_layers": 1,
    },
    "projection_dim": 24,
}
SMALL = {"vision_config": {"num_attention_heads": 4}, "text_config": {"num_attention_heads": 4}}


@pytest.mark.parametrize("config", [{}, VIT_B_16, ODD], ids=["ViT-B/32", "ViT-B/16", "odd"])
def test_parameters_are_those_of_the_library(config):
    merged = {
        **config,
        **{side: {**config.get(side, {}), **SMALL[side]} for side in SMALL if config is ODD},
    }
    with torch.device("meta"):
        model = CLIPModel(CLIPConfig(**merged))
    assert ClipSizes.of(config).parameters == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("size", [64, 96])
def test_tiny_is_as_large_as_it_says(tmp_path, size):
    model, words = clip_tiny.build(size, seed=0)
    sizes = ClipSizes.tiny(size)
    assert sizes.parameters == sum(weight.numel() for weight in model.parameters())
    assert sizes.vocabulary == len(words)
    save(build(Clip(), size, seed=0), tmp_path / "model")
    assert read_sizes(tmp_path / "model", size) == sizes


@pytest.mark.parametrize("scenario", get_args(Scenario))
@pytest.mark.parametrize("targets", [TowerLora().targets, ("q_proj", "fc2", "fc2")], ids=["six", "two"])
def test_what_learns_is_what_a_built_model_trains(tmp_path, scenario, targets):
    save(build(Clip(), 64, seed=0), tmp_path / "model")
    model = Clip(scenario=scenario, adapter=TowerLora(rank=5, targets=targets))
    encoder = build(model, 64, seed=0, pretrained=tmp_path / "model")
    learnt = sum(weight.numel() for weight in encoder.parameters() if weight.requires_grad)
    counted = ClipSizes.tiny(64).learning(scenario, model.adapter)
    assert counted == learnt - (scenario != "zero_shot")


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("rank", [None, 16], ids=["whole", "lora"])
def test_a_layer_keeps_what_autograd_saves(half, rank):
    def saved_bytes(layers: int) -> float:
        tower = CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=128,
                intermediate_size=384,
                num_hidden_layers=layers,
                num_attention_heads=4,
                image_size=64,
                patch_size=8,
            )
        )
        if rank is not None:
            pictures = clip_towers.ClipPictures(tower, clip_towers.LEVELS)
            clip_towers.adapt(pictures, TowerLora(rank=rank))
            tower = pictures.tower
        weights = {weight.untyped_storage().data_ptr() for weight in tower.parameters()}
        kept: dict[int, torch.Tensor] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            if (place := tensor.untyped_storage().data_ptr()) not in weights:
                kept[place] = tensor
            return tensor

        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, half),
        ):
            tower.train()(pixel_values=torch.randn(4, 3, 64, 64))
        return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / 4

    measured = (saved_bytes(4) - saved_bytes(2)) / 2
    assert Tower(1, 128, 384, 65).kept_bytes(rank, half) == pytest.approx(measured, rel=0.05)


def test_the_estimate_names_what_learns_and_grows_with_the_micro_batch():
    sizes, model = ClipSizes.of({}), Clip(scenario="dual_lora")
    small, large = (sizes.estimate(model, micro_batch) for micro_batch in (8, 64))
    assert (small.trained, small.parameters) == (5_079_040, 151_277_313)
    assert small.peak_gib < large.peak_gib
    assert sizes.estimate(Clip(scenario="linear_probe"), 64).peak_gib < small.peak_gib


def test_sizes_are_told_where_they_are_known(tmp_path):
    assert sizes_of(Clip(name="locked", scenario="zero_shot"), 100) is None
    assert sizes_of(Clip(name="nobody/has-this"), 100) is None
    assert sizes_of(Clip(), 64) == ClipSizes.tiny(64)


def test_pictures_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="60 pixels are no multiple of 8") as refused:
        ClipSizes.tiny(60)
    assert refused.value.cure == "write preprocessing.size: 56"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{", "cannot load a CLIP"),
        ("[]", "cannot load a CLIP"),
        (json.dumps({"model_type": "siglip"}), "it is a siglip"),
        (json.dumps({"model_type": "clip", "vision_config": {"image_size": "x"}}), "cannot load a CLIP"),
    ],
)
def test_a_config_that_tells_nothing_is_refused(tmp_path, written, told):
    (tmp_path / "config.json").write_text(written)
    with pytest.raises(ModelError, match=told):
        read_sizes(tmp_path, 224)
    shutil.rmtree(tmp_path)
    with pytest.raises(ModelError, match="No such file"):
        read_sizes(tmp_path, 224)
