"""Two frozen encoders as a CLIP: their numbers stay, maps alone learn, and others than expected are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from rushes.errors import ModelError
from rushes.models.clip import build, merge, restore, save
from rushes.models.encoder import encoder
from rushes.models.once import Once
from rushes.models.sentences import sentences
from rushes.recipe.clip import LOCKED_PICTURES, LOCKED_WIDTH, Clip
from rushes.recipe.frozen import SENTENCE_PACKAGES, SENTENCES, missing_packages

torch.set_num_threads(1)
pytestmark = pytest.mark.skipif(
    bool(missing_packages(*SENTENCE_PACKAGES)), reason="the encoders are not installed"
)

SIZE = 72
TEXTS = ("a green chair", "ein grüner Stuhl", "")


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)


def locked(scenario: str = "linear_probe") -> Clip:
    return Clip(name="locked", scenario=scenario)


def test_features_are_those_of_the_encoders(pictures):
    model = build(locked(), SIZE, seed=0).eval()
    seen = model.picture_features(torch.from_numpy(pictures))
    read = model.text_features(model.tokenize(TEXTS))
    assert np.array_equal(seen.numpy(), encoder(LOCKED_PICTURES).encode(pictures))
    assert np.array_equal(read.numpy(), sentences()(TEXTS))
    assert (seen.shape[1], read.shape[1]) == (LOCKED_PICTURES.width, SENTENCES.width)


def test_models_of_a_process_compute_a_picture_once():
    before, after = (build(locked(scenario), SIZE, seed=0) for scenario in ("zero_shot", "linear_probe"))
    assert isinstance(after.pictures.encode, Once)
    assert after.pictures.encode is before.pictures.encode


def test_languages_meet_before_anything_is_trained():
    english, german, other = sentences()(["a green chair", "ein grüner Stuhl", "a letter to the tax office"])
    assert english @ german > 0.7 > 0.3 > english @ other


def test_a_sentence_does_not_depend_on_those_beside_it():
    texts = [f"{word} chair of oak" for word in ("green", "old", "small")] * 60
    assert np.abs(sentences()(texts) - np.concatenate([sentences()([text]) for text in texts])).max() < 1e-6
    assert sentences()([]).shape == (0, SENTENCES.width)


@pytest.mark.parametrize("scenario", ["zero_shot", "linear_probe"])
def test_maps_alone_learn(scenario):
    model = build(locked(scenario), SIZE, seed=0)
    learnt = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    maps = LOCKED_WIDTH * (LOCKED_PICTURES.width + SENTENCES.width)
    assert learnt == (0 if scenario == "zero_shot" else maps + 1)
    assert model.learning == frozenset()


def test_maps_leave_features_out_at_random_while_they_learn_alone():
    model = build(locked(), SIZE, seed=0).train()
    features = torch.rand(64, SENTENCES.width)
    first, again = (model.project_texts(features) for _ in range(2))
    assert not torch.equal(first, again)
    model.eval()
    assert torch.equal(model.project_texts(features), model.project_texts(features))


@pytest.mark.parametrize("scenario", ["zero_shot", "linear_probe"])
def test_restored_bit_by_bit(tmp_path, pictures, scenario):
    model = build(locked(scenario), SIZE, seed=6, sigmoid=True)
    with torch.no_grad():
        model.bias += 1.0
    save(model, tmp_path / "model")
    found = restore(tmp_path / "model", locked(scenario))
    assert np.array_equal(found.embed_pictures(pictures), model.embed_pictures(pictures))
    assert np.array_equal(found.embed_texts(TEXTS), model.embed_texts(TEXTS))
    assert found.bias.item() == -9.0


def test_it_is_no_checkpoint_of_a_clip(tmp_path):
    with pytest.raises(ModelError, match="locked has encoders of its own"):
        merge(build(locked(), SIZE, seed=0), tmp_path / "merged")


def test_maps_of_other_encoders_are_refused(tmp_path):
    save(build(locked(), SIZE, seed=0), tmp_path / "model")
    path = tmp_path / "model" / "clip.json"
    told = json.loads(path.read_text())
    told["origin"]["identity"] = "sha256:" + "0" * 64
    path.write_text(json.dumps(told))
    with pytest.raises(ModelError, match="trained on the base 'locked', sha256:0000"):
        restore(tmp_path / "model", locked())


def test_weights_of_another_content_are_refused():
    other = SENTENCES.model_copy(update={"weights": "0" * 64})
    with pytest.raises(
        ModelError, match=r"weights\.npz of universal-.* has sha256 0db566.*, 0{12}\.\.\. is expected"
    ):
        sentences(other)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr("rushes.models.sentences.SENTENCE_PACKAGES", ("sentences_nowhere",))
    with pytest.raises(ModelError, match="needs sentences_nowhere") as refused:
        sentences(SENTENCES.model_copy(update={"longest": 7}))
    assert refused.value.cure == "pip install 'rushes[locked]'"


def test_a_text_that_is_too_long_is_cut_and_counted():
    model = build(locked(), SIZE, seed=0)
    fits = "oak " * (SENTENCES.longest // 4)
    assert model.count_cut([fits, fits + "and pine", "oak"]) == 1
    first, second = model.embed_texts([fits, fits + "and pine"])
    assert np.allclose(first, second, atol=1e-6)
