"""CLIP by kind and scenario: what learns, what is saved, and that numbers are those of the library."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hub import downloaded, empty_hub
from torch.nn.functional import normalize
from transformers import AutoTokenizer, CLIPConfig, CLIPModel

from rushes.errors import ModelError
from rushes.models import clip_tiny
from rushes.models.clip import build, merge, restore, save
from rushes.models.dual_encoder import HIGHEST_SCALE, DualEncoder
from rushes.recipe.clip import Clip, Scenario, TowerLora

torch.set_num_threads(1)

SIZE = 32
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
TEXTS = ("a grey oak table", "Kästchen", "", "a small red car with two doors")
SCENARIOS = get_args(Scenario)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP as somebody else would have written it, with colours of its own, for pictures of 32 pixels."""
    folder = tmp_path_factory.mktemp("clip") / "theirs"
    words = clip_tiny.tokenizer()
    tower = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
    }
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    torch.manual_seed(5)
    model = CLIPModel(
        CLIPConfig(
            text_config={**tower, **ends, "vocab_size": len(words), "max_position_embeddings": 20},
            vision_config={**tower, "image_size": SIZE, "patch_size": 16},
            projection_dim=24,
            logit_scale_init_value=4.0,
        )
    )
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    told = {"image_mean": MEAN, "image_std": STD, "size": {"shortest_edge": SIZE}}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model built from nothing, as the stage `pretrain` leaves it."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    save(build(Clip(), SIZE, seed=1), folder)
    return folder


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, SIZE, SIZE, 3), dtype=np.uint8)


def learnt(encoder: DualEncoder) -> int:
    return sum(weight.numel() for weight in encoder.parameters() if weight.requires_grad)


def disturb(encoder: DualEncoder, seed: int = 0) -> None:
    """What learns becomes something else, as by training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in encoder.parameters():
            if weight.requires_grad:
                weight += 0.1 * torch.randn(weight.shape, generator=generator)


def vectors(encoder: DualEncoder, pictures: np.ndarray) -> np.ndarray:
    return np.concatenate([encoder.embed_pictures(pictures), encoder.embed_texts(TEXTS)])


# --- numbers -----------------------------------------------------------------------------------------------


def test_vectors_are_those_of_the_library_with_the_checkpoint_s_own_colours(checkpoint, pictures):
    encoder = build(Clip(name=str(checkpoint), scenario="zero_shot"), SIZE, seed=0)
    theirs, words = CLIPModel.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    levels = (pictures.astype(np.float64) / 255 - MEAN) / STD
    pixels = torch.from_numpy(levels).float().permute(0, 3, 1, 2)
    tokens = words(list(TEXTS), padding=True, truncation=True, max_length=20, return_tensors="pt")
    with torch.inference_mode():
        right = torch.cat(
            [
                normalize(theirs.get_image_features(pixels).pooler_output, dim=-1),
                normalize(theirs.get_text_features(**tokens).pooler_output, dim=-1),
            ]
        )
    assert np.abs(vectors(encoder, pictures) - right.numpy()).max() < 1e-5


def test_parts_of_the_contract_give_what_asking_gives(pretrained, pictures):
    encoder = build(Clip(), SIZE, seed=0, pretrained=pretrained).eval()
    with torch.no_grad():
        seen = encoder.project_pictures(encoder.picture_features(torch.from_numpy(pictures)))
        read = encoder.project_texts(encoder.text_features(encoder.tokenize(TEXTS)))
    assert seen.dtype == torch.float32
    assert torch.allclose(seen.norm(dim=1), torch.ones(len(seen)))
    assert np.array_equal(torch.cat([seen, read]).numpy(), vectors(encoder, pictures))


def test_an_answer_does_not_depend_on_those_beside_it(pretrained, pictures):
    encoder = build(Clip(), SIZE, seed=0, pretrained=pretrained)
    alone = np.concatenate(
        [encoder.embed_pictures(pictures, batch_size=1), encoder.embed_texts(TEXTS, batch_size=1)]
    )
    assert np.abs(alone - vectors(encoder, pictures)).max() < 1e-6


def test_asking_is_without_dropout_and_leaves_the_mode_as_it_was(pretrained, pictures):
    encoder = build(Clip(adapter=TowerLora(dropout=0.9)), SIZE, seed=0, pretrained=pretrained)
    disturb(encoder)
    encoder.train()
    first = vectors(encoder, pictures)
    assert encoder.training
    assert all(part.training for part in encoder.modules())
    assert np.array_equal(first, vectors(encoder, pictures))


def test_pictures_that_cannot_be_written_to_are_taken(pretrained, pictures):
    encoder = build(Clip(), SIZE, seed=0, pretrained=pretrained)
    right, turned = encoder.embed_pictures(pictures), pictures[::-1]
    turned.flags.writeable = False
    assert np.abs(encoder.embed_pictures(turned)[::-1] - right).max() < 1e-6


def test_nothing_asked_gives_no_vectors(pretrained, pictures):
    encoder = build(Clip(), SIZE, seed=0, pretrained=pretrained)
    assert encoder.embed_pictures(pictures[:0]).shape == (0, encoder.width)
    assert encoder.embed_texts([]).shape == (0, encoder.width)


def test_a_text_that_is_too_long_is_cut_and_counted(checkpoint):
    encoder = build(Clip(name=str(checkpoint), scenario="zero_shot"), SIZE, seed=0)
    fits, longer = "oak " * 18, "oak " * 19
    assert encoder.count_cut([fits, longer, "oak"]) == 1
    assert encoder.tokenize([longer])["input_ids"].shape == (1, 20)
    short, cut = encoder.embed_texts([fits, longer])
    assert np.allclose(short, cut, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 40, 40, 3), np.uint8), np.zeros((2, SIZE, SIZE, 3), np.float32)],
    ids=["size", "type"],
)
def test_pictures_of_another_form_are_refused(pretrained, wrong):
    with pytest.raises(ModelError, match=r"this model takes \(B, 32, 32, 3\) uint8"):
        build(Clip(), SIZE, seed=0, pretrained=pretrained).embed_pictures(wrong)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_of_the_computation_alone(pretrained, pictures, precision):
    whole = build(Clip(), SIZE, seed=0, pretrained=pretrained)
    half = build(Clip(precision=precision), SIZE, seed=0, pretrained=pretrained)
    assert {weight.dtype for weight in half.parameters() if weight.requires_grad} == {torch.float32}
    found, right = vectors(half, pictures), vectors(whole, pictures)
    assert 0 < np.abs(found - right).max() < 0.02
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-6


# --- what learns -------------------------------------------------------------------------------------------

VIT_B_32 = {
    "zero_shot": 0,
    "linear_probe": 655_360,
    "vision_lora": 3_309_568,
    "text_lora": 2_424_832,
    "dual_lora": 5_079_040,
}


@pytest.mark.slow
def test_parameters_that_learn_of_vit_b_32(tmp_path):
    model = CLIPModel(CLIPConfig()).half()
    model.save_pretrained(tmp_path)
    clip_tiny.tokenizer().save_pretrained(tmp_path)
    shutil.copy(_processor(tmp_path, MEAN, STD), tmp_path / "preprocessor_config.json")
    del model
    for scenario, count in VIT_B_32.items():
        encoder = build(Clip(name=str(tmp_path), scenario=scenario), 224, seed=0)
        assert learnt(encoder) == count + (scenario != "zero_shot"), scenario


def _processor(folder: Path, mean: tuple[float, ...], std: tuple[float, ...]) -> Path:
    path = folder / "colours.json"
    path.write_text(json.dumps({"image_mean": mean, "image_std": std}))
    return path


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_only_the_named_towers_learn_by_lora_and_both_maps(checkpoint, pictures, scenario):
    encoder = build(Clip(name=str(checkpoint), scenario=scenario), SIZE, seed=0).train()
    names = {name for name, weight in encoder.named_parameters() if weight.requires_grad}
    maps = set() if scenario == "zero_shot" else {"picture_map.weight", "text_map.weight", "log_scale"}
    assert {name for name in names if "lora_" not in name} == maps
    assert {name.partition(".")[0] for name in names if "lora_" in name} == encoder.learning
    seen = encoder.project_pictures(encoder.picture_features(torch.from_numpy(pictures)))
    read = encoder.project_texts(encoder.text_features(encoder.tokenize(TEXTS)))
    loss = (encoder.log_scale.exp() * seen[:4] @ read.T).exp().sum()
    if names:
        loss.backward()
    reached = {name for name, weight in encoder.named_parameters() if weight.grad is not None}
    assert reached == names


def test_chosen_layers_alone_are_adapted(checkpoint):
    adapter = TowerLora(rank=4, targets=("q_proj", "v_proj"))
    encoder = build(Clip(name=str(checkpoint), adapter=adapter), SIZE, seed=0)
    adapted = {
        name.split(".lora_")[0].rpartition(".")[2]
        for name, _ in encoder.named_parameters()
        if "lora_" in name
    }
    assert adapted == {"q_proj", "v_proj"}


def test_an_adapter_begins_as_nothing(checkpoint, pictures):
    name = str(checkpoint)
    before = vectors(build(Clip(name=name, scenario="zero_shot"), SIZE, seed=0), pictures)
    assert np.array_equal(vectors(build(Clip(name=name), SIZE, seed=3), pictures), before)


def test_the_same_seed_draws_the_same_and_no_other_generator_is_touched(checkpoint):
    torch.manual_seed(9)
    before = torch.get_rng_state()
    first, again, other = (build(Clip(name=str(checkpoint)), SIZE, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    equal = [
        (torch.equal(a, b), torch.equal(a, c))
        for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True)
    ]
    assert all(same for same, _ in equal)
    assert not all(same for _, same in equal)


def test_a_tiny_one_from_nothing_learns_as_a_whole():
    encoder = build(Clip(scenario="zero_shot"), SIZE, seed=0)
    assert all(weight.requires_grad for weight in encoder.parameters())
    assert encoder.learning == {"pictures", "texts"}


def test_scale_and_bias_begin_where_their_loss_does_and_the_scale_has_a_bound(checkpoint):
    name = str(checkpoint)
    softmax, sigmoid = (build(Clip(name=name), SIZE, seed=0, sigmoid=pairs) for pairs in (False, True))
    assert softmax.log_scale.item() == pytest.approx(4.0)  # the checkpoint's own
    assert softmax.bias is None
    assert sigmoid.log_scale.exp().item() == pytest.approx(10.0)
    assert sigmoid.bias.item() == -10.0
    assert sigmoid.bias.requires_grad
    with torch.no_grad():
        softmax.log_scale.fill_(7.0)
    softmax.clamp()
    assert softmax.log_scale.item() == pytest.approx(HIGHEST_SCALE)
    assert build(Clip(), SIZE, seed=0).log_scale.exp().item() == pytest.approx(1 / 0.07, rel=1e-3)


# --- saved and restored ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("kind", ["tiny", "folder"])
def test_restored_bit_by_bit(tmp_path, checkpoint, pretrained, pictures, scenario, kind):
    model = Clip(name="tiny" if kind == "tiny" else str(checkpoint), scenario=scenario)
    start = pretrained if kind == "tiny" else None
    encoder = build(model, SIZE, seed=4, pretrained=start, sigmoid=scenario == "text_lora")
    disturb(encoder)
    save(encoder, tmp_path / "model")
    found = restore(tmp_path / "model", model)
    assert not found.training
    assert found.learning == encoder.learning
    assert np.array_equal(vectors(found, pictures), vectors(encoder, pictures))
    assert torch.equal(found.log_scale, encoder.log_scale)
    if encoder.bias is not None:
        assert torch.equal(found.bias, encoder.bias)
    save(found, tmp_path / "again")
    for path in (tmp_path / "model").rglob("*.*"):
        assert (tmp_path / "again" / path.relative_to(tmp_path / "model")).read_bytes() == path.read_bytes()


def test_a_tiny_one_needs_nothing_beside_its_folder(tmp_path, pretrained, pictures):
    copied = shutil.copytree(pretrained, tmp_path / "pretrained")
    encoder = build(Clip(), SIZE, seed=4, pretrained=copied)
    disturb(encoder)
    save(encoder, tmp_path / "model")
    shutil.rmtree(copied)
    moved = shutil.move(tmp_path / "model", tmp_path / "elsewhere")
    assert np.array_equal(vectors(restore(Path(moved), Clip()), pictures), vectors(encoder, pictures))


def test_an_adapter_says_what_it_belongs_to_and_not_where_that_lies(tmp_path, checkpoint, pictures):
    encoder = build(Clip(name=str(checkpoint)), SIZE, seed=0)
    disturb(encoder)
    save(encoder, tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"clip.json", "learnt.safetensors"}
    assert str(checkpoint.parent) not in (tmp_path / "model" / "clip.json").read_text()
    copied = shutil.copytree(checkpoint, tmp_path / "copy")
    found = restore(tmp_path / "model", Clip(name=str(copied)))
    assert np.array_equal(vectors(found, pictures), vectors(encoder, pictures))


def test_another_base_is_refused(tmp_path, checkpoint):
    save(build(Clip(name=str(checkpoint)), SIZE, seed=0), tmp_path / "model")
    other = shutil.copytree(checkpoint, tmp_path / "other")
    model = CLIPModel.from_pretrained(other)
    with torch.no_grad():
        model.logit_scale += 0.1
    model.save_pretrained(other)
    with pytest.raises(ModelError, match="trained on the base 'theirs', sha256:"):
        restore(tmp_path / "model", Clip(name=str(other)))


def test_from_the_hub_s_cache(tmp_path, monkeypatch, checkpoint, pictures):
    downloaded(empty_hub(tmp_path / "hub", monkeypatch), "them/clip", checkpoint)
    model = Clip(name="them/clip")
    encoder = build(model, SIZE, seed=0)
    assert encoder.origin.identity.startswith("them/clip@0123")
    save(encoder, tmp_path / "model")
    assert np.array_equal(vectors(restore(tmp_path / "model", model), pictures), vectors(encoder, pictures))


def test_preprocessing_goes_beside_the_weights(tmp_path, pretrained):
    from rushes.tasks.catalog.preprocessing import ProductPreprocessing

    told = ProductPreprocessing(size=SIZE)
    save(build(Clip(), SIZE, seed=0, pretrained=pretrained), tmp_path / "model", told)
    text = (tmp_path / "model" / "preprocessing.json").read_text()
    assert ProductPreprocessing.model_validate_json(text) == told


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_merged_it_is_an_ordinary_checkpoint_with_equal_vectors(tmp_path, checkpoint, pictures, scenario):
    encoder = build(Clip(name=str(checkpoint), scenario=scenario), SIZE, seed=0)
    disturb(encoder)
    before = vectors(encoder, pictures)
    merge(encoder, tmp_path / "merged")
    assert np.array_equal(vectors(encoder, pictures), before)
    found = build(Clip(name=str(tmp_path / "merged"), scenario="zero_shot"), SIZE, seed=0)
    assert np.abs(vectors(found, pictures) - before).max() <= 1e-5
    theirs = CLIPModel.from_pretrained(tmp_path / "merged")
    assert torch.equal(theirs.logit_scale, encoder.log_scale)
    tokens = AutoTokenizer.from_pretrained(tmp_path / "merged")(
        list(TEXTS), padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        texts = normalize(theirs.get_text_features(**tokens).pooler_output, dim=-1).numpy()
    assert np.abs(texts - before[len(pictures) :]).max() <= 1e-5
    written = "".join(path.read_text() for path in (tmp_path / "merged").glob("*.json"))
    assert str(checkpoint.parent) not in written


# --- refused -----------------------------------------------------------------------------------------------


def test_pictures_of_another_size_than_the_checkpoint_s_are_refused_before_it_is_loaded(checkpoint):
    with pytest.raises(ModelError, match="sees pictures of 32 pixels, and the dataset has 64") as refused:
        build(Clip(name=str(checkpoint)), 64, seed=0)
    assert refused.value.cure == "write preprocessing.size: 32"


def _without_weights(folder: Path) -> None:
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _another_kind(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "siglip"}))


def _code_of_theirs(folder: Path) -> None:
    told = {"auto_map": {"AutoTokenizer": [None, "evil.Evil"]}, "tokenizer_class": "Evil"}
    (folder / "evil.py").write_text("raise SystemExit('it ran')")
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    (folder / "tokenizer.json").unlink()


def _without_a_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop("text_projection.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _torn(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _without_colours(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_without_weights, "no safetensors, and pickled weights are not read"),
        (_another_kind, "it is a siglip"),
        (_code_of_theirs, "cannot load a CLIP"),
        (_without_a_tensor, "1 tensors are missing, text_projection.weight among them"),
        (_torn, "cannot load a CLIP"),
        (_without_colours, "does not say how colours enter"),
    ],
)
def test_a_checkpoint_that_cannot_be_trusted_is_refused(tmp_path, checkpoint, damage, told):
    folder = shutil.copytree(checkpoint, tmp_path / "theirs")
    damage(folder)
    with pytest.raises(ModelError, match=told):
        build(Clip(name=str(folder)), SIZE, seed=0)


def _rewritten(folder: Path, **told: object) -> None:
    found = json.loads((folder / "clip.json").read_text())
    (folder / "clip.json").write_text(json.dumps({**found, **told}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "learnt.safetensors").unlink(),
        lambda folder: (folder / "clip.json").unlink(),
        lambda folder: _rewritten(folder, format=2),
        lambda folder: _rewritten(folder, scenario="vision_lora"),
        lambda folder: _rewritten(folder, sigmoid=True),
        lambda folder: (folder / "learnt.safetensors").write_bytes(b"\x80\x04pickle"),
    ],
    ids=["weights", "description", "format", "scenario", "loss", "pickle"],
)
def test_a_damaged_folder_is_refused(tmp_path, checkpoint, damage):
    model = Clip(name=str(checkpoint))
    save(build(model, SIZE, seed=0), tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(ModelError, match="no trained net"):
        restore(tmp_path / "model", model)
