import json
import re
from dataclasses import replace

import pytest
import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from rushes.errors import ModelError
from rushes.models import trained
from rushes.models import vlm as family
from rushes.models.memory import GIB, NF4_BYTES, RELEASED, Sizes, Tower, estimate_training, lengths
from rushes.tasks.operations.preprocessing import ClipPreprocessing

THREE = "Qwen/Qwen2.5-VL-3B-Instruct"


@pytest.fixture(scope="module")
def words() -> ClipPreprocessing:
    return ClipPreprocessing(labels=("Picking", "Relocate Item Label", "Assemble Box"))


def items(*arguments, **changes):
    return dict(estimate_training(*arguments, **changes).items)


@pytest.mark.parametrize(
    ("name", "millions"), [("3B", 3754.6), ("7B", 8292.2), ("32B", 33452.7), ("72B", 73410.8)]
)
def test_sizes_of_released_names(name, millions):
    layers, hidden, mlp, heads, key_value, vocabulary, tied, vision_mlp = RELEASED[name]
    sizes = Sizes(
        Tower(layers, hidden, mlp, hidden // heads * key_value),
        Tower(32, 1280, vision_mlp, 1280),
        vocabulary,
        tied,
    )
    assert sizes.parameters / 1e6 == pytest.approx(millions, abs=0.06)


def test_sizes_count_exactly_the_parameters_of_any_configuration():
    for changes in ({"tie_word_embeddings": True}, {"tie_word_embeddings": False}):
        config = Qwen2_5_VLConfig(
            text_config={
                "hidden_size": 96,
                "intermediate_size": 200,
                "num_hidden_layers": 3,
                "num_attention_heads": 6,
                "num_key_value_heads": 2,
                "vocab_size": 111,
                "bos_token_id": None,
                "eos_token_id": None,
            },
            vision_config={
                "depth": 2,
                "hidden_size": 48,
                "intermediate_size": 70,
                "num_heads": 4,
                "out_hidden_size": 96,
            },
            **changes,
        )
        with torch.device("meta"):
            model = Qwen2_5_VLForConditionalGeneration(config)
        assert Sizes.of(config.to_dict()).parameters == sum(p.numel() for p in model.parameters())


def test_tiny_and_a_folder_have_the_same_sizes(preprocessing, vlm, tmp_path):
    trained.save(vlm, tmp_path)
    by_name = estimate_training("tiny", preprocessing, 2, None, False)
    assert by_name.parameters == by_name.trained == sum(p.numel() for p in vlm.model.parameters())
    assert estimate_training(str(tmp_path), preprocessing, 2, None, False).parameters == by_name.parameters


def test_published_configurations_are_flat(tmp_path, words):
    layers, hidden, mlp, heads, key_value, vocabulary, tied, vision_mlp = RELEASED["3B"]
    flat = {
        "hidden_size": hidden,
        "intermediate_size": mlp,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_value,
        "vocab_size": vocabulary,
        "tie_word_embeddings": tied,
        "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": vision_mlp},
    }
    (tmp_path / "config.json").write_text(json.dumps(flat))
    assert estimate_training(str(tmp_path), words, 2, 16, True) == estimate_training(
        THREE, words, 2, 16, True
    )


def test_terms_of_the_cost_model(words):
    """Figures of the cost model for the 3B model under QLoRA: 1.33, 0.58, 1.25 and 0.45 GiB."""
    held = items(THREE, words, 1, 16, True)
    assert held["language layers in NF4"] == pytest.approx(1.33, abs=0.01)
    assert held["vocabulary"] == pytest.approx(0.58, abs=0.005)
    assert held["vision tower"] == pytest.approx(1.25, abs=0.005)
    assert held["LoRA with gradients and Adam"] == pytest.approx(0.45, abs=0.005)
    assert held["pictures"] == pytest.approx(10.8e6 / GIB, rel=0.01)
    whole = items(THREE, words, 1, 16, False)
    assert whole["language layers"] == pytest.approx(2774.5e6 * 2 / GIB, rel=0.001)
    assert pytest.approx(0.516, abs=0.001) == NF4_BYTES


def test_what_more_clips_and_more_of_a_clip_cost(words):
    one, four = (estimate_training(THREE, words, size, 16, False).peak_gib for size in (1, 4))
    wide = estimate_training(THREE, words, 4, 16, False, precision="float32").peak_gib
    assert one < four < wide
    assert four - one < 3 * one  # weights are there once


def test_line_for_people(words):
    line = estimate_training(THREE, words, 2, 16, True).text()
    assert "\n" not in line
    assert re.match(r"about \d+\.\d GiB of memory: language layers in NF4 1\.3 GiB", line)
    assert line.endswith("29.9 of 3,784.6 M parameters are trained, in bfloat16")


@pytest.mark.parametrize("name", ["someone/model", "Qwen/Qwen2.5-VL-2B-Instruct"])
def test_name_without_a_size_is_refused(name, words):
    with pytest.raises(ModelError, match="does not say how large") as caught:
        estimate_training(name, words, 1, 16, False)
    assert "3B" in caught.value.cure


@pytest.mark.parametrize("content", [None, "{", "[]", '{"hidden_size": 8}'])
def test_folder_without_a_configuration_is_refused(tmp_path, content, words):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match="no configuration"):
        estimate_training(str(tmp_path), words, 1, 16, False)


def saved_bytes(vlm, batch):
    """Bytes that autograd keeps for one backward pass, parameters and pictures aside."""
    known = {p.untyped_storage().data_ptr() for p in vlm.model.parameters()}
    known |= {tensor.untyped_storage().data_ptr() for tensor in batch.values()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        family.loss(vlm, batch)
    return sum(size for size, _ in kept.values())


def test_what_a_trained_layer_keeps_is_what_autograd_saves(vlm, make_batch, turns):
    batch, _ = make_batch(vlm, [turns[:1], turns[1:2]])
    sizes = Sizes.of(vlm.base.config.to_dict())
    language = sizes.language.layers * sizes.language.trained_elements() * batch["ids"].numel()
    vision = sizes.vision.layers * sizes.vision.trained_elements() * len(batch["patches"])
    assert 4 * (language + vision) == pytest.approx(saved_bytes(vlm, batch), rel=0.1)


def test_what_a_layer_with_lora_keeps_is_what_autograd_saves(vlm, make_batch, turns):
    batch, _ = make_batch(vlm, [turns[:1], turns[1:2]])
    adapted = family.adapt(vlm, rank=4, alpha=8, dropout=0.05)
    adapted.model.train()
    tower = Sizes.of(vlm.base.config.to_dict()).language
    on_cpu = 3 * (tower.mlp + 6 * tower.hidden)  # where a dropout mask is float32, not one byte
    kept = (tower.lora_bytes(4) + on_cpu) * tower.layers * batch["ids"].numel()
    assert kept == pytest.approx(saved_bytes(adapted, batch), rel=0.1)


@pytest.mark.parametrize("marked", [True, False])
def test_tokens_of_the_estimate_are_those_of_a_real_batch(preprocessing, vlm, make_batch, marked):
    """A question behind every pair of frames."""
    preprocessing = preprocessing.model_copy(update={"time_marks": marked})
    turns = [(pair, preprocessing.turn("Label", "Label")) for pair in (0, 1)]
    batch, clips = make_batch(replace(vlm, preprocessing=preprocessing), [turns])
    tokens, scored, patches = lengths(preprocessing, lambda text: len(vlm.tokenizer.encode(text)))
    assert tokens == len(clips[0].ids)
    assert scored == clips[0].taught.sum()
    assert patches == len(batch["patches"])
