import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from rushes.errors import ModelError
from rushes.models import trained
from rushes.models import vlm as family
from rushes.models.base import Base
from rushes.models.memory import RELEASED
from rushes.models.vlm import Vlm
from rushes.recipe.turns import Turn
from rushes.stages import weights_sha256
from rushes.tasks.operations.preprocessing import ClipPreprocessing

SEVEN = ("q", "k", "v", "o", "gate", "up", "down")


def logits_of(vlm, batch):
    vlm.model.eval()
    with torch.inference_mode():
        return family.forward(vlm, batch)[0]


def differing(first, second):
    return {name for name in first if not torch.equal(first[name], second[name])}


@pytest.fixture
def base(vlm, tmp_path):
    """The folder of a saved model."""
    folder = tmp_path / "base"
    trained.save(vlm, folder)
    return folder


@pytest.fixture
def adapted(base, preprocessing):
    """A model with LoRA that has learnt something."""
    vlm = family.adapt(family.load(str(base), preprocessing), rank=4, alpha=8, dropout=0.1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in vlm.model.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1)
    return vlm


# Loss


def library_loss(vlm, batch):
    labels = torch.where(batch["taught"], batch["ids"], -100)
    return vlm.model(
        input_ids=batch["ids"],
        position_ids=batch["positions"],
        attention_mask={"full_attention": batch["mask"]},
        pixel_values_videos=batch["patches"],
        video_grid_thw=batch["grids"],
        labels=labels,
    ).loss


def test_loss_is_the_librarys(vlm, make_batch, turns):
    """Other path throughout: pixels through the library's tower, all positions through the head."""
    batch, _ = make_batch(vlm, [turns, turns[:1]], [(56, 84), (84, 56)])
    loss_sum, weight = family.loss(vlm, batch)
    assert weight == batch["taught"].sum() == 7
    theirs = library_loss(vlm, batch)
    assert (loss_sum / weight).item() == pytest.approx(theirs.item(), abs=1e-5)
    vlm.model.zero_grad()
    (loss_sum / weight).backward()
    ours = {name: weight.grad.clone() for name, weight in vlm.model.named_parameters()}
    vlm.model.zero_grad()
    theirs.backward()
    for name, parameter in vlm.model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-5, rtol=1e-3, msg=name)


def test_kept_positions_are_those_of_all_logits(shared_vlm, make_batch, turns):
    batch, _ = make_batch(shared_vlm, [turns, turns[:1]])
    everything = logits_of(shared_vlm, batch)
    keep = torch.zeros_like(batch["taught"])
    keep[0, [0, 5, 7]] = keep[1, 3] = True
    with torch.inference_mode():
        masked, _ = family.forward(shared_vlm, batch, keep=keep)
        last, _ = family.forward(shared_vlm, batch, keep=2)
    assert masked.shape == (4, everything.shape[-1])
    torch.testing.assert_close(masked, everything[keep], atol=1e-5, rtol=0)
    torch.testing.assert_close(last, everything[:, -2:], atol=1e-5, rtol=0)


def test_a_batch_without_anything_taught_costs_nothing(shared_vlm, make_batch, preprocessing):
    batch, _ = make_batch(shared_vlm, [[(1, Turn(preprocessing.question))]])
    loss_sum, weight = family.loss(shared_vlm, batch)
    assert (loss_sum.item(), weight.item()) == (0.0, 0)


# Names and folders


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-VL-2B", "Qwen/Qwen2.5-VL-2B-Instruct", "qwen2.5-vl"])
def test_a_name_that_was_never_released_is_refused(name, preprocessing):
    for asked in (lambda: family.check_name(name), lambda: family.load(name, preprocessing)):
        with pytest.raises(ModelError, match="was ever released") as caught:
            asked()
        assert re.search(r"Qwen/Qwen2\.5-VL-(3|7|32|72)B-Instruct", caught.value.cure)
        assert caught.value.where == "model.name"


@pytest.mark.parametrize("name", ["tiny", *family.RELEASED, "someone/Qwen2.5-VL-7B-packing", "other/model"])
def test_other_names_are_left_to_the_hub(name):
    family.check_name(name)


def test_a_folder_may_have_any_name(base, preprocessing, tmp_path):
    folder = base.rename(tmp_path / "Qwen2.5-VL-2B")
    assert family.load(str(folder), preprocessing).model is not None


def break_nothing_there(folder):
    for path in folder.iterdir():
        path.unlink()


def break_config(folder):
    (folder / "config.json").write_text("{")


def break_architecture(folder):
    (folder / "config.json").write_text(BertConfig(vocab_size=20).to_json_string())


def break_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def break_header(folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)


def break_no_weights(folder):
    (folder / "model.safetensors").unlink()


def break_some_weights(folder):
    weights = load_file(folder / "model.safetensors")
    save_file({name: weights[name] for name in sorted(weights)[::2]}, folder / "model.safetensors")


def break_other_size(folder):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] += 8
    (folder / "config.json").write_text(json.dumps(config))


def break_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{")


BROKEN = [value for name, value in list(globals().items()) if name.startswith("break_")]


@pytest.mark.parametrize("damage", BROKEN, ids=lambda damage: damage.__name__)
def test_a_broken_folder_is_refused(base, preprocessing, damage):
    """A tensor that is not there must not be drawn at random instead."""
    damage(base)
    with pytest.raises(ModelError) as caught:
        family.load(str(base), preprocessing)
    assert caught.value.cure


def test_a_pickle_is_not_read(base, preprocessing):
    weights = load_file(base / "model.safetensors")
    (base / "model.safetensors").unlink()
    torch.save(weights, base / "pytorch_model.bin")
    with pytest.raises(ModelError):
        family.load(str(base), preprocessing)


def test_another_architecture_is_refused_before_it_is_built(base, preprocessing):
    break_architecture(base)
    with pytest.raises(ModelError, match="it is a bert"):
        family.load(str(base), preprocessing)


# LoRA


def test_lora_is_on_the_language_model_alone(vlm, adapted):
    touched = {
        name.rsplit(".lora_", 1)[0] for name, _ in adapted.model.named_parameters() if ".lora_" in name
    }
    layers = len(vlm.base.model.language_model.layers)
    assert len(touched) == 7 * layers
    assert all("language_model" in name and "visual" not in name for name in touched)
    assert {name.rsplit(".", 1)[1] for name in touched} == {f"{part}_proj" for part in SEVEN}
    trained = {name for name, weight in adapted.model.named_parameters() if weight.requires_grad}
    assert trained == {name for name, _ in adapted.model.named_parameters() if ".lora_" in name}


def test_training_lora_leaves_the_base_alone(base, preprocessing, make_batch, turns):
    vlm = family.adapt(family.load(str(base), preprocessing), rank=4, alpha=8, dropout=0.0)
    batch, _ = make_batch(vlm, [turns])
    before = {name: weight.clone() for name, weight in vlm.model.named_parameters()}
    loss_sum, _ = family.loss(vlm, batch)
    loss_sum.backward()
    torch.optim.SGD([w for w in vlm.model.parameters() if w.requires_grad], lr=0.1).step()
    changed = differing(before, dict(vlm.model.named_parameters()))
    assert changed == {name for name in before if "lora_B" in name}  # B starts at zero, so A has no gradient


def test_an_adapter_comes_back(adapted, base, preprocessing, tmp_path, make_batch, turns):
    batch, _ = make_batch(adapted, [turns])
    expected = logits_of(adapted, batch)
    assert not torch.allclose(expected, logits_of(family.load(str(base), preprocessing), batch), atol=1e-3)
    folder = tmp_path / "model"
    trained.save(adapted, folder)
    assert not (folder / "model.safetensors").exists()
    restored = trained.restore(folder, ClipPreprocessing, base=Base(str(base)))
    assert restored.preprocessing == preprocessing
    assert torch.equal(logits_of(restored, batch), expected)


def test_three_billion_parameters_and_their_lora(preprocessing, shared_vlm):
    """Exact sizes of the released 3B checkpoint, without its weights."""
    layers, hidden, mlp, heads, key_value, vocabulary, tied, vision_mlp = RELEASED["3B"]
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": hidden,
            "intermediate_size": mlp,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": key_value,
            "vocab_size": vocabulary,
        },
        vision_config={
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": vision_mlp,
            "num_heads": 16,
            "out_hidden_size": hidden,
        },
        tie_word_embeddings=tied,
    )
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(config)
    assert sum(weight.numel() for weight in model.parameters()) / 1e6 == pytest.approx(3754.6, abs=0.05)
    adapted = family.adapt(Vlm(model, shared_vlm.tokenizer, preprocessing), rank=16, alpha=32, dropout=0.05)
    trained = sum(weight.numel() for weight in adapted.model.parameters() if weight.requires_grad)
    assert trained == 29_933_568


# What train wrote


def no_contract(folder):
    (folder / trained.PREPROCESSING_FILE).unlink()


def broken_contract(folder):
    (folder / trained.PREPROCESSING_FILE).write_text('{"frames": 3}')


def broken_card(folder):
    (folder / "adapter_config.json").write_text("{")


def empty_card(folder):
    (folder / "adapter_config.json").write_text("{}")


def no_origin(folder):
    (folder / trained.BASE_FILE).unlink()


def origin_without_identity(folder):
    (folder / trained.BASE_FILE).write_text('{"name": "base"}')


def no_adapter(folder):
    (folder / "adapter_model.safetensors").unlink()


def torn_adapter(folder):
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def adapter_of_another_rank(folder):
    card = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(card | {"r": 3}))


def adapter_in_part(folder):
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({name: weights[name] for name in sorted(weights)[::2]}, path)


WRONG = [
    no_contract,
    broken_contract,
    broken_card,
    empty_card,
    no_origin,
    origin_without_identity,
    no_adapter,
    torn_adapter,
    adapter_of_another_rank,
    adapter_in_part,
]


@pytest.mark.parametrize("damage", WRONG, ids=lambda damage: damage.__name__)
def test_a_wrong_folder_is_not_restored(adapted, base, tmp_path, damage):
    trained.save(adapted, tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(ModelError) as caught:
        trained.restore(tmp_path / "model", ClipPreprocessing, base=Base(str(base)))
    assert caught.value.cure


def test_an_adapter_without_its_base_is_not_restored(adapted, base, tmp_path):
    trained.save(adapted, tmp_path / "model")
    base.rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError) as caught:
        trained.restore(tmp_path / "model", ClipPreprocessing, base=Base(str(base)))
    assert str(base) in str(caught.value)


def test_weights_have_one_checksum(vlm, tmp_path):
    sums = []
    for name in ("a", "b"):
        trained.save(vlm, tmp_path / name)
        sums.append(weights_sha256(tmp_path / name))
    assert sums[0] == sums[1]
    with torch.no_grad():
        next(vlm.model.parameters()).add_(1e-3)
    trained.save(vlm, tmp_path / "b")
    assert weights_sha256(tmp_path / "b") != sums[0]


def test_four_bit_is_for_the_language_layers_alone(base, preprocessing):
    quantised = pytest.importorskip("bitsandbytes").nn.Linear4bit
    vlm = family.load(str(base), preprocessing, nf4=True)
    names = {name for name, module in vlm.model.named_modules() if isinstance(module, quantised)}
    assert len(names) == 7 * len(vlm.base.model.language_model.layers)
    assert all("language_model" in name and "visual" not in name for name in names)
