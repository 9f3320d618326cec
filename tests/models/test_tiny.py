import string

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration

from rushes.models import tiny, trained
from rushes.models import vlm as family
from rushes.models.chat import TURN, USER
from rushes.tasks.operations.preprocessing import ClipPreprocessing


def test_every_piece_of_the_contract_is_one_token(preprocessing):
    words = tiny.tokenizer(preprocessing)
    pieces = [piece for piece in dict.fromkeys(preprocessing.texts()) if piece]
    assert {*preprocessing.labels, *preprocessing.moments(), preprocessing.question} < set(pieces)
    for piece in pieces:
        assert len(words.encode(piece)) == 1, piece
        assert words.decode(words.encode(piece)) == piece
    assert len({tuple(words.encode(piece)) for piece in pieces}) == len(pieces)
    assert len(words.encode(USER)) <= 2
    assert len(words.encode(TURN)) <= 4


def test_any_text_comes_back(preprocessing):
    words = tiny.tokenizer(preprocessing)
    rng = np.random.default_rng(0)
    letters = [
        *string.ascii_letters,
        *string.digits,
        *string.punctuation,
        " ",
        "\n",
        *preprocessing.labels,
        USER,
    ]
    for _ in range(300):
        text = "".join(rng.choice(letters, rng.integers(1, 40)))
        assert words.decode(words.encode(text)) == text
    assert words.unk_token_id in words.encode("Größe")


def test_parameters_are_few_and_of_the_real_architecture(shared_vlm):
    model = shared_vlm.base
    assert isinstance(model, Qwen2_5_VLForConditionalGeneration)
    assert 1e6 < sum(weight.numel() for weight in model.parameters()) < 4e6
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_the_seed_decides_and_nothing_else(preprocessing):
    before = torch.get_rng_state()
    first, again, other = (tiny.build(preprocessing, seed)[0].state_dict() for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if name.endswith("proj.weight"))


def test_near_moments_are_near_vectors(preprocessing):
    model, words = tiny.build(preprocessing, seed=0)
    ids = words.convert_tokens_to_ids(list(preprocessing.moments()))
    vectors = model.get_input_embeddings().weight.detach()[ids]
    distances = torch.cdist(vectors, vectors)
    assert distances[0, 1:].argmin() == 0
    assert set(distances[20].argsort()[1:3].tolist()) == {19, 21}


def test_a_saved_model_is_an_ordinary_checkpoint(preprocessing, vlm, tmp_path, make_batch, turns):
    trained.save(vlm, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "preprocessing.json"} <= names
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in names)
    batch, _ = make_batch(vlm, [turns])
    with torch.inference_mode():
        expected = family.forward(vlm, batch)[0]
        assert torch.equal(family.forward(trained.restore(tmp_path, ClipPreprocessing), batch)[0], expected)
        assert torch.equal(family.forward(family.load(str(tmp_path), preprocessing), batch)[0], expected)
        by_hand = Qwen2_5_VLForConditionalGeneration.from_pretrained(tmp_path)
        ordinary = by_hand(
            input_ids=batch["ids"],
            position_ids=batch["positions"],
            attention_mask={"full_attention": batch["mask"]},
            pixel_values_videos=batch["patches"],
            video_grid_thw=batch["grids"],
        ).logits
    torch.testing.assert_close(ordinary, expected, atol=1e-5, rtol=0)
    words = AutoTokenizer.from_pretrained(tmp_path)
    assert words.get_vocab() == vlm.tokenizer.get_vocab()
    assert words.encode("Zip Pick 2.4") == vlm.tokenizer.encode("Zip Pick 2.4")


def test_labels_may_hold_each_other():
    preprocessing = ClipPreprocessing(labels=("Label", "Attach Label", "Attach", "Box", "Attach Box Label"))
    words = tiny.tokenizer(preprocessing)
    assert all(len(words.encode(label)) == 1 for label in preprocessing.labels)


@pytest.mark.parametrize("text", ["<|im_end|>", "<|endoftext|>"])
def test_special_tokens_are_special(shared_vlm, text):
    assert len(shared_vlm.tokenizer.encode(text)) == 1
    assert shared_vlm.tokenizer.decode(shared_vlm.tokenizer.encode(text), skip_special_tokens=True) == ""
